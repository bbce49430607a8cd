# sh.bats: scripts over a socket: isolation, uniqueness, clocks, limits, processes.

load helpers

setup_file() { start_server --workers 3; }
teardown_file() { stop_server; }

sh() { run_code "$1" "${2:-250}" sh; }

# Of runs that wrote page tables, so that shadow paging could not recycle them.
discarded() { metric "zeroboot_vms_discarded_total{reason=\"$1\"}"; }

counted() { [ "$(discarded processes)" -gt "$before" ]; }

@test "sh: exec answers, under all names" {
	answer=$(sh 'echo $0; echo e >&2; exit 3')
	[ "$(field "$answer" stdout)" = /app/main.sh ]
	[ "$(field "$answer" stderr)" = e ]
	[ "$(field "$answer" exit_code)" = 3 ]
	for name in bash shell; do [ "$(field "$(run_code 'echo j' 250 $name)" stdout)" = j ]; done
	[ "$(field "$(run_code 'print(1)' 250 py)" stdout)" = 1 ]
	[ "$(field "$(run_code 'console.log(2)' 250 js)" stdout)" = 2 ]
	curl -s "$(url /v1/health)" | grep -q '"sh":{"ready":true,"memory_mb":256}'
}

@test "sh: no file, variable, function or process reaches the next run" {
	for _ in 1 2 3 4 5 6 7; do
		answer=$(sh 'echo "$LEFT" $(type -t left) $(ls -A /tmp /app) $(ps -e -o comm= | sort | uniq | tr "\n" " ") $(umask)
touch /tmp/left /app/left; export LEFT=1; left() { :; }; umask 077; sleep 1000 & cd /')
		[ "$(field "$answer" stdout)" = " /app: main.sh /tmp: bash ps sort tr uniq zeroboot 0022" ] || { echo "$answer"; return 1; }
	done
}

@test "sh: no two runs draw the same numbers" {
	for _ in $(seq 12); do
		answer=$(sh 'echo $RANDOM$RANDOM$RANDOM; echo $SRANDOM; (echo $RANDOM$RANDOM$RANDOM); mktemp; od -An -N8 -tx8 /dev/urandom
shuf -i 0-1000000000 -n 1; cat /proc/sys/kernel/random/uuid; awk "BEGIN { srand(); }"; perl -e "print rand, \"\\n\""; bash -c "echo \$RANDOM\$RANDOM\$RANDOM"')
		[ "$(field "$answer" exit_code)" = 0 ] || { echo "$answer"; return 1; }
		field "$answer" stdout >>"$BATS_TEST_TMPDIR/numbers"
	done
	[ "$(wc -l <"$BATS_TEST_TMPDIR/numbers")" -ge 108 ]
	[ -z "$(sort "$BATS_TEST_TMPDIR/numbers" | uniq -d)" ]
}

@test "sh: clocks are right after the fork" {
	before=$(date +%s%3N)
	answer=$(sh 'echo ${EPOCHREALTIME/.}; printf "%(%s)T\n" -1; printf "%(%s)T\n" -2; date +%s%3N; echo $SECONDS; sleep 1.5; echo $SECONDS')
	after=$(date +%s%3N)
	python3 -c 'import sys
now, at, start, date, seconds, later, before, after = map(int, sys.argv[1].split() + sys.argv[2:])
assert before <= now / 1000 <= date <= after and before - 1000 <= start * 1000 <= at * 1000 <= after, sys.argv
assert 0 <= seconds <= (after - before) / 1000 and later > seconds, sys.argv' "$(field "$answer" stdout)" "$before" "$after"
}

@test "sh: endless scripts end with the timeout, whatever they wait for" {
	for code in 'while :; do :; done' 'sleep 1000' 'sleep 1000 & wait' 'cat <(sleep 1000)' 'yes >/dev/null' \
		'while :; do /bin/true; done' 'trap "" TERM INT; sleep 1000' 'mkfifo /tmp/p; read x </tmp/p'; do
		run_cut "echo begun"$'\n'"$code" sh
		[ "$(field "$answer" exit_code)" = -1 ]
		[ "$(field "$answer" stdout)" = begun ]
		[ "$(field "$answer" stderr)" = "Execution timed out after ${seconds}s" ]
	done
	[ "$(field "$(sh 'echo 5')" stdout)" = 5 ]
}

@test "sh: a fork bomb ends with its timeout, others go on" {
	for code in ':() { : | : & }; :' 'f() { f & f; }; f' 'while :; do sleep 1000 & done'; do
		run_code "$code"$'\nwait' 5 sh >"$BATS_TEST_TMPDIR/bomb" &
		[ "$(field "$(run_code 'print(1)')" stdout)" = 1 ]
		wait $!
		[[ "$(field "$(cat "$BATS_TEST_TMPDIR/bomb")" exit_code)" =~ ^(-1|[0-9]+)$ ]]
	done
	[ "$(field "$(sh 'echo 5 | cat')" stdout)" = 5 ]
}

@test "sh: a run ends with its first process, and keeps what others have written" {
	answer=$(sh '(echo early; sleep 1000; echo late) & (trap "" HUP TERM; exec setsid sleep 1000) & sleep 0.5; echo end; exit 4')
	[ "$(field "$answer" stdout)" = early$'\n'end ]
	[ "$(field "$answer" exit_code)" = 4 ]
	[ "$(field "$(sh 'sleep 1000 & kill -KILL $$')" exit_code)" = 137 ]
	[ "$(field "$(sh 'exec sh -c "echo replaced; exit 6"')" exit_code)" = 6 ]
}

@test "sh: memory that runs out kills a process, or the run" {
	answer=$(sh 'perl -e "\$x = \"a\" x 1000000 for 1; push @a, \$x . \$_ for 1..2000"; echo "status $?"')
	[ "$(field "$answer" stdout)" = 'status 137' ] || { echo "$answer"; return 1; }
	answer=$(sh 'a=x; while :; do a+=$a; done')
	[[ "$(field "$answer" exit_code)" =~ ^(137|2)$ ]] || { echo "$answer"; return 1; }
	[ "$(field "$(sh 'echo 5')" stdout)" = 5 ]
}

@test "sh: runs that start no process are recycled, those that do are counted" {
	for _ in 1 2 3 4 5 6; do [ "$(field "$(sh 'echo 1')" stdout)" = 1 ]; done
	before=$(metric 'zeroboot_forks_total{kind="recycled"}')
	for _ in 1 2 3 4 5 6; do [ "$(field "$(sh 'echo 1')" stdout)" = 1 ]; done
	[ "$(metric 'zeroboot_forks_total{kind="recycled"}')" -ge $((before + 5)) ]
	before=$(discarded processes)
	[ "$(field "$(sh 'echo 1 | cat')" stdout)" = 1 ]
	# A CPU that has neither cannot have nested paging.
	grep -qwE 'vmx|svm' /proc/cpuinfo || eventually counted
}

@test "sh: a mixed batch under load gets every answer right" {
	python3 - "$port" <<'PY'
import concurrent.futures, json, sys, urllib.request

def batch(n):
    runs = []
    for i in range(12):
        k = n * 100 + i
        runs.append([{"code": f"echo $(({k} * 2))", "language": "sh"},
                     {"code": f"echo {k} | awk '{{ print $1 * 2 }}'", "language": "bash"},
                     {"code": f"import subprocess\nprint(int(subprocess.check_output('echo {k}', shell=True)) * 2)"}][i % 3])
    body = json.dumps({"executions": runs}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{sys.argv[1]}/v1/exec/batch", body, {"Content-Type": "application/json"})
    answers = json.load(urllib.request.urlopen(request))["results"]
    for i, answer in enumerate(answers):
        assert answer.get("stdout") == f"{(n * 100 + i) * 2}\n" and answer["exit_code"] == 0, (n, i, answer)

with concurrent.futures.ThreadPoolExecutor(6) as pool:
    for done in [pool.submit(batch, n) for n in range(12)]:
        done.result()
PY
}
