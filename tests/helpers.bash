# helpers.bash: a server of the test's own, and requests to it.

start_server() { # [option...]
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	./zeroboot serve --listen "127.0.0.1:$port" --templates templates "$@" \
		2>"$BATS_FILE_TMPDIR/server.log" 3>&- &
	server=$!
	export port server
	for _ in $(seq 100); do
		curl -sf "http://127.0.0.1:$port/v1/health" >/dev/null && return 0
		kill -0 $server 2>/dev/null || break
		sleep 0.1
	done
	cat "$BATS_FILE_TMPDIR/server.log" >&2
	return 1
}

stop_server() {
	kill "$server"
	wait "$server"
}

# The answer of /v1/exec for code $1, timeout $2 and language $3.
run_code() {
	python3 - "$port" "$1" "${2:-30}" "${3:-python}" <<'PY'
import json, sys, urllib.request
port, code, timeout, language = sys.argv[1:]
body = json.dumps({"code": code, "timeout_seconds": int(timeout), "language": language}).encode()
request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/exec", body, {"Content-Type": "application/json"})
print(urllib.request.urlopen(request).read().decode())
PY
}

# Field $2 of the JSON object $1, as its bytes.
field() {
	python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]], end="")' "$2" <<<"$1"
}

# Status of a request: curl's arguments.
status() {
	curl -s -o "$BATS_TEST_TMPDIR/body" -w '%{http_code}' "$@"
}

url() { echo "http://127.0.0.1:$port$1"; }

# Waits until the server's log has line $1 $2 times.
logged() {
	for _ in $(seq 100); do
		[ "$(grep -c "$1" "$BATS_FILE_TMPDIR/server.log")" -ge "${2:-1}" ] && return 0
		sleep 0.05
	done
	return 1
}

# Value of series $1 in the server's metrics.
metric() { curl -s "$(url /metrics)" | awk -v name="$1" '$1 == name { print $2 }'; }
metric_is() { [ "$(metric "$1")" = "$2" ]; }

# Waits until the command succeeds, at most 10 s.
eventually() {
	for _ in $(seq 200); do
		"$@" && return 0
		sleep 0.05
	done
	return 1
}
