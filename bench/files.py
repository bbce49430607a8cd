#!/usr/bin/env python3
"""What files of a request cost: none, one, a hundred of 1 KB, and 4 MiB, in turns, on
zeroboot and on a native fork server whose child writes them before it runs the code and
removes them afterwards; medians of the whole request (one keep-alive client), and what
zeroboot says of its own time: from the request read to its run's beginning, and the run.
Usage: files.py [ROUNDS]"""
import base64
import json
import os
import socket
import statistics
import sys
import time

from run import clean, python_rival, zeroboot

CASES = {
    "no file": {},
    "1 file of 1 KB": {"a": b"x" * 1000},
    "100 files of 1 KB": {f"d/{i}": b"x" * 1000 for i in range(100)},
    "1 file of 4 MiB": {"big": os.urandom(4 << 20)},
}
CODE = "import os; print(sum(map(os.path.getsize, %s)))"


def request_of(files):
    body = json.dumps({"code": CODE % list(files), "files": {
        path: {"base64": base64.b64encode(data).decode()} for path, data in files.items()}}).encode()
    return b"POST /v1/exec HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body), body)


def ask(connection, request):
    """(ms, the answer)"""
    start, data = time.perf_counter(), b""
    connection.sendall(request)
    while not data.endswith(b"}") and not data.endswith(b"}\n"):
        data += connection.recv(65536)
    return (time.perf_counter() - start) * 1000, json.loads(data.split(b"\r\n\r\n", 1)[1])


def measure(servers, rounds):
    """{case: {server: [(ms, the answer)]}}"""
    connections = {name: socket.create_connection(("127.0.0.1", server.port)) for name, server in servers.items()}
    for connection in connections.values():
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    took = {case: {name: [] for name in servers} for case in CASES}
    for _ in range(rounds):
        for case, files in CASES.items():
            for name, connection in connections.items():
                took[case][name].append(ask(connection, request_of(files)))
                assert int(took[case][name][-1][1]["stdout"]) == sum(map(len, files.values())), (case, name)
                time.sleep(0.01)
    return took


def median_of(samples, key=None):
    return statistics.median(answer[key] if key else ms for ms, answer in samples)


def main():
    rounds = int(sys.argv[1]) if sys.argv[1:] else 50
    servers = {}
    try:
        servers["zeroboot"] = zeroboot("--workers", "1:1")
        servers["fork server"] = python_rival("fork_server.py")
        took = measure(servers, rounds)
    finally:
        for server in servers.values():
            server.stop()
        clean()
    print(f"{'ms':22}{'zeroboot':>10}{'rival':>10}{'ratio':>8}{'until it runs':>16}{'run':>8}")
    for case, samples in took.items():
        ours, theirs = samples.values()
        run = median_of(ours, "exec_time_ms")
        print(f"{case:22}{median_of(ours):10.2f}{median_of(theirs):10.2f}{median_of(ours) / median_of(theirs):8.2f}"
              f"{median_of(ours, 'total_time_ms') - run:16.2f}{run:8.2f}")


if __name__ == "__main__":
    main()
