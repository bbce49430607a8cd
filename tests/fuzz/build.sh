#!/usr/bin/env bash
# Builds the libFuzzer targets into the directory $1: build.sh DIR
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$1
mkdir -p "$out"
target() { # name source...
	local name=$1
	shift
	clang -std=c11 -D_GNU_SOURCE -g -O2 -Wall -Wextra -Werror \
		-Wno-gnu-variable-sized-type-not-at-end -I. -fno-sanitize-recover=all \
		-fsanitize=fuzzer,address,undefined -o "$out/$name" "tests/fuzz/${name}_fuzz.c" "$@"
}
target http http.c
target json json.c err.c
target auth auth.c json.c err.c
