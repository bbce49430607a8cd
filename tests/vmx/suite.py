#!/usr/bin/env python3
"""zeroboot on Intel's hardware virtualisation, in an emulated machine that has it.
The emulator is slow: this is what leans on the back end, and no more."""
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import machine  # noqa: E402
from emulated import checks  # noqa: E402
from emulated.machine import Stopped  # noqa: E402
from emulated.server import Report, Server  # noqa: E402

# Exceptions, ticks, waits, mappings; then programs of several processes, whose
# spaces take flushes.
GUEST_PROGRAMS = ["flags calm", "altstack", "interrupts", "mapping", "signal", "thread", "traps", "fork"]
SHADOW_PROGRAMS = ["signal", "mapping", "fork"]
# Parts of the names of tests/hostile.py's attacks, after each of which all of memory is
# looked at.
HOSTILE = ("CR8 at CPL0", "CR4.PGE toggled at CPL0", "DR7.GD at CPL0", "tables of its own, used", "flushed at level 1",
           "flushed at level 4")
SERVER_TESTS = [
    ("no file, variable or function reaches the next run", checks.isolation_sh),
    ("after ordinary runs no VM was thrown away", checks.recycling_is_used),
    ("exec: results, exit codes, processes", checks.exec_sh),
    ("two busy processes let a third get on", checks.busy_processes),
]


def whole(inside, report):
    report.check("kvm-intel uses EPT", checks.back_end, inside)
    for name in GUEST_PROGRAMS:
        report.check(f"guest program {name} says what it says on Linux", checks.guest_program, inside, name)
    problems = checks.build_templates(inside, 64, "sh")
    report.line("the sh template is built", problems.get("sh"))
    report.check("exec without a server", checks.exec_command, inside, "sh")
    with Server(inside, "--workers", "1") as server:
        for name, test in SERVER_TESTS:
            report.check(name, test, server)
        report.check("the server has nothing to complain about", checks.quiet, server)
    checks.hostile(inside, report, HOSTILE)
    checks.without_nesting(inside, report, SHADOW_PROGRAMS)


def main():
    report = Report("vmx")
    try:
        with machine.Machine() as report.inside:
            whole(report.inside, report)
    except Exception as e:
        report.line("the machine is there to the end" if isinstance(e, Stopped) else "the suite runs to its end", repr(e))
    sys.exit(report.failed != 0)


main()
