#!/bin/sh
# Installs zeroboot from the directory that this lies in: install.sh [-u]
# PREFIX (/usr/local) and DESTDIR say where; -u takes away what it installed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
prefix=${PREFIX:-/usr/local}
root=${DESTDIR:-}$prefix

# MODE SOURCE DESTINATION
files() {
	cat <<-LIST
		755 zeroboot bin/zeroboot
		644 zeroboot.1 share/man/man1/zeroboot.1
		644 zeroboot.bash share/bash-completion/completions/zeroboot
		644 _zeroboot share/zsh/site-functions/_zeroboot
		644 zeroboot.service lib/systemd/system/zeroboot.service
		644 zeroboot.socket lib/systemd/system/zeroboot.socket
		644 sysusers.conf lib/sysusers.d/zeroboot.conf
		644 README.md share/doc/zeroboot/README.md
		644 CHANGES.md share/doc/zeroboot/CHANGES.md
		644 CONTRIBUTING.md share/doc/zeroboot/CONTRIBUTING.md
		644 SECURITY.md share/doc/zeroboot/SECURITY.md
		644 LICENSE share/doc/zeroboot/LICENSE
	LIST
	for file in "$here"/docs/*.md "$here"/deploy/*; do
		[ -e "$file" ] || continue
		file=${file#"$here"/}
		[ "$file" = deploy/fleet.sh ] && mode=755 || mode=644
		echo "$mode $file share/doc/zeroboot/$file"
	done
}

if [ "${1:-}" = -u ]; then
	files | while read -r mode source destination; do rm -f "$root/$destination"; done
	rm -rf "$root/share/doc/zeroboot/docs" "$root/share/doc/zeroboot/deploy"
	rmdir "$root/share/doc/zeroboot" 2>/dev/null || true
	exit 0
fi
[ $# -eq 0 ] || {
	echo "usage: [DESTDIR=DIR] [PREFIX=DIR] $0 [-u]" >&2
	exit 2
}
files | while read -r mode source destination; do
	install -d "$root/$(dirname "$destination")"
	case $source in
	zeroboot.service) sed "s|/usr/local/bin/|$prefix/bin/|" "$here/$source" >"$root/$destination.new" ;;
	*) cp "$here/$source" "$root/$destination.new" ;;
	esac
	chmod "$mode" "$root/$destination.new"
	mv "$root/$destination.new" "$root/$destination"
done
[ -n "${DESTDIR:-}" ] || cat <<NEXT
zeroboot is in $prefix/bin. To serve:
  systemd-sysusers                     # the account zeroboot
  install -D -t /var/lib/zeroboot/templates FILE...   # templates or images
  systemctl daemon-reload
  systemctl enable --now zeroboot.socket
$prefix/bin/zeroboot doctor says what this machine lacks.
NEXT
