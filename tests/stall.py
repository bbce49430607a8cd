#!/usr/bin/env python3
"""What clients and guests can take of the front end: its memory, its time."""
import json
import pathlib
import re
import socket
import sys
import time

from harness import PATIENCE, Report, Server, answers, eventually, post, receive

MIB = 1 << 20
# Forty runs' output is what a batch may have: 64 MiB, 384 MiB as JSON.
NULS = {"code": "import sys\nfor f in sys.stdout, sys.stderr: f.write('\\0' * (1 << 20))", "timeout_seconds": 280}


def batch(runs):
    return post({"executions": runs}, "/v1/exec/batch")


def memory(server, field):
    """Of the front end, in bytes: VmRSS, or VmHWM, the most it ever was."""
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+) kB$", status, re.M)[1]) << 10


def small(server):
    """A connection that takes next to nothing."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(("127.0.0.1", server.port))
    s.settimeout(PATIENCE)
    return s


def check_held(total):
    """Clients that do not read cost what the option says, and others nothing."""
    with Server("--workers", "2", "--output-total", str(total)) as server:
        before = memory(server, "VmRSS")
        hoarders = [small(server) for _ in range(4)]
        for s in hoarders:
            s.sendall(batch([NULS] * 40))
        eventually(lambda: server.metric('zeroboot_total_executions{status="success"}') >= 80)
        eventually(lambda: server.metric("zeroboot_output_given_up_total") >= 1)
        answer = answers(server.ask(post({"code": "print('x' * 1000000)"}, extra=b"Connection: close\r\n")))[0]
        assert json.loads(answer.body)["stdout"] == "x" * 1000000 + "\n"
        eventually(lambda: server.metric("zeroboot_concurrent_forks") == 0 and
                   server.metric("zeroboot_queue_depth") == 0)
        assert server.metric("zeroboot_output_held_bytes") <= total * MIB
        # A reply under way for each worker, and what the allocator rounds up.
        most = before + total * MIB + 6 * 2 * MIB + 8 * MIB
        assert memory(server, "VmHWM") <= most, (memory(server, "VmHWM"), most)
        assert b"--output-total is reached" in server.logged()
        for s in hoarders:
            s.close()
        eventually(lambda: server.metric("zeroboot_output_held_bytes") < MIB)
        assert memory(server, "VmRSS") < before + 8 * MIB, (memory(server, "VmRSS"), before)


def stands_still(server):
    """What is sent in a while is no more than the answers to this question."""
    before = server.metric("zeroboot_http_sent_bytes_total")
    time.sleep(0.5)
    return 0 < server.metric("zeroboot_http_sent_bytes_total") - before < 65536 < before


def check_readers_stay():
    """Who reads gets all of it, beside those who do not."""
    with Server("--workers", "2", "--output-total", "100") as server:
        hoarder = small(server)
        hoarder.sendall(batch([NULS] * 40))
        eventually(lambda: server.metric("zeroboot_output_held_bytes") > 60 * MIB)
        eventually(lambda: stands_still(server))
        with server.connect() as s:
            s.sendall(batch([NULS] * 40).replace(b"Host: a", b"Host: a\r\nConnection: close"))
            answer = answers(receive(s))[0]
            assert answer.status == 200, (answer.body[:200], server.logged()[-2000:])
            results = json.loads(answer.body)["results"]
        assert len(results) == 40 and {r["exit_code"] for r in results} == {0}
        assert all(set(r["stdout"]) == {"\0"} for r in results)
        assert server.metric("zeroboot_output_given_up_total") == 1
        hoarder.close()


def main():
    report = Report("stall")
    report.check("output that nobody takes is bounded", check_held, 64)
    report.check("who reads is not given up for who does not", check_readers_stay)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
