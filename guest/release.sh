#!/usr/bin/env bash
# Runs a command for which packages are those of the release that images are made of,
# whatever this machine's is: release.sh COMMAND... On a machine of another release apt
# looks where it finds that one's, and keeps what it learns in build/cache.
set -euo pipefail
release=bookworm
# shellcheck source=/dev/null
here=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ "$here" != $release ] || exec "$@"

apt=$(cd "$(dirname "$0")/.." && pwd)/build/cache/apt
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r $keys ] || {
	echo "zeroboot: release.sh: $keys is missing: install debian-archive-keyring" >&2
	exit 1
}
mkdir -p "$apt"/{lists,archives}/partial

# write NAME: a file of apt's from standard input, whole for others that do the same.
write() {
	cat >"$apt/$1.$$" && mv "$apt/$1.$$" "$apt/$1"
}

# shellcheck disable=SC2016
apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
	awk -v keys=$keys -v from="$here" -v to=$release '$3 == "main" && $2 ~ "^(" from "|stable)(-|$)" {
		sub("^[a-z]+", to, $2)
		print "deb [signed-by=" keys "]", $1, $2, $3
	}' | sort -u | write sources.list
[ -s "$apt/sources.list" ] || {
	echo "zeroboot: release.sh: apt here knows no place of Debian's packages" >&2
	exit 1
}
write config <<.
Dir::Etc::SourceList "$apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$apt/lists";
Dir::State::status "/dev/null";
Dir::Cache "$apt";
APT::Sandbox::User "root";
.
export APT_CONFIG=$apt/config
exec "$@"
