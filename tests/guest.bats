# guest.bats: each program of tests/guest gives the same output and exit code
# natively on Linux and in the guest.

setup_file() { tests/guest/build.sh; }

# Natively with a network of its own, in which nobody has left connections.
same_alone() {
	local natively=(unshare -n tests/loopback.py)
	same "$@"
}

same() {
	local native guest native_status=0 guest_status=0
	# Niceness and ignored signals come from here; the guest has neither.
	native=$(renice -n 0 $BASHPID >/dev/null && : | timeout 300 env --default-signal "${natively[@]}" "build/tests/root/bin/$1" "${@:2}" 2>&1 3>&- 4>&-) || native_status=$?
	guest=$(timeout 320 ./zeroboot run -t 300 build/tests/guest.img "/bin/$1" "${@:2}" 2>&1) || guest_status=$?
	[ -n "$native" ] || [ "$native_status" -ne 0 ]
	diff <(echo "$native") <(echo "$guest")
	[ "$native_status" -eq "$guest_status" ]
}

@test "guest: pipes" { same pipe; }
@test "guest: buffers that are not there, or go while a call waits" { same buffer; }
@test "guest: socket pairs and sockets" { same socket; }
@test "guest: eventfd" { same eventfd; }
@test "guest: the loopback interface, as netlink and ioctl tell of it" { same netlink; }
@test "guest: descriptors of processes, and process 1" { same pidfd; }
@test "guest: setting clocks is refused" { same settime; }
@test "guest: timerfd" { same timerfd; }
@test "guest: epoll" { same epoll; }
@test "guest: poll" { same poll; }
@test "guest: select" { same select; }
@test "guest: memory" { same memory; }
@test "guest: mappings" { same mapping; }
@test "guest: the stack grows, and what grows down" { same stack; }
@test "guest: several mappings in one call, holes by MADV_REMOVE" { same remap; }
@test "guest: memory that is promised" { same promise; }
@test "guest: threads, preemption and futexes" { same thread; }
@test "guest: futexes" { same futex; }
@test "guest: locks with an owner" { same futexlock; }
@test "guest: threads by the calls themselves" { same clone; }
@test "guest: what a child has of its parent's memory and descriptors" { same fork; }
@test "guest: what a child has of its parent's signals, timers and attributes" { same inherit; }
@test "guest: children that share: vfork, clone, clone3, posix_spawn" { same vfork; }
@test "guest: programs that become others" { same execve; }
@test "guest: what a process keeps when it becomes another program" { same execstate; }
@test "guest: waiting for children" { same wait; }
@test "guest: ends, orphans, subreapers, daemons" { same family; }
@test "guest: what related processes leave to one another: ends beside handlers, limits, stacks" { same relations; }
@test "guest: what a process may see of another user's" { same looking; }
@test "guest: mappings changed by chance before and after forks" { same forkmap; }
@test "guest: process groups and sessions, and signals between processes" { same group; }
@test "guest: stopping and going on" { same jobs; }
@test "guest: memory that processes share, and locks in it" { same share; }
@test "guest: small files that are mapped shared" { same sharedfile; }
@test "guest: random operations on files that are mapped shared" {
	local seed
	for seed in 1 2 3; do
		same mapmodel $seed
		same mapmodel $seed fork
		same mapmodel $seed scarce
	done
	same mapmodel 4 fork scarce
}
@test "guest: which file system a file is of" { same filesystems; }
@test "guest: locks of files between processes" { same locks; }
@test "guest: descriptors between processes" { same passing; }
@test "guest: /proc of others, their memory and clocks" { same procpid; }
@test "guest: many processes" { same many; }
@test "guest: what processes do seldom" { same odd; }
@test "guest: a tree of processes that do things at random" {
	same tree 1
	same tree 2
}
@test "guest: memory across fork" { same cow; }
@test "guest: memory across forks that nobody may write to" { same readonly; }
@test "guest: what the calls about memory refuse" { same mapcalls; }
@test "guest: signals" { same signal; }
@test "guest: waits with a mask of their own" { same sigwait; }
@test "guest: signals that queue, and what comes with them" { same sigqueue; }
@test "guest: what a handler does to each call that waits" { same restart; }
@test "guest: alternate stacks" { same altstack; }
@test "guest: a frame that fits no stack is SIGSEGV, and nothing is overwritten" {
	local case
	for case in small caught nostack overflow handler return nowhere restorer; do
		same altstack $case
	done
}
@test "guest: exceptions, and the signal each becomes" { same traps; }
@test "guest: flags that a call comes with" { same flags; }
@test "guest: the interrupt flag" { same interrupts; }
@test "guest: files" { same file; }
@test "guest: opening files" { same open; }
@test "guest: names that move" { same rename; }
@test "guest: slashes behind names, positions, and what is refused first" { same names; }
@test "guest: directories of 100,000 entries" { same dir; }
@test "guest: holes, allocation and mappings of files" { same sparse; }
@test "guest: extended attributes" { same xattr; }
@test "guest: times, modes and owners of files" { same times; }
@test "guest: a file system that is full" { same enospc; }
@test "guest: inotify" { same inotify; }
@test "guest: flock" { same flock; }
@test "guest: record locks" { same lockrange; }
@test "guest: splice, tee, sizes and packets of pipes" { same splice; }
@test "guest: fcntl and ioctl" { same control; }
@test "guest: devices and standard streams" { same devices; }
@test "guest: room in sockets and pipes, and who is told of it" { same room; }
@test "guest: names and credentials of unix sockets" { same unixname; }
@test "guest: many sockets, and sockets in sockets' queues" { same manysockets; }
@test "guest: pipes with a name" { same fifo; }
@test "guest: pairs of pseudo-terminals" { same pty; }
@test "guest: terminals of sessions, jobs and hangups" { same ttysignal; }
@test "guest: editing, echoes and settings of terminals" { same tty; }
@test "guest: seals" { same seals; }
@test "guest: more of inotify" { same watches; }
@test "guest: several messages in a call" { same mmsg; }
@test "guest: addresses of the loopback" { same inet; }
@test "guest: connections of TCP, and all their ends" { same_alone tcp; }
@test "guest: waits, edges, full queues and urgent data of TCP" { same_alone tcpedge; }
@test "guest: who may have which port" { same_alone ports; }
@test "guest: options of TCP, UDP, IP and IPv6" { same netoption; }
@test "guest: what /proc/net says of sockets" { same_alone procnet; }
@test "guest: /etc/hosts and /dev/shm of what docker exports are as in a container that runs" {
	local root=$BATS_TEST_TMPDIR/root image=$BATS_TEST_TMPDIR/x.img
	mkdir -p "$root/bin" "$root/etc" "$root/dev/shm"
	cp "$(command -v busybox)" "$root/bin/busybox"
	: >"$root/etc/hosts"
	./zeroboot image build -o "$image" "$root"
	[ "$(./zeroboot run "$image" /bin/busybox grep -c localhost /etc/hosts)" = 2 ]
	[ "$(./zeroboot run "$image" /bin/busybox stat -c %a /dev/shm)" = 1777 ]
	echo '127.0.0.1 other' >"$root/etc/hosts"
	./zeroboot image build -o "$image" "$root"
	[ "$(./zeroboot run "$image" /bin/busybox cat /etc/hosts)" = '127.0.0.1 other' ]
}
@test "guest: random operations on sockets of TCP" {
	local seed
	for seed in 1 2 3 4 5 6 7 8 11; do
		same_alone randomtcp $seed
	done
	same_alone randomtcp 9 urgent
	same_alone randomtcp 10 urgent
}
@test "guest: datagrams of UDP, and what comes with them" { same_alone udp; }
@test "guest: random operations on pipes, locks and sockets" { same random; }
@test "guest: time" { same time; }
@test "guest: interval timers, POSIX timers and their overruns" { same itimer; }
@test "guest: CPU time, clocks of it, sleeps and timers by it" { same cpuclock; }
@test "guest: SIGXCPU at the soft limit of CPU time, SIGKILL at the hard one" {
	same cpuclock soft
	same cpuclock hard
}
@test "guest: users, groups and capabilities" { same ids; }
@test "guest: policies, niceness and CPUs" { same sched; }
@test "guest: limits and locked memory" { same limits; }
@test "guest: what a process says of itself" { same prctl; }
@test "guest: descriptors" { same descriptor; }
@test "guest: several buffers, offsets, from file to file" { same vector; }
@test "guest: what has been used" { same usage; }
@test "guest: /proc" { same proc; }
@test "guest: permissions of files" { same permission; }
@test "guest: memory policies" { same policy; }
@test "guest: system calls at sites that are patched" { same patch; }
@test "guest: the number of a system call, and one line for all that are too large" {
	local errors=$BATS_TEST_TMPDIR/errors
	diff <(build/tests/root/bin/number) \
		<(timeout 120 ./zeroboot run build/tests/guest.img /bin/number 2>"$errors")
	[ "$(grep -c "is not implemented" "$errors")" -eq 1 ]
}

@test "guest: what one process sees of another" { same others; }
@test "guest: shares of the CPU" { same turn; }
@test "guest: a limit on processes" { same bounds limited; }
@test "guest: processes without end, and more of them when they have gone" {
	run timeout 140 ./zeroboot run --memory 192 -t 120 build/tests/guest.img /bin/bounds many
	[ "$status" -eq 0 ]
	[ "$output" = "$(printf 'more than 500: 1, EAGAIN\nleft: 0\n%.0s' 1 2)" ]
	run timeout 60 ./zeroboot run -t 2 build/tests/guest.img /bin/bounds bomb
	[ "$status" -eq 124 ]
	[ "${lines[0]}" = before ]
}
@test "guest: out of memory kills the largest process, and the run if it is the first one" {
	run timeout 140 ./zeroboot run --memory 96 -t 120 build/tests/guest.img /bin/bounds memory
	[ "$status" -eq 0 ]
	[ "$(grep -v '^zeroboot' <<<"$output")" = "$(printf 'eats: SIGKILL\nsleeps with 50 MiB: SIGKILL\n1 1')" ]
	run timeout 60 ./zeroboot run --memory 96 -t 50 build/tests/guest.img /bin/bounds eats
	[ "$status" -eq 137 ]
}

@test "guest: what is given back is free again" {
	run timeout 120 ./zeroboot run build/tests/guest.img /bin/leak
	[ "$status" -eq 0 ]
	[ "${lines[-1]}" = done ]
	[ -z "$(grep 'pages lost' <<<"$output")" ]
}

@test "guest: at a program's end all pages are accounted for" {
	local faults=0
	for source in tests/guest/*.c; do
		# Not beside what the program writes, which may end in the middle of a line.
		output=$(timeout 320 ./zeroboot run -t 300 --stats build/tests/guest.img "/bin/$(basename "$source" .c)" 2>&1 >/dev/null) || true
		grep -q '^zeroboot: guest: 0 pages are lost$' <<<"$output" ||
			{ echo "$source: $(grep 'pages are' <<<"$output")"; faults=1; }
	done
	[ "$faults" -eq 0 ]
}

@test "guest: known call sites become jumps, one that is branched into does not" {
	run timeout 120 ./zeroboot run build/tests/guest.img /bin/patch bytes
	[ "$status" -eq 0 ]
	grep -q '^before e9, behind e9, branched 0f, alike e9$' <<<"$output"
}

@test "guest: a missing system call is logged once and answers ENOSYS" {
	run timeout 120 ./zeroboot run build/tests/guest.img /bin/missing
	[ "$status" -eq 0 ]
	[ "$(grep -c 'system call 999 is not implemented' <<<"$output")" -eq 1 ]
	grep -q 'ENOSYS ENOSYS' <<<"$output"
}

@test "guest: a program that ends by a signal gives 128 and its number" {
	run timeout 120 ./zeroboot run build/tests/guest.img /bin/missing segv
	[ "$status" -eq 139 ]
}

@test "guest: --trace shows the calls" {
	run timeout 120 ./zeroboot run --trace build/tests/guest.img /bin/missing
	grep -q 'getppid() = 1' <<<"$output"
}
