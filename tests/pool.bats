# pool.bats: how many workers there are, and when.

bats_require_minimum_version 1.5.0
load helpers

setup() { server=; }
teardown() { [ -z "$server" ] || stop_server; }

children() { # workers; a template's loader is not one
	ps -o stat=,args= --ppid "$server" | grep -v '^Z' | grep -c 'zeroboot worker'
}
children_are() { [ "$(children)" = "$1" ]; }
python_worker() { # the one there is
	ps -o pid=,args= --ppid "$server" | awk '/zeroboot worker.*python.zbt/ { print $1 }'
}

one_is_left() {
	[ "$(workers_in python ready)$(workers_in python busy)$(workers_in python starting)" = 100 ]
}

@test "pool: runs that sleep get workers beyond the minimum, which go when they are idle" {
	start_server --workers 1:8
	[ "$(metric 'zeroboot_workers_maximum{language="python"}')" = 8 ]
	[ "$(metric zeroboot_workers_added_total)" = 0 ]
	start_batch 8 'import time; time.sleep(250)'
	eventually busy_is 8
	depth_is 0
	[ "$(workers_in python busy)" = 8 ]
	kill $client
	eventually busy_is 0
	start_batch 8 'import time; time.sleep(1); print(1)'
	wait $client
	[ "$(grep -o '"stdout":"1\\n"' "$BATS_TEST_TMPDIR/answer" | wc -l)" = 8 ]
	[ "$(metric zeroboot_workers_added_total)" -ge 7 ]
	eventually one_is_left # after 10 s of idleness
	[ "$(metric zeroboot_workers_removed_total)" -ge 1 ]
	[ "$(field "$(run_code 'print(5)')" stdout)" = 5 ]
}

# Tells the server that the CPUs have idled for another 100 s.
idle() { echo "1.00 $((idle += 100)).00" >"$BATS_TEST_TMPDIR/uptime"; }
ready_when_idle() { idle; [ "$(workers_in python ready)" = 1 ]; }

@test "pool: one worker stays free ahead of demand while a CPU is idle, none is added while not" {
	idle=0
	idle
	start_through unshare -m --propagation private sh -c 'mount --bind "$0" /proc/uptime && exec "$@"' \
		"$BATS_TEST_TMPDIR/uptime" ./zeroboot serve --listen 127.0.0.1:0 --workers 1:8
	start_batch 1 'import time; time.sleep(250)'
	eventually busy_is 1
	run_code '' 1 node >/dev/null # some time for the first look
	[ "$(metric zeroboot_workers_added_total)" = 0 ]
	eventually ready_when_idle
	[ "$(workers_in python busy)" = 1 ]
	[ "$(metric zeroboot_workers_added_total)" = 1 ]
	kill $client
}

@test "pool: the maximum is kept" {
	start_server --workers 1:3
	start_batch 12 'import time; time.sleep(0.5)'
	eventually busy_is 3
	while kill -0 $client 2>/dev/null; do
		[ "$(children)" -le 9 ] # of three languages
		[ "$(metric zeroboot_concurrent_forks)" -le 3 ]
	done
	[ "$(metric 'zeroboot_total_executions{status="success"}')" = 12 ]
}

@test "pool: a fixed number neither grows nor shrinks" {
	start_server --workers 2
	eventually children_are 6 # of three languages
	start_batch 6 'import time; time.sleep(250)'
	eventually busy_is 2
	eventually depth_is 4
	kill $client
	eventually busy_is 0
	start_batch 6 'print(1)'
	wait $client
	[ "$(metric zeroboot_workers_added_total)" = 0 ]
	children_are 6
}

@test "pool: programs that keep all CPUs and workers busy do not make a short one wait for their end" {
	start_server --workers "$(nproc):$(($(nproc) + 2))"
	start_batch "$(nproc)" 'while True: pass'
	eventually busy_is "$(nproc)"
	curl -s "$(url /v1/exec)" -d '{"code":"print(7)"}' | grep -q '"stdout":"7\\n"'
	kill -0 $client # they still run
	kill $client
}

@test "pool: a worker beyond the minimum that dies costs one run" {
	start_server --workers 1:2
	first=$(python_worker)
	for _ in 1 2; do
		start_batch 1 'import time; time.sleep(250)'
		clients+=("$client")
	done
	eventually busy_is 2
	kill -9 "$(python_worker | grep -vx "$first")"
	eventually metric_is zeroboot_worker_failures_total 1
	busy_is 1
	kill "${clients[@]}" || true # one has its answer
	eventually busy_is 0
	[ "$(field "$(run_code 'print(5)')" stdout)" = 5 ]
}

@test "pool: the default is one worker a CPU and up to four" {
	start_server
	eventually metric_is 'zeroboot_workers{language="python",state="ready"}' "$(nproc)"
	[ "$(metric 'zeroboot_workers_maximum{language="python"}')" = $((4 * $(nproc))) ]
}

@test "pool: numbers that make no sense are wrong usage" {
	for workers in 0 0:4 2:1 1: :4 1:2:3 -1 1:-2 1:4097 4097 1x ' 1' ''; do
		run ./zeroboot serve --workers "$workers"
		[ "$status" -eq 2 ]
		[[ "$output" == "zeroboot: --workers: "*"is not N or MIN:MAX, 1 to 4096"* ]]
	done
	run ./zeroboot serve --workers
	[ "$status" -eq 2 ]
}

@test "pool: more workers than descriptors allow is one line and 1" {
	run bash -c 'ulimit -n 400; exec ./zeroboot serve --workers 300 --listen 127.0.0.1:0'
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ "$output" == *"descriptors are too few for 900 workers"* ]]
}

warm_is() { metric_is 'zeroboot_workers_warm{language="python"}' "$1"; }
discarded() { metric "zeroboot_vms_discarded_total{reason=\"$1\"}"; }

@test "pool: a VM that takes the place of one that was thrown away is trained before it is needed" {
	start_server --workers 1
	eventually warm_is 1
	# After a good run with a process, one that was cut off, one that was given up.
	run_code 'import os; os.fork() or os._exit(0); os.wait()' >/dev/null
	eventually warm_is 1
	# With nested paging its page tables are put back.
	./zeroboot doctor | grep -q 'with shadow paging' && thrown=1 || thrown=0
	[ "$(discarded processes)" = $thrown ]
	run_code 'while True: pass' 1 >/dev/null
	eventually warm_is 1
	[ "$(discarded unfinished)" = 1 ]
	start_batch 1 'while True: pass'
	eventually busy_is 1
	kill $client
	eventually metric_is 'zeroboot_vms_discarded_total{reason="unfinished"}' 2
	eventually warm_is 1
	# A VM that was trained has run before.
	[ "$(metric 'zeroboot_forks_total{kind="recycled"}')" = 3 ]
	[ "$(field "$(run_code 'print(5)')" stdout)" = 5 ]
	[ "$(metric 'zeroboot_forks_total{kind="recycled"}')" = 4 ]
	[ "$(metric 'zeroboot_forks_total{kind="fresh"}')" = 0 ]
	[ "$(metric zeroboot_worker_restarts_total)" = 0 ]
}

@test "workers: one that is killed costs one honest error" {
	start_server --workers 1
	curl -s "$(url /v1/exec)" -d '{"code":"while True: pass","timeout_seconds":250}' -o "$BATS_TEST_TMPDIR/killed" 3>&- &
	client=$!
	eventually busy_is 1
	kill -9 "$(python_worker)"
	wait $client
	grep -q '"error":"the worker ended during the run"' "$BATS_TEST_TMPDIR/killed"
	[ "$(field "$(run_code 'print(5)')" stdout)" = 5 ]
}
