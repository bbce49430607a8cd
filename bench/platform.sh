#!/usr/bin/env bash
# What the back end under the guest costs, beside native, in ns. The figures of
# docs/platform.md. Usage: bench/platform.sh
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

mkdir -p "$dir/root/bin"
gcc -std=gnu11 -O2 -Wall -static -o "$dir/root/bin/platform" bench/platform.c
./zeroboot image build -o "$dir/platform.img" "$dir/root"
echo "ns                                                      native     guest"
paste <("$dir/root/bin/platform") <(./zeroboot run "$dir/platform.img" /bin/platform | awk '{ printf "%9s\n", $NF }')
./zeroboot run --stats "$dir/platform.img" /bin/platform 2>&1 >/dev/null | grep exits
