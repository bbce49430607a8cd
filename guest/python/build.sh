#!/usr/bin/env bash
# Makes the root file system of the Python image from Debian packages, without
# changing this machine's installation. Usage: build.sh DESTDIR
# Downloads are kept in build/cache, so that a second run needs no network.
set -euo pipefail
export LC_ALL=C

die() {
	echo "zeroboot: build.sh: $*" >&2
	exit 1
}

[ $# -eq 1 ] && [ -n "$1" ] || die "usage: build.sh DESTDIR"
mkdir -p "$1"
dest=$(cd "$1" && pwd)
[ "$dest" != / ] || die "/ is this machine's own root"
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
cache=$top/build/cache
root=$dest.new # takes the place of dest when it is complete
# Of no use without a package manager or a terminal.
unused='debconf|debianutils|dpkg|tar|libdb5.3|readline-common|perl-base|libacl1|libselinux1|libmd0|libpcre2-8-0|gcc-12-base|sensible-utils|python3-pkg-resources'
[ "$(id -u)" -eq 0 ] || die "run as root: files keep their owners, and python runs in a chroot"
for tool in apt-get dpkg-deb ldconfig chroot; do
	command -v "$tool" >/dev/null || die "$tool: not found; this needs Debian 12"
done
trap 'rm -rf "$root" "$cache.new"' EXIT

download() {
	local wanted packages
	mapfile -t wanted < <(grep -v '^#' "$here/packages.txt")
	for package in "${wanted[@]}"; do
		apt-cache show "$package" >/dev/null 2>&1 && continue
		apt-get update -qq >&2 || die "apt-get update failed"
		break
	done
	rm -rf "$cache.new"
	mkdir -p "$cache.new"
	# Resolved as for an empty machine; the host's own packages do not count.
	apt-get -o Dir::State::status=/dev/null -o APT::Install-Recommends=0 -s -qq \
		install "${wanted[@]}" | awk '/^Inst/ { print $2 }' |
		grep -vxE "$unused" | sort -u >"$cache.new/list" || die "cannot resolve the packages"
	mapfile -t packages <"$cache.new/list"
	(cd "$cache.new" && apt-get -o APT::Sandbox::User=root download -qq "${packages[@]}" >&2) ||
		die "cannot download the packages"
	rm -rf "$cache"
	mv "$cache.new" "$cache"
}

unpack() {
	local deb
	rm -rf "$root"
	mkdir -p "$root"/usr/{bin,sbin,lib,lib64}
	for deb in bin sbin lib lib64; do ln -s "usr/$deb" "$root/$deb"; done
	for deb in "$cache"/*.deb; do
		# Through tar: dpkg-deb -x would replace the links of /lib by directories.
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --keep-directory-symlink ||
			die "$deb: cannot unpack"
	done
}

# Removes what a guest cannot use. The standard library stays complete but for
# its tests, its editor and ensurepip, which wants a network.
drop_unused() {
	rm -rf usr/share/{doc,man,info,lintian,bug,locale,doc-base,applications,pixmaps,perl5,debconf,python3,debianutils} \
		usr/include usr/lib/valgrind usr/lib/python3.11/{ensurepip,idlelib,turtledemo,test} \
		usr/lib/python3.11/lib2to3/tests usr/lib/python3/dist-packages/numpy/core/include \
		var etc/cron* etc/init.d
	find usr/lib/python3/dist-packages/{numpy,pandas} -type d -name tests -prune -exec rm -rf {} +
	find usr \( -name '*.a' -o -name '*.la' -o -name '*.pyx' -o -name '*.h' \) -delete
	find usr/lib usr/share -type d -name __pycache__ -prune -exec rm -rf {} +
}

# What maintainer scripts would have done.
configure() {
	local lib=usr/lib/x86_64-linux-gnu name
	mkdir -p proc sys dev root app run var/tmp etc/ssl/certs
	chmod 700 root
	chmod 1777 var/tmp
	install -d -m 1777 tmp
	for name in blas lapack; do
		ln -sf "openblas-pthread/lib$name.so.3" "$lib/lib$name.so.3"
	done
	ln -sf openblas-pthread/libopenblas.so.0 "$lib/libopenblas.so.0"
	[ -e usr/bin/python3 ] || ln -s python3.11 usr/bin/python3
	[ -e usr/bin/sh ] || ln -s dash usr/bin/sh
	find usr/share/ca-certificates -name '*.crt' -print0 | sort -z |
		xargs -0 cat >etc/ssl/certs/ca-certificates.crt
	ln -sf /usr/share/zoneinfo/Etc/UTC etc/localtime
	echo Etc/UTC >etc/timezone
	printf '%s\n' root:x:0:0:root:/root:/bin/sh \
		nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin >etc/passwd
	printf '%s\n' root:x:0: nogroup:x:65534: >etc/group
	printf '%s\n' '127.0.0.1 localhost' '::1 localhost' >etc/hosts
	printf '%s\n' 'passwd: files' 'group: files' 'hosts: files' >etc/nsswitch.conf
	ldconfig -r . || die "ldconfig failed"
	rm -rf var/cache
}

# So that no import compiles a file or checks its time stamp.
compile() {
	PYTHONHASHSEED=0 chroot . /usr/bin/python3.11 -m compileall -q -j 0 \
		--invalidation-mode unchecked-hash usr/lib/python3.11 usr/lib/python3 >&2 ||
		die "cannot compile the library"
}

check() {
	chroot . /usr/bin/python3 -c 'import numpy, pandas, sqlite3, ssl, ctypes, zoneinfo
assert numpy.linalg.inv(numpy.eye(3)).trace() == 3
assert pandas.Timestamp("2024-07-01", tz="Europe/Paris").utcoffset().seconds == 7200' &&
		chroot . /bin/sh -c : || die "the root file system does not work"
}

[ -s "$cache/list" ] && [ ! "$here/packages.txt" -nt "$cache/list" ] || download
unpack
cd "$root"
# Files made below get the time of the newest packaged one, so that the same
# packages give the same tree.
newest=$(find . -type f -printf '%T@\n' | sort -n | tail -n 1)
drop_unused
configure
compile
check
find . -newermt "@$newest" -exec touch -h -d "@$newest" {} +
cd "$top"
rm -rf "$dest"
mv "$root" "$dest"
du -sm "$dest" | awk '{ print "zeroboot: " $2 ": " $1 " MB" }' >&2
