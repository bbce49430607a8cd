#!/usr/bin/env bash
# Takes from a root file system that build.sh has made what no program in a guest
# has any use for. Usage: trim.sh DIR. A second time changes nothing. Files that
# change get a new place on the disk: other directories may have links to them.
set -euo pipefail
cd "${1:?usage: trim.sh DIR}"
library=usr/lib/x86_64-linux-gnu

# Programs for disks, the machine and its terminals, logins, and the package manager.
MACHINE='addpart|agetty|blkdiscard|blkzone|blockdev|chcpu|chmem|ctrlaltdel|delpart|findfs|fsck.*|fsfreeze|fstrim|getty
installkernel|isosize|last|lastb|ldattach|localedef|lsblk|mkfs.*|mkswap|partx|readprofile|resizepart|rmt-tar|rtcwake
sulogin|swaplabel|switch_root|tarcat|utmpdump|wall|wdctl|wipefs|zramctl|iconvconfig|zic
update-.*|add-shell|remove-shell|py3compile|py3clean|dh_.*|bashbug|savelog|f2py.*'

trim_programs() {
	find usr/bin usr/sbin -regextype posix-extended -regex ".*/(${MACHINE//$'\n'/|})" -delete
}

trim_files() {
	rm -rf usr/share/{gcc,gdb,binfmts,base-files,debianutils,debconf,pixmaps,applications,perl5,zoneinfo/right,zoneinfo/posix} \
		usr/lib/{valgrind,systemd,udev,binfmt.d,mime} boot/*
	find . -xdev \( -name '*.a' -o -name '*.la' -o -name '*.h' -o -name '*.pyx' -o -name '*.pyi' -o -name '*.pxd' \) -delete
}

# Of the C library's conversions those that it has itself as not extra: these
# interpreters have their own.
trim_conversions() {
	local directory=$library/gconv kept
	[ -d "$directory/gconv-modules.d" ] || return 0
	kept=$(awk '$1 == "module" { print $4 ".so" }' "$directory/gconv-modules" | sort -u)
	find "$directory" -name '*.so' | grep -vxFf <(sed "s|^|$directory/|" <<<"$kept") | xargs rm
	rm -r "$directory"/gconv-modules.{d,cache}
	chroot . iconvconfig
}

# numpy's tests of its own, its main module, which the package has twice, and two
# libraries all of which OpenBLAS has, too.
trim_numpy() {
	local link
	rm -rf usr/lib/python3/dist-packages/numpy/core/_simd.*.so usr/lib/python3.11/dist-packages/numpy \
		$library/openblas-pthread/lib{blas,lapack}.so.3
	for link in blas.so.3 lapack.so.3 openblas.so.0; do
		ln -sf openblas-pthread/libopenblas.so.0 "$library/lib$link"
	done
	ldconfig -r .
	rm -rf var/cache
}

# Symbols that no loader reads.
trim_symbols() {
	local file
	find usr -type f \( -perm /111 -o -name '*.so*' -o -name '*.node' \) -size +4k | while read -r file; do
		[[ $(readelf -SW "$file" 2>/dev/null) == *' .symtab '* ]] || continue
		strip -o "$file.new" "$file"
		chmod --reference="$file" "$file.new"
		mv "$file.new" "$file"
	done
}

[ -e usr/bin/jq ] || trim_conversions
trim_programs
trim_files
[ ! -d $library/openblas-pthread ] || trim_numpy
trim_symbols
du -sh . | awk -v name="$1" '{ print "zeroboot: " name ": " $1 }' >&2
