#!/usr/bin/env bash
# Makes a Debian package: deb.sh STAGE VERSION OUTPUT IMAGE...
# STAGE is what stage.sh made; images are NAME.img, packed by gzip or not. They go to
# /usr/lib/zeroboot/images, and by links into /var/lib/zeroboot/templates, beside those
# of your own. The licence texts of what is in them come along.
set -euo pipefail
cd "$(dirname "$0")/.."

stage=$1 version=$2 output=$3
shift 3
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
doc=$root/usr/share/doc/zeroboot
maintainer='zeroboot maintainers <maintainers@zeroboot.invalid>'
epoch=${SOURCE_DATE_EPOCH:?}
umask 022

DESTDIR=$root PREFIX=/usr "$stage/install.sh"
# where Debian has them
mv "$root/usr/share/zsh/site-functions" "$root/usr/share/zsh/vendor-completions"
rm "$doc/LICENSE"
mv "$doc/CHANGES.md" "$doc/NEWS"
gzip -9n "$doc/NEWS" "$root/usr/share/man/man1/zeroboot.1"
install -D -m 644 deploy/debian/lintian-overrides "$root/usr/share/lintian/overrides/zeroboot"

# ---- images, and the licences of what is in them ----
mkdir -p "$root/usr/lib/zeroboot/images" "$root/var/lib/zeroboot/templates" "$doc/payload"
# Of some packages it is in another's, which need not be in the image.
licence() { # archive package
	local other
	if tar -xOf "$1" "./usr/share/doc/$2/copyright" 2>/dev/null | gzip -9n >"$doc/payload/$2.copyright.gz"; then
		return
	fi
	rm "$doc/payload/$2.copyright.gz"
	other=$(tar -tvf "$1" "./usr/share/doc/$2" 2>/dev/null | sed -n 's/.* -> //p')
	if [ -e "/usr/share/doc/${other:-$2}/copyright" ]; then
		gzip -9nc "/usr/share/doc/${other:-$2}/copyright" >"$doc/payload/${other:-$2}.copyright.gz"
		return
	fi
	echo "zeroboot: deb: no licence text of $2" >&2
	exit 1
}
for image in "$@"; do
	name=$(basename "$image")
	name=${name%.gz}
	name=${name%.img}
	install -m 644 "$image" "$root/usr/lib/zeroboot/images/$name.img"
	ln -s "/usr/lib/zeroboot/images/$name.img" "$root/var/lib/zeroboot/templates/$name.img"
	while read -r deb package _; do
		[ ! -e "$doc/payload/$package.copyright.gz" ] || continue
		dpkg-deb --fsys-tarfile "build/cache/debs/$deb" >"$root/archive"
		licence "$root/archive" "$package"
	done <"build/cache/$name/packages"
	for file in "build/$name-root/usr/share/doc"/*/LICENSE; do
		[ ! -e "$file" ] || gzip -9nc "$file" >"$doc/payload/$(basename "$(dirname "$file")").copyright.gz"
	done
done
rm -f "$root/archive"

# ---- Debian's own files ----
cat >"$doc/copyright" <<TEXT
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: zeroboot
Comment: the images in usr/lib/zeroboot/images are made of packages of Debian and of
 others; their licences are in usr/share/doc/zeroboot/payload, one file for each.

Files: *
Copyright: 2026 zeroboot's authors
License: Apache-2.0
 On Debian systems, the text of the licence is in
 /usr/share/common-licenses/Apache-2.0.

Files: usr/lib/zeroboot/images/*
Copyright: various holders, see usr/share/doc/zeroboot/payload
License: various
 Each package's licence is in /usr/share/doc/zeroboot/payload/PACKAGE.copyright.gz.
TEXT
gzip -9n >"$doc/changelog.gz" <<TEXT
zeroboot ($version) unstable; urgency=medium

  * Version $version; what is new is in NEWS.gz.

 -- $maintainer  $(date -u -d "@$epoch" '+%a, %d %b %Y %H:%M:%S +0000')
TEXT
mkdir "$root/DEBIAN"
install -m 755 deploy/debian/{postinst,prerm,postrm} "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<TEXT
Package: zeroboot
Version: $version
Architecture: amd64
Maintainer: $maintainer
Installed-Size: $(du -sk --apparent-size --exclude=DEBIAN "$root" | cut -f 1)
Recommends: systemd
Section: admin
Priority: optional
Description: runs untrusted code in virtual machines that are forked
 A server that runs snippets of Python, JavaScript and shell, each in a
 virtual machine of its own, which is forked of a started interpreter in less
 than a millisecond. It needs /dev/kvm and nothing else.
TEXT
(cd "$root" && find usr var -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum >DEBIAN/md5sums)
find "$root" -type d -exec chmod 755 {} +
find "$root" -exec touch -h -d "@$epoch" {} +
mkdir -p "$(dirname "$output")"
SOURCE_DATE_EPOCH=$epoch dpkg-deb --root-owner-group -Zgzip -z1 --build "$root" "$output" >&2
