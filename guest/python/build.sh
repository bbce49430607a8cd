#!/usr/bin/env bash
# Makes the root file system of the Python image. Usage: build.sh DESTDIR
set -euo pipefail

dest=${1:?usage: build.sh DESTDIR}
here=$(cd "$(dirname "$0")" && pwd)
cache=$here/../../build/cache/python
list=$here/packages.txt
. "$here/../root.sh"
. "$here/library.sh"

fetch_packages "$WITHOUT|libgcrypt20|libgpg-error0"
unpack_packages
base_files

cd "$dest"
relieve_library
link_library
compile_library
chroot . /usr/bin/python3 -c 'import numpy, pandas, sqlite3, ssl, ctypes, zoneinfo' ||
	die "the root file system does not work"
du -sh . | awk '{ print "zeroboot: python root: " $1 }' >&2
