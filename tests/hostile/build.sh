#!/usr/bin/env bash
# Builds the hostile guest and its template: build/tests/hostile/hostile.zbt
# With the argument `image` only its image, hostile.img. INSIDE: as in the Makefile.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=build/tests/hostile
mkdir -p $out/root
kernel=build/${MODE:-release}/kernel.elf
flush=$(nm $kernel | awk '$3 == "tlb_flush" { print $1 }')
# Behind the one `out` of request_wait: where every fork starts.
start=$(objdump -d --no-show-raw-insn --disassemble=request_wait $kernel | awk '/\tout/ && !seen++ { getline; print $1 }' | tr -d :)
musl-gcc -std=gnu11 -O1 -Wall -Wextra -Werror -mavx2 -msse4.1 -mfsgsbase -DTLB_FLUSH=0x$flush -DSTART_RIP=0x$start \
	-fno-pie -no-pie -static \
	-idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu -o $out/root/hostile tests/hostile/*.c
./zeroboot image build -o $out/hostile.img $out/root
[ "${1:-}" = image ] || ${INSIDE:+$INSIDE --back $out/hostile.zbt} ./zeroboot template build -o $out/hostile.zbt --memory 32 --program /hostile $out/hostile.img
