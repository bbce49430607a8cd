# life.bats: start, addresses, readiness, draining, what stays behind.

bats_require_minimum_version 1.5.0
load helpers

setup() { server=; }
teardown() { end_server; }

children() { ps -o pid= --ppid "$1"; }

@test "life: SIGTERM finishes what runs, answers what waits with 503, leaves nothing" {
	start_server --workers 1
	for n in 1 2; do
		curl -s -D "$BATS_TEST_TMPDIR/head$n" -o "$BATS_TEST_TMPDIR/answer$n" "$(url /v1/exec)" \
			-d '{"code":"import time; time.sleep(8); print(\"whole\")"}' 3>&- &
		clients+=($!)
		eventually busy_is 1
	done
	eventually depth_is 1
	workers=$(children "$server")
	kill -TERM "$server"
	wait "${clients[@]}"
	wait "$server"
	grep -q '"stdout":"whole\\n"' "$BATS_TEST_TMPDIR/answer1"
	grep -q '^HTTP/1.1 503' "$BATS_TEST_TMPDIR/head2"
	grep -qi '^retry-after: ' "$BATS_TEST_TMPDIR/head2"
	grep -q '"error":"the server is draining"' "$BATS_TEST_TMPDIR/answer2"
	for pid in $workers; do eventually gone "$pid"; done
}

@test "life: a drain ends after --drain-seconds" {
	start_server --workers 1 --drain-seconds 2
	start_batch 1 'while True: pass'
	eventually busy_is 1
	kill -INT "$server"
	eventually gone "$server"
	# by the server's own clock: a busy machine may take that long for anything
	python3 - "$log" <<'PY'
import datetime, re, sys
when = {said: datetime.datetime.fromisoformat(time) for time, said in
        re.findall(r"time=(\S+)Z level=info msg=(draining|stopped)", open(sys.argv[1]).read())}
took = (when["stopped"] - when["draining"]).total_seconds()
assert took >= 1.99, took
PY
}

@test "life: a drain goes on while something runs, new connections are refused, a second signal ends it" {
	start_server --workers 1 --drain-seconds 250
	start_batch 1 'while True: pass'
	eventually busy_is 1
	kill -TERM "$server"
	eventually logged 'msg=draining'
	for _ in 1 2 3; do
		run curl -s "$(url /health)"
		[ "$status" -eq 7 ]
		sleep 0.3
		kill -0 "$server"
		kill -0 "$client"
	done
	kill -TERM "$server"
	eventually gone "$server"
}

@test "life: workers end with a server that is killed" {
	start_server
	workers=$(children "$server")
	[ -n "$workers" ]
	kill -9 "$server"
	for pid in $workers; do eventually gone "$pid"; done
}

@test "life: a stopped server leaves the port free and starts again on it" {
	start_server
	stop_server
	start_through ./zeroboot serve --listen "127.0.0.1:$port"
	[ "$(status "$(url /health)")" = 200 ]
}

@test "life: without --listen it serves on 127.0.0.1:8080" {
	# In a network of its own, where that port is free.
	start_through unshare -n tests/loopback.py ./zeroboot serve
	grep -q "serving on 127.0.0.1:8080" "$log"
	run nsenter -n -t "$server" curl -s http://127.0.0.1:8080/v1/exec -d '{"code":"print(6)"}'
	[[ "$output" == *'"stdout":"6\n"'* ]]
}

@test "life: IPv4, IPv6 and a Unix socket at once; the socket file is removed" {
	socket=$BATS_TEST_TMPDIR/s
	start_through ./zeroboot serve --listen 127.0.0.1:0 --listen '[::1]:0' --listen "unix:$socket"
	four=$(sed -n 's/.*serving on \(127.*\)/\1/p' "$log")
	six=$(sed -n 's/.*serving on \(\[.*\)/\1/p' "$log")
	curl -sf "http://$four/health"
	curl -sgf "http://$six/health"
	curl -sf --unix-socket "$socket" http://localhost/v1/exec -d '{"code":"print(1)"}' | grep -q '"stdout":"1\\n"'
	kill "$server"
	eventually gone "$server"
	[ ! -e "$socket" ]
}

@test "life: a stale Unix socket is replaced, one in use and a file are not" {
	socket=$BATS_TEST_TMPDIR/s
	start_through ./zeroboot serve --listen "unix:$socket"
	run ./zeroboot serve --templates templates --listen "unix:$socket"
	[ "$status" -eq 1 ]
	[[ "$output" == *"in use"* ]]
	kill -9 "$server"
	eventually gone "$server"
	[ -S "$socket" ]
	start_through ./zeroboot serve --listen "unix:$socket"
	curl -sf --unix-socket "$socket" http://localhost/health
	echo precious >"$BATS_TEST_TMPDIR/file"
	run ./zeroboot serve --templates templates --listen "unix:$BATS_TEST_TMPDIR/file"
	[ "$status" -eq 1 ]
	[ "$(cat "$BATS_TEST_TMPDIR/file")" = precious ]
}

@test "life: a taken port, no template: one line and 1; what is no address: 2" {
	start_server
	for address in "127.0.0.1:$port" 192.0.2.1:80 nonsense:80 '[::1:80' unix: 127.0.0.1:99999 127.0.0.1; do
		run ./zeroboot serve --templates templates --listen "$address"
		case $address in 127.0.0.1:99999 | 127.0.0.1) [ "$status" -eq 2 ] ;; *) [ "$status" -eq 1 ] ;; esac
		[ "${#lines[@]}" -eq 1 ]
		[[ "$output" == "zeroboot: "* ]]
	done
	run ./zeroboot serve --templates "$BATS_TEST_TMPDIR" --listen 127.0.0.1:0
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
}

@test "life: no right to /dev/kvm is one line and 1" {
	place=$(mktemp -d) # where an account without rights can reach it
	chmod 755 "$place"
	install -m 755 zeroboot "$place/zeroboot"
	run setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$place/zeroboot" serve --templates templates --listen 127.0.0.1:0
	rm -r "$place"
	[ "$status" -eq 1 ]
	[[ "$output" == "zeroboot: /dev/kvm: Permission denied"* ]]
}

@test "life: readiness is told to the service manager" {
	python3 - "$BATS_TEST_TMPDIR/notify" >"$BATS_TEST_TMPDIR/states" 3>&- <<'PY' &
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.settimeout(120)
while True:
    state = s.recv(4096).decode()
    print(state, flush=True)
    if "STOPPING=1" in state:
        break
PY
	listener=$!
	eventually test -S "$BATS_TEST_TMPDIR/notify"
	start_through env NOTIFY_SOCKET="$BATS_TEST_TMPDIR/notify" ./zeroboot serve --listen 127.0.0.1:0
	eventually grep -q '^READY=1' "$BATS_TEST_TMPDIR/states"
	kill -HUP "$server"
	eventually grep -q '^RELOADING=1' "$BATS_TEST_TMPDIR/states"
	kill "$server"
	wait $listener
	grep -q '^STOPPING=1' "$BATS_TEST_TMPDIR/states"
}

@test "life: a socket handed over by the service manager is used" {
	cat >"$BATS_TEST_TMPDIR/activate.py" <<'PY'
import os, socket, sys
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
print(s.getsockname()[1], flush=True)
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv("./zeroboot", ["zeroboot", "serve", *sys.argv[1:]])
PY
	start_through python3 "$BATS_TEST_TMPDIR/activate.py" >"$BATS_TEST_TMPDIR/port"
	port=$(cat "$BATS_TEST_TMPDIR/port")
	[ "$(status "$(url /health)")" = 200 ]
}

serves() { curl -sf --unix-socket "$1" http://localhost/health >"$BATS_TEST_TMPDIR/health"; }

@test "life: a server that ends leaves another server's socket file, and removes its own though it was changed" {
	socket=$BATS_TEST_TMPDIR/s
	start_through ./zeroboot serve --workers 1 --listen "unix:$socket"
	first=$server
	rm "$socket"
	cp "$log" "$BATS_TEST_TMPDIR/first.log"
	start_through ./zeroboot serve --workers 1 --listen "unix:$socket"
	kill "$first"
	eventually gone "$first"
	serves "$socket"
	chmod 700 "$socket"
	touch "$socket"
	stop_server
	[ ! -e "$socket" ]
}

@test "life: of starts at once on one Unix socket one serves, and the others say which" {
	socket=$BATS_TEST_TMPDIR/s
	for round in 1 2 3; do
		# the first time nothing is there, later what a killed server has left
		[ "$round" -eq 1 ] || [ -S "$socket" ]
		starts=()
		for n in 1 2 3 4 5; do
			log=$BATS_TEST_TMPDIR/log$n launch ./zeroboot serve --workers 1 --listen "unix:$socket"
			starts+=("$server")
		done
		eventually serves "$socket"
		eventually eval '[ "$(kill -0 "${starts[@]}" 2>&1 | grep -c "No such process")" -eq 4 ]'
		for n in 1 2 3 4 5; do
			gone "${starts[$((n - 1))]}" || server=${starts[$((n - 1))]}
		done
		serves "$socket"
		[ "$(cat "$BATS_TEST_TMPDIR"/log? | grep -cx "zeroboot: listen: unix:$socket: in use: process $server serves there")" -eq 4 ]
		kill -9 "$server"
		eventually gone "$server"
	done
}

@test "life: a start waits for nobody: not for who accepts, writes, or holds a lock, and then not with SIGTERM" {
	python3 - "$BATS_TEST_TMPDIR" >"$BATS_TEST_TMPDIR/ready" 3>&- <<'PY' &
import fcntl, os, socket, sys, time
os.chdir(sys.argv[1])
s = socket.socket(socket.AF_UNIX)
s.bind("full")
s.listen(0)
waiting = []
try:
    while True:
        waiting.append(socket.socket(socket.AF_UNIX))
        waiting[-1].setblocking(False)
        waiting[-1].connect("full")
except BlockingIOError:
    pass
os.mkdir("locked")
fcntl.flock(os.open("locked", os.O_RDONLY), fcntl.LOCK_EX)
print("ready", flush=True)
time.sleep(1000)
PY
	holder=$!
	eventually grep -q ready "$BATS_TEST_TMPDIR/ready"
	refuses() { # what is said, options
		said=$1
		shift
		run timeout 60 ./zeroboot serve --templates templates "$@"
		[ "$status" -eq 1 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ "$output" == *"$said" ]]
	}
	refuses 'full: in use' --listen "unix:$BATS_TEST_TMPDIR/full"
	refuses 'locked' --listen "unix:$BATS_TEST_TMPDIR/locked/s"
	launch ./zeroboot serve --listen "unix:$BATS_TEST_TMPDIR/locked/s"
	eventually eval 'ls -l /proc/$server/fd | grep -q "/locked$"'
	kill "$server"
	wait "$server" || status=$?
	[ "$status" -eq 143 ]
	kill "$holder"
	mkdir "$BATS_TEST_TMPDIR/templates"
	mkfifo "$BATS_TEST_TMPDIR/templates/a.zbt" "$BATS_TEST_TMPDIR/fifo"
	refuses 'not a zeroboot template' --templates "$BATS_TEST_TMPDIR/templates" --listen 127.0.0.1:0
	run timeout 60 ./zeroboot template info "$BATS_TEST_TMPDIR/fifo"
	[[ "$output" == *'not a zeroboot template' ]]
	run timeout 60 ./zeroboot run "$BATS_TEST_TMPDIR/fifo" /bin/true
	[[ "$output" == *'not a zeroboot image' ]]
}

@test "life: SIGUSR1 says in the log how it stands; it and SIGUSR2 end neither server nor workers" {
	start_server --workers 1 --max-queue 7
	start_batch 2 'import time; time.sleep(3)'
	eventually depth_is 1
	kill -USR1 "$server"
	eventually logged 'msg="state: 1 runs under way, 1 of 7 wait; [0-9.]* MiB of memory'
	logged 'msg="state: ready, [1-9] of [1-9][0-9]* connections: 1 with a run, .*; 0.0 MiB of input held'
	logged 'msg="state of python: workers: 0 ready, 1 busy, 0 starting, 0 missing, 1 at most, [01] warm'
	logged 'msg="state of node: workers: 1 ready, 0 busy'
	# shellcheck disable=SC2046
	kill -USR1 $(children "$server")
	# shellcheck disable=SC2046
	kill -USR2 "$server" $(children "$server")
	eventually logged 'msg="SIGUSR2 has no effect"'
	wait "$client"
	grep -q '"exit_code":0.*"exit_code":0' "$BATS_TEST_TMPDIR/answer"
	[ "$(metric zeroboot_worker_restarts_total)" = 0 ]
}

@test "life: a manager that does not read its notifications stops nothing" {
	python3 - "$BATS_TEST_TMPDIR/notify" >"$BATS_TEST_TMPDIR/state" 3>&- <<'PY' &
import socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
full = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
full.setblocking(False)
full.connect(sys.argv[1])
try:
    while True:
        full.send(b"x")
except BlockingIOError:
    print("full", flush=True)
time.sleep(1000)
PY
	listener=$!
	eventually grep -q full "$BATS_TEST_TMPDIR/state"
	start_through env NOTIFY_SOCKET="$BATS_TEST_TMPDIR/notify" ./zeroboot serve --listen 127.0.0.1:0
	kill -HUP "$server"
	[ "$(status "$(url /health)")" = 200 ]
	stop_server
	server=
	kill "$listener"
}
