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
tests/guest/build.sh || fail "the guest programs do not build"
{
	timeout 300 bats --tap tests/*.bats
	echo "status bats $?"
	timeout 300 python3 tests/http_table.py
	echo "status http $?"
	timeout 300 python3 tests/json_table.py
	echo "status json $?"
	timeout 300 python3 tests/clients.py
	echo "status clients $?"
	timeout 600 python3 tests/faults.py
	echo "status faults $?"
	timeout 300 python3 tests/soak.py
	echo "status soak $?"
	timeout 600 python3 tests/parity.py
	echo "status parity $?"
} 2>&1 | tee "$log"

passed=$(grep -c '^ok ' "$log")
failed=$(grep -c '^not ok ' "$log")
# A suite that died did not run all of its tests.
while read -r _ suite status; do
	if [ "$status" -gt 1 ]; then
		echo "zeroboot: test: $suite ended with $status" >&2
		failed=$((failed + 1))
	fi
done < <(grep '^status ' "$log")
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
