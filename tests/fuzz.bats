# fuzz.bats: five seconds of each fuzz target; `make fuzz` for more.

fuzz() {
	run tests/fuzz/run.sh 5 "$1"
	echo "$output" | tail -30
	[ "$status" -eq 0 ]
}

@test "fuzz: a request does not depend on how its bytes were split" { fuzz http; }

@test "fuzz: JSON that is read, written and read again is the same" { fuzz json; }

@test "fuzz: what is taken of a request's body is a list of parts that a worker takes" { fuzz request; }

@test "fuzz: whatever a message of MCP is, its answer is a line of JSON, as long as it was measured" { fuzz mcp; }

@test "fuzz: an answer that is made while it is taken is the one that is written at once" { fuzz answer; }

@test "fuzz: a key is found exactly when it is in the file, and never outspends its rate" { fuzz auth; }

@test "fuzz: whatever a guest writes and however it exits, the VMM stays within bounds and its deadline" { fuzz shared; }

@test "fuzz: a template that is taken can be mapped and its page tables walked" { fuzz template; }

@test "fuzz: an image that is taken can be searched" { fuzz image; }

@test "fuzz: what gzip gives does not depend on how its bytes were split" { fuzz inflate; }

@test "fuzz: whatever a tar says, its tree has names, bounds and an end" { fuzz tar; }

@test "fuzz: whatever a worker says, the front end hears what the rules allow, however it was split" { fuzz member; }

@test "fuzz: whatever a front end says, a worker does what was asked and says what the rules allow" { fuzz worker; }

@test "fuzz: whatever a session's state says, it puts into a VM what a program can do" { fuzz delta; }

@test "fuzz: a box that is taken has its parts and options within it" { fuzz box; }
