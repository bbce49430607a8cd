# calls.bats: system calls with random numbers and arguments, in the guest only:
# the kernel lives, and touches the program's memory through its gate alone; of one
# process, and of a crowd.

setup_file() {
	local root=$BATS_FILE_TMPDIR/root
	mkdir -p "$root/bin"
	local gcc=(gcc -std=gnu11 -O1 -Wall -Wextra -Werror -Wno-unused-result -static)
	"${gcc[@]}" -o "$root/bin/random" tests/calls/{random,draw}.c
	"${gcc[@]}" -o "$root/bin/crowd" tests/calls/{crowd,memory,terminals,sockets,signals,descriptors,draw}.c
	./zeroboot image build -o "$BATS_FILE_TMPDIR/calls.img" "$root"
}

# `!` alone fails no test.
nothing() { # that looks like this
	[ "$(grep -ac "$1" "$BATS_TEST_TMPDIR/out")" -eq 0 ]
}

random_calls() { # seed
	local status=0
	timeout 300 ./zeroboot run -t 200 "$BATS_FILE_TMPDIR/calls.img" /bin/random "$1" 20000 \
		>"$BATS_TEST_TMPDIR/out" 2>&1 || status=$?
	grep -a '^zeroboot: ' "$BATS_TEST_TMPDIR/out" | grep -av 'is not implemented$\|std[a-z]* truncated' || true
	echo "seed $1: status $status"
	[ "$status" -eq 0 ]
	grep -aq 'done$' "$BATS_TEST_TMPDIR/out"
	nothing '^zeroboot: guest: .*fault at\|guest kernel'
}

@test "calls: random ones leave the kernel working (1)" { random_calls 1; }
@test "calls: random ones leave the kernel working (2)" { random_calls 2; }
@test "calls: random ones leave the kernel working (3)" { random_calls 3; }
@test "calls: random ones leave the kernel working (4)" { random_calls 4; }

crowd() { # seed, MiB
	local status=0
	timeout 300 ./zeroboot run -t 200 --memory "$2" --stats "$BATS_FILE_TMPDIR/calls.img" /bin/crowd "$1" 100 \
		>"$BATS_TEST_TMPDIR/out" 2>&1 || status=$?
	grep -a '^zeroboot: ' "$BATS_TEST_TMPDIR/out" | grep -av 'is not implemented$\|std[a-z]* truncated' || true
	grep -a 'CORRUPT\|DIRTY' "$BATS_TEST_TMPDIR/out" || true
	echo "seed $1: status $status"
	[ "$status" -eq 0 ]
	grep -aq 'done$' "$BATS_TEST_TMPDIR/out"
	grep -aq ': 0 pages are lost$' "$BATS_TEST_TMPDIR/out"
	nothing '^zeroboot: guest: .*fault at\|CORRUPT\|DIRTY'
}

@test "calls: of many processes (1)" { crowd 1 256; }
@test "calls: of many processes (2)" { crowd 2 256; }
@test "calls: of many processes, in little memory (3)" { crowd 3 48; }
@test "calls: of many processes, in little memory (4)" { crowd 4 32; }
