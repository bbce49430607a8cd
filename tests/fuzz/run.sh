#!/usr/bin/env bash
# Fuzzes for a number of seconds each: run.sh SECONDS [TARGET...]
# What is found stays in build/fuzz; the inputs of one run are where the next
# begins.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=$1
shift
[ $# -gt 0 ] || set -- http json request mcp answer auth shared template image inflate tar member worker delta box
tests/fuzz/build.sh build/fuzz "$@"
for name in "$@"; do
	mkdir -p "build/fuzz/corpus/$name"
	echo "fuzz: $name, $seconds s"
	"build/fuzz/$name" -max_total_time="$seconds" -max_len=1024 -timeout=100 -rss_limit_mb=1024 -verbosity=0 \
		-print_final_stats=1 -artifact_prefix="build/fuzz/$name-" "build/fuzz/corpus/$name" "tests/fuzz/seeds/$name"
done
