#!/usr/bin/env bash
# Makes the root file system of the Python image with what people work on data with.
# Usage: build.sh DESTDIR
set -euo pipefail

dest=${1:?usage: build.sh DESTDIR}
here=$(cd "$(dirname "$0")" && pwd)
cache=$here/../../build/cache/python-data
list=$here/packages.txt
. "$here/../root.sh"
. "$here/../python/library.sh"

# For making extensions; windows; for pages of documentation and designing fonts.
COMPILERS='binutils.*|cpp.*|g\+\+.*|gcc|gcc-[0-9]*|lib.*-dev|libc-dev-bin|libnsl.*|libtirpc.*|rpcsvc-proto|zlib1g-dev|lib(asan|atomic|binutils|cc1|ctf|ctf-nobfd|gprofng|isl|itm|jansson|lsan|mpc|mpfr|tsan|ubsan)-?[0-9]*|python3-(all.*|dev|beniget|gast|pythran|ply)|python3.11-dev|linux-libc-dev|libpython3.11'
WINDOWS='blt|tk8.6.*|lib(tcl|tk)8.6|libx(11|ext|ft|render|ss).*|x11-common|python3-(tk|pil.imagetk)|lsb-base|sysvinit-utils|procps|libproc2-0'
OTHERS='libjs-.*|python3-(fs|ufolib2|unicodedata2|appdirs|attr|lz4)|unicode-data'
UNUSED=${UNUSED/libmd0|/} # libxcb1, which Pillow links, wants it
fetch_packages "$WITHOUT|$COMPILERS|$WINDOWS|$OTHERS"
unpack_packages
base_files

# figures.py says how; the font cache is for its file's place.
set_matplotlib() {
	install -m 644 "$here/figures.py" usr/lib/python3/dist-packages/zeroboot_figures.py
	sed -i 's|^backend: .*|backend: module://zeroboot_figures|' etc/matplotlibrc
	HOME=/root chroot . /usr/bin/python3 -c 'import matplotlib.font_manager' || die "no font cache"
}

# What the template has ahead, and the room that programs then have.
set_template() {
	mkdir -p usr/lib/zeroboot
	install -m 644 "$here/preload.txt" usr/lib/zeroboot/preload
	echo 512 >usr/lib/zeroboot/memory
}

cd "$dest"
relieve_library
rm -rf usr/lib/python3/dist-packages/sympy/integrals/rubi # wants a package that is not there
link_library
set_matplotlib
set_template
compile_library
du -sh . | awk '{ print "zeroboot: python-data root: " $1 }' >&2
