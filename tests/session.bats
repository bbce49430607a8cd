# session.bats: `zeroboot exec --session`: a session in a file, without a server.

bats_require_minimum_version 1.5.0

setup() {
	mkdir "$BATS_TEST_TMPDIR/kept"
	file=$BATS_TEST_TMPDIR/kept/session
}

# CODE [OPTION...], as the session's next exec.
session() {
	local code=$1
	shift
	run --separate-stderr ./zeroboot exec --session "$file" "$@" -c "$code"
}

@test "session: variables, imports, files and the directory stay from command to command" {
	session 'import os; import json as j; x = [1]; os.mkdir("/tmp/d"); os.chdir("/tmp/d"); open("f", "w").write("kept")' --env A=b
	[ "$status" -eq 0 ]
	[ "$(stat -c %a "$file")" = 600 ]
	session 'x.append(2); print(j.dumps(x), os.getcwd(), open("f").read(), os.environ["A"])'
	[ "$status" -eq 0 ]
	[ "$output" = '[1, 2] /tmp/d kept b' ]
	[ "$stderr" = "" ]
	session 'print(x)'
	[ "$output" = '[1, 2]' ]
}

@test "session: the value of a last expression is shown, and an error keeps the session" {
	session 'x = 20'
	[ "$output" = "" ]
	session 'print("out"); 2 * x + 2'
	[ "$output" = $'out\n42' ]
	session 'x / 0'
	[ "$status" -eq 1 ]
	[[ "$stderr" == *ZeroDivisionError* ]]
	session 'x'
	[ "$output" = 20 ]
}

@test "session: a copy of the file is a session of its own, with other random numbers" {
	session 'import os; x = 1'
	cp "$file" "$file.copy"
	session 'x = 2; os.urandom(16).hex()'
	[ "$status" -eq 0 ]
	random=$output
	file=$file.copy
	session 'os.urandom(16).hex()'
	[ "$status" -eq 0 ]
	[ "$random" != "$output" ]
	session 'x'
	[ "$output" = 1 ]
}

@test "session: an exec that is cut off leaves the session as it was" {
	session 'x = 1'
	cp "$file" "$file.before"
	session $'x = 2\nwhile True: pass' -t 1
	[ "$status" -eq 124 ]
	[[ "$stderr" == *"the session is as it was before"* ]]
	cmp "$file" "$file.before"
	session 'x'
	[ "$output" = 1 ]
}

@test "session: its monotonic clock stands still between commands" {
	session 'import time; before = time.monotonic()'
	sleep 1.5
	session 'time.monotonic() - before < 1.4 and time.time() > 1.7e9'
	[ "$output" = True ]
}

@test "session: a program that ends takes its session with it" {
	session 'x = 1'
	session 'import sys; print("bye"); sys.exit(3)'
	[ "$status" -eq 3 ]
	[ "$output" = bye ]
	[[ "$stderr" == *"the session's program has ended"* ]]
	[ ! -e "$file" ]
}

@test "session: one of another template, or of another version, is refused with the reason" {
	session 'x = 1'
	cp "$file" "$file.before"
	session 'x=1' -l sh
	[ "$status" -eq 1 ]
	echo "$stderr"
	[[ "$stderr" == "zeroboot: $file: a session of another template than this one: of another language (-l), or from before that one was built anew" ]]
	printf '\x63' | dd of="$file" bs=1 seek=8 conv=notrunc status=none
	session 'x = 1'
	[ "$status" -eq 1 ]
	[[ "$stderr" == "zeroboot: $file: a session of another version of zeroboot" ]]
}

@test "session: a damaged, cut or foreign file is refused, and stays as it is" {
	session 'x = 1'
	cp "$file" "$file.good"
	size=$(stat -c %s "$file")
	for at in 20 40 100 300 600 $((size / 2)) $((size - 1)); do
		cp "$file.good" "$file"
		byte=$(dd if="$file" bs=1 skip="$at" count=1 status=none | od -An -tu1 | tr -d ' ')
		printf "\\x$(printf %02x $((byte ^ 64)))" | dd of="$file" bs=1 seek="$at" conv=notrunc status=none
		cp "$file" "$file.bad"
		session 'x'
		[ "$status" -eq 1 ] || { echo "byte $at"; false; }
		[[ "$stderr" == "zeroboot: $file: "* ]]
		cmp "$file" "$file.bad"
	done
	for n in 1 8 279 280 1000 $((size - 8)); do
		head -c "$n" "$file.good" >"$file"
		session 'x'
		[ "$status" -eq 1 ] || { echo "cut at $n"; false; }
	done
	cp "$file.good" "$file"
	truncate -s 700M "$file"
	session 'x'
	[ "$status" -eq 1 ]
	[[ "$stderr" == "zeroboot: $file: damaged" ]]
	: >"$file"
	session 'x'
	[ "$status" -eq 1 ]
	rm "$file"
	mkfifo "$file"
	session 'x'
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"no regular file"* ]]
}

@test "session: where it cannot be written it is as it was, and nothing else is left" {
	session 'x = 1'
	cp "$file" "$file.before"
	run --separate-stderr bash -c "ulimit -f 16; trap '' XFSZ; ./zeroboot exec --session '$file' -c 'x = 2; print(x)'"
	[ "$status" -eq 1 ]
	[ "$output" = 2 ]
	[[ "$stderr" == *"File too large"* ]]
	cmp "$file" "$file.before"
	[ "$(ls "$BATS_TEST_TMPDIR/kept")" = $'session\nsession.before' ]
}

@test "session: where it cannot be kept nothing is run" {
	run --separate-stderr ./zeroboot exec --session "$BATS_TEST_TMPDIR/none/session" -c 'print("ran")'
	[ "$status" -eq 1 ]
	[ "$output" = "" ]
	[[ "$stderr" == "zeroboot: $BATS_TEST_TMPDIR/none/session: No such file or directory" ]]
	mkdir "$file"
	session 'print("ran")'
	[ "$status" -eq 1 ]
	[ "$output" = "" ]
}

@test "session: a link to its file stays one, and one to nothing is refused" {
	session 'x = 1'
	ln -s kept/session "$BATS_TEST_TMPDIR/link"
	run ./zeroboot exec --session "$BATS_TEST_TMPDIR/link" -c 'x += 1; x'
	[ "$output" = 2 ]
	[ -L "$BATS_TEST_TMPDIR/link" ]
	session 'x'
	[ "$output" = 2 ]
	session 'import sys; sys.exit()'
	[ ! -e "$file" ]
	run ./zeroboot exec --session "$BATS_TEST_TMPDIR/link" -c 'print("ran")'
	[ "$status" -eq 1 ]
	[ "$output" = "zeroboot: $BATS_TEST_TMPDIR/link: a link to nothing" ]
}

@test "session: commands that come at the same time go on one after the other" {
	session 'n = 0'
	for i in 1 2 3 4; do
		./zeroboot exec --session "$file" -c 'n += 1' &
		pids[i]=$!
	done
	for i in 1 2 3 4; do wait "${pids[i]}"; done
	session 'n'
	[ "$output" = 4 ]
}

@test "session: much memory is kept, and what of it is given back is not" {
	session 'a = bytearray(40 << 20); a[5] = 7; a[-1] = 9; kept = bytearray(b"q") * (12 << 20)'
	session 'print(a[5], a[-1], any(a[6:-1:4096]), kept.count(b"q") == len(kept))'
	[ "$output" = "7 9 False True" ]
	session 'del a; more = bytearray(b"r") * (30 << 20)'
	session 'print(len(kept), kept.count(b"q") == len(kept), more.count(b"r") == len(more))'
	[ "$output" = "12582912 True True" ]
}
