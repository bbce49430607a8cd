#!/usr/bin/env bash
# Runs every test against the built ./zeroboot and templates/. The last line is
# `N passed, N failed`.
set -uo pipefail
cd "$(dirname "$0")/.."

fail() {
	echo "zeroboot: test: $*" >&2
	echo "0 passed, 1 failed"
	exit 1
}
[ -r /dev/kvm ] && [ -w /dev/kvm ] || fail "/dev/kvm is missing or not accessible; every test needs it"
[ -x ./zeroboot ] || fail "./zeroboot is not built"

log=build/tests/output.tap
mkdir -p build/tests

# A binary made with SANITIZE=1 leaves a file here for each process that a
# sanitizer had something to say about, and any such file is a failure; another
# binary does not look at these. A program that is ended by one must not look
# like a program that has failed as a test wants it to: hence the exit code.
reports=$PWD/build/tests/reports
rm -rf "$reports"
mkdir -p "$reports"
common=log_path=$reports/report:exitcode=86
export ASAN_OPTIONS=$common:detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=$common:print_stacktrace=1
[ "$(cat build/mode)" = sanitize ] && slower=3 || slower=1
limit() { timeout $(($1 * slower)) "${@:2}"; }

tests/guest/build.sh || fail "the guest programs do not build"
tests/hostile/build.sh || fail "the hostile guest does not build"
{
	limit 600 bats --tap tests/*.bats
	echo "status bats $?"
	limit 300 python3 tests/http_table.py
	echo "status http $?"
	limit 300 python3 tests/json_table.py
	echo "status json $?"
	limit 300 python3 tests/clients.py
	echo "status clients $?"
	limit 600 python3 tests/faults.py
	echo "status faults $?"
	limit 300 python3 tests/soak.py
	echo "status soak $?"
	limit 300 python3 tests/oom.py
	echo "status oom $?"
	limit 600 python3 tests/parity.py
	echo "status parity $?"
	limit 300 python3 tests/cases.py
	echo "status cases $?"
	limit 400 python3 tests/hostile.py
	echo "status hostile $?"
	# Not recycled: what starts more threads than were rehearsed, maps a
	# library, or overflows a heap for the first time.
	limit 300 build/tests/recycle -r 85 templates/python.zbt tests/python/snippets.txt tests/recycle/python.txt
	echo "status recycle $?"
	limit 300 build/tests/recycle -r 75 templates/node.zbt tests/node/snippets.txt tests/recycle/node.txt
	echo "status recycle-node $?"
	# Its own summary would be taken for the last line.
	limit 900 tests/svm/run.sh | grep --line-buffered -v ' passed, '
	echo "status svm ${PIPESTATUS[0]}"
} 2>&1 | tee "$log"

passed=$(grep -c '^ok ' "$log")
# What is known to fail says so, and fails when it passes.
failed=$(grep '^not ok ' "$log" | grep -vc ' # TODO ')
# A suite that died did not run all of its tests.
while read -r _ suite status; do
	if [ "$status" -gt 1 ]; then
		echo "zeroboot: test: $suite ended with $status" >&2
		failed=$((failed + 1))
	fi
done < <(grep '^status ' "$log")
for report in "$reports"/*; do
	[ -e "$report" ] || break
	echo "zeroboot: test: $report:" >&2
	head -40 "$report" >&2
	failed=$((failed + 1))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
