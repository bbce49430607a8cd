#!/usr/bin/env bash
# Builds the guest programs that have changed, static, and packs them into
# build/tests/guest.img.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=build/tests/root
mkdir -p $root/bin
newest=$(ls -t tests/guest/*.h | head -n 1)
for source in tests/guest/*.c; do
	program=$root/bin/$(basename "$source" .c)
	[ "$program" -nt "$source" ] && [ "$program" -nt "$newest" ] ||
		gcc -std=gnu11 -O1 -Wall -static -pthread -o "$program" "$source"
done
# What is gone from the sources goes from the image.
for program in $root/bin/*; do
	[ -e "tests/guest/$(basename "$program").c" ] || rm "$program"
done
./zeroboot image build -o build/tests/guest.img $root
