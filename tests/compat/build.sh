#!/usr/bin/env bash
# Makes build/compat: the Python image's root with CPython's tests in it, packed
# as an image, and the program that runs something natively in such a root.
set -euo pipefail
cd "$(dirname "$0")/../.."

place=build/compat
cache=build/cache/compat
root=$place/root
mkdir -p "$place" "$cache"
# Moved into place: another run may be using it.
gcc -std=c11 -O2 -Wall -Wextra -Werror -o "$place/launch.$$" tests/compat/launch.c
mv "$place/launch.$$" "$place/launch"

# fetch PACKAGE: its file, in a cache or from the distribution.
fetch() {
	local file
	for file in "$cache/$1"_*.deb "build/cache/python/$1"_*.deb; do
		[ -e "$file" ] && break
	done
	if ! [ -e "$file" ]; then
		(cd "$cache" && apt-get -o APT::Sandbox::User=root download -qq "$1")
		file=$(echo "$cache/$1"_*.deb)
	fi
	echo "$file"
}

[ build/python-root/.done -nt "$place/python.img" ] || [ tests/compat/run_module.py -nt "$place/python.img" ] ||
	[ tests/compat/build.sh -nt "$place/python.img" ] || exit 0
tests=$(fetch libpython3.11-testsuite)
library=$(fetch libpython3.11-stdlib)
rm -rf "$root"
cp -a build/python-root "$root"
rm -f "$root/.done"
dpkg-deb --fsys-tarfile "$tests" | tar -x -C "$root" --keep-directory-symlink
# What guest/python/build.sh leaves out.
dpkg-deb --fsys-tarfile "$library" | tar -x -C "$root" --keep-directory-symlink --wildcards './usr/lib/python3.11/test/*'
rm -rf "$root"/usr/share/doc
cp tests/compat/run_module.py "$root"
# Some tests compile on purpose what does not compile.
PYTHONHASHSEED=0 chroot "$root" /usr/bin/python3.11 -m compileall -q --invalidation-mode unchecked-hash \
	usr/lib/python3.11 >/dev/null 2>&1 || true
./zeroboot image build -o "$place/python.img" "$root"
