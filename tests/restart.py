#!/usr/bin/env python3
"""Ends and restarts under load: nobody whose connection was there loses a request.

The load comes from clients of several kinds; each request must be answered with 200
and whole, or the count of failures says so. RESTARTS=200 for many of them.
"""
import os
import signal
import socket
import subprocess
import sys
import threading
import time

from harness import PATIENCE, TOP, Report, Server, answers, eventually, post, send, serve

RESTARTS = int(os.environ.get("RESTARTS", "20"))
OPTIONS = ["--workers", "2"]
RUN = post({"code": "print(6 * 7)"})
CLOSING = b"Connection: close\r\n"
FEW = 40  # connections at once

# ---- a service manager: it keeps the socket and starts one server after the other ----


class Manager:
    def __init__(self, family=socket.AF_INET, address=("127.0.0.1", 0)):
        self.socket = socket.socket(family)
        self.socket.bind(address)
        self.socket.listen(4096)
        self.family, self.address = family, self.socket.getsockname()

    def inherit(self):
        os.dup2(self.socket.fileno(), 3)
        os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))

    def start(self):
        return serve(*OPTIONS, stderr=subprocess.DEVNULL, preexec_fn=self.inherit, pass_fds=[3])

    def connect(self):
        s = socket.socket(self.family)
        s.settimeout(PATIENCE)
        s.connect(self.address)
        return s


class Load:
    """Clients that ask all the time; what failed is in problems. A client that this
    machine let sleep for most of the server's last second does not count."""

    def __init__(self, manager, request=RUN, pause=0):
        self.manager, self.request, self.pause = manager, request, pause
        self.problems, self.late, self.count, self.over = [], 0, 0, False
        self.own = threading.local()
        kinds = [self.kept, self.kept, self.closing, self.in_pieces, self.resting]
        self.threads = [threading.Thread(target=self.client, args=(kind,)) for kind in kinds]
        for t in self.threads:
            t.start()

    def client(self, kind):
        while not self.over:
            try:
                kind()
            except Exception as e:
                if self.own.took > 0.8:
                    self.late += 1
                else:
                    self.problems.append(f"{kind.__name__}: {e!r}")
                time.sleep(0.01)

    def connect(self):
        self.own.since, self.own.took = time.monotonic(), 0
        return self.manager.connect()

    def send(self, s, data):
        s.sendall(data)
        self.own.took = time.monotonic() - self.own.since

    def ask(self, s, extra=b""):
        """Whether the connection stays."""
        self.send(s, self.request.replace(b"\r\n", b"\r\n" + extra, 1))
        return self.answered(s)

    def answered(self, s):
        data = b""
        while b"\r\n\r\n" not in data or not data.endswith(b"}\n"):
            part = s.recv(65536)
            if not part:
                raise ConnectionError(f"closed after {data[:80]!r}")
            data += part
        [answer] = answers(data)
        assert answer.status == 200 and b'"stdout":"42\\n"' in answer.body, data
        self.count += 1
        time.sleep(self.pause)
        self.own.since = time.monotonic()
        return answer.headers.get("connection") != "close"

    def kept(self):
        with self.connect() as s:
            while not self.over and self.ask(s):
                pass

    def resting(self):
        with self.connect() as s:
            while not self.over and self.ask(s):
                time.sleep(0.2)

    def closing(self):
        with self.connect() as s:
            self.ask(s, CLOSING)
            assert s.recv(1) == b""

    def in_pieces(self):
        with self.connect() as s:
            for part in self.request[:20], self.request[20:-5], self.request[-5:]:
                self.send(s, part)
                time.sleep(0.03)
            self.answered(s)

    def end(self):
        self.over = True
        for t in self.threads:
            t.join()


def check_restarts(count):
    manager = Manager()
    server = manager.start()
    load = Load(manager)
    began = time.monotonic()
    for _ in range(count):
        before = load.count
        # each server has served, and is then ended in the midst of it
        eventually(lambda: load.count >= before + 20 or load.problems)
        server.send_signal(signal.SIGTERM)
        assert server.wait(PATIENCE) == 0
        server = manager.start()
    load.end()
    server.terminate()
    server.wait(PATIENCE)
    print(f"# {count} restarts, {load.count} requests, {len(load.problems)} failed, {load.late} late, {time.monotonic() - began:.1f} s")
    assert not load.problems, (len(load.problems), load.problems[:5])


# ---- one end: who is answered, and how ----


def answered_last(s):
    """The answer to what has been sent, which is the connection's last."""
    data = b""
    while part := s.recv(65536):
        data += part
    [answer] = answers(data)
    assert answer.status == 200 and answer.headers.get("connection") == "close", answer
    return answer


def start(unix=None):
    return Server("--workers", "1", *(["--listen", f"unix:{unix}"] if unix else []))


def connect(server, unix):
    if not unix:
        return server.connect()
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(PATIENCE)
    s.connect(unix)
    return s


def check_accepted(unix=None):
    """Those who connected before the end ask after it."""
    health = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    took = 1
    while took > 0.8:  # this machine was too slow for the server's last second
        with start(unix) as server:
            kept = [connect(server, unix) for _ in range(FEW)]
            for s in kept:
                send(s, health)
                assert b"200 OK" in s.recv(65536)
            new = [connect(server, unix) for _ in range(FEW)]
            eventually(lambda: server.metric("zeroboot_http_connections") >= 2 * FEW)
            began = time.monotonic()
            server.process.terminate()
            eventually(lambda: b"msg=draining" in server.logged())
            for s in kept + new:
                send(s, RUN if s in new[:4] else health)
            took = time.monotonic() - began
            for s in kept + new:
                if took < 0.8:
                    answered_last(s)
                s.close()
            assert server.process.wait(PATIENCE) == 0


def check_waiting(unix=None):
    """Those who wait to be accepted at the end are accepted and answered."""
    with start(unix) as server:
        server.process.send_signal(signal.SIGSTOP)
        waiting = [connect(server, unix) for _ in range(4 * FEW)]
        for s in waiting:
            send(s, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        server.process.terminate()
        server.process.send_signal(signal.SIGCONT)
        for s in waiting:
            answered_last(s)
            s.close()
        assert server.process.wait(PATIENCE) == 0


def check_second():
    """Idle connections hold the end up for a second and no longer, half a request
    gets an answer then, what waits in the queue too, and a run goes on."""
    with start() as server:
        idle, half, run, queued = (server.connect() for _ in range(4))
        send(half, RUN[:30])
        send(run, post({"code": "import time; time.sleep(250)", "timeout_seconds": 280}))
        eventually(lambda: server.metric("zeroboot_concurrent_forks") == 1)
        send(queued, RUN)
        eventually(lambda: server.metric("zeroboot_queue_depth") == 1)
        began = time.monotonic()
        server.process.terminate()
        assert idle.recv(1) == b""
        assert time.monotonic() - began > 0.9
        for s in half, queued:
            [answer] = answers(s.recv(65536))
            assert answer.status == 503 and b"draining" in answer.body and answer.headers["connection"] == "close", answer
        assert server.process.poll() is None
        run.setblocking(False)
        try:
            raise AssertionError(f"the run has ended: {run.recv(100)}")
        except BlockingIOError:
            pass
        server.process.terminate()
        for s in idle, half, run, queued:
            s.close()
        assert server.process.wait(PATIENCE) == 0


def main():
    report = Report("restart")
    os.chdir(TOP)
    unix = f"/tmp/zeroboot-restart-{os.getpid()}"
    for name, check, *arguments in (
        ("who has connected is answered for the last time", check_accepted),
        ("who has connected to a Unix socket is, too", check_accepted, unix),
        ("who waits to be accepted is accepted first", check_waiting),
        ("and on a Unix socket", check_waiting, unix),
        ("after a second only what runs goes on", check_second),
        (f"{RESTARTS} restarts on an inherited socket lose no request", check_restarts, RESTARTS),
    ):
        report.check(name, check, *arguments)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
