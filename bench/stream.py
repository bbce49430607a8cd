#!/usr/bin/env python3
"""From a program's write to its first byte at the client, against a server that runs: the
program writes the time, which is the same clock on both sides of one machine, after it has
slept, while it computes, and many times in a row; and how many MiB a second come through.
Usage: stream.py HOST:PORT [N]"""
import json
import socket
import sys
import time

SLEPT = "import time\nfor i in range(%d):\n time.sleep(0.01)\n print(time.time_ns())"
BUSY = "import time\nfor i in range(%d):\n end = time.time() + 0.01\n while time.time() < end: pass\n print(time.time_ns())"
FLOOD = "import os\nfor i in range(%d): os.write(1, b'x' * 65536)"


def events(address, code):
    """(when it came, name, data) of each."""
    body = json.dumps({"code": code, "stream": True, "timeout_seconds": 300}).encode()
    with socket.create_connection(address) as s:
        s.sendall(b"POST /v1/exec HTTP/1.0\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        kept = b""
        while piece := s.recv(1 << 20):
            now = time.time_ns()
            *whole, kept = (kept + piece).split(b"\n\n")
            for event in whole:
                lines = event.rsplit(b"\r\n\r\n")[-1].split(b"\n")
                yield now, lines[0][7:].decode(), json.loads(lines[1][6:])


def percentiles(took):
    took.sort()
    return ", ".join(f"p{p} {took[min(len(took) * p // 100, len(took) - 1)] / 1e6:.3f} ms" for p in (50, 95, 99, 100))


def main():
    host, _, port = sys.argv[1].rpartition(":")
    address, n = (host, int(port)), int(sys.argv[2]) if sys.argv[2:] else 500
    for name, code in ("after a sleep", SLEPT), ("while it computes", BUSY):
        took = [now - int(line) for now, event, data in events(address, code % n) if event == "stdout" for line in data["text"].split()]
        print(f"{name}: {percentiles(took)} ({len(took)} lines)")
    start, size = time.time(), 0
    for _, event, data in events(address, FLOOD % (16 * n)):
        size += len(data["text"]) if event == "stdout" else 0
    print(f"{size >> 20} MiB: {(size >> 20) / (time.time() - start):.0f} MiB/s")


if __name__ == "__main__":
    main()
