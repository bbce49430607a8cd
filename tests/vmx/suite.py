#!/usr/bin/env python3
"""zeroboot on Intel's hardware virtualisation, in an emulated machine that has it.
The emulator is slow: this is what leans on the back end, and no more."""
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import machine  # noqa: E402
from emulated import checks, server  # noqa: E402
from emulated.machine import Stopped  # noqa: E402
from emulated.server import Server  # noqa: E402

# Exceptions, ticks, waits, mappings, clocks; then programs of several processes,
# whose spaces take flushes.
GUEST_PROGRAMS = ["altstack", "clone", "futex", "interrupts", "itimer", "mapping", "memory", "patch", "signal", "thread",
                  "traps", "cow", "execve", "fork", "share", "vfork"]
SHADOW_PROGRAMS = ["signal", "mapping", "fork", "vfork"]
HOSTILE = ("CR8", "CR4.PGE", "DR7", "tables of its own, used", "flushed")
SERVER_TESTS = [
    ("exec: Python's results, tracebacks and exit codes", checks.exec_python),
    ("two busy threads and a sleeping one all get on", checks.busy_threads),
    ("exceptions come back as signals", checks.exceptions),
    ("no file, global or module change reaches the next run", checks.isolation),
    ("vector registers do not reach the next run", checks.vector_state),
    ("after ordinary runs no VM was thrown away", checks.recycling_is_used),
    ("a page table that is changed is put back", checks.page_table_changed),
    ("a page table that is changed, used and put back does not reach the next run", checks.page_table_restored),
]


def whole(inside, report):
    report.check("kvm-intel uses EPT", checks.back_end, inside)
    for name in GUEST_PROGRAMS:
        report.check(f"guest program {name} says what it says on Linux", checks.guest_program, inside, name)
    problems = checks.build_templates(inside, "python")
    report.line("the python template is built", problems.get("python"))
    report.check("exec without a server", checks.exec_command, inside, "python")
    with Server(inside, "--workers", "1") as server:
        for name, test in SERVER_TESTS:
            report.check(name, test, server)
        report.check("the server has nothing to complain about", checks.quiet, server)
    checks.hostile(inside, report, HOSTILE)
    checks.without_nesting(inside, report, SHADOW_PROGRAMS)


class Report(server.Report):
    """Says what each took of the emulator's CPU time."""
    used = 0

    def line(self, name, problem):
        super().line(name, problem)
        if self.inside:
            now = self.inside.clock()
            print(f"# {now - self.used:.0f} s of {now:.0f} s", flush=True)
            self.used = now


def main():
    report = Report("vmx")
    try:
        with machine.Machine() as report.inside:
            whole(report.inside, report)
    except Exception as e:
        report.line("the machine is there to the end" if isinstance(e, Stopped) else "the suite runs to its end", repr(e))
    sys.exit(report.failed != 0)


main()
