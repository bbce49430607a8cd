#!/usr/bin/env bash
# Makes what tests/svm/suite.py runs zeroboot on: Debian's cloud kernel with
# kvm-amd for qemu-system-x86_64, and disks with the binaries and images.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/emulated/build.sh svm

modules=(
	virt/lib/irqbypass arch/x86/kvm/kvm arch/x86/kvm/kvm-amd
	drivers/virtio/{virtio_ring,virtio,virtio_pci_modern_dev,virtio_pci_legacy_dev,virtio_pci}
	drivers/block/virtio_blk net/core/failover drivers/net/{net_failover,virtio_net}
)

need_commands qemu-system-x86_64 busybox mke2fs
mkdir -p $out
build_binaries
build_choose || fail "a program does not build"
fetch_kernel $kernel || fail "the kernel cannot be fetched"
make_initramfs_root "${modules[@]}"
pack_initramfs || fail "the initramfs cannot be made"
make_disk build/python.img build/node.img $out/choose.img || fail "the disk cannot be made"
