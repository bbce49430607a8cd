# root.sh: how the root file system of an image is put together from Debian
# packages, without changing this machine's installation. Sourced by */build.sh,
# which sets $dest (the root), $cache (downloads are kept there, so that a second
# run needs no network) and $list (packages.txt).

die() {
	echo "zeroboot: build.sh: $*" >&2
	exit 1
}

# fetch_packages UNUSED: what $list names and needs, but for those that the
# extended regular expression UNUSED matches.
fetch_packages() {
	local wanted packages
	[ "$(id -u)" -eq 0 ] || die "run as root: files keep their owners, and the interpreter runs in a chroot"
	mkdir -p "$cache"
	if [ -s "$cache/list" ] && ! [ "$list" -nt "$cache/list" ]; then
		return
	fi
	mapfile -t wanted < <(grep -v '^#' "$list")
	apt-cache show "${wanted[0]}" >/dev/null 2>&1 || apt-get update -qq
	# Resolved as for an empty machine; the host's own packages do not count.
	apt-get -o Dir::State::status=/dev/null -o APT::Install-Recommends=0 -s -qq \
		install "${wanted[@]}" | awk '/^Inst/ { print $2 }' |
		grep -vxE "$1" | sort -u >"$cache/list.new" || die "cannot resolve the packages"
	mapfile -t packages <"$cache/list.new"
	rm -f "$cache"/*.deb
	(cd "$cache" && apt-get -o APT::Sandbox::User=root download -qq "${packages[@]}") || die "cannot download the packages"
	mv "$cache/list.new" "$cache/list"
}

unpack_packages() {
	local d deb
	rm -rf "$dest"
	mkdir -p "$dest"/usr/{bin,sbin,lib,lib64}
	for d in bin sbin lib lib64; do ln -s "usr/$d" "$dest/$d"; done
	for deb in "$cache"/*.deb; do
		# Through tar: dpkg-deb -x would replace the links of /lib by directories.
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$dest" --keep-directory-symlink
	done
	rm -rf "$dest"/usr/share/{doc,man,info,lintian,bug,locale,doc-base} \
		"$dest"/{usr/include,var} "$dest"/etc/cron*
}

# What maintainer scripts would have done, and what programs look up.
base_files() {
	(
		cd "$dest"
		mkdir -p proc sys dev root app run var/tmp usr/lib/locale
		install -d -m 1777 tmp var/tmp
		ln -sf /usr/share/zoneinfo/Etc/UTC etc/localtime
		echo Etc/UTC >etc/timezone
		printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n' >etc/passwd
		printf 'root:x:0:\nnogroup:x:65534:\n' >etc/group
		printf '127.0.0.1 localhost\n::1 localhost\n' >etc/hosts
		printf 'passwd: files\ngroup: files\nhosts: files\n' >etc/nsswitch.conf
		ldconfig -r .
		rm -rf var/cache
	)
}
