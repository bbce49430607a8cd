#!/usr/bin/env python3
"""zeroboot beside its rivals: rounds in turns on one machine, medians of them, and
the ratios that the project aims at. Usage: run.py [--quick] [--seconds S] [--rounds N]
"""
import argparse
import ast
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
from harness import TOP, free_port, serve

HERE = TOP / "bench"
LOAD = TOP / "build/bench/load"
PRINT = json.dumps({"code": "print(1+1)"})
NUMPY = json.dumps({"code": "import numpy; print(numpy.random.rand(3))"})
NODE = json.dumps({"code": "console.log(1+1)", "language": "node"})
TWO, RANDOM = r'"stdout":"2\n"', '"stdout":"['


QUIET = {stream: subprocess.DEVNULL for stream in ("stdin", "stdout", "stderr")}


class Process:
    """A server on a port of its own, up when it accepts."""

    def __init__(self, process, port):
        self.port, self.process = port, process
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        time.sleep(1)  # templates warm, pools fill

    def stop(self):
        self.process.terminate()
        self.process.wait()


def zeroboot(*options):
    port = free_port()
    return Process(serve("--listen", f"127.0.0.1:{port}", *options, **QUIET), port)


def rival(command, port, root):
    """In the root file system of an image."""
    return Process(subprocess.Popen(command, **QUIET, preexec_fn=lambda: (os.chroot(root), os.chdir("/"))), port)


def preloaded():
    """Import statements of what the guest's agent imports before the snapshot."""
    agent = ast.parse((TOP / "guest/python/agent/head.py").read_text())
    names = [ast.literal_eval(statement.value) for statement in agent.body
             if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "").startswith("PRELOAD")]
    return "".join(f"import {name}\n" for name in sum(names, ()))


def python_rival(name, state=None):
    """With the interpreter of the image, natively, and the modules that the guest has."""
    port, root = free_port(), TOP / "build/python-root"
    (root / "tmp/bench").mkdir(exist_ok=True)
    (root / "tmp/bench/preload.py").write_text(preloaded())
    for file in ("rival.py", name):
        (root / "tmp/bench" / file).write_text((HERE / file).read_text())
    more = [] if state is None else ["/tmp/bench/state"]
    for file in more:
        (root / file[1:]).write_text(state)
    devices = root / "dev"
    for device, minor in (("null", 3), ("urandom", 9)):
        if not (devices / device).exists():
            os.mknod(devices / device, 0o020666, os.makedev(1, minor))
    return rival(["/usr/bin/python3", f"/tmp/bench/{name}", str(port), *more], port, root)


def node_rival(kind):
    port, root = free_port(), TOP / "build/node-root"
    (root / "tmp/node_rival.js").write_text((HERE / "node_rival.js").read_text())
    for device, minor in (("null", 3), ("urandom", 9)):
        if not (root / "dev" / device).exists():
            os.mknod(root / "dev" / device, 0o020666, os.makedev(1, minor))
    return rival(["/usr/bin/node", "/tmp/node_rival.js", str(port), kind], port, root)


def clean():
    for root in (TOP / "build/python-root", TOP / "build/node-root"):
        for path in ("dev/null", "dev/urandom", "tmp/bench/rival.py", "tmp/bench/preload.py", "tmp/bench/fork_server.py",
                     "tmp/bench/prefork_pool.py", "tmp/bench/state", "tmp/node_rival.js"):
            (root / path).unlink(missing_ok=True)
        if (root / "tmp/bench").exists():
            (root / "tmp/bench").rmdir()


def load(server, body, expected, clients, seconds, connections="keep"):
    out = subprocess.run([LOAD, str(server.port), "/v1/exec", body, expected, str(clients), str(seconds), connections],
                         capture_output=True, text=True)
    if out.returncode:
        return {"rps": 0, "p50": float("nan"), "p99": float("nan"), "errors": 1}
    count, errors, rps, p50, p90, p99, worst = map(float, out.stdout.split())
    return {"rps": rps, "p50": p50, "p99": p99, "errors": errors}


def expected_of(text):
    """Rivals' JSON has a space behind the colon, or none."""
    return text.replace('":"', '": "')


# name, measure, aim, (ours, rival, body, expected, clients, connections, rival's own form of the answer)
LINES = (
    ("print(1+1), p50, one keep-alive client, us", "p50", 0.15, ("recycled", "fork", PRINT, TWO, 1, "keep")),
    ("print(1+1), p99, one keep-alive client, us", "p99", 0.25, ("recycled", "fork", PRINT, TWO, 1, "keep")),
    ("print(1+1), requests/s, 8 keep-alive clients", "rps", 6, ("recycled", "fork", PRINT, TWO, 8, "keep")),
    ("print(1+1), p50, new connection each, us (rival: prefork pool)", "p50", 0.5, ("recycled", "prefork", PRINT, TWO, 1, "new")),
    ("numpy.random.rand(3), p50, us", "p50", 0.2, ("recycled", "fork", NUMPY, RANDOM, 1, "keep")),
    ("console.log(1+1), p50, us (rival: fresh Worker)", "p50", 0.05, ("recycled", "worker", NODE, TWO, 1, "keep")),
    ("console.log(1+1), requests/s, 8 clients (rival: fresh vm context)", "rps", 1, ("recycled", "vm", NODE, TWO, 8, "keep")),
    ("print(1+1), VM never used before, p50, us", "p50", 1.0, ("fresh", "fork", PRINT, TWO, 1, "keep")),
)
SERVERS = {
    "recycled": lambda: zeroboot(),
    "fresh": lambda: zeroboot("--fresh"),
    "fork": lambda: python_rival("fork_server.py"),
    "prefork": lambda: python_rival("prefork_pool.py"),
    "worker": lambda: node_rival("worker"),
    "vm": lambda: node_rival("vm"),
}


def measure(kind, key, seconds):
    """One round of one server, which alone runs meanwhile."""
    body, expected, clients, connections = key
    server = SERVERS[kind]()
    try:
        if kind not in ("recycled", "fresh", "worker", "vm"):
            expected = expected_of(expected)
        load(server, body, expected, clients, min(0.3, seconds), connections)
        return load(server, body, expected, clients, seconds, connections)
    finally:
        server.stop()


def table(rounds, seconds):
    results, errors = {}, 0
    wanted = sorted({(kind, line[2:]) for *_, line in LINES for kind in line[:2]}, key=str)
    for number in range(rounds):
        for kind, key in wanted:
            print(f"\rround {number + 1} of {rounds}: {kind}, {key[2]} clients, {key[3]}      ", end="", file=sys.stderr)
            result = measure(kind, key, seconds)
            errors += result["errors"]
            results.setdefault((kind, key), []).append(result)
    print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
    print(f"{'':66}{'zeroboot':>10}{'rival':>10}{'ratio':>8}{'aim':>8}")
    for name, what, aim, line in LINES:
        ours, theirs = (statistics.median(r[what] for r in results[kind, line[2:]]) for kind in line[:2])
        ratio = ours / theirs
        met = ratio >= aim if what == "rps" else ratio <= aim
        sign = ">=" if what == "rps" else "<="
        print(f"{name:66}{ours:10.0f}{theirs:10.0f}{ratio:8.3f}{sign + str(aim):>8}  {'met' if met else 'NOT MET'}")
    print(f"wrong answers: {errors:.0f}")


def scale(seconds):
    """zeroboot alone at 1 to 64 clients."""
    print(f"\n{'clients':32}{'requests/s':>12}{'p50 us':>10}{'p99 us':>10}")
    server = zeroboot()
    for name, body, expected in (("print(1+1)", PRINT, TWO), ("numpy.random.rand(3)", NUMPY, RANDOM), ("console.log(1+1)", NODE, TWO)):
        for clients in (1, 2, 8, 64):
            r = load(server, body, expected, clients, seconds)
            print(f"{name + ', ' + str(clients):32}{r['rps']:12.0f}{r['p50']:10.0f}{r['p99']:10.0f}")
    server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 0.5
    try:
        table(options.rounds, options.seconds)
        scale(options.seconds)
    finally:
        clean()


if __name__ == "__main__":
    main()
