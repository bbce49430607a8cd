#!/usr/bin/env python3
"""What one client's large answers cost another: its times while nobody else asks,
and beside a client that asks for one batch of forty runs after the other, each of
which prints 2 MiB of bytes that JSON must escape. In turns; medians of the rounds.
The other client's runs are of a language of their own, so that they have workers.
Usage: stall.py [--program ZEROBOOT] [--templates DIR] [--seconds S] [--rounds N]
"""
import argparse
import json
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
LOAD = TOP / "build/bench/load"
QUICK = json.dumps({"code": ":", "language": "sh"})
GREEDY = """
import json, socket, sys
code = "import sys\\nfor f in sys.stdout, sys.stderr: f.write(chr(%s) * (1 << 20))" % sys.argv[2]
body = json.dumps({"executions": [{"code": code}] * 40}).encode()
request = b"POST /v1/exec/batch HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body
while True:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as s:
        s.sendall(request)
        while s.recv(1 << 20):
            pass
"""


def serve(program, templates):
    log = tempfile.TemporaryFile()
    process = subprocess.Popen([program, "serve", "--listen", "127.0.0.1:0", "--workers", "1", "--templates", templates],
                               stderr=log)
    while True:
        time.sleep(0.1)
        log.seek(0)
        text = log.read()
        if b"every template is ready" in text:
            return process, int(re.search(rb"127\.0\.0\.1:(\d+)", text)[1])
        assert process.poll() is None, text


def measure(port, seconds):
    """p50 and p99 of one client, in microseconds, and how many answers were wrong."""
    words = subprocess.run([LOAD, str(port), "/v1/exec", QUICK, '"exit_code":0', "1", str(seconds), "keep"],
                           stdout=subprocess.PIPE, text=True).stdout.split()
    return float(words[3]), float(words[5]), int(words[1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=TOP / "zeroboot")
    parser.add_argument("--templates", default=TOP / "templates")
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    o = parser.parse_args()
    found = {"quiet": [], "newlines": [], "NULs": []}
    server, port = serve(o.program, o.templates)
    try:
        measure(port, 1)
        for _ in range(o.rounds):
            found["quiet"].append(measure(port, o.seconds))
            for name, byte in ("newlines", "\n"), ("NULs", "\0"):
                greedy = subprocess.Popen([sys.executable, "-c", GREEDY, str(port), str(ord(byte))])
                time.sleep(1)
                found[name].append(measure(port, o.seconds))
                greedy.kill()
                greedy.wait()
                time.sleep(1)
    finally:
        server.terminate()
        server.wait()
    print(f"{'us':10} {'p50':>9} {'p99':>9}  {'ratio of p99':>12} wrong")
    quiet = statistics.median(t[1] for t in found["quiet"])
    for name, times in found.items():
        p50, p99 = (statistics.median(t[i] for t in times) for i in (0, 1))
        print(f"{name:10} {p50:9.0f} {p99:9.0f}  {p99 / quiet:12.1f} {sum(t[2] for t in times):5}")


if __name__ == "__main__":
    main()
