#!/usr/bin/env python3
"""zeroboot on hardware virtualisation: templates are built inside an emulated
machine with SVM, and the server there is asked from here."""
import contextlib
import io
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import machine  # noqa: E402
from emulated import checks  # noqa: E402
from emulated.machine import Stopped  # noqa: E402
from emulated.other_cpu import other_cpu  # noqa: E402
from emulated.server import Report, Server  # noqa: E402

# Those that lean on the back end: mappings, exceptions, ticks, waits, what the clock
# and the counters say. All of them take the emulator five minutes.
GUEST_PROGRAMS = ["altstack", "clone", "devices", "epoll", "eventfd", "file", "flags", "futex", "futexlock",
                  "interrupts", "itimer", "mapcalls", "mapping", "memory", "patch", "pipe", "poll", "remap", "restart", "select", "signal",
                  "sigqueue", "sigwait", "socket", "thread", "time", "timerfd", "traps", "usage"]
# Of several processes: with nested paging a switch of spaces takes a flush.
PROCESSES = ["cow", "execve", "fork", "readonly", "share", "vfork"]
# Parts of the names of tests/hostile.py's attacks; all of them take too long.
HOSTILE = ("CR3", "CR4.PGE", "CR8", "tables of its own", "DR7", "process", "a space")
# Features that the second machine's CPU has not, in the order of cpu.c.
LACKING = ["avx2", "bmi2"]
SERVER_TESTS = [
    ("exec: Python's results, tracebacks and exit codes", checks.exec_python),
    ("exec: Node's results, timers, promises and exit codes", checks.exec_node),
    ("a batch of both languages answers in order", checks.batch),
    ("Python's threads hand over work", checks.python_threads),
    ("two busy threads and a sleeping one all get on", checks.busy_threads),
    ("a busy worker thread of Node's lets the main thread run", checks.busy_worker),
    ("output: a million bytes, two streams, bytes that are no text", checks.output),
    ("exceptions come back as signals", checks.exceptions),
    ("no file, global or module change reaches the next run", checks.isolation),
    ("nor in Node", checks.isolation_node),
    ("vector registers do not reach the next run", checks.vector_state),
    ("no two runs draw the same numbers", checks.uniqueness),
    ("clocks are right in recycled VMs", checks.clocks),
    ("after ordinary runs no VM was thrown away", checks.recycling_is_used),
    ("a page table that is changed is put back", checks.page_table_changed),
    ("a page table that is changed, used and put back does not reach the next run", checks.page_table_restored),
    ("timeouts end loops, sleeps and busy threads", checks.timeouts),
    ("memory, recursion and crashes end honestly", checks.limits),
    ("a guest kernel that is overwritten is an error, not a hang", checks.kernel_overwritten),
    ("hostile code at CPL0 ends with its run", checks.hostile_cpl0),
]


def whole(inside, report):
    report.check("kvm-amd uses nested paging", checks.back_end, inside)
    problems = checks.build_templates(inside, 256, "python", "node")
    for language in ("python", "node"):
        report.line(f"the {language} template is built", problems.get(language))
    for name in GUEST_PROGRAMS + PROCESSES:
        report.check(f"guest program {name} says what it says on Linux", checks.guest_program, inside, name)
    report.check("a missing system call is logged and answers ENOSYS", checks.missing_call, inside)
    for language in "python", "node":
        report.check(f"exec without a server: {language}", checks.exec_command, inside, language)
    with Server(inside) as server:
        for name, test in SERVER_TESTS:
            report.check(name, test, server)
        report.check("the server has nothing to complain about", checks.quiet, server)
    checks.verified(inside, report, "python", "node")
    with machine.Machine(machine.CPU + "".join(f",-{name}" for name in LACKING), "other") as other:
        other_cpu(inside, other, report, LACKING)
    checks.hostile(inside, report, HOSTILE)
    checks.shadow_paging(inside, report, PROCESSES)


def attempt():
    """The whole suite on a machine of its own: the report, what it printed, and
    whether the machine was there to the end."""
    report, text = Report("svm"), io.StringIO()
    with contextlib.redirect_stdout(text):
        try:
            with machine.Machine() as report.inside:
                try:
                    whole(report.inside, report)
                except Exception as e:
                    report.line("the suite runs to its end", repr(e))
        except Stopped as e:
            print(f"# stopped at: {e}")
            return report, text.getvalue(), False
    return report, text.getvalue(), True


def main():
    for more in 2, 1, 0:
        report, text, alive = attempt()
        if alive or not more:
            break
        # QEMU's nested SVM stops now and then, Linux inside with it.
        print("# the emulated machine has stopped, once more:", *text.splitlines()[-4:], sep="\n# ", flush=True)
    print(text, end="")
    if not alive:
        print("not ok - svm: the machine is there to the end")
    sys.exit(not alive or report.failed != 0)


main()
