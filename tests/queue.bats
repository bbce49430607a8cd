# queue.bats: batches, waiting, fairness, and what happens when all is full.

bats_require_minimum_version 1.5.0
load helpers

setup() { server=; }
teardown() { [ -z "$server" ] || stop_server; }

# A batch of $1 programs that print their own number.
batch() {
	python3 -c 'import json, sys
print(json.dumps({"executions": [{"code": f"print({n})"} for n in range(int(sys.argv[1]))]}))' "$1"
}

@test "batch: 1, 50 and 100 answer in order, 101 is refused" {
	start_server
	for n in 1 50 100; do
		batch $n | curl -s "$(url /v1/exec/batch)" -d @- >"$BATS_TEST_TMPDIR/answer"
		python3 -c 'import json, sys
results = json.load(open(sys.argv[1]))["results"]
assert [r["stdout"] for r in results] == [f"{n}\n" for n in range(int(sys.argv[2]))]
assert len({r["id"] for r in results}) == len(results)' "$BATS_TEST_TMPDIR/answer" $n
	done
	[ "$(batch 101 | status "$(url /v1/exec/batch)" -d @-)" = 400 ]
	grep -q 'executions: more than 100' "$BATS_TEST_TMPDIR/body"
}

@test "batch: runs at once on all workers" {
	start_server --workers 2
	start_batch 2 'import time; time.sleep(250)'
	eventually busy_is 2
	kill $client
}

@test "batch: one failure stays alone" {
	start_server --workers 2
	answer=$(curl -s "$(url /v1/exec/batch)" -d '{"executions":[
		{"code":"print(1)"}, {"code":"while True: pass", "timeout_seconds": 1},
		{"code":"import ctypes; ctypes.string_at(0)"}, {"code":"print(4)"}]}')
	python3 -c 'import json, sys
r = json.loads(sys.argv[1])["results"]
assert [x["exit_code"] for x in r] == [0, -1, 139, 0] and r[0]["stdout"] == "1\n" and r[3]["stdout"] == "4\n", r' "$answer"
}

@test "batch: an error names the execution and the field" {
	start_server
	[ "$(status "$(url /v1/exec/batch)" -d '{"executions":[{"code":"1"},{"language":"python"}]}')" = 400 ]
	grep -q 'executions\[1\].code: missing' "$BATS_TEST_TMPDIR/body"
	[ "$(status "$(url /v1/exec/batch)" -d '{"executions":[{"code":"1"},7]}')" = 400 ]
	[ "$(status "$(url /v1/exec/batch)" -d '{}')" = 400 ]
}

@test "queue: first come, first served; the timeout counts from the start of the run" {
	start_server --workers 1
	start_batch 1 'import time; time.sleep(250)'
	eventually busy_is 1
	for n in 1 2 3; do
		curl -s "$(url /v1/exec)" -d '{"code":"import time; print(time.time())","timeout_seconds":3}' \
			>"$BATS_TEST_TMPDIR/answer$n" 3>&- &
		pids+=($!)
		eventually depth_is "$n"
	done
	sleep 3.5 # longer than the timeout
	kill $client
	wait "${pids[@]}"
	python3 -c 'import json, sys
answers = [json.load(open(f"{sys.argv[1]}/answer{n}")) for n in range(1, 4)]
starts = [float(a["stdout"]) for a in answers]
assert starts == sorted(starts), starts
assert all(a["exit_code"] == 0 and a["total_time_ms"] > 3500 for a in answers), answers
assert all(a["fork_time_ms"] < 3000 for a in answers), answers' "$BATS_TEST_TMPDIR"
}

@test "queue: full is 503 at once with Retry-After" {
	start_server --workers 1 --max-queue 1
	for n in 1 2; do
		curl -s -o /dev/null "$(url /v1/exec)" -d '{"code":"import time; time.sleep(250)","timeout_seconds":280}' 3>&- &
		clients+=($!)
		eventually busy_is 1
	done
	eventually depth_is 1
	[ "$(status -D "$BATS_TEST_TMPDIR/head" "$(url /v1/exec)" -d '{"code":""}')" = 503 ]
	grep -qi '^retry-after: [1-9]' "$BATS_TEST_TMPDIR/head"
	grep -q '"error":"the queue is full"' "$BATS_TEST_TMPDIR/body"
	[ "$(batch 2 | status "$(url /v1/exec/batch)" -d @-)" = 503 ]
	[ "$(metric zeroboot_queue_refused_total)" = 3 ]
	depth_is 1 # those before still wait
	busy_is 1
	kill "${clients[@]}"
}

@test "queue: a client that goes away while it waits or runs frees its place" {
	start_server --workers 1
	start_batch 1 'while True: pass'
	runs=$client
	eventually busy_is 1
	start_batch 1 'print(1)'
	eventually depth_is 1
	kill $client
	eventually depth_is 0
	busy_is 1
	kill $runs
	eventually busy_is 0
	[ "$(field "$(run_code 'print(5)')" stdout)" = 5 ]
	[ "$(metric zeroboot_cancelled_total)" = 2 ]
}

@test "queue: one key with many requests does not make another wait for them" {
	export ZEROBOOT_API_KEYS_FILE=$BATS_TEST_TMPDIR/keys.json
	echo '["greedy-key-0123456789", "modest-key-0123456789"]' >"$ZEROBOOT_API_KEYS_FILE"
	start_server --workers 1
	many=$(python3 -c 'import json; print(json.dumps({"executions": [{"code": "import time; time.sleep(5)"}] * 60}))')
	curl -s -o "$BATS_TEST_TMPDIR/greedy" "$(url /v1/exec/batch)" -H 'Authorization: Bearer greedy-key-0123456789' -d "$many" 3>&- &
	greedy=$!
	eventually busy_is 1
	answer=$(curl -s "$(url /v1/exec)" -H 'Authorization: Bearer modest-key-0123456789' -d '{"code":"print(1)"}')
	[ "$(field "$answer" stdout)" = 1 ]
	kill -0 $greedy # still waiting for most of its runs
	[ "$(metric zeroboot_queue_depth)" -gt 30 ]
	kill $greedy
}

# A batch of runs of `$@`: each LANGUAGE.
languages() {
	python3 -c 'import json, sys
print(json.dumps({"executions": [{"code": "", "language": l} for l in sys.argv[1:]]}))' "$@"
}

@test "batch: of two languages it is taken whole or not at all, and told when it never can be" {
	start_server --workers 1 --max-queue 2
	eventually all_ready 1
	[ "$(languages python python node node | status "$(url /v1/exec/batch)" -d @-)" = 200 ]
	run -1 grep -q '"error"' "$BATS_TEST_TMPDIR/body"
	start_batch 1 'import time; time.sleep(250)'
	eventually busy_is 1
	[ "$(languages python python node node | status -D "$BATS_TEST_TMPDIR/head" "$(url /v1/exec/batch)" -d @-)" = 503 ]
	grep -qi '^retry-after: [1-9]' "$BATS_TEST_TMPDIR/head"
	depth_is 0
	kill $client
	eventually all_ready 1
	[ "$(languages python python python node node | status -D "$BATS_TEST_TMPDIR/head" "$(url /v1/exec/batch)" -d @-)" = 400 ]
	grep -q '"error":"executions: more than this server takes at once"' "$BATS_TEST_TMPDIR/body"
	run -1 grep -qi '^retry-after:' "$BATS_TEST_TMPDIR/head"
}

@test "queue: a key that fills it gives up places to another's batch" {
	export ZEROBOOT_API_KEYS_FILE=$BATS_TEST_TMPDIR/keys.json
	echo '["greedy-key-0123456789", "modest-key-0123456789"]' >"$ZEROBOOT_API_KEYS_FILE"
	start_server --workers 1 --max-queue 10
	many=$(python3 -c 'import json; print(json.dumps({"executions": [{"code": "import time; time.sleep(1)"}] * 11}))')
	curl -s -o "$BATS_TEST_TMPDIR/greedy" "$(url /v1/exec/batch)" -H 'Authorization: Bearer greedy-key-0123456789' -d "$many" 3>&- &
	greedy=$!
	eventually busy_is 1
	[ "$(batch 6 | status "$(url /v1/exec/batch)" -H 'Authorization: Bearer modest-key-0123456789' -d @-)" = 503 ]
	[ "$(batch 4 | status "$(url /v1/exec/batch)" -H 'Authorization: Bearer modest-key-0123456789' -d @-)" = 200 ]
	python3 -c 'import json, sys
assert [r["stdout"] for r in json.load(open(sys.argv[1]))["results"]] == [f"{n}\n" for n in range(4)]' "$BATS_TEST_TMPDIR/body"
	wait $greedy
	# fewer than four, if some of the first were over when the others came
	lost=$(grep -o '"error":"the queue is full"' "$BATS_TEST_TMPDIR/greedy" | wc -l)
	[ "$lost" -ge 1 ] && [ "$lost" -le 4 ]
}

@test "queue: code that waits is bounded in all" {
	start_server --workers 1 --max-queue 1000
	python3 - "$port" <<'PY'
import json, re, socket, sys, time, urllib.request
port, count, clients = int(sys.argv[1]), 72, []
body = json.dumps({"code": "import time; time.sleep(250) #" + "x" * 4190000, "timeout_seconds": 280}).encode()
request = b"POST /v1/exec HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
for _ in range(count):
    clients.append(socket.create_connection(("127.0.0.1", port), 120))
    clients[-1].sendall(request)
end = time.monotonic() + 120
while True:
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/metrics", timeout=120).read().decode()
    depth, refused = (int(re.search(rf"^zeroboot_queue_{name} (\d+)$", text, re.M)[1]) for name in ("depth", "refused_total"))
    if 1 + depth + refused == count:
        break
    assert time.monotonic() < end, (depth, refused)
    time.sleep(0.1)
assert 60 < depth < 68, depth
answers = []
for s in clients:
    s.setblocking(False)
    try:
        answers.append(s.recv(65536))
    except BlockingIOError:
        pass
assert len(answers) == refused and all(b" 503 " in a and b"the queue is full" in a for a in answers), answers
PY
}
