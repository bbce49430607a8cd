# What tests/svm/build.sh and tests/vmx/build.sh share: Debian's cloud kernel, an
# initramfs of busybox and modules, a disk. `. build.sh SUITE`, in the top folder.
# shellcheck shell=bash
PATH=$PATH:/usr/sbin
. appliance/kernel.sh
suite=$1
kernel=build/cache/svm
out=build/tests/$suite

fail() {
	echo "zeroboot: test: $suite: $*" >&2
	exit 1
}

need_commands() { # command...
	local command
	for command; do
		command -v "$command" >/dev/null || fail "$command is missing: deploy/setup.sh test installs it"
	done
}

# Static, whatever ./zeroboot is.
build_binaries() {
	env -u MAKEFLAGS -u MODE -u SANITIZE make -s build/release/zeroboot || fail "the build fails"
	env -u MAKEFLAGS -u MODE -u SANITIZE make -s MODE=debug build/debug/zeroboot || fail "the debug build fails"
	env -u MODE tests/hostile/build.sh image || fail "the hostile guest does not build"
}

# A program that goes by its CPU, and its image.
build_choose() {
	mkdir -p "$out/choose"
	gcc -std=gnu11 -O1 -Wall -Wextra -Werror -static -o "$out/choose/choose" tests/emulated/choose.c
	build/release/zeroboot image build -o "$out/choose.img" "$out/choose"
}

# busybox, tests/$suite/init, and what insmod takes, each after what it needs.
make_initramfs_root() { # module...
	local root=$out/initramfs module
	rm -rf "$root"
	mkdir -p "$root"/{bin,dev,disk,modules,proc,sys,tmp}
	ln -s disk/test "$root/test"
	cp /bin/busybox "$root/bin/"
	cp "tests/$suite/init" "$root/init"
	for module; do
		# Types and signatures are checked when a module is loaded, at length.
		objcopy -g -R .BTF $kernel/lib/modules/*/kernel/"$module".ko "$root/modules/${module##*/}.ko"
		echo "${module##*/}.ko" >>"$root/modules/order"
	done
}

# Whole or not at all: tests/inside keeps it.
pack_initramfs() {
	(cd "$out/initramfs" && find . | busybox cpio -o -H newc 2>/dev/null) >"$out/initramfs.new" || return
	mv "$out/initramfs.new" "$out/initramfs.cpio"
}

# $out/disk.ext4: what is too large for an initramfs: binaries, as /test, and images.
make_disk() { # image...
	local root=$out/disk image
	rm -rf "$root"
	mkdir -p "$root/test"
	for image; do ln "$image" "$root/"; done
	cp build/release/zeroboot build/tests/guest.img build/tests/root/bin/traps build/tests/hostile/hostile.img "$root/test/"
	cp build/debug/zeroboot "$root/test/zeroboot-debug"
	mke2fs -q -t ext4 -O ^has_journal -m 0 -d "$root" "$out/disk.tmp" "$(($(du -sm "$root" | cut -f 1) * 105 / 100 + 16))m"
	mv "$out/disk.tmp" "$out/disk.ext4"
}
