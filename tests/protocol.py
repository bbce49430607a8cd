#!/usr/bin/env python3
"""Workers that break the rules of their channel (protocol.h), and a host that lets
them make no process. What a worker says is written by the test into a copy of the
worker's own end."""
import contextlib
import ctypes
import json
import os
import resource
import signal
import socket
import struct
import sys
import time

import faults
from faults import (alive, check_back, check_log, health, kill, kill_workers, make_place, ready, request, serving,
                    workers)
from harness import PATIENCE, Report, Server, answers, eventually, receive, send

# Its own: the suite faults runs at the same time.
PLACE = faults.PLACE = faults.TOP / "build/tests/protocol"

RUN, TRAIN, CANCEL, INTERRUPT, CREDIT, READY, RESULT, IDLE, WARM, FAILED, OUTPUT, SAVED = range(1, 13)
STDOUT, STDERR, MESSAGE = 10, 11, 12
CHANNEL = 0  # the descriptor, in a worker
BROKE = b"it broke the rules of its channel"
libc = ctypes.CDLL(None, use_errno=True)
PIDFD_GETFD = 438
PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
WALL = 0x40000000  # of children and others


def message(kind, body=b"", size=None):
    return struct.pack("<II", kind, len(body) if size is None else size) + body


def part(kind, data, size=None, name_size=0):
    head = struct.pack("<IIQ", kind, name_size, len(data) if size is None else size)
    return head + data + bytes(-len(data) % 8)


def renewal(warm=1, discarded=0):
    return struct.pack("<IIII", warm, discarded, 10, 0)


def result(number, status=0, exit_code=0, recycled=1, kept=1, parts=b"", discarded=0):
    return message(RESULT, struct.pack("<QIIII", number, status, exit_code, recycled, kept)
                   + renewal(discarded=discarded) + struct.pack("<QQQIIIIQQQIIQ", 1, 2, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0) + parts)


@contextlib.contextmanager
def voice(pid):
    """A worker's end of its channel."""
    pidfd = os.pidfd_open(pid)
    fd = libc.syscall(PIDFD_GETFD, pidfd, CHANNEL, 0)
    os.close(pidfd)
    assert fd >= 0, os.strerror(ctypes.get_errno())
    with socket.socket(fileno=fd) as s:
        yield s


def check_out_of_turn(server, said):
    """A worker that waits says something: it is ended, the other one is not."""
    eventually(lambda: ready(server) == 2 and server.metric('zeroboot_workers_warm{language="python"}') == 2)
    liar, other = workers(server)
    restarts = server.metric("zeroboot_worker_restarts_total")
    with voice(liar) as s, contextlib.suppress(ConnectionError):
        s.settimeout(10)
        s.sendall(said)
    eventually(lambda: not alive(liar))
    check_back(server)
    eventually(lambda: ready(server) == 2)
    assert alive(other), "the other worker ended, too"
    assert server.metric("zeroboot_worker_restarts_total") == restarts + 1


def check_in_a_run(server, said):
    """A worker that runs says something else than its result."""
    before = server.metric("zeroboot_worker_failures_total")
    with server.connect() as s:
        send(s, request("import time; time.sleep(100)", seconds=200))
        eventually(lambda: server.metric("zeroboot_concurrent_forks") == 1)
        for pid in workers(server):
            with voice(pid) as v:
                v.sendall(said)
        answer = answers(receive(s))[0]
    assert answer.status == 500, answer
    assert json.loads(answer.body)["error"] == "the worker sent a bad answer", answer
    assert server.metric("zeroboot_worker_failures_total") == before + 1
    check_back(server)
    eventually(lambda: ready(server) == 2)


def half_sent(server):
    """Both workers have a request, of which they do not read the rest: they are
    stopped. None: it was seen before that they are."""
    eventually(lambda: ready(server) == 2)
    data = request("#" + "x" * 4000000, seconds=200)
    some = [server.connect() for _ in range(2)]
    for s in some:
        send(s, data[:-1])
    time.sleep(0.5)
    before = workers(server)
    for pid in before:
        kill(pid, signal.SIGSTOP)
    for s in some:
        send(s, data[-1:])
    time.sleep(0.05)
    if server.metric("zeroboot_concurrent_forks") == 2 and all(map(alive, before)):
        return some, before
    for s in some:
        s.close()
    return None


def check_before_the_end(server):
    """A result of a request that was not sent whole; the front end does not spin."""
    found = None
    while not found:
        check_back(server)
        found = half_sent(server)
    some, before = found
    for pid in before:
        with voice(pid) as v:
            v.sendall(result(1))
    for s in some:
        answer = answers(receive(s))[0]
        assert answer.status == 500, answer
        assert json.loads(answer.body)["error"] == "the worker sent a bad answer", answer
        s.close()
    eventually(lambda: not any(map(alive, before)))
    check_back(server)
    used, slept = server.cpu_seconds(), server.sleeps()
    eventually(lambda: server.sleeps() >= slept + 20)
    assert server.cpu_seconds() - used < 0.2, server.cpu_seconds() - used
    eventually(lambda: ready(server) == 2)


def freeze(pid):
    """It does nothing any more, and unlike one that is stopped does not look like that to its parent."""
    for order in PTRACE_SEIZE, PTRACE_INTERRUPT:
        assert libc.ptrace(order, pid, None, None) == 0, os.strerror(ctypes.get_errno())
    os.waitpid(pid, WALL)


def hear(s):
    """The next message from the front end: kind, body."""
    kind, size = struct.unpack("<II", s.recv(8, socket.MSG_WAITALL))
    return kind, s.recv(size, socket.MSG_WAITALL) if size else b""


def begin_debts(server):
    """The only worker does one run by the test's voice, and is told to train afterwards; the worker itself
    does nothing any more. debt: what it does not say."""
    pid, = workers(server)
    eventually(lambda: server.metric('zeroboot_workers_warm{language="python"}') == 1)
    freeze(pid)
    with voice(pid) as v, server.connect() as s:
        v.settimeout(PATIENCE)
        send(s, request("print(1)"))
        kind, body = hear(v)
        assert kind == RUN, kind
        v.sendall(result(*struct.unpack("<Q", body[:8]), parts=part(STDOUT, b"by the test")))
        assert json.loads(answers(receive(s))[0].body)["stdout"] == "by the test"
        v.sendall(message(IDLE, renewal(warm=0)))
        assert hear(v)[0] == TRAIN
    return pid


def check_debts(server, pid):
    """A training that does not end costs the worker, once, and there is another one."""
    eventually(lambda: not alive(pid))
    os.waitpid(pid, WALL)  # who traces a process sees its end first
    assert server.metric("zeroboot_worker_restarts_total") == 1
    assert server.logged().count(b"it hung, training, and was killed") == 1, server.logged()
    eventually(lambda: server.metric('zeroboot_workers_warm{language="python"}') == 1)
    with server.connect() as s:
        send(s, request("print(2)"))
        assert json.loads(answers(receive(s))[0].body)["stdout"] == "2\n"


def check_process_limit():
    """KVM makes a thread for each VM; the workers' account may have no more."""
    with serving() as server:
        hard = resource.prlimit(server.process.pid, resource.RLIMIT_NPROC)
        resource.prlimit(server.process.pid, resource.RLIMIT_NPROC, (0, hard[1]))
        kill_workers(server)
        eventually(lambda: health(server)[0] == 503)
        eventually(lambda: b"KVM_RUN: " in server.logged())
        with server.connect() as s:
            send(s, request("print(1)"))
            assert answers(receive(s))[0].status == 503
        check_log(server, b"KVM_RUN: Resource temporarily unavailable: is there a limit of processes?")
        resource.prlimit(server.process.pid, resource.RLIMIT_NPROC, hard)
        check_back(server)


OUT_OF_TURN = {
    "zeros": bytes(8),
    "a kind that does not exist": message(99),
    "the front end's": message(RUN, bytes(48)),
    "one that is not in use": message(SAVED, bytes(8)),
    "OUTPUT of nothing that runs": message(OUTPUT, bytes(8) + part(STDOUT, b"abcdefgh")),
    "READY once more": message(READY),
    "READY with a body": message(READY, bytes(8)),
    "IDLE that is not due": message(IDLE, renewal()),
    "WARM that is not due": message(WARM, renewal()),
    "a RESULT of nothing": result(1),
    "a size beyond all bounds": message(RESULT, size=0x7ffffff8),
    "a size that is no multiple of 8": message(FAILED, part(MESSAGE, b"abc\0"), size=21),
    "a FAILED without a text": message(FAILED, part(STDOUT, b"abcdefg\0")),
    "a text without an end": message(FAILED, part(MESSAGE, b"abcdefgh")),
    "a part beyond its message": message(FAILED, part(MESSAGE, b"abcdefg\0", size=17)),
    "a part with a name": message(FAILED, part(MESSAGE, b"abcdefg\0", name_size=8)),
    "a thousand messages": message(IDLE, renewal()) * 1000,
}
# None has the number of the run; the front end looks at that as at the rest.
IN_A_RUN = {
    "the result of another run": result(1 << 40),
    "READY": message(READY),
    "OUTPUT of another run": message(OUTPUT, bytes(8) + part(STDOUT, b"abcdefgh")),
    "two WARM": message(WARM, renewal()) * 2,
    "why a VM went, beyond all reasons": result(1, discarded=1000),
}


def main():
    report = Report("protocol")
    make_place("python")
    with Server("--workers", "1", templates=PLACE / "python") as debtor, serving() as server:
        frozen = begin_debts(debtor)
        for name, said in OUT_OF_TURN.items():
            report.check(f"a worker that waits says {name}", check_out_of_turn, server, said)
        for name, said in IN_A_RUN.items():
            report.check(f"a worker that runs says {name}", check_in_a_run, server, said)
        report.check("a result before its request was sent whole", check_before_the_end, server)
        report.check("it is in the log, and does not flood it", check_log, server, BROKE)
        report.check("a worker that does not end its training", check_debts, debtor, frozen)
    report.check("no thread for new VMs", check_process_limit)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
