#!/usr/bin/env bash
# Makes what tests/svm/suite.py runs zeroboot on: Debian's cloud kernel with
# kvm-amd for qemu-system-x86_64, and disks with the binaries and images.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin

kernel=build/cache/svm
out=build/tests/svm

# Static programs that run inside, beside what suite.py sends: each must end
# with 0. FILE [ARGUMENT...]; /tmp/t holds the templates, /disk the images.
programs=(
)
# What else they read, in /test.
files=(build/tests/guest.img build/tests/root/bin/traps build/tests/hostile/hostile.img)

fail() {
	echo "zeroboot: test: svm: $*" >&2
	exit 1
}

# The package, unpacked and not installed: this machine's boot stays as it is.
fetch_kernel() {
	local package
	[ -e $kernel/.done ] && return
	rm -rf $kernel
	mkdir -p $kernel
	apt-cache show linux-image-cloud-amd64 >/dev/null 2>&1 || apt-get update
	package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
	(cd $kernel && apt-get -o APT::Sandbox::User=root download "$package")
	dpkg-deb -x $kernel/*.deb $kernel
	rm $kernel/*.deb
	touch $kernel/.done
}

# What insmod takes, each after what it needs.
modules=(
	virt/lib/irqbypass arch/x86/kvm/kvm arch/x86/kvm/kvm-amd
	drivers/virtio/{virtio_ring,virtio,virtio_pci_modern_dev,virtio_pci_legacy_dev,virtio_pci}
	drivers/block/virtio_blk net/core/failover drivers/net/{net_failover,virtio_net}
)

make_initramfs() {
	local root=$out/initramfs module program
	rm -rf $root
	mkdir -p $root/{bin,dev,disk,modules,proc,sys,test,tmp}
	cp /bin/busybox $root/bin/
	cp tests/svm/init $root/init
	cp build/release/zeroboot "${files[@]}" $root/test/
	cp build/debug/zeroboot $root/test/zeroboot-debug
	for program in "${programs[@]}"; do
		cp "${program%% *}" $root/test/
		echo "$(basename "${program%% *}")${program#"${program%% *}"}" >>$root/test/programs
	done
	for module in "${modules[@]}"; do
		cp $kernel/lib/modules/*/kernel/"$module".ko $root/modules/
		echo "${module##*/}.ko" >>$root/modules/order
	done
	(cd $root && find . | busybox cpio -o -H newc 2>/dev/null) >$out/initramfs.cpio
}

# The images, which are too large for an initramfs; made again when they are.
make_disk() {
	local root=$out/disk
	[ $out/disk.ext4 -nt build/python.img ] && [ $out/disk.ext4 -nt build/node.img ] && return
	rm -rf $root $out/disk.ext4
	mkdir -p $root
	ln build/python.img build/node.img $root/
	mke2fs -q -t ext4 -O ^has_journal -m 0 -d $root $out/disk.tmp "$(($(du -sm $root | cut -f 1) * 105 / 100 + 16))m"
	mv $out/disk.tmp $out/disk.ext4
}

for command in qemu-system-x86_64 busybox mke2fs; do
	command -v $command >/dev/null || fail "$command is missing: deploy/setup.sh test installs it"
done
mkdir -p $out
# Static, whatever ./zeroboot is.
env -u MAKEFLAGS -u MODE -u SANITIZE make -s build/release/zeroboot || fail "the build fails"
env -u MAKEFLAGS -u MODE -u SANITIZE make -s MODE=debug build/debug/zeroboot || fail "the debug build fails"
env -u MODE tests/hostile/build.sh image || fail "the hostile guest does not build"
fetch_kernel || fail "the kernel cannot be fetched"
make_initramfs || fail "the initramfs cannot be made"
make_disk || fail "the disk cannot be made"
