#!/usr/bin/env python3
"""One program over 1,000 inputs, beside the same as 1,000 executions in batches of 100, in turns:
inputs a second, and how many times as many. judge.py [ROUNDS] [PROGRAM]"""
import contextlib
import http.client
import json
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
from harness import Server  # noqa: E402

PROGRAM = "import numpy as np\nprint(np.array(input().split(), dtype=int).sum())"
COUNT = 1000


def post(server, bodies):
    """Seconds, and all results."""
    c = http.client.HTTPConnection("127.0.0.1", server.port)
    bodies = [json.dumps(body) for body in bodies]
    results = []
    with contextlib.closing(c):
        c.connect()
        start = time.monotonic()
        for body in bodies:
            c.request("POST", "/v1/exec/batch", body)
            results.append(c.getresponse().read())
        seconds = time.monotonic() - start
    return seconds, [r["stdout"] for text in results for r in json.loads(text)["results"]]


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    program = open(sys.argv[2]).read() if len(sys.argv) > 2 else PROGRAM
    inputs = [{"stdin": f"{i} {i + 1} 7\n"} for i in range(COUNT)]
    executions = [{"code": program, **one} for one in inputs]
    rates = {"judge": [], "batches": []}
    with Server("--workers", "2") as server:
        for n in range(rounds + 1):
            judged, said = post(server, [{"code": program, "inputs": inputs}])
            whole, expected = post(server, [{"executions": executions[i:i + 100]} for i in range(0, COUNT, 100)])
            assert said == expected
            if n:  # the first warms up
                rates["judge"].append(COUNT / judged)
                rates["batches"].append(COUNT / whole)
    for name, values in rates.items():
        print(f"{name:8} {statistics.median(values):8.0f} inputs/s  ({min(values):.0f} to {max(values):.0f})")
    print(f"ratio    {statistics.median(a / b for a, b in zip(*rates.values())):8.2f}")


if __name__ == "__main__":
    main()
