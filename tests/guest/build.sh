#!/usr/bin/env bash
# Builds the guest programs, static, and packs them into build/tests/guest.img.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=build/tests/root
mkdir -p $root/bin
for source in tests/guest/*.c; do
	gcc -std=gnu11 -O1 -Wall -static -pthread -o "$root/bin/$(basename "$source" .c)" "$source"
done
./zeroboot image build -o build/tests/guest.img $root
