# helpers.bash: a server of the test's own, and requests to it.

PATIENCE=120 # seconds: for whatever is to come about, on a machine that is busy

# Waits until the command succeeds.
eventually() {
	local end=$((SECONDS + PATIENCE))
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# Starts a server, which may end at once, by a command that ends in `zeroboot serve`
# and options; every server that is to serve starts here. Its log is $log.
launch() {
	: >"${log:=$BATS_FILE_TMPDIR/server.log}"
	"$@" --templates "${templates:-$PWD/templates}" 2>>"$log" 3>&- &
	server=$!
	export log server
}

# The same, and waits until it is ready.
start_through() {
	launch "$@"
	export port
	eventually ready_or_gone
	if ! logged 'every template is ready'; then
		cat "$log" >&2
		return 1
	fi
	port=$(sed -n 's/.*serving on 127\.0\.0\.1:\([0-9]*\)$/\1/p' "$log" | head -n 1)
}

ready_or_gone() { logged 'every template is ready' || gone "$server"; }

# The same with options only, on a free port.
start_server() { start_through ./zeroboot serve --listen 127.0.0.1:0 "$@"; }

stop_server() {
	kill "$server"
	wait "$server"
}

# In teardown, without a word: whatever the test has left of it.
end_server() {
	[ -z "${server:-}" ] || { kill -9 "$server" && wait "$server"; } 2>/dev/null || true
}

# Processes of the server that run code; not the loaders of templates.
workers() { ps -o pid=,args= --ppid "$server" | awk '/zeroboot worker/ { print $1 }'; }
gone() { ! kill -0 "$1" 2>/dev/null; }

# The answer of /v1/exec for code $1, timeout $2 and language $3.
run_code() {
	python3 - "$port" "$1" "${2:-250}" "${3:-python}" <<'PY'
import json, sys, urllib.request
port, code, timeout, language = sys.argv[1:]
body = json.dumps({"code": code, "timeout_seconds": int(timeout), "language": language}).encode()
request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/exec", body, {"Content-Type": "application/json"})
print(urllib.request.urlopen(request).read().decode())
PY
}

# The answer for code $1 that is cut off after it has said something, with the
# shortest timeout in which it gets so far: that is $seconds. $2: the language.
run_cut() {
	for seconds in 1 5 25 125; do
		answer=$(run_code "$1" $seconds "${2:-python}")
		[ -z "$(field "$answer" stdout)" ] || break
	done
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

# Whether the server's log has line $1 $2 times.
logged() { [ "$(grep -c -- "$1" "$log")" -ge "${2:-1}" ]; }

# Value of series $1 in the server's metrics.
metric() { curl -s "$(url /metrics)" | awk -v name="$1" '$1 == name { print $2 }'; }
metric_is() { [ "$(metric "$1")" = "$2" ]; }
metric_reaches() { [ "$(metric "$1")" -ge "$2" ]; }
busy_is() { metric_is zeroboot_concurrent_forks "$1"; }
depth_is() { metric_is zeroboot_queue_depth "$1"; }
# Workers of language $1 in state $2.
workers_in() { metric "zeroboot_workers{language=\"$1\",state=\"$2\"}"; }
# Every worker of all languages is there and waits: $1 of each.
all_ready() {
	[ "$(workers_in python ready)" = "$1" ] && [ "$(workers_in node ready)" = "$1" ] && [ "$(workers_in sh ready)" = "$1" ]
}

# Asks for a batch of $1 runs of code $2 in the background: $client.
start_batch() {
	local body
	body=$(python3 -c 'import json, sys
print(json.dumps({"executions": [{"code": sys.argv[2], "timeout_seconds": 280}] * int(sys.argv[1])}))' "$1" "$2")
	curl -s -o "$BATS_TEST_TMPDIR/answer" "$(url /v1/exec/batch)" -d "$body" 3>&- &
	client=$!
}
