#!/usr/bin/env bash
# Makes build/programs: a root file system with programs of other people, from
# packages of Debian and npm, packed as images; and the program that runs something
# natively in such a root.
set -euo pipefail
cd "$(dirname "$0")/../.."
source=$PWD/tests/programs
place=$PWD/build/programs
cache=$PWD/build/cache/programs
list=$source/packages.txt
here=$PWD/guest/python
dest=$place/root
mkdir -p "$place" "$cache"
gcc -std=c11 -O2 -Wall -Wextra -Werror -o "$place/launch" tests/compat/launch.c
[ -n "$(find "$source" guest/root.sh build/node-root/.done -newer "$place/node.img" 2>&1)" ] || exit 0
. guest/root.sh

# Unpacked beside the root, for it only compiles here.
compile_go() {
	local package
	for package in golang-1.19-go golang-1.19-src; do
		ls "$cache/$package"_*.deb >/dev/null 2>&1 ||
			(cd "$cache" && apt-get -o APT::Sandbox::User=root download -qq "$package")
		dpkg-deb -x "$cache/$package"_*.deb "$place/go"
	done
	GOROOT=$place/go/usr/lib/go-1.19 GOCACHE=$cache/go GOFLAGS=-trimpath GO111MODULE=off CGO_ENABLED=0 \
		"$place/go/usr/lib/go-1.19/bin/go" build -o "$1" "$source/server.go"
	rm -rf "$place/go"
}

fetch_packages 'perl-base'
unpack_packages
# A compiler's headers, which images of interpreters go without.
while read -r file package rest; do
	case $package in
	*-dev | gcc-12) dpkg-deb --fsys-tarfile "$debs/$file" | tar -x -C "$dest" --keep-directory-symlink ;;
	esac
done <"$cache/packages"
base_files
[ -e "$dest/usr/bin/python3" ] || ln -s python3.11 "$dest/usr/bin/python3"
chroot "$dest" /usr/bin/python3 -m compileall -q /usr/lib/python3 /usr/lib/python3.11 >/dev/null 2>&1 || true
compile_go "$dest/usr/bin/go-server"
cp -r "$source" "$dest/tests"
./zeroboot image build -o "$place/debian.img" "$dest"

(cd "$cache" && cp "$source/package.json" . && npm install --silent --no-audit --no-fund --ignore-scripts)
rm -rf "$place/node-root"
cp -al build/node-root "$place/node-root"
cp -r "$cache/node_modules" "$place/node-root/node_modules"
cp -r "$source" "$place/node-root/tests"
./zeroboot image build -o "$place/node.img" "$place/node-root"
