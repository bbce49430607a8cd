# counts.bats: what an ordinary run costs, in counts that no other work of the
# machine changes, of half of 100 runs in a VM that is used again. That such runs
# write no page table is in it: where tables are not put back, a VM with one that
# was written is thrown away.
#
# Each count is at most the figure here: the one measured, and a few pages. A change
# that lowers one lowers the figure; one that has to raise it says why.

limits='
print(1+1)                                 | exits 1, faults 0, host faults 0, calls 5, checked 220, thrown 0
import numpy; print(numpy.random.rand(3))  | exits 1, faults 0, host faults 0, calls 5, checked 424, thrown 0
console.log(1+1)                           | exits 1, faults 0, host faults 0, calls 14, checked 392, thrown 0
echo $((1+1))                              | exits 1, faults 0, host faults 0, calls 26, checked 64, thrown 0
'

# Row $3 (p50) of the table of program $2, in a recycled VM, in bench's output $1.
row() {
	awk -v program="$2, recycled VM," -v row="  $3 " '
		/^[^ ]/ { inside = index($0, program) == 1 }
		inside && index($0, row) == 1 { print int($(NF - 2)) }' <<<"$1"
}

within() { # output program
	local got
	got="exits $(row "$1" "$2" 'VM exits'), faults $(row "$1" "$2" 'guest page faults'), host faults $(row "$1" "$2" \
		'host page faults'), calls $(row "$1" "$2" 'system calls'), checked $(row "$1" "$2" 'pages checked'), thrown $(row "$1" "$2" 'VMs thrown away')"
	limit=$(grep -F "$2 " <<<"$limits" | sed 's/.*| //')
	echo "$2: $got; at most $limit"
	python3 -c 'import re, sys
got, limit = ([int(n) for n in re.findall(r"\d+", text)] for text in sys.argv[1:])
assert len(got) == len(limit) and all(g <= l for g, l in zip(got, limit))' "$got" "$limit"
}

@test "counts: print in Python" {
	within "$(./zeroboot bench -n 100)" 'print(1+1)'
}

@test "counts: numpy in Python" {
	within "$(./zeroboot bench -n 100)" 'import numpy; print(numpy.random.rand(3))'
}

@test "counts: console.log in Node" {
	within "$(./zeroboot bench -n 100 -l node)" 'console.log(1+1)'
}

@test "counts: echo in sh" {
	within "$(./zeroboot bench -n 100 -l sh)" 'echo $((1+1))'
}
