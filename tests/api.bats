# api.bats: the server over a socket: the contract, isolation, limits, crashes.

load helpers

setup_file() { start_server; }
teardown_file() { stop_server; }

@test "api: exec answers with all fields" {
	answer=$(run_code 'print(1 + 1)')
	[ "$(field "$answer" stdout)" = "2" ]
	[ "$(field "$answer" exit_code)" = "0" ]
	[[ "$(field "$answer" id)" =~ ^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$ ]]
	for time in fork_time_ms exec_time_ms total_time_ms; do field "$answer" $time; done
}

@test "api: plain curl -d works, as README says" {
	run curl -s -X POST "$(url /v1/exec)" -d '{"code":"import numpy; print(numpy.random.rand(3))"}'
	[[ "$output" == *'"exit_code":0'* ]]
}

@test "api: a batch answers in order" {
	run curl -s "$(url /v1/exec/batch)" -d '{"executions":[{"code":"print(1)"},{"code":"1/0"},{"code":"print(3)"}]}'
	python3 -c 'import json, sys
r = json.loads(sys.argv[1])["results"]
assert [x["stdout"] for x in r] == ["1\n", "", "3\n"] and r[1]["exit_code"] == 1' "$output"
}

@test "api: health and metrics" {
	[ "$(status "$(url /v1/health)")" = 200 ]
	grep -q '"python":{"ready":true,"memory_mb":256}' "$BATS_TEST_TMPDIR/body"
	[ "$(status "$(url /metrics)")" = 200 ]
	grep -q '^zeroboot_total_executions{status="success"} [0-9]' "$BATS_TEST_TMPDIR/body"
}

@test "api: errors say what is wrong" {
	[ "$(status "$(url /nope)")" = 404 ]
	[ "$(status "$(url /v1/exec)")" = 405 ]
	[ "$(status "$(url /v1/exec)" -d '{"code":')" = 400 ]
	grep -q 'at byte 8' "$BATS_TEST_TMPDIR/body"
	[ "$(status "$(url /v1/exec)" -d '{"code":1}')" = 400 ]
	[ "$(status "$(url /v1/exec)" -d '{}')" = 400 ]
	[ "$(status "$(url /v1/exec)" -d '{"code":"1","code":"2"}')" = 400 ]
	[ "$(status "$(url /v1/exec)" -d '{"code":"1","language":"cobol"}')" = 400 ]
	grep -q cobol "$BATS_TEST_TMPDIR/body"
	[ "$(status "$(url /v1/exec)" -H 'Content-Type: text/xml' -d '{"code":"1"}')" = 415 ]
	[ "$(status "$(url /v1/exec/batch)" -d '{"executions":[]}')" = 400 ]
	head -c 17000000 /dev/zero | tr '\0' ' ' >"$BATS_TEST_TMPDIR/big"
	[ "$(status "$(url /v1/exec)" --data-binary "@$BATS_TEST_TMPDIR/big")" = 413 ]
}

@test "api: smuggling is refused" {
	for head in 'Content-Length: 5\r\nTransfer-Encoding: chunked' 'Content-Length: +5' 'Content-Length : 5' \
		'Content-Length: 5\r\nContent-Length: 5' 'X: a\nY: b' ' Folded: 1'; do
		run timeout 60 bash -c "exec 5<>/dev/tcp/127.0.0.1/$port; printf 'POST /v1/exec HTTP/1.1\r\n$head\r\n\r\nhello' >&5; head -1 <&5"
		[[ "$output" == 'HTTP/1.1 400'* ]]
	done
}

@test "isolation: no file, global or module change reaches the next run" {
	for _ in 1 2 3 4 5 6; do
		answer=$(run_code 'import os, builtins, json
print(os.path.exists("/tmp/left"), hasattr(builtins, "left"), hasattr(json, "left"), os.environ.get("LEFT"), os.listdir("/tmp"), os.listdir("/app"))
open("/tmp/left", "w").write("x"); builtins.left = json.left = 1; os.environ["LEFT"] = "1"')
		[ "$(field "$answer" stdout)" = "False False False None [] ['main.py']" ]
	done
}

@test "uniqueness: no two runs draw the same numbers" {
	for _ in $(seq 12); do
		answer=$(run_code 'import random, secrets, uuid, os, numpy, ssl, tempfile
for x in (random.random(), secrets.token_hex(8), uuid.uuid4(), os.urandom(8).hex(), numpy.random.rand(), numpy.random.default_rng().random(), ssl.RAND_bytes(8).hex(), tempfile.mktemp()):
    print(x)')
		[ "$(field "$answer" exit_code)" = 0 ]
		field "$answer" stdout >>"$BATS_TEST_TMPDIR/numbers"
	done
	[ "$(wc -l <"$BATS_TEST_TMPDIR/numbers")" -ge 95 ]
	[ -z "$(sort "$BATS_TEST_TMPDIR/numbers" | uniq -d)" ]
}

@test "clocks: the wall clock is the host's, monotonic time counts from the start" {
	before=$(date +%s.%N)
	answer=$(run_code 'import time; a = time.monotonic(); time.sleep(0.01); print(time.time(), a, time.monotonic())')
	after=$(date +%s.%N)
	python3 -c 'import sys
wall, first, second, before, after = map(float, sys.argv[1].split() + sys.argv[2:])
assert before < wall < after and 0 < first < first + 0.01 <= second < 1000, sys.argv' "$(field "$answer" stdout)" "$before" "$after"
}

@test "limits: loop, sleep and a busy thread end with the timeout" {
	for code in 'while True: pass' 'import time; time.sleep(1000)' $'import threading\ndef f():\n    while True: pass\nthreading.Thread(target=f).start()'; do
		run_cut "print('begun', flush=True)"$'\n'"$code"
		[ "$(field "$answer" exit_code)" = -1 ]
		[ "$(field "$answer" stdout)" = begun ]
		[ "$(field "$answer" stderr)" = "Execution timed out after ${seconds}s" ]
	done
	[ "$(field "$(run_code 'print(5)')" stdout)" = 5 ]
}

@test "limits: memory, recursion, crash and subprocess end honestly" {
	answer=$(run_code 'x = []
while True: x.append(bytearray(1 << 20))')
	[[ "$(field "$answer" stderr)" == *MemoryError* || "$(field "$answer" exit_code)" = 137 ]]
	answer=$(run_code $'def f(): f()\nf()')
	[[ "$(field "$answer" stderr)" == *RecursionError* ]]
	[ "$(field "$(run_code 'import ctypes; ctypes.string_at(0)')" exit_code)" = 139 ]
	answer=$(run_code 'import subprocess; print(subprocess.run(["sh", "-c", "kill -9 $$"]).returncode)')
	[ "$(field "$answer" stdout)" = -9 ]
	[ "$(field "$(run_code 'print(5)')" stdout)" = 5 ]
}

@test "limits: output beyond 1 MiB is cut with a note" {
	answer=$(run_code 'print("x" * 3000000)')
	[ "$(field "$answer" stdout | wc -c)" = 1048576 ]
	[[ "$(field "$answer" stderr)" == *"stdout truncated"* ]]
}

@test "limits: a guest kernel that is overwritten is an error, a signal or ends with the timeout" {
	for byte in 0xf4 0x00 0xcc 0x90; do
		code="import ctypes; print('begun', flush=True); ctypes.memset(0x400000104000, $byte, 0x8000)"
		[[ "$(status "$(url /v1/exec)" -d "{\"code\":\"$code\",\"timeout_seconds\":1}")" =~ ^(200|500)$ ]]
		grep -Eq '"exit_code":(-1|1[23][0-9])|"error":"guest' "$BATS_TEST_TMPDIR/body"
		[ "$(field "$(run_code 'print(5)')" stdout)" = 5 ]
	done
}
