# doctor.bats: what `zeroboot doctor` says of machines that lack something, and that a
# server agrees.

bats_require_minimum_version 1.5.0

setup() {
	place=$(mktemp -d)
	chmod 755 "$place"
	install -m 755 zeroboot "$place/zeroboot"
}
teardown() { rm -rf "$place"; }

# The doctor, by a command before it, in a place of no keys.
doctor() { run --separate-stderr "$@" "$place/zeroboot" doctor --templates "$PWD/templates"; }

# Its line of $2 begins with $1 and matches the pattern $3.
says() {
	local line
	line=$(grep -E "^[a-zA-Z]+ +$2  *" <<<"$output") && [[ "$line" == "$1 "*$3 ]] || {
		echo "no $1 of $2 with $3 in:"
		echo "$output"
		return 1
	}
}

# A shell's words in a mount namespace; $0 is the place.
elsewhere() { doctor unshare -m bash -c "$1"' && exec "$@"' "$place"; }
# File $1 has the text $2.
faked() { echo "printf '%s' '$2' >\$0/${1##*/} && mount --bind \$0/${1##*/} $1"; }

@test "doctor: where serve works all is said in a line each, with exit code 0" {
	doctor
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	says ok /dev/kvm 'there, and may be opened'
	says ok KVM 'API version 12'
	says ok 'template python' 'fits this CPU'
	says less keys 'anyone who can connect can run code'
	says ok seccomp 'workers are filtered'
	says ok workers 'run as '*'in namespaces of their own'
	grep -qE '^(ok|less) +back end +[A-Za-z-]+ with (nested|shadow) paging' <<<"$output"
	for what in files processes 'address space' memory 'cgroup processes' 'huge pages' clock; do
		grep -qE "^(ok|less) +$what " <<<"$output"
	done
	[ "${lines[-1]}" = 'zeroboot serve works here.' ]
	run ! grep -q ^BAD <<<"$output"
}

@test "doctor: the group of /dev/kvm is named to who is not in it; who is can serve" {
	device='mount -t tmpfs none /mnt && mknod -m 660 /mnt/kvm c 10 232 && chgrp tty /mnt/kvm && mount --bind /mnt/kvm /dev/kvm'
	tty=$(getent group tty | cut -d : -f 3)
	elsewhere "$device"' && set -- setpriv --reuid 12345 --regid 12345 --clear-groups "$@"'
	[ "$status" -eq 1 ]
	says BAD /dev/kvm "Permission denied: its group is tty ($tty): usermod -aG tty NAME, and log in again"
	[ "${lines[-1]}" = 'zeroboot serve would not work here.' ]
	elsewhere "$device"' && set -- setpriv --reuid 12345 --regid 12345 --groups '"$tty"' "$@"'
	[ "$status" -eq 0 ]
	says ok /dev/kvm 'there, and may be opened'
	says ok workers 'run as this user in namespaces of their own'
}

@test "doctor: without /dev/kvm it says where that comes from, and all commands point to it" {
	gone='mount -t tmpfs none /dev'
	elsewhere "$gone"
	[ "$status" -eq 1 ]
	says BAD /dev/kvm 'No such file or directory: *@(modprobe|virtual)*' # of a CPU that could, and that could not
	says ok 'template sh' 'whole; its CPU cannot be compared'
	hint='zeroboot: /dev/kvm: No such file or directory (zeroboot doctor says what this machine lacks)'
	for command in "serve --templates templates" "exec -l sh -c true" "bench -l sh" "run build/sh.img /bin/true" \
		"template build -o $place/t build/sh.img"; do
		# shellcheck disable=SC2086
		run unshare -m bash -c "$gone"' && exec ./zeroboot "$@"' - $command
		[ "$status" -eq 1 ]
		[ "$output" = "$hint" ]
	done
	elsewhere "$gone && mknod /dev/kvm c 241 241" # a node without a driver
	[ "$status" -eq 1 ]
	says BAD /dev/kvm '*its driver is not: modprobe kvm_intel or kvm_amd'
}

@test "doctor: limits that are too small are named, with what raises them" {
	doctor prlimit --nofile=100
	[ "$status" -eq 1 ]
	says BAD files '100 descriptors are too few for '*': ulimit -n, LimitNOFILE='
	run prlimit --nofile=100 ./zeroboot serve --templates templates --listen 127.0.0.1:0
	[ "$status" -eq 1 ]
	[[ "$output" == *'100 descriptors are too few for '*' (zeroboot doctor says'* ]]
	doctor prlimit --nofile=$((300 + 3 * 4 * $(nproc)))
	[ "$status" -eq 0 ]
	says less files 'LimitNOFILE= for more'
	doctor prlimit --nproc=4
	[ "$status" -eq 1 ]
	says BAD processes '4, '*': ulimit -u, LimitNPROC='*
	[ "$(cat build/mode)" = sanitize ] && return # it needs terabytes of addresses itself
	doctor prlimit --as=400000000
	[ "$status" -eq 1 ]
	says BAD 'address space' '381 MiB, a worker wants '*': ulimit -v, ulimit -d, LimitAS='
}

@test "doctor: control groups of both versions, their parents' limits too" {
	groups='mount -t tmpfs none /sys/fs/cgroup && cd /sys/fs/cgroup'
	own() { echo "printf '$1' >\$0/own && mount --bind \$0/own /proc/\$\$/cgroup"; }
	elsewhere "$groups"' && mkdir -p a/b && echo 104857600 >a/memory.max && echo 94371840 >a/memory.current &&
		echo max >a/b/memory.max && echo "file 4194304" >a/memory.stat && echo 3 >a/b/pids.max &&
		echo "50000 100000" >a/cpu.max && cd "$OLDPWD" && '"$(own '0::/a/b\n')"
	[ "$status" -eq 1 ]
	says BAD memory '14 MiB to be had in this control group, '*': fewer --workers, or more memory'
	says BAD 'cgroup processes' '3, '*': TasksMax=, pids.max'
	says less 'cgroup CPUs' '0.50 of '*
	elsewhere "$groups"' && mkdir -p pids/x memory/x cpu,cpuacct/x && echo 9 >pids/x/pids.max && echo 1 >pids/x/pids.current &&
		echo 1073741824 >memory/x/memory.limit_in_bytes && echo -1 >cpu,cpuacct/x/cpu.cfs_quota_us &&
		cd "$OLDPWD" && '"$(own '3:pids:/x\n2:memory:/x\n1:cpu,cpuacct:/x\n')"
	[ "$status" -eq 0 ]
	says ok memory '1024 MiB to be had in this control group, '*
	says less 'cgroup processes' '8, '*': TasksMax=, pids.max'
	run ! grep -q 'cgroup CPUs' <<<"$output"
}

@test "doctor: an unsteady clock, strict overcommit, namespaces that are denied" {
	elsewhere "$(faked /sys/devices/system/clocksource/clocksource0/current_clocksource hpet)"
	[ "$status" -eq 0 ]
	says less clock 'hpet, not tsc: '*
	elsewhere "$(faked /proc/sys/vm/overcommit_memory 2)"
	[ "$status" -eq 0 ]
	says less overcommit '*sysctl vm.overcommit_memory=0'
	doctor unshare -U -r -m bash -c 'echo 0 >/proc/sys/user/max_net_namespaces && exec "$@"' -
	[ "$status" -eq 0 ]
	says less workers 'have no '*'network namespace of their own: '*
}

@test "doctor: templates that cannot be used, or are made anew" {
	mkdir "$place/t"
	run ./zeroboot doctor --templates "$place/t"
	[ "$status" -eq 1 ]
	says BAD templates '*: see zeroboot serve --help'
	head -c 20000 templates/sh.zbt >"$place/t/sh.zbt"
	run ./zeroboot doctor --templates "$place/t"
	[ "$status" -eq 1 ]
	says BAD 'template sh' '*: an image beside it would make one'
	cp templates/sh.zbt "$place/t/sh.zbt"
	run ./zeroboot doctor --templates "$place/t"
	[ "$status" -eq 1 ]
	says BAD 'template sh' '*/sh.zbt: no \*.img beside it is its image *'
	head -c 20000 templates/sh.zbt >"$place/t/sh.zbt"
	ln build/sh.img "$place/t/sh.img" || cp build/sh.img "$place/t/sh.img"
	run ./zeroboot doctor --templates "$place/t"
	[ "$status" -eq 0 ]
	says less 'template sh' '*: it is made anew from its image'
	rm "$place/t/sh.zbt"
	run ./zeroboot doctor --templates "$place/t"
	[ "$status" -eq 0 ]
	says less 'template sh' 'it is made of its image at the start'
	echo '["a", "a"]' >"$place/keys"
	ZEROBOOT_API_KEYS_FILE=$place/keys run ./zeroboot doctor --templates templates
	[ "$status" -eq 1 ]
	echo '["a"]' >"$place/keys"
	ZEROBOOT_API_KEYS_FILE=$place/keys run ./zeroboot doctor --templates templates
	says ok keys 'are asked for'
}

@test "doctor: make run says where to ask before anything is installed, also with -j" {
	mkdir "$place/deploy"
	cp Makefile "$place"
	printf '#!/bin/sh\n: >"%s/installed"\n' "$place" >"$place/deploy/setup.sh"
	# A shell for which there is no /dev/kvm, and that takes some time to see it.
	cat >"$place/shell" <<-'END'
		#!/bin/bash
		[[ "$2" != *kvm* ]] || { sleep 0.3 && set -- "$1" "${2//kvm/none}"; }
		exec /bin/sh "$@"
	END
	chmod 755 "$place/deploy/setup.sh" "$place/shell"
	run env -u MAKEFLAGS -u MAKELEVEL make -C "$place" -j 2 run SHELL="$place/shell"
	[ "$status" -eq 2 ]
	[[ "$output" == *"zeroboot: make run: "*"zeroboot doctor says what to do"* ]]
	[ ! -e "$place/installed" ]
}
