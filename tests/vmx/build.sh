#!/usr/bin/env bash
# Makes what tests/vmx/suite.py runs zeroboot on: a CD with Debian's cloud kernel
# for Bochs, which boots nothing else, and a disk with binaries and images.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/emulated/build.sh vmx

modules=(
	drivers/scsi/{scsi_common,scsi_mod,sd_mod} drivers/ata/{libata,ata_piix}
	virt/lib/irqbypass arch/x86/kvm/kvm arch/x86/kvm/kvm-intel
)
isolinux=/usr/lib/ISOLINUX/isolinux.bin
loader=/usr/lib/syslinux/modules/bios/ldlinux.c32
cylinder=516096 # bytes, of 16 heads and 63 sectors: Bochs wants whole ones

make_cd() {
	local root=$out/cd
	make_initramfs_root "${modules[@]}"
	pack_initramfs
	rm -rf $root
	mkdir -p $root
	cp $isolinux $loader $root/
	cp $kernel/boot/vmlinuz-* $root/linux
	cp $out/initramfs.cpio $root/initramfs
	cat >$root/isolinux.cfg <<-.
		default linux
		prompt 0
		label linux
		kernel linux
		append initrd=initramfs $(cat tests/emulated/arguments)
	.
	xorriso -as mkisofs -quiet -o $out/cd.iso -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 \
		-boot-info-table -isohybrid-mbr /usr/lib/ISOLINUX/isohdpfx.bin $root
	truncate -s %$cylinder $out/cd.iso
}

need_commands bochs-bin xorriso busybox mke2fs
mkdir -p $out
build_binaries
fetch_kernel $kernel || fail "the kernel cannot be fetched"
make_cd || fail "the CD cannot be made"
make_disk build/python.img build/sh.img || fail "the disk cannot be made"
truncate -s %$cylinder $out/disk.ext4
