#!/usr/bin/env python3
"""Sessions: what an exec, a fork and a resume take, beside a one-shot exec, a new VM and
a native fork server in the same minutes; and what parked sessions hold.

sessions.py [--rounds N] [--many N]   medians of rounds in turns, 0: none; then so many
                                      parked sessions, 10,000 unless said, 0: none; and
                                      counts, which hold for a machine that is busy, too
sessions.py [--rounds N] --apart MS   only execs beside runs, with one worker, each so long
                                      behind the answer before
"""
import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import time

from mix import metric
from run import TOP, clean, python_rival, zeroboot

STATE = "import os; x = os.urandom(1 << 20)"
SHOW = "print(len(x))"
# What leaves page tables of its own.
TABLES = "import os; p = os.fork(); p or os._exit(0); os.waitpid(p, 0)[1]"
CODES = (("python", "print(1+1)"), ("python", "import numpy; print(numpy.random.rand(3))"),
         ("node", "console.log(1+1)"), ("sh", "echo $((1+1))"))
BLOCK = 30  # requests one after the other
CLIENTS = 8
MIB = 1 << 20


class Client:
    """Keeps its connection. taken: microseconds of the last request."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port), 120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.taken = 0

    def ask(self, method, path, body=None):
        text = b"" if body is None else json.dumps(body).encode()
        request = b"%s %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (method.encode(), path.encode(), len(text))
        began = time.perf_counter()
        self.socket.sendall(request + text)
        data = self.socket.recv(65536)
        while b"\r\n\r\n" not in data:
            data += self.socket.recv(65536)
        head, _, rest = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        parts, left = [rest], int(length[1]) - len(rest) if length else 0
        while left > 0:
            parts.append(self.socket.recv(1 << 20))
            left -= len(parts[-1])
        self.taken = (time.perf_counter() - began) * 1e6
        assert head.startswith(b"HTTP/1.1 2"), (head, b"".join(parts)[:300])
        return json.loads(b"".join(parts) or b"null")

    def run(self, code, path="/v1/exec", **more):
        """Microseconds of an exec that ends well."""
        answer = self.ask("POST", path, {"code": code, **more})
        assert answer["exit_code"] == 0, answer
        return self.taken

    def make(self, code, language="python"):
        """The path of a session that has run it."""
        path = "/v1/sessions/" + self.ask("POST", "/v1/sessions", {"language": language, "idle_seconds": 0})["id"]
        self.run(code, path + "/exec")
        return path

    def fork(self, session, count=1):
        """Paths of copies."""
        return ["/v1/sessions/" + s["id"] for s in self.ask("POST", session + "/fork", {"count": count})["sessions"]]

    def delete(self, *sessions):
        for session in sessions:
            self.ask("DELETE", session)


class Figures:
    """Medians by name."""

    def __init__(self):
        self.all = {}

    def add(self, name, *values):
        self.all.setdefault(name, []).extend(values)

    def __getitem__(self, name):
        return statistics.median(self.all[name])


# ---- rounds ----

def measure_live(figures, client, apart=0):
    """Execs of a session that is there, and runs of the same code, in blocks. apart: seconds
    before each."""
    def run(code, path, **more):
        time.sleep(apart)
        return client.run(code, path, **more)

    for language, code in CODES:
        session = client.make(code, language)
        for _ in range(2):
            for name, path, more in ("run", "/v1/exec", {"language": language}), ("exec", session + "/exec", {}):
                client.run(code, path, **more)
                figures.add((name, code), *(run(code, path, **more) for _ in range(BLOCK)))
        client.delete(session)


def measure_fork(figures, client, rival):
    session = client.make(STATE)
    for _ in range(BLOCK):
        copy, = client.fork(session)
        fork = client.taken
        first = client.run(SHOW, copy + "/exec")
        figures.add("fork", fork)
        figures.add("first", first)
        figures.add("fork and first", fork + first)
        client.delete(copy)
    figures.add("os.fork", *(rival.run(SHOW) for _ in range(BLOCK)))
    client.delete(session)


def measure_resume(figures, client):
    """With one worker, which a run has had meanwhile."""
    for name, code in ("resume", "x = 1"), ("resume with tables", TABLES):
        session = client.make(code)
        for _ in range(BLOCK // 3):
            client.run("print(1)")
            time.sleep(0.02)  # its VM is as new
            figures.add(name, client.run("print(2)", session + "/exec"))
        client.delete(session)


def run_all(server, code, paths):
    """Microseconds until each has run it, by some clients at a time."""
    clients = [Client(server) for _ in range(CLIENTS)]

    def some(i):
        for path in paths[i::CLIENTS]:
            clients[i].run(code, path)

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        began = time.perf_counter()
        list(pool.map(some, range(CLIENTS)))
        return (time.perf_counter() - began) * 1e6


def measure_hundred(figures, server, client, fresh):
    for name, code in ("hundred", "x = 1"), ("hundred with tables", TABLES):
        session = client.make(code)
        began = time.perf_counter()
        copies = client.fork(session, 100)
        forked = (time.perf_counter() - began) * 1e6
        figures.add(name, forked + run_all(server, SHOW.replace("len(x)", "1"), [c + "/exec" for c in copies]))
        client.delete(session, *copies)
    figures.add("hundred new", run_all(fresh, "print(1)", ["/v1/exec"] * 100))


# ---- what is held ----

def held(server):
    return sum(metric(server, "zeroboot_sessions_bytes").values())


def measure_held(figures, server, client):
    for name, code in ("variable", "x = 1"), ("array", "x = bytearray(b'x' * (10 << 20))"):
        before = held(server)
        session = client.make(code)
        client.ask("GET", session)  # it is kept by now
        figures.add(name, (held(server) - before) / MIB)
        client.delete(session)


def resident(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"Private_Dirty:\s+(\d+)", text)[1]) * 1024


def measure_many(figures, server, client, count):
    session = client.make("x = 1")
    paths = []
    figures.add("list of one", *(listed(client, "/v1/sessions") for _ in range(BLOCK)))
    figures.add("show one", *(listed(client, session) for _ in range(BLOCK)))
    figures.add("exec of one", *(resumed(client, session) for _ in range(BLOCK)))
    before = resident(server.process.pid) - held(server)
    while len(paths) < count:
        paths += client.fork(session, min(100, count - len(paths)))
    for start in range(0, count, 500):
        print(f"\r{start} of {count} sessions   ", end="", file=sys.stderr)
        run_all(server, f"x = {start}", [path + "/exec" for path in paths[start:start + 500]])
    print("\r" + " " * 40 + "\r", end="", file=sys.stderr)
    some = paths[::max(1, count // BLOCK)]
    figures.add("list of many", *(listed(client, "/v1/sessions") for _ in range(BLOCK)))
    figures.add("show of many", *(listed(client, path) for path in some))
    figures.add("exec of many", *(resumed(client, path) for path in some))
    figures.add("beside", (resident(server.process.pid) - held(server) - before) / MIB)
    figures.add("deltas", held(server) / MIB)


def listed(client, path):
    client.ask("GET", path)
    return client.taken


def resumed(client, path):
    client.run("print(1)")
    time.sleep(0.02)
    return client.run("print(2)", path + "/exec")


# ---- counts ----

def show_counts():
    subprocess.run(["make", "-s", "build/bench/session_counts"], cwd=TOP, check=True)
    names = ("pages brought", "state", "exits", "guest faults", "host faults", "compared", "saved", "bytes")
    print(f"{'':46}" + "".join(f"{name:>14}" for name in names))
    codes = {}
    for language, code in *CODES, ("python", STATE):
        codes.setdefault(language, []).append(code)
    for language, some in codes.items():
        said = subprocess.run(["build/bench/session_counts", f"templates/{language}.zbt", *some], cwd=TOP, check=True,
                              stdout=subprocess.PIPE, text=True).stdout.splitlines()
        for code, exec_line, resume_line in zip(some, said[::2], said[1::2]):
            for what, text in ("exec", exec_line), ("resume, exec", resume_line):
                counts = text.split()[1:]
                counts = [""] * (len(names) - len(counts)) + counts
                print(f"{what + ': ' + code[-28:]:46}" + "".join(f"{n:>14}" for n in counts))


# ---- the table ----

def line(name, ours, aim, theirs=None, unit="us"):
    """aim: of the ratio to theirs, if there is one."""
    ratio = ours if theirs is None else ours / theirs
    beside = f"{'':20}" if theirs is None else f"{theirs:10.0f}{ratio:10.2f}"
    digits = 0 if unit == "us" else 2
    verdict = "" if aim is None else f"{aim:8g}  {'met' if ratio <= aim else 'NOT MET'}"
    print(f"{name + ', ' + unit:62}{ours:10.{digits}f}{beside}{verdict}")


def show_live(f):
    print(f"{'':62}{'zeroboot':>10}{'beside':>10}{'ratio':>10}{'aim':>8}")
    for language, code in CODES:
        line(f"exec of a live session, {code[-28:]}; a run", f["exec", code], 1.0, f["run", code])


def show(f):
    cpus = os.cpu_count()
    show_live(f)
    line("fork, 1 MiB changed: to 201", f["fork"], 1000)
    line("  first exec in it", f["first"], 3000)
    line("  both; os.fork() natively", f["fork and first"], 1.0, f["os.fork"])
    line("resume of a parked session, with an exec", f["resume"], 2000)
    line("  with page tables", f["resume with tables"], 12000)
    line("fork(100), each has printed", f["hundred"], 150000)
    line("  with page tables; 100 new VMs", f["hundred with tables"], 1.2, f["hundred new"])
    line("parked, with a variable", f["variable"], 1, unit="MiB")
    line("parked, with 10 MiB", f["array"], 11, unit="MiB")
    print(f"# {cpus} CPUs, medians")


def show_many(f, count):
    line(f"{count} parked: the front end beside {f['deltas']:.0f} MiB of states", f["beside"], 20, unit="MiB")
    line("  list of 1000; of one", f["list of many"], None, f["list of one"])
    line("  one of them asked about; the only one", f["show of many"], 1.2, f["show one"])
    line("  exec of any; of the only one", f["exec of many"], 1.2, f["exec of one"])


def measure_apart(figures, rounds, apart):
    with contextlib.ExitStack() as stack:
        stack.callback(clean)
        server = zeroboot("--workers", "1")
        stack.callback(server.stop)
        for _ in range(rounds):
            measure_live(figures, Client(server), apart)
    show_live(figures)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--many", type=int, default=10000)
    parser.add_argument("--apart", type=float, metavar="MS")
    options = parser.parse_args()
    figures = Figures()
    if options.apart is not None:
        measure_apart(figures, options.rounds, options.apart / 1000)
        return
    with contextlib.ExitStack() as stack:
        start = lambda server: (stack.callback(server.stop), server)[1]
        stack.callback(clean)
        server = start(zeroboot("--max-sessions", "100000", "--sessions-memory", "100000"))
        single = start(zeroboot("--workers", "1", "--max-sessions", "100000", "--sessions-memory", "100000"))
        fresh = start(zeroboot("--fresh"))
        rival = start(python_rival("fork_server.py", STATE))
        clients = [Client(one) for one in (server, single, rival)]
        for number in range(options.rounds):
            print(f"\rround {number + 1} of {options.rounds}   ", end="", file=sys.stderr)
            measure_live(figures, clients[0])
            measure_fork(figures, clients[0], clients[2])
            measure_resume(figures, clients[1])
            measure_hundred(figures, server, clients[0], fresh)
            measure_held(figures, server, clients[0])
        print("\r" + " " * 20 + "\r", end="", file=sys.stderr)
        if options.rounds:
            show(figures)
        if options.many:
            measure_many(figures, single, clients[1], options.many)
            show_many(figures, options.many)
    show_counts()


if __name__ == "__main__":
    main()
