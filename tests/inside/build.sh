#!/usr/bin/env bash
# Makes what tests/inside/run.py starts: Debian's kernel, which unlike the cloud's has
# 9p, and an initramfs that mounts this machine's files.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/emulated/build.sh inside
kernel=build/cache/inside

mkdir -p $out $kernel
exec 9>$out/lock
flock 9
[ ! -e $out/initramfs.cpio ] || [ tests/inside/init -nt $out/initramfs.cpio ] || exit 0

need_commands qemu-system-x86_64 busybox depmod
fetch_kernel $kernel linux-image-amd64 || fail "the kernel cannot be fetched"
release=$(basename $kernel/lib/modules/*)
depmod -b $kernel "$release"
mapfile -t modules < <(
	for module in virtio_pci 9pnet_virtio 9p overlay kvm-amd; do
		modprobe -d $kernel -S "$release" --show-depends $module
	done | sed -n 's,^insmod .*/kernel/\(.*\)\.ko\S* *$,\1,p' | awk '!seen[$0]++'
)
make_initramfs_root "${modules[@]}"
pack_initramfs || fail "the initramfs cannot be made"
