#!/usr/bin/env bash
# Runs every suite, or those named, against the built ./zeroboot and templates/:
# run.sh [SUITE...]. Some at a time, each in a network of its own; what a suite
# said stands together, in the order in which they end, and in
# build/tests/log/SUITE. The last line is `N passed, N failed`.
set -uo pipefail
cd "$(dirname "$0")/.."

fail() {
	echo "zeroboot: test: $*" >&2
	echo "0 passed, 1 failed"
	exit 1
}

# After the nouns by themselves those that take long: none is to be left over at
# the end.
suites=(unit sessions derived judge session_store session_api svm vmx appliance faults parts stream protocol fuzz recycle-node recycle-python recycle-sh states-python states-node states-sh execs sequences session_model session_soak session_damage hostile node parity cases oom templates layouts pool clients soak stall jail restart package fleet travel monitor manifests sdk mcp http queue image)
for file in tests/*.bats; do
	suites+=("$(basename "$file" .bats)")
done
suites+=(json openapi reference page)
mapfile -t suites < <(printf '%s\n' "${suites[@]}" | awk '!seen[$0]++')
suites+=(data)
[ $# -eq 0 ] || suites=("$@")

# ---- where there is no /dev/kvm ----
# What needs it has one in an emulated machine, where VMs take ten times as long: not
# all suites end there in CI's time. Those that are not run are named and counted.
alone='^(svm|vmx|unit|appliance|manual)$'
emulated='^(session_store|derived|judge|parts|parity|sh|api|keys|cli|observe|calls|session|interrupt|cors|authority|recycle-(python|sh)|states-(python|sh)|templates|options)$'
# To start a machine, and to read templates in it for the first time, takes as long as some
# suites do: these follow each other in one.
together=(
	"keys authority cors options observe interrupt"
	"session cli calls"
	"recycle-sh states-sh recycle-python states-python"
	"parts api templates"
	"derived judge session_store"
	"parity sh"
)
need_kvm() {
	local suite
	for suite in "${suites[@]}"; do
		[[ $suite =~ $alone ]] || return 0
	done
	return 1
}

declare -a left=()
skipped=0
[ -e /dev/kvm ] && inside= || inside=tests/inside/run.py
if ! need_kvm; then
	:
elif [ -z "$inside" ]; then
	{ [ -r /dev/kvm ] && [ -w /dev/kvm ]; } || fail "/dev/kvm is not accessible"
elif [ "$(cat build/mode)" = sanitize ]; then
	fail "/dev/kvm is missing: sanitized, the emulated machine is too slow"
elif [ $# -eq 0 ]; then
	for suite in "${suites[@]}"; do
		[[ $suite =~ $alone || $suite =~ $emulated ]] && left+=("$suite") && continue
		skipped=$((skipped + 1))
		echo "# $suite: not run: it takes a /dev/kvm of this machine's own"
	done
	suites=("${left[@]}")
	for several in "${together[@]}"; do
		mapfile -t suites < <(printf '%s\n' "${suites[@]}" | grep -vxF "${several// /$'\n'}")
		suites=("${several// /+}" "${suites[@]}")
	done
fi
[ -x ./zeroboot ] || fail "./zeroboot is not built"

# At a time, beside those of one emulator for long, which are slow whatever else runs.
jobs=$(($(nproc) + 1))
[ -z "$inside" ] || jobs=$(nproc)
[ -z "${ONE_BY_ONE:-}" ] || jobs=1 # those that share a machine
logs=build/tests/log
rm -rf $logs
mkdir -p $logs

# A binary made with SANITIZE=1 leaves a file here for each process that a
# sanitizer had something to say about, and any such file is a failure; another
# binary does not look at these. A program that is ended by one must not look
# like a program that has failed as a test wants it to: hence the exit code.
reports=$PWD/build/tests/reports
rm -rf "$reports"
mkdir -p "$reports"
common=log_path=$reports/report:exitcode=86
export ASAN_OPTIONS=$common:detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=$common:print_stacktrace=1
[ "$(cat build/mode)" = sanitize ] && slower=3 || slower=1

beside() { # suite
	[ -z "$inside" ] && [[ $1 =~ ^(svm|vmx)$ ]]
}

command_of() { # suite
	case $1 in
	svm | vmx) echo "python3 tests/$1/suite.py" ;;
	unit) echo "tests/unit/run.sh" ;;
	http | json) echo "python3 tests/$1_table.py" ;;
	recycle-python) echo "build/tests/recycle -k tests/recycle/python.known templates/python.zbt tests/python/snippets.txt tests/python/terminals.txt tests/recycle/python.txt" ;;
	# V8 compiles and collects when it likes, so its heap grows in this run or that,
	# but not in the same one three times; unless it is close to growing in this
	# template, which node.known has no name for.
	recycle-node) echo "build/tests/recycle -k tests/recycle/node.known -a 3 -s 2 templates/node.zbt tests/node/snippets.txt tests/recycle/node.txt" ;;
	states-python) echo "build/tests/states templates/python.zbt 5 tests/python/snippets.txt tests/python/terminals.txt" ;;
	states-node) echo "build/tests/states templates/node.zbt 12 tests/node/snippets.txt" ;;
	states-sh) echo "build/tests/states templates/sh.zbt 3 tests/sh/snippets.txt" ;;
	recycle-sh) echo "build/tests/recycle templates/sh.zbt tests/sh/snippets.txt" ;;
	*+*) echo "env ONE_BY_ONE=1 tests/run.sh ${1//+/ }" ;;
	*) [ -e "tests/$1.py" ] && echo "python3 tests/$1.py" || echo "bats --tap tests/$1.bats" ;;
	esac
}

# What zeroboot keeps without being asked.
export XDG_CACHE_HOME=$PWD/build/tests/cache
rm -rf "$XDG_CACHE_HOME"

# What hangs is ended; nothing else depends on how long a suite takes, which under
# emulation beside other work is long.
run() { # suite
	local command seconds=1500 machine=$inside
	case $1 in svm | vmx | appliance | *+*) seconds=3000 ;; esac
	[[ ! $1 =~ $alone ]] || machine=
	read -ra command < <(command_of "$1")
	# shellcheck disable=SC2086
	exec timeout -k 10 $((seconds * slower)) $machine unshare -n tests/loopback.py "${command[@]}" </dev/null
}

# ---- what suites need, made once: they must not meet in making it ----
build() {
	local of_its_own=(env -u MAKEFLAGS -u MODE -u SANITIZE make -s)

	tests/guest/build.sh || fail "the guest programs do not build"
	# Its template takes a VM.
	! need_kvm || INSIDE=$inside tests/hostile/build.sh || fail "the hostile guest does not build"
	# shellcheck disable=SC2048,SC2086 # names, some of them together
	for suite in ${suites[*]//+/ }; do
		case $suite in
		unit)
			for mode in "$(cat build/mode)" sanitize; do
				"${of_its_own[@]}" -j "$(nproc)" MODE="$mode" unit || fail "the unit tests do not build"
			done
			;;
		data) "${of_its_own[@]}" MODE="$(cat build/mode)" build/python-data.img || fail "the data image cannot be made" ;;
		package | jail) make -s stage || fail "what is installed cannot be made" ;;
		oom) "${of_its_own[@]}" MODE=sanitize build/sanitize/zeroboot-oom || fail "the build for oom fails" ;;
		pack)
			"${of_its_own[@]}" build/release/zeroboot || fail "the release build fails"
			"${of_its_own[@]}" -j 2 MODE="$(cat build/mode)" build/python.img.gz build/node.img.gz || fail "images cannot be packed"
			;;
		openapi) tests/openapi/build.sh || fail "what judges the document cannot be had" ;;
		travel) "${of_its_own[@]}" build/release/zeroboot || fail "the release build fails" ;;
		stall) "${of_its_own[@]}" build/release/zeroboot-turns || fail "the build for stall fails" ;;
		appliance) "${of_its_own[@]}" MODE=release build/release/zeroboot && appliance/build.sh build/tests/appliance build/sh.img || fail "the appliance cannot be made" ;;
		sdk) sdk/build.sh build/sdk || fail "the SDKs do not build" ;;
		execs | sequences) "${of_its_own[@]}" MODE="$(cat build/mode)" build/tests/session || fail "the sessions' test tool does not build" ;;
		derived) "${of_its_own[@]}" MODE="$(cat build/mode)" build/tests/derive build/tests/states || fail "the templates' test tools do not build" ;;
		parity) [ -z "$inside" ] || python3 tests/parity.py natively || fail "what parity compares with cannot be had" ;;
		svm | vmx | manifests | mcp) "tests/$suite/build.sh" || fail "what $suite needs cannot be made" ;;
		esac
	done
}

# ---- the suites ----
declare -A suite_of
passed=0 failed=0

start() { # suite
	run "$1" >"$logs/$1" 2>&1 &
	suite_of[$!]=$1
	began[$!]=$SECONDS
}

# A suite that died did not run all of its tests.
finish() { # pid status
	local suite=${suite_of[$1]} good bad
	good=$(grep -c '^ok ' "$logs/$suite")
	# What is known to fail says so, and fails when it passes.
	bad=$(grep '^not ok ' "$logs/$suite" | grep -vc ' # TODO ')
	cat "$logs/$suite"
	echo "# $suite: $good passed, $bad failed in $((SECONDS - began[$1])) s"
	if [ "$2" -gt 1 ] || { [ "$2" -eq 1 ] && [ "$bad" -eq 0 ]; } || [ "$good" -eq 0 ]; then
		echo "not ok - $suite ended with $2"
		bad=$((bad + 1))
	fi
	[ "$bad" -eq 0 ] || wrong+=("$suite")
	passed=$((passed + good)) failed=$((failed + bad))
}

finish_one() {
	local pid status
	wait -n -p pid
	status=$?
	beside "${suite_of[$pid]}" || running=$((running - 1))
	finish "$pid" $status
}

declare -a wrong=() began=()
running=0
trap 'kill $(jobs -p) 2>/dev/null' EXIT
[ -n "${ONE_BY_ONE:-}" ] || build
for suite in "${suites[@]}"; do
	while [ $running -ge $jobs ]; do finish_one; done
	start "$suite"
	beside "$suite" || running=$((running + 1))
done
while [ -n "$(jobs -p)" ]; do finish_one; done

for report in "$reports"/*; do
	[ -e "$report" ] || break
	echo "zeroboot: test: $report:" >&2
	head -40 "$report" >&2
	failed=$((failed + 1))
done
[ ${#wrong[@]} -eq 0 ] || {
	echo "# what failed, once more:"
	for suite in "${wrong[@]}"; do
		grep -h '^not ok' "$logs/$suite" | grep -v ' # TODO ' | sed 's/^/# /'
	done
}
echo "# all in $SECONDS s"
[ $skipped -eq 0 ] || echo "# $skipped suites not run, as said above"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
