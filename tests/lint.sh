#!/usr/bin/env bash
# One file through gcc's analyser and clang-tidy: lint.sh FILE FLAGS -- FLAGS.
# What had nothing to say is not asked again before the file, a header of ours that it
# includes, a tool, a flag or the list of checks is another.
set -euo pipefail
file=$1 all=("$@")
shift
while [ "$1" != -- ]; do
	gcc+=("$1")
	shift
done
clang=("${@:2}")

# Headers of the system are the tools' matter: of what -MM names all is ours.
mapfile -t sources < <(gcc "${clang[@]}" -MM "$file" | tr -d '\\' | tr -s ' ' '\n' | sed '1d;/^$/d')
passed=build/lint/$({
	gcc --version
	clang-tidy --version
	echo "${all[@]}" "${sources[@]}"
	cat .clang-tidy tests/lint.sh "${sources[@]}"
} | sha256sum | cut -c-32)
[ -e "$passed" ] && exit 0

gcc "${gcc[@]}" "$file"
clang-tidy --quiet "$file" -- "${clang[@]}" 2> >(grep -vE '^[0-9]+ warnings? generated\.$' >&2)
mkdir -p build/lint
touch "$passed"
