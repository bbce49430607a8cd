#!/usr/bin/env python3
"""One program over 1,000 inputs, beside the same as executions in batches of 100, in turns: inputs a
second, how many times as many, and CPU time of server and workers for each. judge.py [ROUNDS] [PROGRAM]"""
import contextlib
import http.client
import json
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
from harness import Server  # noqa: E402

COUNT = 1000
PROGRAMS = {
    "numpy and a sum": "import numpy as np\nprint(np.array(input().split(), dtype=int).sum())",
    "a sieve, then a question": "n = 100000\nsieve = bytearray(b'\\1') * n\nfor i in range(2, 317):\n    if sieve[i]:\n"
                                "        sieve[i * i::i] = bytes(len(sieve[i * i::i]))\nprint(sum(sieve[2:sum(map(int, input().split()))]))",
}


def post(server, bodies):
    """Seconds, and what all have printed."""
    c = http.client.HTTPConnection("127.0.0.1", server.port)
    bodies = [json.dumps(body) for body in bodies]
    answers = []
    with contextlib.closing(c):
        c.connect()
        start = time.monotonic()
        for body in bodies:
            c.request("POST", "/v1/exec/batch", body)
            answers.append(c.getresponse().read())
        seconds = time.monotonic() - start
    return seconds, [r["stdout"] for text in answers for r in json.loads(text)["results"]]


def cpu(server):
    """Seconds that server and workers have run."""
    ran = [pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0] for pid in [server.process.pid, *server.workers()]]
    return sum(map(int, ran)) / 1e9


def measure(server, name, program, rounds):
    inputs = [{"stdin": f"{i} {i + 1} 7\n"} for i in range(COUNT)]
    executions = [{"code": program, **one} for one in inputs]
    ways = {"inputs": [{"code": program, "inputs": inputs}],
            "executions": [{"executions": executions[i:i + 100]} for i in range(0, COUNT, 100)]}
    rates, costs = {way: [] for way in ways}, {way: [] for way in ways}
    for n in range(rounds + 1):
        said = []
        for way, bodies in ways.items():
            before = cpu(server)
            seconds, printed = post(server, bodies)
            said.append(printed)
            if n:  # the first warms up
                rates[way].append(COUNT / seconds)
                costs[way].append((cpu(server) - before) / COUNT * 1e6)
        assert said[0] == said[1]
    for way in ways:
        print(f"{name}: {way:10} {statistics.median(rates[way]):7.0f} a second ({min(rates[way]):.0f} to {max(rates[way]):.0f}),"
              f" {statistics.median(costs[way]):6.0f} us of CPU time each")
    print(f"{name}: {statistics.median(a / b for a, b in zip(*rates.values())):.2f} times as many,"
          f" executions take {statistics.median(b / a for a, b in zip(*costs.values())):.2f} times the CPU time")


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    programs = {sys.argv[2]: pathlib.Path(sys.argv[2]).read_text()} if len(sys.argv) > 2 else PROGRAMS
    with Server("--workers", "2") as server:
        for name, program in programs.items():
            measure(server, name, program, rounds)


if __name__ == "__main__":
    main()
