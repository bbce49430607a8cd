# pack.bats: images that gzip has packed, how much there is to copy, and boxes: the
# program with images in one file.

bats_require_minimum_version 1.5.0
load helpers

setup() { export XDG_CACHE_HOME=$BATS_TEST_TMPDIR/cache; }

teardown() { end_server; }

# An image with one program, and the same packed.
setup_file() {
	export dir=$BATS_FILE_TMPDIR
	mkdir -p "$dir/root/bin"
	cp "$(command -v busybox)" "$dir/root/bin/"
	head -c 300000 /dev/urandom >"$dir/root/noise"
	./zeroboot image build -o "$dir/x.img" "$dir/root"
	gzip -9 -k "$dir/x.img"
	gzip -1 <build/sh.img >"$dir/sh.img.gz"
	mkdir "$dir/home" "$dir/server"
	# Static, whatever ./zeroboot is.
	build/release/zeroboot pack -o "$dir/server/box" "$dir/sh.img.gz" --default 'serve --listen 127.0.0.1:0 --workers 1'
	./zeroboot pack -o "$dir/home/box" "$dir/sh.img.gz" "$dir/x.img" \
		--default 'exec -l sh -t 100' --default 'serve --listen 127.0.0.1:0 --workers  1'
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
	[ ! -e "$XDG_CACHE_HOME" ]
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

# ---- boxes ----

# A box that serves, by a command that ends in it; its port is $port.
start_box() { # command...
	log=$BATS_TEST_TMPDIR/log
	"$@" 2>"$log" 3>&- &
	server=$!
	eventually ready_or_gone
	logged 'every template is ready' || cat "$log"
	port=$(sed -n 's/.*serving on 127\.0\.0\.1:\([0-9]*\)$/\1/p' "$log" | head -n 1)
}

answers() { [ "$(field "$(run_code 'echo $((6 * 7))' 100 sh)" stdout)" = 42 ]; }

@test "box: it is the program and what was packed, and runs as it is" {
	[ "$("$dir/home/box" --version)" = "$(./zeroboot --version)" ]
	cmp -n "$(stat -c %s zeroboot)" zeroboot "$dir/home/box"
	run "$dir/home/box" exec -c 'echo $((6 * 7)); exit 3'
	[ "$status" -eq 3 ]
	[ "$output" = 42 ]
	[ "$("$dir/home/box" run "$dir/home/box/x.img" /bin/busybox echo hello)" = hello ]
	diff <(./zeroboot image info -l "$dir/x.img" | grep -v '^file ') <(./zeroboot image info -l "$dir/home/box/x.img" | grep -v '^file ')
	[ "$(ls "$dir/home")" = box ]
}

@test "box: another program takes it for a directory of images" {
	[ "$(./zeroboot exec --templates "$dir/home/box" -l sh -c 'echo hi')" = hi ]
	run ./zeroboot exec --templates "$dir/home/box" -l node -c 1
	[ "$status" -eq 1 ]
	[[ "$output" == *"node"* ]]
}

@test "box: Python says what it says elsewhere" {
	./zeroboot pack -o "$dir/home/py" build/python.img.gz
	[ "$("$dir/home/py" exec -c 'print(6 * 7)')" = 42 ]
}

@test "box: without a command it does what its first default says; what is given goes before defaults" {
	run "$dir/home/box" <<<'echo $0'
	[ "$output" = /app/main.sh ]
	run "$dir/home/box" exec -l nothing -c 1
	[ "$status" -eq 1 ]
	[[ "$output" == *nothing* ]]
	run "$dir/home/box" exec --nothing
	[ "$status" -eq 2 ]
	run timeout 20 "$dir/home/box" serve --listen nowhere
	[ "$status" -ne 0 ]
	[[ "$output" == *nowhere* && "$output" != *127.0.0.1* ]]
}

@test "box: it serves from a directory that cannot be written" {
	printf 'mount --bind -o ro "$0" "$0" && mount -o remount,bind,ro "$0" && cd "$0" && exec ./box serve' >"$BATS_TEST_TMPDIR/do"
	start_box unshare -m sh -c "$(cat "$BATS_TEST_TMPDIR/do")" "$dir/server"
	answers
	run ! logged 'not kept'
}

kept() { ls "$XDG_CACHE_HOME/zeroboot" 2>/dev/null; }

# As a service, and as a command, each with a program that logs what it starts.
@test "box: what it made and unpacked is in the cache, and the next start makes nothing" {
	cd "$BATS_TEST_TMPDIR"
	start_box "$dir/server/box" serve
	answers
	logged 'making a template of .*/box/sh.img'
	both_kept() { [ "$(kept | sed 's/\.[0-9a-f]\{16\}\./ /')" = $'sh img\nsh zbt' ]; }
	eventually both_kept
	end_server
	before=$(stat -c '%n %i %y' cache/zeroboot/*)
	start_box strace -f --seccomp-bpf -e trace=execve -o calls "$dir/server/box" serve
	answers
	run ! logged 'making a template'
	run ! grep -- '"--build"' calls
	# The command takes what the service has made.
	[ "$("$dir/home/box" exec -l sh -c 'echo hi')" = hi ]
	[ "$(stat -c '%n %i %y' cache/zeroboot/*)" = "$before" ]
	[ "$(ls "$dir/server")" = box ]
}

@test "box: exec keeps template and image in the cache, and the next one takes them" {
	[ "$("$dir/home/box" exec -c 'echo hi')" = hi ]
	before=$(stat -c '%n %i %y' "$XDG_CACHE_HOME"/zeroboot/*)
	[ "$(wc -l <<<"$before")" -eq 2 ]
	calls=$BATS_TEST_TMPDIR/calls
	[ "$(strace -f -e trace=openat,open,memfd_create -o "$calls" "$dir/home/box" exec -c 'echo hi')" = hi ]
	run ! grep -e O_TMPFILE -e memfd "$calls"
	[ "$(stat -c '%n %i %y' "$XDG_CACHE_HOME"/zeroboot/*)" = "$before" ]
}

@test "box: a cache that others may write to, or that is somebody else's, is left alone" {
	mkdir -p "$XDG_CACHE_HOME/zeroboot"
	chmod 777 "$XDG_CACHE_HOME/zeroboot"
	[ "$("$dir/home/box" exec -c 'echo hi')" = hi ]
	[ -z "$(kept)" ]
	chmod 700 "$XDG_CACHE_HOME/zeroboot"
	chown 12345 "$XDG_CACHE_HOME/zeroboot"
	[ "$("$dir/home/box" exec -c 'echo hi')" = hi ]
	[ -z "$(kept)" ]
	mkdir "$BATS_TEST_TMPDIR/home"
	chown 12345 "$BATS_TEST_TMPDIR/home"
	[ "$(env -u XDG_CACHE_HOME HOME="$BATS_TEST_TMPDIR/home" "$dir/home/box" exec -c 'echo hi')" = hi ]
	[ -z "$(ls -A "$BATS_TEST_TMPDIR/home")" ]
	chown 0 "$BATS_TEST_TMPDIR/home"
	[ "$(env -u XDG_CACHE_HOME HOME="$BATS_TEST_TMPDIR/home" "$dir/home/box" exec -c 'echo hi')" = hi ]
	[ "$(ls "$BATS_TEST_TMPDIR/home/.cache/zeroboot" | wc -l)" -eq 2 ]
}

@test "box: what was made of other images goes from the cache when it is a month old" {
	mkdir -p "$XDG_CACHE_HOME/zeroboot"
	cd "$XDG_CACHE_HOME/zeroboot"
	touch -d '40 days ago' sh.0123456789abcdef.{zbt,img} python.0123456789abcdef.zbt sh.zbt sh.0123456789abcdeg.zbt
	touch -d '20 days ago' sh.0123456789abcdee.{zbt,img}
	[ "$("$dir/home/box" exec -c 'echo hi')" = hi ]
	[ "$(ls sh.0123* python* sh.zbt)" = "$(printf '%s\n' python.0123456789abcdef.zbt sh.0123456789abcdee.{img,zbt} sh.0123456789abcdeg.zbt sh.zbt)" ]
}

@test "packed: serve and exec unpack an image once" {
	mkdir "$BATS_TEST_TMPDIR/templates"
	ln "$dir/sh.img.gz" "$BATS_TEST_TMPDIR/templates/sh.img"
	calls=$BATS_TEST_TMPDIR/calls
	templates=$BATS_TEST_TMPDIR/templates start_server --workers 1
	some_kept() { [ -n "$(kept)" ]; }
	eventually some_kept
	[[ "$(kept)" = sh.*.img ]]
	[ "$(strace -f -e trace=openat,open,memfd_create -o "$calls" ./zeroboot exec --templates "$BATS_TEST_TMPDIR/templates" -l sh -c 'echo hi')" = hi ]
	run ! grep -e O_TMPFILE -e zeroboot-image "$calls"
	[ "$(ls "$BATS_TEST_TMPDIR/templates")" = $'sh.img\nsh.zbt' ]
}

@test "box: it needs nothing but /dev/kvm: no /proc, no /dev/null, no root" {
	root=$BATS_TEST_TMPDIR/root
	mkdir -p "$root/dev"
	cp "$dir/server/box" "$root/"
	cp -a /dev/kvm "$root/dev/"
	chgrp 12345 "$root/dev/kvm"
	chmod 660 "$root/dev/kvm"
	[ "$(chroot "$root" /box exec -l sh -c 'echo hi' </dev/null)" = hi ]
	[ "$(cd "$root" && chroot --userspec=1234:1234 --groups=12345 . ./box exec -l sh -c 'echo hi' </dev/null)" = hi ]
	run chroot --userspec=1234:1234 "$root" /box exec -l sh -c 'echo hi'
	[ "$status" -eq 1 ]
	[[ "$output" == *"/dev/kvm: Permission denied"* ]]
	start_box chroot --userspec=1234:1234 --groups=12345 "$root" /box serve
	answers
	[ "$(find "$root" -type f | wc -l)" -eq 1 ]
}

@test "box: one that cannot find itself says so" {
	root=$BATS_TEST_TMPDIR/root
	mkdir -p "$root"
	cp "$dir/home/box" "$root/"
	# By a descriptor, of a name that is nowhere.
	run python3 - "$root" <<'PY'
import os, sys
fd = os.open(sys.argv[1] + "/box", os.O_RDONLY)
os.set_inheritable(fd, True)
os.chroot(sys.argv[1])
os.chdir("/")
os.execve(fd, ["box", "exec", "-c", "1"], {})
PY
	[ "$status" -eq 1 ]
	[[ "$output" == *"warning: cannot read its own file"* ]]
}

@test "box: packed again it has the new images only" {
	"$dir/home/box" pack -o "$dir/home/again" "$dir/x.img"
	"$dir/home/again" image info "$dir/home/again/x.img"
	run "$dir/home/again" image info "$dir/home/again/sh.img"
	[ "$status" -eq 1 ]
	[[ "$output" == *"no such image in the box"* ]]
	[ "$(stat -c %s "$dir/home/again")" -lt $(($(stat -c %s zeroboot "$dir/x.img" | paste -sd +) + 16384)) ]
	# In its own place, while it is there.
	cp "$dir/home/box" "$dir/home/own"
	"$dir/home/own" pack -o "$dir/home/own" "$dir/x.img"
	cmp "$dir/home/own" "$dir/home/again"
	run "$dir/home/own"
	[ "$status" -eq 2 ]
}

@test "box: what cannot be packed is refused, and what is there stays" {
	echo old >"$dir/home/out"
	not() { # why words...
		local why=$1
		shift
		run ./zeroboot pack -o "$dir/home/out" "$@"
		[ "$status" -ne 0 ]
		[[ "$output" == *"$why"* ]] || { echo "$output"; false; }
		[ "$(cat "$dir/home/out")" = old ]
	}
	head -c 100000 "$dir/x.img.gz" >"$dir/cut.img.gz"
	cp "$dir/x.img" "$dir/a b.img"
	not "cut.img.gz: gzip: cut" "$dir/cut.img.gz"
	not "not a zeroboot image" tests/pack.bats
	not "No such file" "$dir/none.img"
	not "other characters" "$dir/a b.img"
	not "there is x.img already" "$dir/x.img" "$dir/x.img.gz"
	not "wants serve or exec" --default 'image build' "$dir/x.img"
	not "wants serve or exec" --default ' ' "$dir/x.img"
	not "there is serve already" --default 'serve --fresh' --default serve "$dir/x.img"
	[ "$(ls "$dir/home" | grep -c tmp)" -eq 0 ]
}

@test "box: one that is cut or damaged is refused, whatever it is asked" {
	size=$(stat -c %s "$dir/home/box")
	program=$(stat -c %s zeroboot)
	bad=$dir/home/bad
	damaged() { # what
		run "$bad" exec -c 'echo hi'
		[ "$status" -eq 1 ]
		[[ "$output" == *"damaged: "*"$1"*": copy it anew"* ]] || { echo "$output"; false; }
	}
	for n in $((size - 1)) $((size - 64)) $((size / 2)) $((program + 1)); do
		head -c "$n" "$dir/home/box" >"$bad"
		chmod +x "$bad"
		damaged "its end is missing"
	done
	(cat "$dir/home/box" && echo) >"$bad"
	damaged "its end is missing"
	flip() { # offset
		cp "$dir/home/box" "$bad"
		printf '\x5a' | dd of="$bad" bs=1 seek="$1" conv=notrunc status=none
	}
	flip $((size - 20)) # the trailer's reserved bytes
	damaged "wrong checksum of its trailer"
	flip $((size - 100))
	damaged "wrong checksum of its index"
	flip $((program + 1000000)) # sh.img.gz
	damaged "wrong checksum of sh.img"
	# Numbers that are wrong under right checksums.
	python3 - "$dir/home/box" "$dir/home" <<'PY'
import pathlib, struct, sys
data = pathlib.Path(sys.argv[1]).read_bytes()

def crc(data):
    c = 0xffffffff
    for b in data:
        c ^= b
        for _ in range(8):
            c = c >> 1 ^ (0x82f63b78 if c & 1 else 0)
    return c ^ 0xffffffff

magic, version, count, index, size, index_sum, checksum, *rest = struct.unpack("<8sIIQQII3Q", data[-64:])
entries = data[index:-64]

def made(name, entries=entries, version=version, count=count, index=index, size=size):
    parts = [magic, version, count, index, size, crc(entries)]
    head = struct.pack("<8sIIQQII3Q", *parts, 0, *rest)
    trailer = struct.pack("<8sIIQQII3Q", *parts, crc(head), *rest)
    pathlib.Path(sys.argv[2], name).write_bytes(data[:-64 - len(data[index:-64])] + entries + trailer)

def field(entry, at, form, value):
    b = bytearray(entries)
    struct.pack_into(form, b, entry * 88 + at, value)
    return bytes(b)

made("w-same")
made("w-version", version=2)
made("w-count", count=65)
made("w-none", count=0)
made("w-index", index=index + 88)
made("w-far", index=1 << 63)
made("w-size", size=size - 1)
made("w-offset", field(1, 64, "<Q", 1 << 63))
made("w-before", field(2, 64, "<Q", 4096))
made("w-odd", field(1, 64, "<Q", struct.unpack_from("<Q", entries, 88 + 64)[0] + 1))
made("w-long", field(1, 72, "<Q", (1 << 64) - 4096))
made("w-kind", field(1, 84, "<I", 9))
made("w-program", field(0, 72, "<Q", 4096))
made("w-name", field(1, 0, "64s", b"../../etc/x"))
made("w-nul", field(1, 0, "64s", b"x" * 64))
PY
	chmod +x "$dir"/home/w-*
	[ "$("$dir/home/w-same" exec -c 'echo hi')" = hi ]
	rm "$dir/home/w-same"
	for bad in "$dir"/home/w-*; do
		run "$bad" exec -c 'echo hi'
		[ "$status" -eq 1 ]
		[[ "$output" == *damaged* || "$output" == *"box version 2"* ]] || { echo "$bad: $output"; false; }
	done
	rm "$dir"/home/w-*
}
