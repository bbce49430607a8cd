#!/usr/bin/env bash
# Makes what tests/svm/suite.py runs zeroboot on: Debian's cloud kernel with
# kvm-amd for qemu-system-x86_64, and disks with the binaries and images.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/emulated/build.sh svm

# Static programs that run inside, beside what suite.py sends: each must end
# with 0. FILE [ARGUMENT...]; /tmp/t holds the templates, /disk the images.
programs=(
)
# What else they read, in /test.
files=(build/tests/guest.img build/tests/root/bin/traps build/tests/hostile/hostile.img)

modules=(
	virt/lib/irqbypass arch/x86/kvm/kvm arch/x86/kvm/kvm-amd
	drivers/virtio/{virtio_ring,virtio,virtio_pci_modern_dev,virtio_pci_legacy_dev,virtio_pci}
	drivers/block/virtio_blk net/core/failover drivers/net/{net_failover,virtio_net}
)

make_initramfs() {
	local root=$out/initramfs program
	make_initramfs_root "${modules[@]}"
	cp build/release/zeroboot "${files[@]}" $root/test/
	cp build/debug/zeroboot $root/test/zeroboot-debug
	for program in "${programs[@]}"; do
		cp "${program%% *}" $root/test/
		echo "$(basename "${program%% *}")${program#"${program%% *}"}" >>$root/test/programs
	done
	pack_initramfs
}

# The images, which are too large for an initramfs; made again when they are.
make_disk() {
	local root=$out/disk
	[ $out/disk.ext4 -nt build/python.img ] && [ $out/disk.ext4 -nt build/node.img ] && return
	rm -rf $root $out/disk.ext4
	mkdir -p $root
	ln build/python.img build/node.img $root/
	pack_disk
}

need_commands qemu-system-x86_64 busybox mke2fs
mkdir -p $out
build_binaries
fetch_kernel || fail "the kernel cannot be fetched"
make_initramfs || fail "the initramfs cannot be made"
make_disk || fail "the disk cannot be made"
