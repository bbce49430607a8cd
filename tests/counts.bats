# counts.bats: what an ordinary run costs, in counts that no other work of the
# machine changes, of half of 100 runs in a VM that is used again. That such runs
# write no page table is in it: where tables are not put back, a VM with one that
# was written is thrown away.
#
# Each count is at most the figure here: the one measured, and a few pages, by which
# templates differ (Node's by 30). A change that lowers one lowers the figure; one that
# has to raise it says why. A machine that is busy can keep half of the runs of a round
# from their CPU until a tick comes, which is an exit: one round of three is enough.

limits='
print(1+1)                                 | exits 1, faults 0, host faults 0, calls 5, checked 226, thrown 0
import numpy; print(numpy.random.rand(3))  | exits 1, faults 0, host faults 0, calls 5, checked 432, thrown 0
console.log(1+1)                           | exits 1, faults 0, host faults 0, calls 14, checked 400, thrown 0
echo $((1+1))                              | exits 1, faults 0, host faults 0, calls 26, checked 64, thrown 0
'

# Row $3 (p50) of the table of program $2, in a recycled VM, in bench's output $1.
row() {
	awk -v program="$2, recycled VM," -v row="  $3 " '
		/^[^ ]/ { inside = index($0, program) == 1 }
		inside && index($0, row) == 1 { print int($(NF - 2)) }' <<<"$1"
}

within() { # program [BENCH'S OPTION]...
	local got program=$1 limit round out
	limit=$(grep -F "$program " <<<"$limits" | sed 's/.*| //')
	for round in 1 2 3; do
		out=$(./zeroboot bench -n 100 "${@:2}")
		got="exits $(row "$out" "$program" 'VM exits'), faults $(row "$out" "$program" 'guest page faults'), host faults $(row \
			"$out" "$program" 'host page faults'), calls $(row "$out" "$program" 'system calls'), checked $(row "$out" \
			"$program" 'pages checked'), thrown $(row "$out" "$program" 'VMs thrown away')"
		echo "$program: $got; at most $limit"
		python3 -c 'import re, sys
got, limit = ([int(n) for n in re.findall(r"\d+", text)] for text in sys.argv[1:])
sys.exit(len(got) != len(limit) or any(g > l for g, l in zip(got, limit)))' "$got" "$limit" && return
	done
	false
}

@test "counts: print in Python" {
	within 'print(1+1)'
}

@test "counts: numpy in Python" {
	within 'import numpy; print(numpy.random.rand(3))'
}

@test "counts: console.log in Node" {
	within 'console.log(1+1)' -l node
}

@test "counts: echo in sh" {
	within 'echo $((1+1))' -l sh
}

# What a run takes beyond 8 MiB comes in pages of 2 MiB, where the host has them, and is
# compared by nobody. Page by page it would be 16,384 of both.
@test "counts: 64 MiB in Python" {
	echo 'b = bytearray(64 << 20); print(len(b), any(b[::4096]))' >"$BATS_TEST_TMPDIR/large.py"
	out=$(./zeroboot bench -n 10 "$BATS_TEST_TMPDIR/large.py" | sed -n '/recycled VM/,$p')
	echo "$out"
	count() { awk -v row="  $1 " 'index($0, row) == 1 { print int($(NF - 2)) }' <<<"$out"; }
	[ "$(count 'pages checked')" -le 1000 ]
	grep -q '\[never\]' /sys/kernel/mm/transparent_hugepage/enabled || [ "$(count 'host page faults')" -le 1000 ]
	[ "$(count 'VMs thrown away')" -eq 0 ]
}
