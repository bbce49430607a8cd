# observe.bats: metrics and the request log.

bats_require_minimum_version 1.5.0
load helpers

setup() { server= reader=; }
teardown() {
	[ -z "$server" ] || stop_server
	[ -z "$reader" ] || kill "$reader"
}

@test "metrics: a real parser takes them, and finds nothing to complain about but given names" {
	start_server
	run_code 'print(1)'
	curl -s "$(url /metrics)" >"$BATS_TEST_TMPDIR/metrics"
	run promtool check metrics <"$BATS_TEST_TMPDIR/metrics"
	# Exit 3: names against the style; those are the contract's.
	[ "$status" -eq 0 ] || [ "$status" -eq 3 ]
	run -1 grep -vE '^zeroboot_(total_executions|(fork|exec|total|queue_wait)_time_milliseconds|queue_wait_milliseconds) ' <<<"$output"
	run promtool check metrics <<<'zeroboot_broken{'
	[ "$status" -eq 1 ]
}

@test "metrics: every series counts what happened" {
	start_server --workers 1
	run_code 'print(1)'
	run_code '1/0'
	run_code 'while True: pass' 1
	status "$(url /nope)"
	status "$(url /v1/exec)" -d '{'
	[ "$(metric 'zeroboot_total_executions{status="success"}')" = 1 ]
	[ "$(metric 'zeroboot_total_executions{status="error"}')" = 1 ]
	[ "$(metric 'zeroboot_total_executions{status="timeout"}')" = 1 ]
	[ "$(metric 'zeroboot_http_requests_total{path="/v1/exec",status="200"}')" = 3 ]
	[ "$(metric 'zeroboot_http_requests_total{path="/v1/exec",status="400"}')" = 1 ]
	[ "$(metric 'zeroboot_http_requests_total{path="other",status="404"}')" = 1 ]
	[ "$(metric 'zeroboot_exec_time_milliseconds_count')" = 3 ]
	[ "$(metric 'zeroboot_fork_time_milliseconds_count')" = 3 ]
	[ "$(metric 'zeroboot_total_time_milliseconds_count')" = 3 ]
	[ "$(metric 'zeroboot_exec_time_milliseconds_bucket{le="+Inf"}')" = 3 ]
	[ "$(metric 'zeroboot_concurrent_forks')" = 0 ]
	[ "$(metric zeroboot_memory_usage_bytes)" -gt 100000 ]
	[ "$(metric zeroboot_http_received_bytes_total)" -gt 500 ]
	[ "$(metric zeroboot_http_sent_bytes_total)" -gt 500 ]
	[[ "$(curl -s "$(url /metrics)")" == *'zeroboot_build_info{version="'* ]]
}

@test "metrics: counters survive a worker's end" {
	start_server --workers 1
	run_code 'print(1)'
	workers | xargs kill -9
	eventually metric_reaches zeroboot_worker_restarts_total 2
	[ "$(field "$(run_code 'print(2)')" stdout)" = 2 ]
	[ "$(metric 'zeroboot_total_executions{status="success"}')" = 2 ]
}

@test "log: one logfmt line a request, with all that is known and without the code" {
	start_server
	curl -s -H 'X-Request-Id: my-id.1' "$(url '/v1/exec?q=1')" -D "$BATS_TEST_TMPDIR/head" \
		-d '{"code":"import sys # secretword\nsys.exit(3)"}'
	grep -qi '^x-request-id: my-id.1' "$BATS_TEST_TMPDIR/head"
	eventually logged 'id=my-id.1'
	run grep 'id=my-id.1' "$log"
	[ "${#lines[@]}" -eq 1 ]
	for part in '^time=20[0-9-]*T[0-9:.]*Z ' ' level=info' ' client=127.0.0.1:[0-9]+ ' ' method=POST' ' path=/v1/exec ' \
		' status=200' ' language=python' ' exit_code=3' ' fork_ms=[0-9.]+' ' exec_ms=[0-9.]+' ' total_ms=[0-9.]+' \
		' bytes_in=[1-9]' ' bytes_out=[1-9]'; do
		grep -Eq -- "$part" <<<"$output"
	done
	run -1 grep secretword "$log"
}

@test "log: JSON lines are JSON, also with a hostile path" {
	start_server --log json
	run_code 'print(1)'
	curl -s -o /dev/null --path-as-is "$(url '/%22quoted%22\x?"a"')"
	curl -sg -o /dev/null "$(url "/%22='(;)%0a,\$&")"
	eventually logged '"path":"/%22='
	grep '^{' "$log" >"$BATS_TEST_TMPDIR/lines"
	python3 -c 'import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
requests = [l for l in lines if l["msg"] == "request"]
run = next(l for l in requests if l["path"] == "/v1/exec")
assert run["status"] == 200 and run["exit_code"] == 0 and run["language"] == "python", run
assert any(l["status"] == 404 for l in requests)
assert any(l["status"] == 400 and l["path"] == "" for l in requests)' "$BATS_TEST_TMPDIR/lines"
}

@test "log: an insane X-Request-Id is replaced, a sane one is returned" {
	start_server
	long=$(printf 'x%.0s' $(seq 500))
	for id in 'a b' 'a"b' "$long" $'\xc3\xa9'; do
		curl -s -o /dev/null -D "$BATS_TEST_TMPDIR/head" -H "X-Request-Id: $id" "$(url /health)"
		grep -Eqi '^x-request-id: [0-9a-f]{8}-[0-9a-f-]{27}' "$BATS_TEST_TMPDIR/head"
	done
	curl -s -o /dev/null -D "$BATS_TEST_TMPDIR/head" -H 'x-request-ID: 6f1b_Z-9' "$(url /health)"
	grep -qi '^x-request-id: 6f1b_Z-9' "$BATS_TEST_TMPDIR/head"
}

@test "log: nobody reading stderr stops nothing" {
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	# Reads until the server is ready and then no more.
	bash -c 'while read -r line; do
		echo "$line" >&2
		case $line in *"every template is ready"*) exec sleep 1000 ;; esac
	done' <"$BATS_TEST_TMPDIR/pipe" 2>"$BATS_FILE_TMPDIR/server.log" 3>&- &
	reader=$!
	start_through bash -c 'exec "$@" 2>"$0"' "$BATS_TEST_TMPDIR/pipe" ./zeroboot serve --listen 127.0.0.1:0
	for _ in $(seq 8); do
		curl -s -o /dev/null "$(url "/$(printf 'x%.0s' $(seq 200))?[1-250]")"
	done
	[ "$(field "$(run_code 'print(5)')" stdout)" = 5 ]
	[ "$(metric zeroboot_log_lines_dropped_total)" -gt 0 ]
}

@test "log: of one kind of line there are 20 at once, and then how many more" {
	start_server --workers 1 --log json
	python3 - "$server" "$log" <<'PY'
import json, os, re, signal, sys, time
server, log = int(sys.argv[1]), sys.argv[2]

def lines():
    # the one that is being written may not be whole
    return [json.loads(line)["msg"] for line in open(log).read().splitlines(keepends=True) if line.startswith("{") and line.endswith("}\n")]

began = time.monotonic()
end = began + 120
while not (more := [l for l in lines() if "more like this" in l]):
    assert time.monotonic() < end
    os.kill(server, signal.SIGUSR2)
    time.sleep(0.005)
said = lines().count("SIGUSR2 has no effect")
assert 20 <= said <= 21 + time.monotonic() - began, said
assert all(re.fullmatch(r"[1-9]\d* more like this: SIGUSR2 has no effect", l) for l in more), more
# other kinds have their own
os.kill(server, signal.SIGHUP)
while sum(l.startswith("no key file") for l in lines()) < 2:
    assert time.monotonic() < end
    time.sleep(0.01)
PY
}
