# syscalls.bats: what guest/kernel/syscalls.def says of the system calls is so.

@test "syscalls: docs/syscalls.md is made of syscalls.def as it is (make docs/syscalls.md)" {
	diff docs/syscalls.md <(timeout 60 "build/$(cat build/mode)/syscalls")
}
