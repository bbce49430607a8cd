#!/usr/bin/env bash
# Packs a directory so that the same content makes the same bytes: dist.sh STAGE OUTPUT
# The directory in it is named as the output. SOURCE_DATE_EPOCH is the files' time.
set -euo pipefail
name=$(basename "$2" .tar.gz)
mkdir -p "$(dirname "$2")"
tar -C "$1" --sort=name --format=ustar --mtime="@${SOURCE_DATE_EPOCH:?}" --owner=0 --group=0 --numeric-owner \
	--mode=u=rwX,go=rX --transform="s|^\./|$name/|;s|^\.$|$name|" -cf - . | gzip -9n >"$2.tmp"
mv "$2.tmp" "$2"
