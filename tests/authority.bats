# authority.bats: by which names a server may be called.

bats_require_minimum_version 1.5.0
load helpers

setup() { server=; }
teardown() { end_server; }

# Status of a request to $1, as from a page of host $2.
ask_by() { status -H "Host: $2" "$(url "$1")" "${@:3}"; }
run_by() { ask_by /v1/exec "$1" -d '{"code":""}'; }

@test "authority: on a loopback address without keys it answers to its own names alone" {
	start_server --workers 1 --host sandbox.example --host b.example
	for host in 127.0.0.1 "127.0.0.1:$port" 10.1.2.3:80 '[::1]' "[2001:db8::1]:$port" localhost LOCALHOST:1 a.localhost localhost. \
		sandbox "sandbox:$port" sandbox.example "Sandbox.Example:$port" sandbox.example. b.example ''; do
		[ "$(run_by "$host")" = 200 ]
	done
	for host in evil.example "evil.example:$port" x.sandbox.example sandbox.example.org localhost.example 127.0.0.1.evil.example 1.2.3; do
		[ "$(run_by "$host")" = 421 ]
	done
	for path in / /health /metrics /v1/openapi.json /v1/sessions /nothing; do
		[ "$(ask_by $path evil.example)" = 421 ]
		grep -q '"error":"Host: not a name of this server: see --host"' "$BATS_TEST_TMPDIR/body"
	done
	[ "$(ask_by /mcp evil.example -d '{"jsonrpc":"2.0","id":1,"method":"ping"}')" = 421 ]
	[ "$(ask_by /v1/exec evil.example -X OPTIONS)" = 421 ]
	# Of another origin: it may ask, as curl may, and cannot read.
	[ "$(run_by 127.0.0.1 -H 'Origin: http://evil.example')" = 200 ]
}

@test "authority: with keys, on other addresses, with --host '*' any name will do" {
	echo '["the-only-key"]' >"$BATS_TEST_TMPDIR/keys.json"
	ZEROBOOT_API_KEYS_FILE=$BATS_TEST_TMPDIR/keys.json start_server --workers 1
	[ "$(run_by evil.example)" = 401 ]
	[ "$(ask_by /v1/exec evil.example -H 'Authorization: Bearer the-only-key' -d '{"code":""}')" = 200 ]
	stop_server
	start_server --workers 1 --host '*'
	[ "$(run_by evil.example)" = 200 ]
	stop_server
	socket=$BATS_TEST_TMPDIR/s
	start_through ./zeroboot serve --listen 127.0.0.1:0 --listen "unix:$socket" --listen 0.0.0.0:0 --listen '[::1]:0' --workers 1
	anywhere=$(sed -n 's/.*serving on 0\.0\.0\.0:\([0-9]*\)$/\1/p' "$log")
	six=$(sed -n 's/.*serving on \[::1\]:\([0-9]*\)$/\1/p' "$log")
	[ "$(run_by evil.example)" = 421 ]
	[ "$(status -g -H 'Host: evil.example' "http://[::1]:$six/health")" = 421 ]
	[ "$(status -H 'Host: evil.example' "http://127.0.0.1:$anywhere/health")" = 200 ]
	[ "$(status --unix-socket "$socket" -H 'Host: evil.example' http://a/health)" = 200 ]
}

@test "authority: what is no name is wrong usage" {
	for name in '' 'a b' a:80 'http://a' '[::1]' "$(printf 'a%.0s' $(seq 254))"; do
		run ./zeroboot serve --host "$name"
		[ "$status" -eq 2 ]
		[ "${#lines[@]}" -eq 1 ]
	done
	many=()
	for i in $(seq 17); do many+=(--host "h$i"); done
	run ./zeroboot serve "${many[@]}"
	[ "$status" -eq 2 ]
	[[ "$output" == *"more than 16 names"* ]]
}
