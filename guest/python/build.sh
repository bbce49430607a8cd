#!/usr/bin/env bash
# Makes the root file system of the Python image from Debian packages, without
# changing this machine's installation. Usage: build.sh DESTDIR
# Downloads are kept in build/cache, so that a second run needs no network.
set -euo pipefail

dest=${1:?usage: build.sh DESTDIR}
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
cache=$top/build/cache
mapfile -t wanted < <(grep -v '^#' "$here/packages.txt")
# Of no use without a package manager, a terminal or a network.
unused='debconf|dpkg|tar|libdb5.3|readline-common|perl-base|libacl1|libselinux1|libmd0|libpcre2-8-0|gcc-12-base|sensible-utils|python3-pkg-resources'

die() {
	echo "zeroboot: build.sh: $*" >&2
	exit 1
}
[ "$(id -u)" -eq 0 ] || die "run as root: files keep their owners, and python runs in a chroot"

mkdir -p "$cache"
if ! [ -s "$cache/list" ] || [ "$here/packages.txt" -nt "$cache/list" ]; then
	apt-cache show "${wanted[0]}" >/dev/null 2>&1 || apt-get update -qq
	# Resolved as for an empty machine; the host's own packages do not count.
	apt-get -o Dir::State::status=/dev/null -o APT::Install-Recommends=0 -s -qq \
		install "${wanted[@]}" | awk '/^Inst/ { print $2 }' |
		grep -vxE "$unused" | sort -u >"$cache/list.new" || die "cannot resolve the packages"
	mapfile -t packages <"$cache/list.new"
	rm -f "$cache"/*.deb
	(cd "$cache" && apt-get -o APT::Sandbox::User=root download -qq "${packages[@]}") || die "cannot download the packages"
	mv "$cache/list.new" "$cache/list"
fi

rm -rf "$dest"
mkdir -p "$dest"/usr/{bin,sbin,lib,lib64}
for d in bin sbin lib lib64; do ln -s "usr/$d" "$dest/$d"; done
for deb in "$cache"/*.deb; do
	# Through tar: dpkg-deb -x would replace the links of /lib by directories.
	dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$dest" --keep-directory-symlink
done

cd "$dest"
rm -rf usr/share/{doc,man,info,lintian,bug,locale,doc-base,applications,pixmaps,perl5,debconf} \
	usr/include usr/lib/valgrind var etc/cron* \
	usr/lib/python3/dist-packages/numpy/{f2py,core/include,distutils/tests} \
	usr/lib/python3.11/{ensurepip,idlelib,turtledemo,tkinter,test}
find usr/lib/python3/dist-packages/{numpy,pandas} -type d -name tests -prune -exec rm -rf {} +
find usr \( -name '*.a' -o -name '*.la' -o -name '*.pyx' -o -name '*.h' \) -delete
find usr/lib usr/share -type d -name __pycache__ -prune -exec rm -rf {} +

# What maintainer scripts would have done.
mkdir -p proc sys dev root app run var/tmp etc/ssl/certs usr/lib/locale
install -d -m 1777 tmp var/tmp
for l in blas lapack; do
	ln -sf "openblas-pthread/lib$l.so.3" "usr/lib/x86_64-linux-gnu/lib$l.so.3"
done
ln -sf openblas-pthread/libopenblas.so.0 usr/lib/x86_64-linux-gnu/libopenblas.so.0
[ -e usr/bin/python3 ] || ln -s python3.11 usr/bin/python3
find usr/share/ca-certificates -name '*.crt' | LC_ALL=C sort | xargs cat >etc/ssl/certs/ca-certificates.crt
ln -sf /usr/share/zoneinfo/Etc/UTC etc/localtime
echo Etc/UTC >etc/timezone
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n' >etc/passwd
printf 'root:x:0:\nnogroup:x:65534:\n' >etc/group
printf '127.0.0.1 localhost\n::1 localhost\n' >etc/hosts
printf 'passwd: files\ngroup: files\nhosts: files\n' >etc/nsswitch.conf
ldconfig -r .
rm -rf var/cache

# So that no import compiles or checks a time stamp.
PYTHONHASHSEED=0 chroot . /usr/bin/python3.11 -m compileall -q --invalidation-mode unchecked-hash \
	usr/lib/python3.11 usr/lib/python3 >/dev/null || die "cannot compile the library"
chroot . /usr/bin/python3 -c 'import numpy, pandas, sqlite3, ssl, ctypes, zoneinfo' ||
	die "the root file system does not work"
du -sh . | awk '{ print "zeroboot: python root: " $1 }' >&2
