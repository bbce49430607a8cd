#!/usr/bin/env python3
"""Answers that come while the program runs, against the real server: events in the
program's order, what a client that reads slowly, leaves or is never there costs, and
that an answer put together of its events is the one that comes at once."""
import base64
import contextlib
import hashlib
import json
import os
import pathlib
import signal
import socket
import sys

from harness import PATIENCE, Report, Server, answers, eventually, post, send

MIB = 1 << 20


class Stream:
    """One answer, read as it comes."""

    def __init__(self, s, body, extra=b"", path="/v1/exec"):
        send(s, post(body, path, extra))
        self.file = s.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        while (line := self.file.readline().strip()):
            name, _, value = line.decode().partition(": ")
            self.headers[name.lower()] = value
        self.ended = False

    def body(self):
        return self.file.read(int(self.headers["content-length"]))

    def chunks(self):
        while size := int(self.file.readline(), 16):
            yield self.file.read(size)
            assert self.file.read(2) == b"\r\n"
        assert self.file.readline() == b"\r\n"

    def __iter__(self):
        """Events, as a reader of text/event-stream finds them."""
        assert self.headers["content-type"] == "text/event-stream", self.headers
        text = b""
        for chunk in self.chunks():
            text += chunk
            *whole, text = text.split(b"\n\n")
            for event in whole:
                if event.startswith(b":"):
                    continue
                kind, data = event.split(b"\n")
                assert kind.startswith(b"event: ") and data.startswith(b"data: "), event
                yield kind[7:].decode(), json.loads(data[6:])
        assert not text, text


def run(server, code, **fields):
    """All events of one run."""
    with server.connect() as s:
        return list(Stream(s, {"code": code, "stream": True, **fields}))


def whole(events, stream):
    """What came of a stream, in one piece, with what is only in the result."""
    return "".join(data["text"] for kind, data in events if kind == stream) + events[-1][1][stream]


def at_once(server, code, **fields):
    with server.connect() as s:
        send(s, post({"code": code, **fields}, extra=b"Connection: close\r\n"))
        return json.loads(answers(s.makefile("rb").read())[0].body)


def check_order(server):
    events = run(server, "import os\nfor i in range(2000): os.write(1 + i % 2, b'%d ' % i)")
    kinds = [kind for kind, data in events[:-1] for _ in data["text"].split()]
    numbers = [n for _, data in events[:-1] for n in data["text"].split()]
    assert numbers == [str(i) for i in range(2000)], numbers[:20]
    assert kinds == ["stdout", "stderr"] * 1000
    assert events[-1][0] == "result" and events[-1][1]["status"] == "ok", events[-1]


def check_result(server):
    """The object that an answer at once has, without the text."""
    events = run(server, "print('é'); open('a.txt', 'w').write('b'); raise SystemExit(3)", outputs=["*.txt"], nonsense=1)
    result = events[-1][1]
    plain = at_once(server, "print('é'); open('a.txt', 'w').write('b'); raise SystemExit(3)", outputs=["*.txt"], nonsense=1)
    assert list(result) == list(plain), (result, plain)
    assert result["stdout"] == result["stderr"] == "" and result["files"] == {"a.txt": "b"}, result
    assert result["exit_code"] == 3 and result["status"] == "error" and result["warnings"] == ["nonsense: unknown field"]
    assert whole(events, "stdout") == plain["stdout"]


def check_nothing(server):
    (kind, result), = run(server, "pass")
    assert kind == "result" and result["exit_code"] == 0


def check_lines(server):
    """Python writes a line when it ends; its first one is here while it runs."""
    for code, language in (("import time\nprint('a')\ntime.sleep(1000)", "python"),
                           ("console.log('a'); setTimeout(() => 0, 1e6)", "node"), ("echo a; sleep 1000", "sh")):
        cancelled = server.metric("zeroboot_cancelled_total")
        with server.connect() as s:
            stream = Stream(s, {"code": code, "language": language, "stream": True, "timeout_seconds": 300})
            assert next(iter(stream)) == ("stdout", {"text": "a\n"})
            stream.file.close()
        eventually(lambda: server.metric("zeroboot_concurrent_forks") == 0)
        assert server.metric("zeroboot_cancelled_total") == cancelled + 1


def check_half_closed(server):
    """Who ends its side still gets the answer; whoever is gone ends its run."""
    with server.connect() as s:
        stream = Stream(s, {"code": "print(1)\nimport time\ntime.sleep(1)\nprint(2)", "stream": True})
        s.shutdown(socket.SHUT_WR)
        assert whole(list(stream), "stdout") == "1\n2\n"


def check_bytes(server):
    """Whatever pieces it is written in, text comes out as it does at once."""
    code = """import os, random
random.seed(%d)
text = 'aé€😀\\u2028"\\\\\\n'.encode() + bytes(range(256)) + b'\\xe2\\x82\\xf0\\x9f\\x98\\xed\\xa0\\x80\\xc3'
text = (text * 3)[:%d]
at = 0
while at < len(text):
    n = random.choice((1, 1, 1, 2, 3, 7))
    os.write(1, text[at:at + n]); os.write(2, text[at:at + n][::-1])
    at += n
"""
    for seed in range(6):
        events = run(server, code % (seed, 700 + seed))
        plain = at_once(server, code % (seed, 700 + seed))
        for name in "stdout", "stderr":
            assert whole(events, name) == plain[name], (seed, name, whole(events, name), plain[name])
    events = run(server, code % (0, 800), encoding="base64")
    plain = at_once(server, code % (0, 800), encoding="base64")
    assert b"".join(base64.b64decode(data["base64"]) for kind, data in events[:-1] if kind == "stdout") == \
        base64.b64decode(plain["stdout"])


def check_timeout(server):
    for text, note in (("x", "\nExecution timed out after 1s"), ("x\n", "Execution timed out after 1s")):
        code = f"import os, time\nos.write(2, {text.encode()!r})\nprint('o')\ntime.sleep(100)"
        events = run(server, code, timeout_seconds=1)
        result = events[-1][1]
        assert result["status"] == "timeout" and result["exit_code"] == -1 and result["stderr"] == note, result
        assert whole(events, "stderr") == at_once(server, code, timeout_seconds=1)["stderr"]
        assert whole(events, "stdout") == "o\n"
    code = "import os\nwhile True: os.write(1, b'y' * 5000)"
    with server.connect() as s:  # its client takes nothing until it is over
        stream = Stream(s, {"code": code, "stream": True, "timeout_seconds": 1})
        eventually(lambda: server.metric("zeroboot_concurrent_forks") == 0)
        *_, (kind, result) = stream
    assert kind == "result" and result["status"] == "timeout", result


def memory_of(server):
    """Private bytes of the front end and its workers."""
    def private(pid):
        resident, shared = pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1:3]
        return (int(resident) - int(shared)) * 4096
    return sum(map(private, [server.process.pid, *server.workers()]))


def check_slow(server):
    """100 MiB to a client that does not read at first: the program waits, and nobody
    keeps more than a bounded part of it."""
    code = """import os, hashlib, sys
h = hashlib.sha256()
for i in range(1600):
    part = (b'%015d\\n' % i) * 4096
    h.update(part)
    while part: part = part[os.write(1, part):]
sys.stderr.write(h.hexdigest())
"""
    run(server, code, timeout_seconds=300)  # what such a run takes in any case
    before = memory_of(server)
    with server.connect() as s:
        stream = Stream(s, {"code": code, "stream": True, "timeout_seconds": 300})
        held = []

        def still():
            held.append(server.metric("zeroboot_output_held_bytes"))
            return len(held) > 40 and len(set(held[-20:])) == 1
        eventually(still)
        grown = memory_of(server) - before
        assert server.metric("zeroboot_concurrent_forks") == 1, "the program did not wait"
        assert held[-1] < 4 * MIB and grown < 16 * MIB, (held[-1], grown)
        h, size, told = hashlib.sha256(), 0, ""
        for kind, data in stream:
            if kind == "stdout":
                h.update(data["text"].encode())
                size += len(data["text"])
            elif kind == "stderr":
                told += data["text"]
    assert size == 100 * MIB and h.hexdigest() == told, (size, told)
    assert kind == "result" and data["status"] == "ok" and "stdout_truncated" not in data, data


def check_room(server):
    """Who does not want to wait is told so, and when there is room; what a pipe does
    not tear is not torn."""
    code = """import os, fcntl, select, sys
fcntl.fcntl(1, fcntl.F_SETFL, os.O_NONBLOCK)
p, again, short = select.poll(), 0, 0
p.register(1, select.POLLOUT)
e = select.epoll(); e.register(1, select.EPOLLOUT | select.EPOLLET); e.poll()
while again < 20:
    try:
        n = os.write(1, b'z' * 4096)
        short += n != 4096
    except BlockingIOError:
        again += 1
        (e if again % 2 else p).poll()
        short += os.write(1, b'z' * 4096) != 4096
sys.stderr.write(f'{again} {short}')
"""
    events = run(server, code, timeout_seconds=PATIENCE)
    assert whole(events, "stderr") == "20 0", events[-3:]


def check_asked(server):
    """Who is answered live, and who is not."""
    def type_of(body, extra=b""):
        with server.connect() as s:
            return Stream(s, body, extra).headers["content-type"]
    one = {"code": "1"}
    assert type_of(one) == "application/json"
    assert type_of(one, b"Accept: text/event-stream\r\n") == "text/event-stream"
    assert type_of(one, b"Accept: text/plain, text/event-stream\r\n") == "text/event-stream"
    assert type_of(one, b"Accept: application/json, text/event-stream\r\n") == "application/json"
    assert type_of({**one, "stream": False}, b"Accept: text/event-stream\r\n") == "application/json"
    with server.connect() as s:
        batch = {"executions": [one]}
        assert Stream(s, batch, b"Accept: text/event-stream\r\n", "/v1/exec/batch").headers["content-type"] == "application/json"
    for body, path, message in (({**one, "stream": 1}, "/v1/exec", "stream: neither true nor false, at byte 24"),
                                ({"executions": [{**one, "stream": True}]}, "/v1/exec/batch",
                                 "executions[0].stream: a batch is answered at once"),
                                ({**one, "stream": True, "memory_mb": 1}, "/v1/exec", "memory_mb: 1 is too little"),
                                ({**one, "stream": True, "language": "x"}, "/v1/exec", "language: \"x\" is unknown")):
        with server.connect() as s:
            stream = Stream(s, body, path=path)
            assert stream.status == 400 and message in json.loads(stream.body())["error"], (body, stream.status)


def check_connection(server):
    """Several on one connection; one for a client of HTTP/1.0 ends with it."""
    with server.connect() as s:
        for i in range(3):
            events = list(Stream(s, {"code": f"print({i})", "stream": True}))
            assert whole(events, "stdout") == f"{i}\n" and events[-1][0] == "result"
        send(s, post({"code": "print(7)"}, extra=b"Connection: close\r\n"))
        assert json.loads(answers(s.makefile("rb").read())[0].body)["stdout"] == "7\n"
    old = server.ask(post({"code": "print(8)", "stream": True}).replace(b"HTTP/1.1", b"HTTP/1.0"))
    head, _, body = old.partition(b"\r\n\r\n")
    assert b"chunked" not in head and b"Connection: close" in head
    assert body.startswith(b'event: stdout\ndata: {"text":"8\\n"}\n\nevent: result\ndata: {"id":'), body
    assert body.endswith(b"}\n\n"), body


def check_recycled(server):
    """A VM is used again after a streamed run, and costs one exit when nobody streams."""
    run(server, "print(1)")
    before = server.metric('zeroboot_forks_total{kind="recycled"}')
    for i in range(3):
        assert at_once(server, f"print({i})")["stdout"] == f"{i}\n"
        run(server, "import os\nfor i in range(3000): os.write(1, b'x' * 100)")
    assert server.metric('zeroboot_forks_total{kind="recycled"}') == before + 6


def check_worker_dies(server):
    with server.connect() as s:
        stream = Stream(s, {"code": "import time\nprint(1)\ntime.sleep(1000)", "stream": True, "timeout_seconds": 300})
        events = iter(stream)
        assert next(events) == ("stdout", {"text": "1\n"})
        for pid in server.workers():
            os.kill(pid, signal.SIGKILL)
        assert list(events) == [("error", {"error": "the worker ended during the run"})]
    eventually(lambda: b"200" in server.ask(b"GET /health HTTP/1.0\r\n\r\n").split(b"\r\n")[0])


def check_many(server):
    """More than there are workers, at the same time."""
    with contextlib.ExitStack() as stack:
        streams = []
        for i in range(12):
            s = stack.enter_context(server.connect())
            send(s, post({"code": f"for n in range(300): print({i}, n)", "stream": True}))
            streams.append(s)
        for i, s in enumerate(streams):
            stream = Stream.__new__(Stream)
            stream.file, stream.headers = s.makefile("rb"), {"content-type": "text/event-stream"}
            while stream.file.readline().strip():
                pass
            assert whole(list(stream), "stdout") == "".join(f"{i} {n}\n" for n in range(300))


def check_drained(server):
    """A server that ends lets them come to their end."""
    with server.connect() as s:
        events = iter(Stream(s, {"code": "import time\nprint(1)\ntime.sleep(1)\nprint(2)", "stream": True}))
        assert next(events) == ("stdout", {"text": "1\n"})
        server.process.terminate()
        rest = list(events)
        assert whole(rest, "stdout") == "2\n" and rest[-1][1]["status"] == "ok", rest
    server.process.wait()


CHECKS = {
    "both streams in the order they were written in": check_order,
    "the result is the object without the text": check_result,
    "a program that writes nothing": check_nothing,
    "a line is here while the program runs; a client that leaves ends it": check_lines,
    "a client that has ended its side gets all of it": check_half_closed,
    "text and bytes in any pieces": check_bytes,
    "a timeout keeps what came, also for a client that took nothing": check_timeout,
    "100 MiB to a client that is slow": check_slow,
    "O_NONBLOCK, poll and epoll agree": check_room,
    "who is answered so": check_asked,
    "many on a connection, and HTTP/1.0": check_connection,
    "the VM is used again": check_recycled,
    "a worker that dies": check_worker_dies,
    "many at once": check_many,
    "a server that ends": check_drained,
}


def main():
    report = Report("stream")
    with Server("--workers", "1") as server:
        for name, check in CHECKS.items():
            if not sys.argv[1:] or any(part in name for part in sys.argv[1:]):
                report.check(name, check, server)
        report.line("nothing else is in the log", server.unexpected() or None)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
