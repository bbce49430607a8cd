# calls.bats: system calls with random numbers and arguments, in the guest only:
# the kernel lives, and touches the program's memory through its gate alone.

setup_file() {
	local root=$BATS_FILE_TMPDIR/root
	mkdir -p "$root/bin"
	gcc -std=gnu11 -O1 -Wall -Wextra -Werror -static -o "$root/bin/random" tests/calls/random.c
	./zeroboot image build -o "$BATS_FILE_TMPDIR/calls.img" "$root"
}

random_calls() { # seed
	local status=0
	timeout 300 ./zeroboot run -t 200 "$BATS_FILE_TMPDIR/calls.img" /bin/random "$1" 20000 \
		>"$BATS_TEST_TMPDIR/out" 2>&1 || status=$?
	grep -a '^zeroboot: ' "$BATS_TEST_TMPDIR/out" | grep -av 'is not implemented$\|std[a-z]* truncated' || true
	echo "seed $1: status $status"
	[ "$status" -eq 0 ]
	grep -aq 'done$' "$BATS_TEST_TMPDIR/out"
	! grep -aq '^zeroboot: guest: .*fault at\|guest kernel' "$BATS_TEST_TMPDIR/out"
}

@test "calls: random ones leave the kernel working (1)" { random_calls 1; }
@test "calls: random ones leave the kernel working (2)" { random_calls 2; }
@test "calls: random ones leave the kernel working (3)" { random_calls 3; }
@test "calls: random ones leave the kernel working (4)" { random_calls 4; }
