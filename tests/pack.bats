# pack.bats: images that gzip has packed, and how much there is to copy.

bats_require_minimum_version 1.5.0

# An image with one program, and the same packed.
setup_file() {
	export dir=$BATS_FILE_TMPDIR
	mkdir -p "$dir/root/bin"
	cp "$(command -v busybox)" "$dir/root/bin/"
	head -c 300000 /dev/urandom >"$dir/root/noise"
	./zeroboot image build -o "$dir/x.img" "$dir/root"
	gzip -9 -k "$dir/x.img"
}

hello() { ./zeroboot run "$1" /bin/busybox echo hello; }

# The file is refused, and as it stands nothing is left beside it.
refused() { # file why
	run --separate-stderr ./zeroboot image info "$1"
	[ "$status" -eq 1 ]
	[ -z "$output" ]
	# shellcheck disable=SC2154
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ "$stderr" == "zeroboot: $1: $2"* ]] || { echo "$stderr"; false; }
}

@test "packed: an image runs packed as it does unpacked, whoever packed it" {
	[ "$(hello "$dir/x.img")" = hello ]
	[ "$(hello "$dir/x.img.gz")" = hello ]
	gzip -1 <"$dir/x.img" >"$dir/fast"
	split -b 400000 --filter=gzip "$dir/x.img" >"$dir/members"
	busybox gzip <"$dir/x.img" >"$dir/busy"
	for i in fast members busy; do [ "$(hello "$dir/$i")" = hello ]; done
	diff <(./zeroboot image info -l "$dir/x.img" | grep -v '^file ') <(./zeroboot image info -l "$dir/x.img.gz" | grep -v '^file ')
}

@test "packed: nothing is left, whether the directory can be written or not" {
	mkdir "$dir/one"
	ln "$dir/x.img.gz" "$dir/one/"
	[ "$(hello "$dir/one/x.img.gz")" = hello ]
	[ "$(ls "$dir/one")" = x.img.gz ]
	run unshare -m sh -c 'mount --bind -o ro "$0" "$0" && mount -o remount,bind,ro "$0" && strace -f -e trace=memfd_create -o "$1" ./zeroboot run "$0/x.img.gz" /bin/busybox echo hello' "$dir/one" "$dir/calls"
	[ "$output" = hello ]
	grep -q 'memfd_create("zeroboot-image"' "$dir/calls"
	mkdir "$dir/cache"
	CACHE_DIRECTORY=$dir/cache strace -e trace=openat,open -o "$dir/calls" ./zeroboot run "$dir/one/x.img.gz" /bin/busybox true
	grep -q "$dir/cache.*O_TMPFILE" "$dir/calls"
	[ -z "$(ls "$dir/cache")" ]
}

@test "packed: what is cut, damaged, longer, shorter or something else is refused" {
	size=$(stat -c %s "$dir/x.img.gz")
	for n in 1000 $((size / 2)) $((size - 1)) $((size - 9)); do
		head -c "$n" "$dir/x.img.gz" >"$dir/bad"
		refused "$dir/bad" "gzip: cut"
	done
	for n in 10 12 20; do
		head -c "$n" "$dir/x.img.gz" >"$dir/bad"
		refused "$dir/bad" ""
	done
	cp "$dir/x.img.gz" "$dir/bad"
	printf '\0\0\0\0' | dd of="$dir/bad" bs=1 seek=$((size - 8)) conv=notrunc status=none
	refused "$dir/bad" "gzip: damaged: wrong checksum"
	(cat "$dir/x.img.gz" && echo more) >"$dir/bad"
	refused "$dir/bad" "gzip: garbage behind its end"
	(cat "$dir/x.img" && echo more) | gzip >"$dir/bad"
	refused "$dir/bad" "image damaged: more than the $(stat -c %s "$dir/x.img") bytes that it says"
	head -c 100000 "$dir/x.img" | gzip >"$dir/bad"
	refused "$dir/bad" "image damaged: less than the $(stat -c %s "$dir/x.img") bytes that it says"
	gzip <"$dir/x.img.gz" >"$dir/bad"
	refused "$dir/bad" "not a zeroboot image"
	echo text | gzip >"$dir/bad"
	refused "$dir/bad" "not a zeroboot image"
	xz -0 <"$dir/x.img" >"$dir/bad"
	refused "$dir/bad" "packed by xz, only gzip is unpacked"
	# One that is whole as gzip but no image: a name's length is wrong.
	python3 - "$dir" <<'PY'
import gzip, pathlib, sys
d = pathlib.Path(sys.argv[1])
data = bytearray((d / "x.img").read_bytes())
data[-4096] ^= 1
data[100] ^= 1
(d / "bad").write_bytes(gzip.compress(data, 1))
PY
	refused "$dir/bad" "image damaged: "
}

@test "packed: a bomb is refused before it costs anything" {
	# It says 1 TiB, or 32 MiB, and is endless.
	python3 - "$dir" <<'PY'
import pathlib, struct, sys, zlib
d = pathlib.Path(sys.argv[1])
head = (d / "x.img").read_bytes()[:4096]
at = head.index(struct.pack("<Q", (d / "x.img").stat().st_size))
for name, size in ("huge", 1 << 40), ("long", 32 << 20), ("most", 1 << 63):
    z = zlib.compressobj(9, zlib.DEFLATED, 31)
    out = z.compress(head[:at] + struct.pack("<Q", size) + head[at + 8:])
    for i in range(256):
        out += z.compress(b"x" * (1 << 20))
    (d / name).write_bytes(out + z.flush())
PY
	refused "$dir/long" "image damaged: more than the 33554432 bytes that it says"
	refused "$dir/most" "image damaged: bad sizes"
	# Where there is no room for it.
	run unshare -m sh -c 'mount -t tmpfs -o size=64m tmpfs /mnt && cp "$0" /mnt/x && ./zeroboot image info /mnt/x' "$dir/huge"
	[ "$status" -eq 1 ]
	[[ "$output" == "zeroboot: /mnt/x: no room to unpack 1048576 MiB"* ]]
}

# ---- how much there is to copy ----

@test "size: Python and Node together with the binary are at most 110 MB to copy" {
	size=$(cat build/release/zeroboot build/python.img.gz build/node.img.gz | wc -c)
	echo "$size bytes"
	[ "$size" -le 110000000 ]
}

@test "size: no image has symbols, static libraries, headers, manuals, or the tests of packages" {
	for root in build/{python,node,sh}-root; do
		run find "$root" \( -name '*.a' -o -name '*.h' -o -name '*.la' -o -path '*/share/man/*' -o -path '*/numpy/*/tests' \
			-o -path '*/pandas/tests' -o -name '*.opt-?.pyc' \)
		[ -z "$output" ]
		run bash -c 'find "$0/usr" -type f -size +4k \( -perm /111 -o -name "*.so*" -o -name "*.node" \) -exec readelf -SW {} + 2>/dev/null |
			grep -c " \.symtab "' "$root"
		[ "$output" -eq 0 ]
	done
}
