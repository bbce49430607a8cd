#!/usr/bin/env bash
# Runs the unit tests that `make unit` has built, as ./zeroboot was, and sanitized.
set -uo pipefail
cd "$(dirname "$0")/../.."
worst=0
for mode in $({ cat build/mode; echo sanitize; } | sort -u); do
	for source in tests/unit/*.c; do
		noun=$(basename "$source" .c)
		timeout 600 "build/$mode/unit/$noun"
		status=$?
		[ $status -le 1 ] || echo "not ok - unit: $noun of build/$mode ended with $status"
		[ $status -eq 0 ] || worst=1
	done
done
exit $worst
