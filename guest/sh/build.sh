#!/usr/bin/env bash
# Makes the root file system of the sh image. Usage: build.sh DESTDIR
set -euo pipefail

dest=${1:?usage: build.sh DESTDIR}
here=$(cd "$(dirname "$0")" && pwd)
cache=$here/../../build/cache/sh
list=$here/packages.txt
. "$here/../root.sh"

fetch_packages 'none'
unpack_packages
base_files

cd "$dest"
rm -rf usr/share/{perl5,java,maven-repo,dict}
du -sh . | awk '{ print "zeroboot: sh root: " $1 }' >&2
