# jail.bats: what a worker can still reach, asked of the kernel.

bats_require_minimum_version 1.5.0
load helpers

setup() { server= place=; }

teardown() {
	end_server
	[ -z "$place" ] || rm -rf "$place"
}

# The server is ready when one worker of each language is; a worker that is not
# has yet to lock itself.
start_locked() { # command that ends in `zeroboot serve` and options
	start_through "$@" --listen 127.0.0.1:0
	eventually all_ready "$(nproc)"
}

has() { [ "$(line_of "$1" "$2")" = "$3" ]; }
line_of() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status" | tr '\t' ' ' | sed 's/ *$//'; }
limit() { sed -n "s/^$2  *\([^ ]*\)  *\([^ ]*\).*/\1 \2/p" "/proc/$1/limits"; }
space() { readlink "/proc/$1/ns/$2"; }
differ() { [ "$1" != "$2" ] && [ -n "$1" ] && [ -n "$2" ]; }
answers() { [ "$(field "$(run_code 'print(1 + 1)')" stdout)" = 2 ]; }

# The locks that need no right at all.
locked() {
	[ "$(line_of "$1" NoNewPrivs)" = 1 ]
	[ "$(line_of "$1" Seccomp)" = 2 ]
	for set in CapInh CapPrm CapEff CapAmb; do
		[ "$(line_of "$1" $set)" = 0000000000000000 ]
	done
}

# A place where an account without rights may start zeroboot, with a /dev/kvm
# that anyone may open. Run in a mount namespace.
as_stranger='
	mknod -m 666 "$0/kvm" c 10 232 && mount --bind "$0/kvm" /dev/kvm &&
	exec setpriv --reuid 12345 --regid 12345 --clear-groups "$0/zeroboot" serve "$@"'

# The same as deploy/zeroboot.service makes it: the device by group, no way to
# more rights, everything read-only, other processes hidden.
as_service='
	mknod -m 660 "$0/kvm" c 10 232 && chgrp 4444 "$0/kvm" && mount --bind "$0/kvm" /dev/kvm &&
	mount -t proc -o hidepid=invisible,subset=pid proc /proc && mount -o remount,bind,ro / &&
	exec setpriv --reuid 12345 --regid 12345 --groups 4444 --no-new-privs --bounding-set=-all --inh-caps=-all \
		"$0/zeroboot" serve "$@"'

make_place() {
	place=$(mktemp -d)
	chmod 755 "$place"
	install -m 755 zeroboot "$place/zeroboot"
}

@test "jail: workers have no privilege, no capability, no user of the host's" {
	start_locked ./zeroboot serve
	[ "$(workers | wc -l)" -gt 1 ]
	for pid in $(workers); do
		locked "$pid"
		[ "$(line_of "$pid" CapBnd)" = 0000000000000000 ]
		has "$pid" Uid '65534 65534 65534 65534'
		[ "$(line_of "$pid" Gid)" = '65534 65534 65534 65534' ]
		[ "$(line_of "$pid" Groups)" = '' ]
		[ "$(stat -c %u "/proc/$pid/fd")" = 0 ] # not dumpable
	done
	answers
}

@test "jail: --user says who workers are; root and strangers are refused" {
	start_locked ./zeroboot serve --user 4242:4343
	for pid in $(workers); do
		has "$pid" Uid '4242 4242 4242 4242'
		[ "$(line_of "$pid" Gid)" = '4343 4343 4343 4343' ]
	done
	answers
	stop_server
	start_locked ./zeroboot serve --user daemon
	for pid in $(workers); do
		has "$pid" Uid "$(id -u daemon) $(id -u daemon) $(id -u daemon) $(id -u daemon)"
		[ "$(line_of "$pid" Gid | cut -d ' ' -f 1)" = "$(id -g daemon)" ]
	done
	for user in root 0 1:0 no-such-user 1:x -1 ''; do
		run ./zeroboot serve --templates templates --listen 127.0.0.1:0 --user "$user"
		[ "$status" -eq 1 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ "$output" == "zeroboot: --user: "* ]]
	done
}

# A worker whose VM is replaced has others for a moment.
holds_what_it_must() { # PID
	local fd
	[ "$(find "/proc/$1/fd" -type l | wc -l)" -eq 9 ] && [ "$(find "/proc/$1/fd" -lname 'socket:*' | wc -l)" -eq 1 ] || return 1
	for fd in /proc/"$1"/fd/*; do
		case "$(readlink "$fd")" in
		socket:* | /dev/kvm | anon_inode:kvm-vm | anon_inode:kvm-vcpu:0 | "$logfile") ;;
		# Who may write the template would write that of all others.
		/memfd:zeroboot-template* | */templates/#* | */templates/*.zbt | */templates/*.img)
			[ "$(awk '/^flags:/ { print $2 % 10 }' "/proc/$1/fdinfo/${fd##*/}")" -eq 0 ] || return 1 ;;
		*) return 1 ;;
		esac
	done
}

@test "jail: workers hold their VM, vCPU, template, channel, KVM and the log, nothing else, and the template only to read" {
	start_locked ./zeroboot serve
	exec 9<>/dev/tcp/127.0.0.1/"$port" # a client that must not leak into new workers
	eventually metric_is zeroboot_http_connections 2
	first=$(workers | head -n 1)
	kill -9 "$first"
	eventually metric_is zeroboot_worker_restarts_total 1
	eventually all_ready "$(nproc)"
	logfile=$(realpath "$log")
	for pid in $(workers); do
		eventually holds_what_it_must "$pid" || { ls -l "/proc/$pid/fd" && false; }
	done
}

@test "jail: workers are in namespaces of their own, with no network and no other process" {
	start_locked ./zeroboot serve
	seen=
	for pid in $(workers); do
		for space in mnt net ipc uts cgroup pid; do
			differ "$(space "$pid" $space)" "$(space "$server" $space)"
		done
		[[ "$seen" != *"$(space "$pid" pid)"* ]] # each alone in its own
		seen+=$(space "$pid" pid)
		[ "$(line_of "$pid" NSpid)" = "$pid 1" ]
		[ "$(grep -c : "/proc/$pid/net/dev")" -eq 1 ]
		[ "$(awk '$1 == "Iface" { next } { print }' "/proc/$pid/net/route")" = '' ]
	done
}

@test "jail: limits of workers leave nothing over" {
	start_locked bash -c 'exec ./zeroboot serve "$@" 2> >(exec cat >&2)' bash
	for pid in $(workers); do
		[ "$(limit "$pid" 'Max core file size')" = '0 0' ]
		[ "$(limit "$pid" 'Max file size')" = '0 0' ]
		[ "$(limit "$pid" 'Max open files')" = '16 16' ]
		[ "$(limit "$pid" 'Max locked memory')" = '0 0' ]
		[ "$(limit "$pid" 'Max msgqueue size')" = '0 0' ]
		[ "$(limit "$pid" 'Max realtime priority')" = '0 0' ]
		space=$(limit "$pid" 'Max address space')
		[ "${space% *}" -lt $((2 << 30)) ]
	done
	answers
}

@test "jail: nothing of the server's memory and environment is in workers" {
	secret=key-$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
	echo "[\"$secret\"]" >"$BATS_TEST_TMPDIR/keys.json"
	export ZEROBOOT_API_KEYS_FILE=$BATS_TEST_TMPDIR/keys.json
	start_locked ./zeroboot serve
	unset ZEROBOOT_API_KEYS_FILE
	for pid in $(workers); do
		[ "$(wc -c <"/proc/$pid/environ")" -eq 0 ]
	done
	# shellcheck disable=SC2046
	python3 - "$secret" "$server" $(workers) <<'PY'
import sys
secret, server, *workers = sys.argv[1:]
def holds(pid):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            where, rights, _, device, inode, *_ = line.split()
            start, end = (int(x, 16) for x in where.split("-"))
            if "w" not in rights or end - start > 64 << 20:
                continue
            try:
                memory.seek(start)
                if secret.encode() in memory.read(end - start):
                    return True
            except OSError:
                pass
    return False
assert holds(server), "the search finds nothing"
for pid in workers:
    assert not holds(pid), pid
PY
}

@test "jail: a worker whose VM is thrown away makes another behind the lock" {
	start_server --workers 1
	before=$(workers)
	for _ in 1 2 3; do
		[ "$(field "$(run_code 'while True: pass' 1)" exit_code)" = -1 ]
		answers
	done
	[ "$(field "$(run_code 'x = bytearray(200 << 20); print(len(x))')" stdout)" = $((200 << 20)) ]
	answers
	[ "$(workers)" = "$before" ]
	[ "$(metric zeroboot_worker_restarts_total)" = 0 ]
	run -1 grep -q 'zeroboot: worker' "$log"
	stop_server
	start_server --workers 1 --fresh
	before=$(workers)
	for _ in 1 2 3 4 5; do answers; done
	[ "$(workers)" = "$before" ]
}

@test "jail: signals to all processes of the server do not end workers" {
	start_server --workers 1
	before=$(workers)
	for pid in $before; do
		kill -TERM "$pid"
		kill -INT "$pid"
		kill -HUP "$pid"
	done
	answers
	[ "$(workers)" = "$before" ]
}

@test "jail: started by an account without rights, all of it but the user is there" {
	for way in "$as_stranger" "$as_service"; do
		make_place
		start_locked unshare -m sh -c "$way" "$place"
		run -1 grep -q 'of their own' "$log"
		[ "$(workers | wc -l)" -gt 1 ]
		for pid in $(workers); do
			locked "$pid"
			[ "$(line_of "$pid" CapBnd)" = 0000000000000000 ]
			has "$pid" Uid '12345 12345 12345 12345'
			[ -z "$(ls -A "/proc/$pid/root/")" ]
			for space in mnt net ipc uts cgroup pid; do
				differ "$(space "$pid" $space)" "$(space "$server" $space)"
			done
			differ "$(space "$pid" user)" "$(space self user)"
		done
		answers
		[ "$(metric zeroboot_memory_usage_bytes)" -gt 2000000 ] # it can look at its workers
		stop_server
		rm -r "$place"
	done
}

@test "jail: the systemd unit is sound and leaves little open" {
	sed "s|/usr/local/bin/zeroboot|$PWD/zeroboot|" deploy/zeroboot.service >"$BATS_TEST_TMPDIR/zeroboot.service"
	run systemd-analyze verify "$BATS_TEST_TMPDIR/zeroboot.service"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	systemd-analyze security --offline=true --threshold=30 --no-pager "$BATS_TEST_TMPDIR/zeroboot.service"
	make install DESTDIR="$BATS_TEST_TMPDIR/root" PREFIX=/opt/zb
	grep -qx 'ExecStart=/opt/zb/bin/zeroboot serve' "$BATS_TEST_TMPDIR/root/opt/zb/lib/systemd/system/zeroboot.service"
	[ -x "$BATS_TEST_TMPDIR/root/opt/zb/bin/zeroboot" ]
}

@test "jail: where no namespace can be had that is said once, and the rest is there" {
	make_place
	mkdir "$place/root" # user namespaces are not for who is in a chroot
	start_locked unshare -m sh -c '
		mknod -m 666 "$0/kvm" c 10 232 && mount --bind "$0/kvm" /dev/kvm && mount --rbind / "$0/root" &&
		exec chroot --userspec 12345:12345 --groups= "$0/root" "$0/zeroboot" serve "$@"' "$place"
	[ "$(grep -c 'of their own' "$log")" -eq 1 ]
	grep -q 'level=warning msg="workers have no user namespace, .*, empty root of their own: Operation not permitted"' \
		"$log"
	for pid in $(workers); do
		locked "$pid"
		[ "$(limit "$pid" 'Max open files')" = '16 16' ]
	done
	answers
}

@test "jail: root without CAP_SYS_ADMIN, as in a container: user and root are there" {
	start_locked setpriv --bounding-set -sys_admin ./zeroboot serve
	[ "$(grep -c 'of their own' "$log")" -eq 1 ]
	for pid in $(workers); do
		locked "$pid"
		[ "$(line_of "$pid" CapBnd)" = 0000000000000000 ]
		has "$pid" Uid '65534 65534 65534 65534'
		[ -z "$(ls -A "/proc/$pid/root/")" ]
		[[ "$(readlink "/proc/$pid/root")" == *'(deleted)' ]]
	done
	answers
	# The end that the filter makes is told apart from others.
	pid=$(workers | head -n 1)
	kill -SYS "$pid"
	eventually logged "level=error msg=\"worker $pid made a system call that it may not make\""
}

# A root $1 with the binary, /dev/kvm and a template, and nothing else.
make_empty() {
	mkdir -p "$1/dev" "$1/templates"
	cp zeroboot "$1"
	cp templates/sh.zbt templates/sh.img "$1/templates"
	touch "$1/dev/kvm"
}
in_empty='mount --bind "$0/kvm" "$0/root/dev/kvm" && exec chroot $as "$0/root" /zeroboot "$@"'

@test "jail: an empty root without /proc and /dev/null: all works, and workers have what they have elsewhere" {
	local templates=/templates root=$BATS_TEST_TMPDIR/root
	make_empty "$root"
	mknod -m 666 "$BATS_TEST_TMPDIR/kvm" c 10 232
	export as=''
	# not by `run`: its own pipe would be the standard input
	output=$(timeout 250 unshare -m sh -c "$in_empty" "$BATS_TEST_TMPDIR" exec -l sh -c 'echo $((6 * 7))' <&- 2>&1)
	[ "$output" = 42 ]
	start_through unshare -m sh -c "$in_empty" "$BATS_TEST_TMPDIR" serve --listen 127.0.0.1:0 --workers 2
	eventually eval '[ "$(workers_in sh ready)" = 2 ] && [ "$(metric "zeroboot_workers_warm{language=\"sh\"}")" = 2 ]'
	# Of a chroot no mount namespace can be made.
	grep -q 'level=warning msg="workers have no mount namespace of their own: ' "$log"
	for pid in $(workers); do
		has "$pid" Uid '65534 65534 65534 65534'
		for name in ipc net pid uts cgroup; do
			[ "$(space "$pid" $name)" != "$(space self $name)" ]
		done
		[ -z "$(ls -A "/proc/$pid/root/")" ]
		[ "$(cat "/proc/$pid/oom_score_adj")" = 500 ]
		[[ "$(readlink "/proc/$pid/fd/1")" == /memfd:zeroboot-template* ]]
		[ "$(awk '/^flags:/ { print $2 % 10 }' "/proc/$pid/fdinfo/1")" -eq 0 ]
	done
	[ "$(field "$(run_code 'echo 5' 250 sh)" stdout)" = 5 ]
	[ "$(ls -A "$root")" = $'dev\ntemplates\nzeroboot' ]
}

@test "jail: the same as somebody who may make no mount: all works, with one warning" {
	local templates=/templates root=$BATS_TEST_TMPDIR/root
	make_empty "$root"
	mknod -m 666 "$BATS_TEST_TMPDIR/kvm" c 10 232
	export as='--userspec 12345:12345 --groups='
	run timeout 250 unshare -m sh -c "$in_empty" "$BATS_TEST_TMPDIR" exec -l sh -c 'echo $((6 * 7))' 2>&1
	[ "$output" = 42 ]
	start_through unshare -m sh -c "$in_empty" "$BATS_TEST_TMPDIR" serve --listen 127.0.0.1:0 --workers 2
	eventually eval '[ "$(workers_in sh ready)" = 2 ] && [ "$(metric "zeroboot_workers_warm{language=\"sh\"}")" = 2 ]'
	[ "$(grep -c 'of their own' "$log")" -eq 1 ]
	[ "$(field "$(run_code 'echo 5' 250 sh)" stdout)" = 5 ]
	[ "$(grep -c level=error "$log")" -eq 0 ]
}

@test "jail: the worker command by hand is an error, not a shell for nobody" {
	run ./zeroboot worker
	[ "$status" -eq 2 ]
	run timeout 60 ./zeroboot worker --template /nowhere --host shadow:0 </dev/null
	[ "$status" -eq 1 ]
	[[ "$output" == "zeroboot: worker: "* ]]
}

@test "jail: system calls, rule by rule" {
	gcc -std=c11 -D_GNU_SOURCE -O1 -o "$BATS_TEST_TMPDIR/seccomp" tests/seccomp.c seccomp.c err.c
	run timeout 250 "$BATS_TEST_TMPDIR/seccomp"
	[ "$status" -eq 0 ]
	[[ "${lines[-1]}" == 1..* ]]
	grep '^not ok\|^#' <<<"$output" || true
	run -1 grep -q '^not ok' <<<"$output"
}

@test "jail: root of a user namespace with one id has workers without a user of their own, and the rest is there" {
	for way in -rm -r '-rmpf --mount-proc'; do
		# shellcheck disable=SC2086
		start_locked unshare $way ./zeroboot serve
		[ "$(grep -c 'of their own' "$log")" -eq 1 ]
		grep -q 'level=warning msg="workers have no user of their own: Invalid argument"' "$log"
		[[ "$way" != *f* ]] || server=$(ps -o pid= --ppid "$server" | tr -d ' ')
		[ "$(workers | wc -l)" -gt 1 ]
		for pid in $(workers); do
			locked "$pid"
			[ "$(line_of "$pid" CapBnd)" = 0000000000000000 ]
			[ -z "$(ls -A "/proc/$pid/root/")" ]
			for space in mnt net ipc uts cgroup pid; do
				differ "$(space "$pid" $space)" "$(space "$server" $space)"
			done
		done
		answers
		kill "$server"
		eventually gone "$server"
	done
	run timeout 60 unshare -rm ./zeroboot serve --templates templates --listen 127.0.0.1:0 --user 65534
	[ "$status" -eq 1 ]
	[ "$output" = 'zeroboot: --user: 65534: Invalid argument' ]
}

@test "jail: why a worker cannot go on is in the log" {
	make_place
	mkdir "$place/templates"
	cp templates/sh.zbt "$place/templates/a.zbt"
	ln build/sh.img "$place/templates/a.img"
	templates=$place/templates start_through ./zeroboot serve --workers 1 --listen 127.0.0.1:0
	echo nothing >"$place/other"
	mv "$place/other" "$place/templates/a.zbt"
	kill -9 "$(workers)"
	eventually logged 'level=error msg="a: worker: .*a.zbt: not a zeroboot template'
}
