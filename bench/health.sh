#!/usr/bin/env bash
# The HTTP layer alone: /v1/health with keep-alive against nginx that returns an
# equal fixed answer, in turns in the same minute; then what an idle connection
# takes of memory. Wants nginx-light and wrk. Usage: bench/health.sh [SECONDS [ROUNDS]]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-2} rounds=${2:-5}
dir=$(mktemp -d)
theirs=8472 log=$dir/zeroboot.log
ulimit -n 16384

. tests/helpers.bash
. bench/nginx.bash
trap 'kill "$server" $(cat "$dir/nginx.pid" 2>/dev/null) 2>/dev/null; rm -rf "$dir"' EXIT
start_through ./zeroboot serve --listen 127.0.0.1:0 --workers 1 --idle-seconds 600
ours=$port
until curl -sf "http://127.0.0.1:$ours/v1/health" >"$dir/body"; do sleep 0.1; done
nginx_config "$dir" "$theirs"
nginx -c "$dir/nginx.conf"

one() { # PORT CONNECTIONS: requests a second, p50 and p99 in microseconds
	wrk -t1 -c"$2" -d"${seconds}s" --latency "http://127.0.0.1:$1/v1/health" | awk '
		function us(t) { return t ~ /us$/ ? t + 0 : t ~ /ms$/ ? t * 1000 : t * 1000000 }
		/ 50%/ { p50 = us($2) } / 99%/ { p99 = us($2) } /^Requests\/sec/ { print $2, p50, p99 }'
}
median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

echo "connections  requests/s: zeroboot nginx ratio  p50 us: zeroboot nginx  p99 us: zeroboot nginx"
for connections in 1 8 64; do
	for _ in $(seq "$rounds"); do
		one "$ours" "$connections" >>"$dir/$ours.$connections"
		one "$theirs" "$connections" >>"$dir/$theirs.$connections"
	done
	for column in 1 2 3; do
		for port in "$ours" "$theirs"; do
			cut -d' ' -f"$column" "$dir/$port.$connections" | median
		done
	done | xargs | awk -v c="$connections" '{ printf "%-12s %.0f %.0f %.2f  %.0f %.0f  %.0f %.0f\n", c, $1, $2, $1 / $2, $3, $4, $5, $6 }'
done

python3 - "$ours" "$server" <<'PY'
import socket, sys, time
port, server = int(sys.argv[1]), sys.argv[2]

def kib():
    with open(f"/proc/{server}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))

def slab():
    with open("/proc/meminfo") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Slab"))

count = 5000
before, kernel = kib(), slab()
connections = []
for _ in range(count):
    s = socket.create_connection(("127.0.0.1", port))
    s.sendall(b"GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n")
    s.recv(4096)
    connections.append(s)
time.sleep(0.5)
print(f"idle connection: {(kib() - before) * 1024 // count} bytes of the server's memory, "
      f"{(slab() - kernel) * 1024 // count} of the kernel's for both ends (5,000 open)")
PY
