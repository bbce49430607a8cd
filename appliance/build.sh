#!/usr/bin/env bash
# Makes a machine that is zeroboot and nothing else: FOLDER/vmlinuz and
# FOLDER/initramfs, and FOLDER/zeroboot.disk, which boots them by BIOS and by UEFI.
# build.sh FOLDER IMAGE... is what `make appliance` calls. See docs/appliance.md.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin
. appliance/kernel.sh
out=$1
shift
kernel=build/cache/svm

# What the root has: KVM, what disks and networks of virtual machines and clouds need,
# file systems of config drives. What they need themselves comes along.
modules=(
	kvm-amd kvm-intel virtio_pci virtio_mmio virtio_net virtio_blk virtio_scsi virtio-rng
	ena gve hv_netvsc hv_storvsc mana mlx5_core vmxnet3 vmw_pvscsi xen-netfront xen-blkfront
	igbvf ixgbevf iavf
	sd_mod sr_mod ata_piix ata_generic qemu_fw_cfg isofs vfat nls_cp437 nls_ascii nls_utf8
)
# What is needed before it is there.
early=(loop squashfs)

fail() {
	echo "zeroboot: appliance: $*" >&2
	exit 1
}

need_commands() {
	local command
	for command in busybox mksquashfs depmod modinfo mkfs.vfat mcopy mmd syslinux; do
		command -v $command >/dev/null || fail "$command is missing: deploy/setup.sh appliance installs it"
	done
	for file in $mbr $boot; do
		[ -e "$file" ] || fail "$file is missing: deploy/setup.sh appliance installs it"
	done
}

module_file() { # NAME
	find $kernel/lib/modules -name "$1.ko" -o -name "${1//_/-}.ko" -o -name "${1//-/_}.ko" | awk 'NR == 1'
}

# Files of modules, each behind what it needs; what is built in, or of another kernel, has none.
with_needs() { # NAME...
	local name file
	for name; do
		file=$(module_file "$name")
		[ -n "$file" ] || continue
		# shellcheck disable=SC2046
		with_needs $(modinfo -F depends "$file" | tr ',' ' ')
		echo "$file"
	done
}

make_root() { # IMAGE...
	local root=$out/root file applet version
	version=$(basename $kernel/lib/modules/*)
	rm -rf "$root"
	mkdir -p "$root"/{bin,dev,etc,images,proc,run,sbin,sys,usr/bin,usr/share/udhcpc,lib/modules/"$version"}
	cp /bin/busybox "$root/bin/"
	for applet in $(busybox --list); do
		[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
	done
	cp appliance/start "$root/sbin/init"
	cp appliance/dhcp "$root/usr/share/udhcpc/script"
	chmod 755 "$root/sbin/init" "$root/usr/share/udhcpc/script"
	ln -s /run/tmp "$root/tmp"
	cp "$binary" "$root/usr/bin/zeroboot"
	cp $kernel/lib/modules/*/modules.{order,builtin,builtin.modinfo} "$root/lib/modules/$version/"
	for file in $(with_needs "${modules[@]}" | awk '!seen[$0]++'); do
		install -D -m 644 "$file" "$root/${file#"$kernel"/}"
	done
	depmod -b "$root" "$version"
	for file; do
		ln -f "$file" "$root/images/" 2>/dev/null || cp "$file" "$root/images/"
	done
	rm -f "$out/root.squashfs"
	mksquashfs "$root" "$out/root.squashfs" -quiet -no-progress -all-root -noappend -comp zstd -Xcompression-level 12 -b 256K
}

make_initramfs() {
	local root=$out/early file
	rm -rf "$root"
	mkdir -p "$root"/{bin,dev,modules,root}
	cp /bin/busybox "$root/bin/"
	cp appliance/init "$root/init"
	chmod 755 "$root/init"
	for file in $(with_needs "${early[@]}" | awk '!seen[$0]++'); do
		cp "$file" "$root/modules/"
		basename "$file" >>"$root/modules/order"
	done
	ln "$out/root.squashfs" "$root/"
	(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) >"$out/initramfs"
	cp $kernel/boot/vmlinuz-* "$out/vmlinuz"
}

# ---- the disk: one FAT partition that BIOS (syslinux) and UEFI (systemd-boot) start from ----
command_line='console=tty0 console=ttyS0 quiet panic=10'
mbr=/usr/lib/syslinux/mbr/mbr.bin
boot=/usr/lib/systemd/boot/efi/systemd-bootx64.efi
first=2048 # the partition's first sector

sector() { # NUMBER: four bytes, the lowest first
	local i
	for i in 0 8 16 24; do
		# shellcheck disable=SC2059
		printf "\\x$(printf %02x $(($1 >> i & 255)))"
	done
}

make_disk() {
	local part=$out/part sectors
	sectors=$(($(cat "$out/vmlinuz" "$out/initramfs" $boot | wc -c) * 101 / 100 / 512 + 8192))
	rm -f "$part"
	truncate -s $((sectors * 512)) "$part"
	mkfs.vfat -n ZEROBOOT -h $first "$part" >/dev/null
	printf 'DEFAULT zeroboot\nPROMPT 0\nLABEL zeroboot\nLINUX /vmlinuz\nINITRD /initramf\nAPPEND %s\n' "$command_line" >"$out/syslinux.cfg"
	printf 'title zeroboot\nlinux /vmlinuz\ninitrd /initramf\noptions %s\n' "$command_line" >"$out/zeroboot.conf"
	printf 'timeout 0\neditor no\n' >"$out/loader.conf"
	mmd -i "$part" EFI EFI/BOOT loader loader/entries
	mcopy -i "$part" "$out/vmlinuz" ::vmlinuz
	mcopy -i "$part" "$out/initramfs" ::initramf
	mcopy -i "$part" "$out/syslinux.cfg" ::syslinux.cfg
	mcopy -i "$part" $boot ::EFI/BOOT/BOOTX64.EFI
	mcopy -i "$part" "$out/loader.conf" ::loader/loader.conf
	mcopy -i "$part" "$out/zeroboot.conf" ::loader/entries/zeroboot.conf
	syslinux --install "$part"
	{
		head -c 440 $mbr
		head -c 6 /dev/zero
		printf '\x80\xfe\xff\xff\xef\xfe\xff\xff' # active, an EFI system partition
		sector $first
		sector $sectors
		head -c 48 /dev/zero
		printf '\x55\xaa'
		head -c $(((first - 1) * 512)) /dev/zero
		cat "$part"
	} >"$out/zeroboot.disk"
	rm "$part"
}

need_commands
fetch_kernel $kernel || fail "the kernel cannot be fetched"
binary=build/release/zeroboot
[ -x $binary ] || fail "$binary is not built"
mkdir -p "$out"
make_root "$@"
make_initramfs
make_disk
rm -rf "$out/root" "$out/early" "$out/root.squashfs" "$out"/*.conf "$out/syslinux.cfg"
echo "$out: $(du -cm --apparent-size "$out/vmlinuz" "$out/initramfs" | tail -n 1 | cut -f 1) MB as kernel and initramfs, $(du -m --apparent-size "$out/zeroboot.disk" | cut -f 1) MB as a disk"
