#!/usr/bin/env python3
"""What clients and guests can take of the front end: its memory, its time."""
import base64
import json
import os
import pathlib
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from harness import PATIENCE, TOP, Report, Server, answers, eventually, post, receive

MIB = 1 << 20
# AddressSanitizer keeps what has been freed for a while.
RESIDENT_IS_USED = (TOP / "build/mode").read_text().strip() != "sanitize"
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
        eventually(lambda: server.metric("zeroboot_output_given_up_total") >= 1)
        answer = answers(server.ask(post({"code": "print('x' * 1000000)"}, extra=b"Connection: close\r\n")))[0]
        assert json.loads(answer.body)["stdout"] == "x" * 1000000 + "\n"
        eventually(lambda: server.metric("zeroboot_concurrent_forks") == 0 and
                   server.metric("zeroboot_queue_depth") == 0)
        assert server.metric("zeroboot_output_held_bytes") <= total * MIB
        # A reply under way for each worker, and what the allocator rounds up.
        most = before + total * MIB + 6 * 2 * MIB + 8 * MIB
        assert not RESIDENT_IS_USED or memory(server, "VmHWM") <= most, (memory(server, "VmHWM"), most)
        assert b"--output-total is reached" in server.logged()
        for s in hoarders:
            s.close()
        eventually(lambda: server.metric("zeroboot_output_held_bytes") < MIB)
        # Batches that were given up end with their runs.
        eventually(lambda: not RESIDENT_IS_USED or memory(server, "VmRSS") < before + 8 * MIB)


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


# ---- time ----

TURNS = "build/release/zeroboot-turns"
TURN = "zeroboot_loop_longest_turn_seconds"
TURN_MOST = 0.002  # seconds of CPU time
LARGEST = (4 << 20) - 100


def fill(before, part, after, size=LARGEST):
    return before + part * ((size - len(before) - len(after)) // len(part)) + after


OBJECT = b"{" + b",".join(b'"k%d":0' % i for i in range(256)) + b"},"
BODIES = {
    "plain code": fill(b'{"code":"#', b"x", b'"}'),
    "escapes": fill(b'{"code":"#', rb"\u0041", b'"}'),
    "sequences of UTF-8": fill(b'{"code":"#', "\u00e9".encode(), b'"}'),
    "arrays": fill(b'{"code":"1","x":[', b"[],", b"0]}"),
    "objects of many keys": fill(b'{"code":"1","x":[', OBJECT, b"0]}"),
    "spaces": fill(b'{"code":"1"', b" ", b"}"),
    "digits": fill(b'{"code":"1","x":', b"1", b"}"),
    "a fault at the end": fill(b'{"code":"#', b"x", b'\xff"}'),
    "a batch": json.dumps({"executions": [{"code": "#" + "x" * 41000}] * 100}).encode(),
}


def send_body(server, body):
    """The largest bodies of one kind, four at once, one of them left in the middle."""
    request = post(body, "/v1/exec/batch" if b"executions" in body[:20] else "/v1/exec", b"Connection: close\r\n")
    some = [server.connect() for _ in range(4)]
    threads = [threading.Thread(target=s.sendall, args=(request,)) for s in some]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    some.pop().close()
    for s in some:
        assert answers(receive(s))[0].status == (400 if b"\xff" in body[-9:] else 200)


LARGEST_OF_ALL = (32 << 20) - 100
BYTES = base64.b64encode(bytes(range(256)) * 85 * 1024)  # 22 MiB
FILE = b'{"code":"print(len(open(\'a\').read(-1)))","files":{"a":{"base64":"%s"}}}' % BYTES
WHOLE = {
    "a large file": FILE.replace(b"open('a')", b"open('a', 'rb')"),
    "a large standard input": fill(b'{"code":"1","stdin":"', b"x", b'"}', LARGEST_OF_ALL),
}


def send_whole(server, body, chunked):
    """A body as large as there may be, to a worker; or left, when it is there."""
    head = b"POST /v1/exec HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    if chunked:
        request = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    else:
        request = head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    assert answers(server.ask(request))[0].status == 200
    with server.connect() as s:
        s.sendall(request[:-1])
    eventually(lambda: server.metric("zeroboot_http_connections") == 1)


def send_chunks(server):
    """Chunks of a byte each."""
    chunks = b"".join(b"1\r\n%c\r\n" % c for c in json.dumps({"code": "#" + "x" * 300000}).encode()) + b"0\r\n\r\n"
    head = b"POST /v1/exec HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert answers(server.ask(head + chunks))[0].status == 200


def send_many(server):
    """Requests in one piece, and at once from many."""
    count, health = 3000, b"GET /v1/health HTTP/1.1\r\nHost: a\r\n"
    stream = (health + b"\r\n") * (count - 1) + health + b"Connection: close\r\n\r\n"
    with server.connect() as s:
        threading.Thread(target=s.sendall, args=(stream,)).start()
        assert receive(s).count(b"HTTP/1.1 200 OK") == count
    some = [server.connect() for _ in range(500)]
    for s in some:
        s.sendall(post({"code": "print(1)"}, extra=b"Connection: close\r\n"))
    for s in some[:250]:
        s.close()
    for s in some[250:]:
        assert answers(receive(s))[0].status == 200


def large_output(server):
    """The largest batch: taken, and left."""
    for code in ["'\\0'", "'\\n'", "'\\x80'"]:
        run = {"code": f"import sys\nfor f in sys.stdout, sys.stderr: f.buffer.write(bytes({code}, 'latin-1') * (1 << 20))"}
        with server.connect() as s:
            s.sendall(batch([run] * 40))
            before = server.metric("zeroboot_http_sent_bytes_total")
            eventually(lambda: server.metric("zeroboot_http_sent_bytes_total") > before + 100000)


def start_workers(server):
    """All of them anew, while as much output is held as may be."""
    hoarders = [small(server) for _ in range(4)]
    for s in hoarders:
        s.sendall(batch([NULS] * 40))
    eventually(lambda: server.metric("zeroboot_output_held_bytes") > 180 * MIB)
    for _ in range(3):
        old = server.workers()
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: len(server.workers()) >= len(old) and not set(server.workers()) & set(old))
    for s in hoarders:
        s.close()
    eventually(lambda: server.metric("zeroboot_output_held_bytes") < MIB)


class Timed(Server):
    """Keeps the longest turn: each answer with metrics begins a new one."""
    longest = 0

    def metric(self, name):
        self.longest = max(self.longest, super().metric(TURN))
        return super().metric(name)

    def longest_turn(self):
        """Since this was asked last."""
        self.metric(TURN)
        longest, self.longest = self.longest, 0
        return longest


def within_a_turn(server, attack, *arguments):
    """No turn of the loop is too long. A machine that others use takes CPU time from
    here, so that the shortest of some longest turns counts."""
    found = []
    while not found or min(found) > TURN_MOST and len(found) < 5:
        server.longest_turn()
        attack(server, *arguments)
        found.append(server.longest_turn())
    assert min(found) <= TURN_MOST, found
    return min(found)


def before_an_answer(server, count=200):
    """CPU time of the front end from a question to its answer, the 99th of 100."""
    took = []
    with server.connect() as s:
        for _ in range(count):
            before = server.cpu_seconds()
            s.sendall(b"GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"200 OK" in s.recv(65536)
            took.append(server.cpu_seconds() - before)
    return statistics.quantiles(took, n=100)[-1]


def others_wait(server):
    quiet = before_an_answer(server)
    reader = "import socket, sys\ns = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n" \
             "s.sendall(sys.stdin.buffer.read())\nwhile s.recv(1 << 20): pass"
    client = subprocess.Popen([sys.executable, "-c", reader, str(server.port)], stdin=subprocess.PIPE)
    client.stdin.write(batch([NULS] * 40).replace(b"Host: a", b"Host: a\r\nConnection: close"))
    client.stdin.close()
    sent = server.metric("zeroboot_http_sent_bytes_total")
    eventually(lambda: server.metric("zeroboot_http_sent_bytes_total") > sent + 100000)
    busy = before_an_answer(server)
    assert client.poll() is None, "the answer was out too soon"
    client.wait(PATIENCE)
    return quiet, busy


def check_others(server):
    """What others' output costs those who ask is two turns, not all of the work; the best
    of some times counts, as in within_a_turn."""
    found = []
    while len(found) < 5:
        found.append(others_wait(server))
        quiet, busy = found[-1]
        if busy < max(3 * quiet, 2 * TURN_MOST):
            return
    raise AssertionError(found)


def read_keys(server, path):
    """A key file as large as may be, good and then bad."""
    large = [f"key-{i}-" + "x" * 150 for i in range(1024)]
    for keys, said in (large, b'msg="keys reloaded"'), (large + ["again"], b"more than 1024 keys"):
        before = server.logged().count(said)
        path.write_text("[" + ",".join('"%s"' % "".join(f"\\u{ord(c):04x}" for c in key) for key in keys) + "]")
        assert (1 << 19) < path.stat().st_size < (1 << 20)
        os.kill(server.process.pid, signal.SIGHUP)
        eventually(lambda: server.logged().count(said) > before)


def check_keys():
    """Turns are short while keys are read."""
    with tempfile.TemporaryDirectory() as place:
        path = pathlib.Path(place, "keys.json")
        path.write_text('["one-key-0123456789"]')
        with Timed("--workers", "1", program=TURNS, environment={**os.environ, "ZEROBOOT_API_KEYS_FILE": path}) as server:
            within_a_turn(server, read_keys, path)


def drain_once(count):
    """The long turns of a server that ends while so many clients are connected and do not ask,
    and one has a run, so that there are turns afterwards."""
    with Server("--workers", "1", program=TURNS) as server:
        some = [server.connect() for _ in range(count)]
        last = server.connect()
        last.sendall(post({"code": "import time; time.sleep(3); print(3)"}))
        eventually(lambda: server.metric("zeroboot_concurrent_forks") == 1)
        server.process.terminate()
        server.process.wait(PATIENCE)
        assert server.process.returncode == 0
        assert [receive(s) for s in some] == [b""] * count
        assert json.loads(answers(receive(last))[0].body)["stdout"] == "3\n"
        return re.findall(rb"a turn of the loop took \d+ us", server.logged().partition(b"msg=draining")[2])


def check_drain():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(8192, hard - 1000) - 10
    found = []
    while not found or found[-1] and len(found) < 10:
        found.append(drain_once(count))
    assert not found[-1], found


def main():
    report = Report("stall")
    with Timed("--workers", "2", "--max-queue", "1000", program=TURNS) as server:
        for name, body in BODIES.items():
            report.check(f"turns are short while {name} is read", within_a_turn, server, send_body, body)
        report.check("turns are short while chunks of a byte come in", within_a_turn, server, send_chunks)
        report.check("turns are short beside many requests", within_a_turn, server, send_many)
        report.check("turns are short while the most output is sent, and given up", within_a_turn, server, large_output)
        report.check("turns are short when workers are started while much is held", within_a_turn, server, start_workers)
        report.check("an answer that is long does not keep others waiting", check_others, server)
    with Timed("--workers", "1", "--max-body", "32", program=TURNS) as server:
        for name, body in WHOLE.items():
            report.check(f"turns are short while {name} is handed on", within_a_turn, server, send_whole, body, False)
        report.check("turns are short while a large chunk is read", within_a_turn, server, send_whole, body, True)
    report.check("turns are short while the largest key file is read", check_keys)
    report.check("turns are short while 8,192 idle connections are drained", check_drain)
    report.check("output that nobody takes is bounded", check_held, 64)
    report.check("who reads is not given up for who does not", check_readers_stay)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
