# root.sh: how the root file system of an image is put together from Debian
# packages, without changing this machine's installation. Sourced by */build.sh,
# which sets $dest (the root), $cache (what was downloaded for it is kept, so that a
# second run needs no network) and $list (packages.txt). Packages that several
# images have are downloaded once, into $debs.
debs=$here/../../build/cache/debs
base=$here/../base.txt

# Of no use without a package manager, a login or an installation.
UNUSED='debconf|dpkg|perl|perl-modules.*|lib.*-perl|libperl.*|libgdbm.*|usrmerge|init-system-helpers|readline-common|libpam.*|libaudit.*|util-linux-extra|libmd0|gcc-12-base|sensible-utils'

die() {
	echo "zeroboot: build.sh: $*" >&2
	exit 1
}

# The files of the given packages, a line each: file, package, checksum.
resolve() {
	# As for an empty machine; the host's own packages do not count.
	local packages
	mapfile -t packages < <(apt-get -o Dir::State::status=/dev/null -o APT::Install-Recommends=0 -s -qq \
		install "$@" | awk '/^Inst/ { print $2 }' | grep -vxE "$UNUSED" | sort -u)
	[ ${#packages[@]} -gt 0 ] &&
		apt-get download -qq --print-uris "${packages[@]}" |
		awk '{ package = $2; sub("_.*", "", package); sub("SHA256:", "", $4); print $2, package, $4 }'
}

# What $cache/packages names and $debs lacks.
missing() {
	local file package sum
	while read -r file package sum; do
		echo "$sum  $debs/$file" | sha256sum -c --status 2>/dev/null || echo "$package"
	done <"$cache/packages"
}

# fetch_packages UNUSED: what $base and $list name and need, but for those that the
# extended regular expression UNUSED matches.
fetch_packages() {
	local wanted packages new
	[ "$(id -u)" -eq 0 ] || die "run as root: files keep their owners, and the interpreter runs in a chroot"
	UNUSED+="|$1"
	mkdir -p "$cache" "$debs"
	if ! [ -s "$cache/packages" ] || [ "$list" -nt "$cache/packages" ] || [ "$base" -nt "$cache/packages" ] ||
		[ "$here/../root.sh" -nt "$cache/packages" ]; then
		mapfile -t wanted < <(grep -hv '^#' "$base" "$list")
		flock "$debs" bash -c 'apt-cache show "$1" >/dev/null 2>&1 || apt-get update -qq' update "${wanted[0]}"
		resolve "${wanted[@]}" >"$cache/packages.new" || die "cannot resolve the packages"
		mv "$cache/packages.new" "$cache/packages"
	fi
	mapfile -t packages < <(missing)
	[ ${#packages[@]} -gt 0 ] || return 0
	# Other images may be made at the same time.
	new=$(mktemp -d "$debs/new.XXXXXX")
	(cd "$new" && apt-get -o APT::Sandbox::User=root download -qq "${packages[@]}" && mv ./*.deb ..) ||
		die "cannot download the packages"
	rmdir "$new"
	[ -z "$(missing)" ] || die "the packages have changed; rm -r $cache and try again"
}

unpack_packages() {
	local d file rest
	rm -rf "$dest"
	mkdir -p "$dest"/usr/{bin,sbin,lib,lib64}
	for d in bin sbin lib lib64; do ln -s "usr/$d" "$dest/$d"; done
	while read -r file rest; do
		# Through tar: dpkg-deb -x would replace the links of /lib by directories.
		dpkg-deb --fsys-tarfile "$debs/$file" | tar -x -C "$dest" --keep-directory-symlink
	done <"$cache/packages"
	rm -rf "$dest"/usr/share/{doc,man,info,lintian,bug,locale,doc-base,menu,bash-completion,zsh,common-licenses} \
		"$dest"/{usr/include,var} "$dest"/etc/{cron*,dpkg,init.d,pam.d,update-motd.d}
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
		printf '127.0.0.1 localhost zeroboot\n::1 localhost\n' >etc/hosts
		printf 'passwd: files\ngroup: files\nhosts: files\n' >etc/nsswitch.conf
		ln -sf which.debianutils usr/bin/which
		for awk in gawk mawk; do
			[ -e usr/bin/$awk ] && ln -sf $awk usr/bin/awk && break
		done
		[ -e bin/sh ] || ln -s dash bin/sh
		ldconfig -r .
		rm -rf var/cache
		drop_programs
	)
}

# Those that want a library that was left out.
drop_programs() {
	local program
	for program in usr/bin/* usr/sbin/*; do
		[ -L "$program" ] || [ "$(head -c 4 "$program")" != $'\x7fELF' ] ||
			! LD_TRACE_LOADED_OBJECTS=1 chroot . "/$program" | grep -q 'not found' ||
			rm "$program"
	done
}
