#!/usr/bin/env bash
# What a request of /v1/health costs with keep-alive, beside nginx with an equal
# answer and an access log: system calls (strace -c) and instructions in user space
# (callgrind), which do not depend on the machine. Wants nginx-light, strace and
# valgrind. Usage: bench/http_cost.sh [CONNECTIONS...]
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- 1 8 64
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$dir"' EXIT
port=8473 rounds=200
. bench/nginx.bash

ours=(./zeroboot serve --listen "127.0.0.1:$port" --workers 1)
theirs=(nginx -c "$dir/nginx.conf" -g "daemon off; master_process off;")

# Until the server answers; its output is a file, as is nginx's log.
start() { # COMMAND...
	"$@" >"$dir/log" 2>&1 &
	server=$!
	until curl -sf "http://127.0.0.1:$port/v1/health" >"$dir/body"; do sleep 0.1; done
	sleep 1
}

stop() {
	kill "$server"
	wait "$server" || true
}

ask() { # CONNECTIONS ROUNDS: in each round all send, then all read
	python3 - "$port" "$1" "$2" <<'PY'
import socket, sys
port, count, rounds = map(int, sys.argv[1:])
request = b"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
for _ in range(rounds):
    for c in connections:
        c.sendall(request)
    for c in connections:
        assert c.recv(65536).startswith(b"HTTP/1.1 200")
PY
}

calls() { # CONNECTIONS COMMAND...
	local connections=$1 tracer
	shift
	start "$@"
	strace -c -o "$dir/calls" -p "$server" 2>/dev/null &
	tracer=$!
	sleep 1
	ask "$connections" $rounds
	kill -INT $tracer
	wait $tracer || true
	stop
	awk -v n=$((connections * rounds)) '$NF == "total" { next } $4 ~ /^[0-9]+$/ { sum += $4 } END { printf "%.2f", sum / n }' "$dir/calls"
}

# The difference of two runs: what a start costs is in both.
instructions() { # CONNECTIONS COMMAND...
	local connections=$1 total=()
	shift
	for more in $rounds $((5 * rounds)); do
		start valgrind --tool=callgrind --callgrind-out-file="$dir/callgrind" "$@"
		ask "$connections" "$more"
		stop
		total+=("$(awk '/^(summary|totals):/ { print $2; exit }' "$dir/callgrind")")
	done
	echo $(((total[1] - total[0]) / (4 * rounds * connections)))
}

start "${ours[@]}"
stop
nginx_config "$dir" "$port"

echo "connections  calls: zeroboot nginx  instructions: zeroboot nginx"
for connections in "$@"; do
	printf '%-12s %s %s  %s %s\n' "$connections" \
		"$(calls "$connections" "${ours[@]}")" "$(calls "$connections" "${theirs[@]}")" \
		"$(instructions "$connections" "${ours[@]}")" "$(instructions "$connections" "${theirs[@]}")"
done
