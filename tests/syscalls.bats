# syscalls.bats: what guest/kernel/syscalls.def says of the system calls is so.

@test "syscalls: docs/syscalls.md is made of syscalls.def as it is (make docs/syscalls.md)" {
	diff docs/syscalls.md <(timeout 60 "build/$(cat build/mode)/syscalls")
}

@test "syscalls: docs/kernel.md is made of the guest kernel as it is (make docs/kernel.md)" {
	diff docs/kernel.md <(timeout 60 python3 docs/files.py kernel "$(make -s floors)")
}

@test "syscalls: docs/host.md and docs/metrics.md are made of the host as it is (make docs)" {
	diff docs/host.md <(timeout 60 python3 docs/files.py host)
	diff docs/metrics.md <(timeout 60 python3 docs/metrics.py)
}

# The names of the calls that a guest program makes.
calls_of() {
	timeout 300 ./zeroboot run -t 280 --trace build/tests/guest.img "/bin/$1" 2>&1 |
		sed -n 's/^zeroboot: guest: \[[0-9]*\] \([a-z0-9_]*\)(.*/\1/p' | sort -u
}

@test "syscalls: each full or partial row is called by a program of tests/guest" {
	for source in tests/guest/*.c; do
		calls_of "$(basename "$source" .c)"
	done | sort -u >"$BATS_TEST_TMPDIR/called"
	sed -n 's/^| [0-9]* | `\(.*\)` | \(full\|partial\) |.*/\1/p' docs/syscalls.md |
		sort >"$BATS_TEST_TMPDIR/promised"
	missing=$(comm -13 "$BATS_TEST_TMPDIR/called" "$BATS_TEST_TMPDIR/promised")
	[ -s "$BATS_TEST_TMPDIR/promised" ]
	echo "rows that no program calls:" $missing
	[ -z "$missing" ]
}
