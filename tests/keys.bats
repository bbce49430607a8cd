# keys.bats: authentication, rates, and reading the key file again.

bats_require_minimum_version 1.5.0
load helpers

setup() {
	keys=$BATS_TEST_TMPDIR/keys.json
	echo '["first-key-0123456789", "second-key-abcdefghij"]' >"$keys"
	export ZEROBOOT_API_KEYS_FILE=$keys
	server=
}
teardown() { [ -z "$server" ] || stop_server; }

# Status of an empty program with the Authorization value $1.
with() { status -D "$BATS_TEST_TMPDIR/head" "$(url /v1/exec)" -H "Authorization: $1" -d '{"code":""}'; }

@test "keys: a missing, a wrong and a half key are 401, a right one runs" {
	start_server
	[ "$(status -D "$BATS_TEST_TMPDIR/head" "$(url /v1/exec)" -d '{"code":""}')" = 401 ]
	grep -qi '^www-authenticate: bearer' "$BATS_TEST_TMPDIR/head"
	grep -q '"error":"no key"' "$BATS_TEST_TMPDIR/body"
	for value in 'Bearer nope' 'Bearer first-key-012345678' 'Bearer first-key-01234567890' \
		'Basic first-key-0123456789' 'first-key-0123456789' 'Bearer' 'Bearer FIRST-KEY-0123456789'; do
		[ "$(with "$value")" = 401 ]
	done
	[ "$(with 'Bearer first-key-0123456789')" = 200 ]
	[ "$(with 'bearer second-key-abcdefghij')" = 200 ]
	[ "$(status "$(url /v1/exec/batch)" -d '{"executions":[{"code":""}]}')" = 401 ]
	[ "$(status "$(url /v1/health)")" = 200 ]
	[ "$(status "$(url /v1/metrics)")" = 200 ]
	grep -q '^zeroboot_unauthorised_total 9$' "$BATS_TEST_TMPDIR/body"
}

@test "keys: a whole key is never in the log" {
	start_server
	with 'Bearer first-key-0123456789'
	with 'Bearer a-wrong-key-of-somebody'
	eventually logged 'path=/v1/exec status=401'
	grep -q 'key=firs\.\.\.' "$log"
	run ! grep -E 'first-key|a-wrong-key' "$log"
}

@test "keys: a bad file refuses to start and says why" {
	for text in '' '[]' '{}' '["a", 1]' '["a"' '[""]' '["with space"]' '["a"] x' "[\"$(printf 'k%.0s' $(seq 257))\"]"; do
		echo "$text" >"$keys"
		run timeout 60 ./zeroboot serve --listen 127.0.0.1:0 --templates templates
		[ "$status" -eq 1 ]
		[[ "$output" == "zeroboot: $keys: "* ]]
		[ "${#lines[@]}" -eq 1 ]
	done
	rm "$keys"
	run timeout 60 ./zeroboot serve --listen 127.0.0.1:0 --templates templates
	[ "$status" -eq 1 ]
	[[ "$output" == *"No such file"* ]]
	mkdir "$keys"
	run timeout 60 ./zeroboot serve --listen 127.0.0.1:0 --templates templates
	[ "$status" -eq 1 ]
}

@test "keys: SIGHUP reads the file again, and keeps the old keys when it is bad" {
	start_server
	echo '["third-key-9876543210"]' >"$keys"
	kill -HUP "$server"
	eventually logged 'msg="keys reloaded"'
	[ "$(with 'Bearer third-key-9876543210')" = 200 ]
	[ "$(with 'Bearer first-key-0123456789')" = 401 ]
	echo '["third-key-9876543210",' >"$keys"
	kill -HUP "$server"
	eventually logged 'keys not reloaded'
	[ "$(with 'Bearer third-key-9876543210')" = 200 ]
	rm "$keys"
	kill -HUP "$server"
	eventually logged 'keys not reloaded' 2
	[ "$(with 'Bearer third-key-9876543210')" = 200 ]
	[ "$(with 'Bearer nope')" = 401 ]
}

# Asks for 100 runs $1 times, all in one packet, and gives the statuses. Without
# a queue each batch is paid for and then refused: nothing takes time.
ask() {
	python3 - "$port" "$1" "$BATS_TEST_TMPDIR/answers" <<'PY'
import json, re, socket, sys
port, times, path = sys.argv[1:]
body = json.dumps({"executions": [{"code": ""}] * 100})
head = (f"POST /v1/exec/batch HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer first-key-0123456789\r\n"
        f"Content-Length: {len(body)}\r\n")
with socket.create_connection(("127.0.0.1", int(port))) as s:
    s.sendall(((head + "\r\n" + body) * (int(times) - 1) + head + "Connection: close\r\n\r\n" + body).encode())
    data = b"".join(iter(lambda: s.recv(65536), b"")).decode()
open(path, "w").write(data)
print(*re.findall(r"HTTP/1.1 (\d+)", data))
PY
}

@test "rates: beyond 100 at once 429 with Retry-After, for that key only" {
	start_server --workers 1 --max-queue 0
	[ "$(ask 2)" = "503 429" ]
	grep -qi '^retry-after: 1' "$BATS_TEST_TMPDIR/answers"
	grep -q '"error":"more than 100 requests a second' "$BATS_TEST_TMPDIR/answers"
	[ "$(with 'Bearer second-key-abcdefghij')" = 200 ]
	# Retry-After is right: after that long there is room.
	sleep 1
	[ "$(ask 1)" = 503 ]
	status "$(url /metrics)"
	grep -q '^zeroboot_rate_limited_total 1$' "$BATS_TEST_TMPDIR/body"
}

@test "rates: a reload does not fill the bucket" {
	start_server --workers 1 --max-queue 0
	# A second fills it: only what took less shows anything.
	for try in $(seq 100); do
		began=$(date +%s%N)
		ask 2
		kill -HUP "$server"
		eventually logged 'msg="keys reloaded"' "$try"
		answer=$(ask 1)
		[ $(($(date +%s%N) - began)) -gt 900000000 ] || break
	done
	[ "$answer" = 429 ]
}
