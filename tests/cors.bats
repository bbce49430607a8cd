# cors.bats: which web pages may read answers.

bats_require_minimum_version 1.5.0
load helpers

setup() { server=; }
teardown() { end_server; }

# Lines of the answer's head, in any case.
head_has() { grep -qix "$1"$'\r' "$BATS_TEST_TMPDIR/head"; }
ask_from() { # origin, curl's arguments
	origin=$1
	shift
	status -D "$BATS_TEST_TMPDIR/head" -H "Origin: $origin" "$@"
}

@test "cors: origins that are named may ask and read, others are told nothing" {
	start_server --cors https://a.example --cors http://localhost:3000
	for origin in https://a.example http://localhost:3000; do
		[ "$(ask_from $origin -X OPTIONS -H 'Access-Control-Request-Method: POST' "$(url /v1/exec)")" = 204 ]
		head_has "Access-Control-Allow-Origin: $origin"
		head_has 'Vary: Origin'
		head_has 'Access-Control-Allow-Methods: GET, HEAD, POST, PUT, DELETE, OPTIONS'
		head_has 'Access-Control-Allow-Headers: Authorization, Content-Type, X-Request-Id, MCP-Protocol-Version'
		head_has 'Access-Control-Max-Age: 3600'
		head_has 'Allow: POST, OPTIONS'
		[ "$(ask_from $origin "$(url /v1/exec)" -d '{"code":""}')" = 200 ]
		head_has "Access-Control-Allow-Origin: $origin"
		head_has 'Access-Control-Expose-Headers: Retry-After, X-Request-Id'
		[ "$(ask_from $origin "$(url /v1/exec)" -d '{')" = 400 ]
		head_has "Access-Control-Allow-Origin: $origin"
	done
	for origin in https://a.example.org https://a.exampl http://a.example https://A.example null '*' http://localhost; do
		[ "$(ask_from "$origin" -X OPTIONS "$(url /v1/exec)")" = 204 ]
		run -1 grep -i '^access-control' "$BATS_TEST_TMPDIR/head"
		head_has 'Vary: Origin'
		[ "$(ask_from "$origin" "$(url /v1/exec)" -d '{"code":""}')" = 200 ]
		run -1 grep -i '^access-control' "$BATS_TEST_TMPDIR/head"
	done
}

@test "cors: * is everyone; the longest head there can be is whole; a bad origin is wrong usage" {
	long=https://$(printf 'a%.0s' $(seq 120))
	start_server --cors "$long"
	[ "$(ask_from "$long" -X OPTIONS -H "X-Request-Id: $(printf 'x%.0s' $(seq 128))" -H 'Connection: close' "$(url /health)")" = 204 ]
	head_has "Access-Control-Allow-Origin: $long"
	head_has 'Connection: close'
	stop_server
	start_server --cors '*'
	[ "$(ask_from null "$(url /health)")" = 200 ]
	head_has 'Access-Control-Allow-Origin: \*'
	run -1 grep -i '^vary' "$BATS_TEST_TMPDIR/head"
	for origin in '' a.example https:// https://a/ https://A https://a/b 'https://a b' "${long}a" '**' null; do
		run ./zeroboot serve --cors "$origin"
		[ "$status" -eq 2 ]
		[ "${#lines[@]}" -eq 1 ]
	done
}
