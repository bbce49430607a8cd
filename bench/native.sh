#!/usr/bin/env bash
# What the guest costs against native, in turns: system calls (us each), and
# programs that only compute (seconds, medians of ROUNDS). Run as root: the
# native interpreters are the images', in a chroot. Usage: bench/native.sh [ROUNDS]
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5}
dir=$(mktemp -d)
trap 'rm -rf "$dir" build/*-root/tmp/compute' EXIT

mkdir -p "$dir/root/bin"
gcc -std=gnu11 -O2 -static -o "$dir/root/bin/syscall" bench/syscall.c
./zeroboot image build -o "$dir/syscall.img" "$dir/root"
echo "us a call                  native    guest"
paste <("$dir/root/bin/syscall") <(./zeroboot run "$dir/syscall.img" /bin/syscall | awk '{ print $NF }')
gcc -std=gnu11 -O2 -static -pthread -o "$dir/root/bin/loopback" bench/loopback.c
./zeroboot image build -o "$dir/syscall.img" "$dir/root"
paste <(unshare -n tests/loopback.py "$dir/root/bin/loopback") <(./zeroboot run "$dir/syscall.img" /bin/loopback | awk '{ print $(NF - 1) }')

cat >"$dir/python" <<'PY'
import time
start = time.monotonic()
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
fib(30)
sum(i * i for i in range(5_000_000))
import numpy
a = numpy.arange(1e4)
for _ in range(10000): (a * a + a).sum()
print(time.monotonic() - start)
PY
cat >"$dir/node" <<'JS'
const start = process.hrtime.bigint();
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
fib(38);
const sieve = new Uint8Array(1 << 20);
for (let round = 0; round < 20; round++) {
	sieve.fill(1);
	for (let i = 2; i * i < sieve.length; i++)
		if (sieve[i]) for (let k = i * i; k < sieve.length; k += i) sieve[k] = 0;
}
console.log(Number(process.hrtime.bigint() - start) / 1e9);
JS
echo "seconds                    native    guest"
for language in python node; do
	cp "$dir/$language" "build/$language-root/tmp/compute"
	interpreter=/usr/bin/${language/python/python3}
	for _ in $(seq "$rounds"); do
		chroot "build/$language-root" "$interpreter" /tmp/compute >>"$dir/$language.native"
		./zeroboot exec -l "$language" -t 60 "$dir/$language" >>"$dir/$language.guest"
	done
	median() { sort -g "$1" | awk '{ v[NR] = $1 } END { printf "%.3f", v[int((NR + 1) / 2)] }'; }
	printf '%-26s %s     %s\n' "$language" "$(median "$dir/$language.native")" "$(median "$dir/$language.guest")"
done
