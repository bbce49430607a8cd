# life.bats: start, addresses, readiness, draining, what stays behind.

bats_require_minimum_version 1.5.0
load helpers

setup() { server=; }
teardown() { [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true; }

# Starts a server with exactly these options, its log in server.log.
start_at() {
	./zeroboot serve --templates templates "$@" 2>"$BATS_FILE_TMPDIR/server.log" 3>&- &
	server=$!
	logged 'every template is ready'
}

children() { ps -o pid= --ppid "$1"; }
gone() { ! kill -0 "$1" 2>/dev/null; }

@test "life: SIGTERM finishes what runs, answers what waits with 503, leaves nothing" {
	start_server --workers 1
	for n in 1 2; do
		curl -s -D "$BATS_TEST_TMPDIR/head$n" -o "$BATS_TEST_TMPDIR/answer$n" "$(url /v1/exec)" \
			-d '{"code":"import time; time.sleep(3); print(\"whole\")"}' &
		clients+=($!)
		eventually metric_is zeroboot_queue_depth $((n - 1))
		eventually metric_is zeroboot_concurrent_forks 1
	done
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

@test "life: a drain ends after --drain-seconds, a second signal ends it at once" {
	for signals in 1 2; do
		start_server --workers 1 --drain-seconds $((signals == 1 ? 1 : 60))
		curl -s -o /dev/null "$(url /v1/exec)" -d '{"code":"while True: pass","timeout_seconds":60}' &
		eventually metric_is zeroboot_concurrent_forks 1
		kill -INT "$server"
		logged 'msg=draining'
		[ $signals = 1 ] || kill -INT "$server"
		eventually gone "$server"
	done
}

@test "life: new connections are refused while it drains" {
	start_server --workers 1
	curl -s -o /dev/null "$(url /v1/exec)" -d '{"code":"import time; time.sleep(1)"}' &
	eventually metric_is zeroboot_concurrent_forks 1
	kill -TERM "$server"
	logged 'msg=draining'
	run curl -s "$(url /health)"
	[ "$status" -eq 7 ]
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
	./zeroboot serve --templates templates --listen "127.0.0.1:$port" 2>"$BATS_FILE_TMPDIR/server.log" 3>&- &
	server=$!
	logged 'every template is ready'
	[ "$(status "$(url /health)")" = 200 ]
}

@test "life: without --listen it serves on 127.0.0.1:8080" {
	# In a network of its own, where that port is free.
	unshare -n bash -c '
		python3 -c "import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack(\"16sh14s\", b\"lo\", 1, b\"\"))"  # up: netdevice(7)
		./zeroboot serve --templates templates 2>"$1/log" 3>&- &
		for _ in $(seq 100); do
			curl -s http://127.0.0.1:8080/v1/exec -d "{\"code\":\"print(6)\"}" >"$1/answer" && break
			sleep 0.1
		done
		kill $!
		wait
	' - "$BATS_TEST_TMPDIR"
	grep -q "serving on 127.0.0.1:8080" "$BATS_TEST_TMPDIR/log"
	grep -q "\"stdout\":\"6\\\\n\"" "$BATS_TEST_TMPDIR/answer"
}

@test "life: IPv4, IPv6 and a Unix socket at once; the socket file is removed" {
	socket=$BATS_TEST_TMPDIR/s
	start_at --listen 127.0.0.1:0 --listen '[::1]:0' --listen "unix:$socket"
	four=$(sed -n 's/.*serving on \(127.*\)/\1/p' "$BATS_FILE_TMPDIR/server.log")
	six=$(sed -n 's/.*serving on \(\[.*\)/\1/p' "$BATS_FILE_TMPDIR/server.log")
	curl -sf "http://$four/health"
	curl -sgf "http://$six/health"
	curl -sf --unix-socket "$socket" http://localhost/v1/exec -d '{"code":"print(1)"}' | grep -q '"stdout":"1\\n"'
	kill "$server"
	eventually gone "$server"
	[ ! -e "$socket" ]
}

@test "life: a stale Unix socket is replaced, one in use and a file are not" {
	socket=$BATS_TEST_TMPDIR/s
	start_at --listen "unix:$socket"
	run ./zeroboot serve --templates templates --listen "unix:$socket"
	[ "$status" -eq 1 ]
	[[ "$output" == *"in use"* ]]
	kill -9 "$server"
	eventually gone "$server"
	[ -S "$socket" ]
	start_at --listen "unix:$socket"
	curl -sf --unix-socket "$socket" http://localhost/health
	echo precious >"$BATS_TEST_TMPDIR/file"
	run ./zeroboot serve --templates templates --listen "unix:$BATS_TEST_TMPDIR/file"
	[ "$status" -eq 1 ]
	[ "$(cat "$BATS_TEST_TMPDIR/file")" = precious ]
}

@test "life: a taken port, a bad address, no template: one line and 1" {
	start_server
	for address in "127.0.0.1:$port" 127.0.0.1:99999 127.0.0.1 nonsense:80 '[::1:80' unix: 192.0.2.1:80; do
		run ./zeroboot serve --templates templates --listen "$address"
		[ "$status" -eq 1 ]
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
	[ "$output" = "zeroboot: /dev/kvm: Permission denied" ]
}

@test "life: readiness is told to the service manager" {
	python3 - "$BATS_TEST_TMPDIR/notify" >"$BATS_TEST_TMPDIR/states" 3>&- <<'PY' &
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.settimeout(20)
while True:
    state = s.recv(4096).decode()
    print(state, flush=True)
    if "STOPPING=1" in state:
        break
PY
	listener=$!
	eventually test -S "$BATS_TEST_TMPDIR/notify"
	NOTIFY_SOCKET=$BATS_TEST_TMPDIR/notify start_at --listen 127.0.0.1:0
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
os.execv("./zeroboot", ["zeroboot", "serve", "--templates", "templates"])
PY
	python3 "$BATS_TEST_TMPDIR/activate.py" >"$BATS_TEST_TMPDIR/port" 2>"$BATS_FILE_TMPDIR/server.log" 3>&- &
	server=$!
	logged 'every template is ready'
	port=$(cat "$BATS_TEST_TMPDIR/port")
	[ "$(status "$(url /health)")" = 200 ]
}
