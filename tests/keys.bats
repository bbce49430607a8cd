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
	run -1 grep -E 'first-key|a-wrong-key' "$log"
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

# Starts that must fail with one line: options of env, part of what is said.
refused() {
	local said=$1
	shift
	run timeout 60 env -C "$BATS_TEST_TMPDIR" "$@" "$PWD/zeroboot" serve --listen 127.0.0.1:0 --templates "$PWD/templates"
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ "$output" == "zeroboot: "*"$said"* ]]
}

@test "keys: what is no regular file refuses to start, whatever its name, and is not waited for" {
	rm "$keys"
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	ln -s nowhere "$BATS_TEST_TMPDIR/dangling"
	for file in fifo dangling . /dev/null /dev/zero /dev/tty ''; do
		refused "" ZEROBOOT_API_KEYS_FILE="$file"
	done
	refused 'fifo: not a regular file' ZEROBOOT_API_KEYS_FILE=fifo
	refused 'No such file' ZEROBOOT_API_KEYS_FILE=dangling
	for make in 'mkfifo api_keys.json' 'ln -s nowhere api_keys.json' 'ln -s api_keys.json api_keys.json' 'mkdir api_keys.json' \
		'ln -s /dev/null api_keys.json'; do
		(cd "$BATS_TEST_TMPDIR" && eval "$make")
		refused api_keys.json -u ZEROBOOT_API_KEYS_FILE
		rm -r "$BATS_TEST_TMPDIR/api_keys.json"
	done
	echo '["a-key-behind-a-link"]' >"$BATS_TEST_TMPDIR/real"
	ln -s real "$keys"
	start_server
	[ "$(with 'Bearer a-key-behind-a-link')" = 200 ]
	[ "$(with 'Bearer nope')" = 401 ]
}

@test "keys: one that is listed twice refuses to start, and is not reloaded" {
	for text in '["a", "b", "a"]' '["b", "bb", "a", "a"]' '["a", "\u0061"]' \
		"[$(for i in $(seq 1023); do printf '"key-%d", ' "$i"; done) \"key-7\"]"; do
		echo "$text" >"$keys"
		refused 'are the same'
	done
	refused 'keys 7 and 1024 are the same'
	printf '\xef\xbb\xbf["first-key-0123456789", "second-key-abcdefghij"]' >"$keys"
	start_server
	echo '["first-key-0123456789", "third-key-9876543210", "first-key-0123456789"]' >"$keys"
	kill -HUP "$server"
	eventually logged 'keys not reloaded.*keys 1 and 3 are the same'
	[ "$(with 'Bearer second-key-abcdefghij')" = 200 ]
	[ "$(with 'Bearer third-key-9876543210')" = 401 ]
}

@test "keys: a FIFO in the file's place keeps nobody from SIGHUP, requests and SIGTERM" {
	start_server
	rm "$keys"
	mkfifo "$keys"
	kill -HUP "$server"
	eventually logged 'keys not reloaded.*not a regular file'
	[ "$(with 'Bearer first-key-0123456789')" = 200 ]
	kill -HUP "$server"
	kill "$server"
	wait "$server"
	server=
	logged 'msg=stopped'
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

@test "keys: a file that comes while the server runs counts from SIGHUP on" {
	unset ZEROBOOT_API_KEYS_FILE
	start_through env -C "$BATS_TEST_TMPDIR" "$PWD/zeroboot" serve --listen 127.0.0.1:0 --templates "$PWD/templates"
	[ "$(with 'Bearer nope')" = 200 ]
	kill -HUP "$server"
	eventually logged 'no key file' 2
	echo '[' >"$BATS_TEST_TMPDIR/api_keys.json"
	kill -HUP "$server"
	eventually logged 'keys not reloaded'
	[ "$(with 'Bearer nope')" = 200 ]
	mv "$keys" "$BATS_TEST_TMPDIR/api_keys.json"
	kill -HUP "$server"
	eventually logged 'msg="keys reloaded"'
	[ "$(with 'Bearer nope')" = 401 ]
	[ "$(with 'Bearer first-key-0123456789')" = 200 ]
}

# Without a queue a batch of 100 runs is paid for and then refused, for it never
# fits: nothing takes time. A second gives back what such a batch costs.
@test "rates: beyond 100 at once 429 with Retry-After, for that key only; a reload does not fill the bucket" {
	start_server --workers 1 --max-queue 0
	[ "$(with 'Bearer second-key-abcdefghij')" = 200 ]
	python3 - "$port" "$server" "$log" <<'PY'
import json, os, re, signal, socket, sys, time
port, server, log = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
body = json.dumps({"executions": [{"code": ""}] * 100})
head = ("POST /v1/exec/batch HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer first-key-0123456789\r\n"
        f"Content-Length: {len(body)}\r\n")

def ask(times):
    """All in one packet."""
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(((head + "\r\n" + body) * (times - 1) + head + "Connection: close\r\n\r\n" + body).encode())
        return b"".join(iter(lambda: s.recv(65536), b"")).decode()

def statuses(data):
    return re.findall(r"HTTP/1.1 (\d+)", data)

data = ask(2)
assert statuses(data) == ["400", "429"], data
assert re.search("\r\nRetry-After: 1\r\n", data) and '"error":"more than 100 requests a second' in data, data
time.sleep(1)
assert statuses(ask(1)) == ["400"], "Retry-After was wrong"
for tries in range(1, 101):
    began = time.monotonic()
    ask(2)
    os.kill(server, signal.SIGHUP)
    while open(log).read().count('msg="keys reloaded"') < tries:
        time.sleep(0.005)
    found = statuses(ask(1))
    if time.monotonic() < began + 0.9: # or the second did
        break
assert found == ["429"], found
PY
	[ "$(with 'Bearer second-key-abcdefghij')" = 200 ]
	[ "$(metric zeroboot_rate_limited_total)" -ge 2 ]
}

@test "keys: without one health says which templates are not ready, and nothing of the inside" {
	local templates=$BATS_TEST_TMPDIR/templates
	mkdir "$templates"
	ln -s "$PWD/templates/sh.zbt" "$templates"
	head -c 100000 /dev/zero >"$templates/bad.zbt"
	launch ./zeroboot serve --listen 127.0.0.1:0
	eventually logged 'level=error.*bad\.zbt'
	port=$(sed -n 's/.*serving on 127\.0\.0\.1:\([0-9]*\)$/\1/p' "$log" | head -n 1)
	eventually health_has '"sh":{"ready":true'
	for key in 'Bearer nope' 'Bearer' ''; do
		health_has '"status":"degraded"' "$key"
		health_has '"bad":{"ready":false,"memory_mb":[0-9]*,"reason":"the log says why' "$key"
		run ! health_has "$templates" "$key"
		run ! health_has 'bad\.zbt' "$key"
	done
	health_has "\"reason\":\"$templates/bad.zbt: " 'Bearer first-key-0123456789'
}

# Whether health says $1 to who has the Authorization value $2.
health_has() { curl -s "$(url /health)" -H "Authorization: ${2:-}" | grep -q "$1"; }
