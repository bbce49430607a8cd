# terminal.bats: exec and run on a terminal, a pipe, a file: what a program writes is
# there as it writes it, whatever it is; run has standard input, too.

bats_require_minimum_version 1.5.0

image=build/sh.img

program() { timeout 300 ./zeroboot run "$@"; }

# Starts a command with pipes, which SIGINT reaches: ${PIPES[0]} reads what it writes,
# ${PIPES[1]} is its input.
begin() {
	coproc PIPES { exec timeout 300 python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$@" 2>&1; }
	job=$PIPES_PID
}

@test "terminal: a line of exec's program is there while it runs; ^C ends it" {
	local line
	begin /bin/bash -c 'exec ./zeroboot exec -c "$1" </dev/null' bash 'import time
print("begun")
time.sleep(1000)'
	read -r line <&"${PIPES[0]}"
	[ "$line" = begun ]
	pkill -INT -P "$job"
	cat <&"${PIPES[0]}" >"$BATS_TEST_TMPDIR/rest"
	run wait "$job"
	grep -q '^KeyboardInterrupt$' "$BATS_TEST_TMPDIR/rest"
}

@test "terminal: run answers line by line" {
	local line i
	begin ./zeroboot run $image cat
	for i in 1 2 3; do
		echo "line $i" >&"${PIPES[1]}"
		read -r line <&"${PIPES[0]}"
		[ "$line" = "line $i" ]
	done
	exec {PIPES[1]}>&-
	wait "$job"
}

@test "terminal: run passes any bytes on, both ways, and their end" {
	head -c 20000000 /dev/urandom >"$BATS_TEST_TMPDIR/in"
	program $image cat <"$BATS_TEST_TMPDIR/in" | cmp - "$BATS_TEST_TMPDIR/in"
	program $image sh -c 'dd bs=100 count=1 status=none' <"$BATS_TEST_TMPDIR/in" | cmp - <(head -c 100 "$BATS_TEST_TMPDIR/in")
	[ "$(program $image wc -c <"$BATS_TEST_TMPDIR/in")" -eq 20000000 ]
	[ -z "$(program $image cat </dev/null)" ]
	[ -z "$(program $image cat <&-)" ]
}

@test "terminal: whoever does not read standard input leaves it" {
	[ "$(yes | program $image echo done)" = done ]
	[ "$(yes | program $image head -n 2)" = $'y\ny' ]
}

@test "terminal: there is no limit to what is written" {
	[ "$(timeout 300 ./zeroboot exec -c 'import os
for i in range(50): os.write(1, bytes(1000000))' </dev/null | wc -c)" -eq 50000000 ]
	[ "$(program $image head -c 50000000 /dev/zero </dev/null | wc -c)" -eq 50000000 ]
}

@test "terminal: both streams in the program's order" {
	run timeout 300 ./zeroboot exec -l sh -c 'for i in 1 2 3 4 5 6 7 8; do echo "o$i"; echo "e$i" >&2; done'
	[ "$output" = "$(for i in 1 2 3 4 5 6 7 8; do echo "o$i"; echo "e$i"; done)" ]
}

@test "terminal: a program whose reader has gone is ended as by SIGPIPE" {
	set +o pipefail
	timeout 300 ./zeroboot exec -c 'while True: print("y")' </dev/null | head -n 1 >"$BATS_TEST_TMPDIR/out"
	[ "${PIPESTATUS[0]}" -eq 141 ]
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = y ]
}

@test "terminal: a reader that does not read does not keep a run from its timeout" {
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	sleep 1000 <"$BATS_TEST_TMPDIR/pipe" &
	local reader=$!
	run -124 bash -c './zeroboot exec -t 1 -c "while True: print(1)" 2>"$1/err" </dev/null >"$1/pipe" &
		job=$!
		while ! grep -q . "$1/err" && kill -0 $job; do sleep 0.1; done
		kill $2
		wait $job' bash "$BATS_TEST_TMPDIR" $reader
}

@test "terminal: run's variables and directory" {
	run program --env A=b --env "C=d e" --env PATH=/usr/bin --cwd /usr/share $image bash -c 'echo "$A $C $PATH"; pwd'
	[ "$output" = $'b d e /usr/bin\n/usr/share' ]
	run program --cwd /usr $image bin/env
	[ "$status" -eq 0 ]
	run program --cwd /nothing $image env
	[ "$status" -eq 1 ]
	[ "$output" = "zeroboot: $image: no directory /nothing in it" ]
	run program --env A $image env
	[ "$status" -eq 2 ]
	[[ $output == "zeroboot: --env: A: not NAME=VALUE"* ]]
}

@test "terminal: run says as a shell what it cannot start" {
	run -127 program $image nothing
	[ "$status" -eq 127 ]
	[ "$output" = "zeroboot: $image: no program nothing in it" ]
	run -127 program $image /usr/bin/nothing
	[ "$status" -eq 127 ]
	run program $image /etc/passwd
	[ "$status" -eq 126 ]
	[ "$output" = "zeroboot: $image: /etc/passwd is no program" ]
	run program $image /usr
	[ "$status" -eq 126 ]
	run -127 program $image bash -c 'exit 127'
	[ "$status" -eq 127 ]
	run program $image bash -c 'kill -TERM $$'
	[ "$status" -eq 143 ]
}
