# interrupt.bats: ^C at `zeroboot exec` is ^C for the program.

bats_require_minimum_version 1.5.0
load helpers

# Runs code $2 of language $1, which gets SIGINT a second after its start and, with
# $3, another one 2 s later. What it says is seen at its end only, and no sign.
interrupted() {
	printf '%s' "$2" >"$BATS_TEST_TMPDIR/code"
	run timeout 100 python3 - "$1" "$BATS_TEST_TMPDIR/code" "${3:-}" <<'PY'
import os, signal, subprocess, sys, time
language, code, twice = sys.argv[1:]
started = subprocess.Popen(["./zeroboot", "exec", "-t", "60", "-l", language, code],
                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))

def takes_interrupts():
    """SIGINT is blocked: from then on it is the program's."""
    with open(f"/proc/{started.pid}/status") as status:
        return any(int(line.split()[1], 16) & 2 for line in status if line.startswith("SigBlk"))

while not takes_interrupts():
    time.sleep(0.01)
time.sleep(1)
started.send_signal(signal.SIGINT)
if twice:
    time.sleep(2)
    assert started.poll() is None
    started.send_signal(signal.SIGINT)
sys.exit(started.wait())
PY
}

@test "interrupt: a loop in Python ends with KeyboardInterrupt" {
	interrupted python 'while True: pass'
	[ "$status" -eq 130 ]
	[ "${lines[-1]}" = KeyboardInterrupt ]
}

@test "interrupt: a program that sleeps is woken, and may catch it" {
	interrupted python 'import time
try:
    time.sleep(50)
except KeyboardInterrupt:
    print("caught")'
	[ "$status" -eq 0 ]
	[ "$output" = caught ]
}

@test "interrupt: Node ends, or its handler runs" {
	interrupted node 'for (;;);'
	[ "$status" -eq 130 ]
	interrupted node 'process.on("SIGINT", () => { console.log("got it"); process.exit(3); }); setTimeout(() => {}, 50000);'
	[ "$status" -eq 3 ]
	[ "$output" = 'got it' ]
}

@test "interrupt: a shell and what it has started get it, as from a terminal" {
	interrupted sh 'trap "echo trapped; exit 4" INT; sleep 50; echo no'
	[ "$status" -eq 4 ]
	[ "$output" = trapped ]
	interrupted sh 'sleep 50; echo no'
	[ "$status" -eq 130 ]
	[ -z "$output" ]
}

@test "interrupt: a second one ends a program that does not listen" {
	interrupted python 'import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("deaf", flush=True)
while True: pass' twice
	[ "$status" -eq 130 ]
	[ "$output" = deaf ]
}
