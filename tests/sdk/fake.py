"""A server that answers as a scenario says, over and over: the first part of the path
names it, the second the client, whose requests are counted apart. GET of the same path
behind /asked/ says how many there were."""
import collections
import contextlib
import json
import socket
import struct
import threading

RUN = {"id": "x", "stdout": "", "stderr": "", "exit_code": 0, "fork_time_ms": 0.1, "exec_time_ms": 0.1,
       "total_time_ms": 0.2, "status": "ok"}


def answer(status, body, *fields):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = ["HTTP/1.1 %d X" % status, "Content-Length: %d" % len(data), *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def good(count):
    return answer(200, {**RUN, "stdout": str(count)})


def chunked(count):
    body = good(count).partition(b"\r\n\r\n")[2]
    chunks = b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in (body[:1], body[1:20], body[20:]))
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nTrailer: x\r\n\r\n"


def to_the_end(count):
    return b"HTTP/1.0 200 OK\r\n\r\n" + good(count).partition(b"\r\n\r\n")[2]


def busy(status, times, after):
    fields = [] if after is None else ["Retry-After: " + after]
    return lambda count: good(count) if count > times else answer(status, {"error": "later"}, *fields)


def events(count, *more):
    """A stream in chunks, an event cut in the middle of a character."""
    data = ("event: stdout\ndata: {\"text\":\"%d é\"}\n\n:comment\n" % count).encode() + b"".join(more)
    at = data.index(b"\xc3") + 1
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (data[:at], data[at:]))
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks


END = b"0\r\n\r\n"
RESULT = b"event: result\ndata: " + json.dumps(RUN).encode() + b"\n\n"

# What each request is answered with, by its number; None: nothing, the connection ends.
# RESET: it is reset. HANG: nothing comes.
RESET, HANG = object(), object()
SCENARIOS = {
    "good": good,
    "chunked": chunked,
    "to-the-end": lambda count: (to_the_end(count), None),
    "closes": lambda count: (good(count), None),
    "full-twice": busy(503, 2, "0"),
    "fast-twice": busy(429, 2, None),
    "full": busy(503, 1000, "0"),
    "full-for-long": busy(503, 1000, "3600"),
    "fails": lambda count: answer(500, {"error": "the worker failed"}),
    "gateway": lambda count: answer(502, b"<html>no upstream</html>"),
    "ends": lambda count: None,
    "resets": lambda count: RESET,
    "cut": lambda count: (good(count)[:-5], None),
    "cut-chunk": lambda count: (chunked(count)[:-12], None),
    "hangs": lambda count: HANG,
    "slow-body": lambda count: (good(count)[:-5], b"", HANG),
    "no-http": lambda count: (b"SSH-2.0-x\r\n", None),
    "no-json": lambda count: answer(200, b"<html>"),
    "other-json": lambda count: answer(200, {"a": 1}),
    "stream": lambda count: events(count, RESULT) + END,
    "stream-full-twice": lambda count: events(count, RESULT) + END if count > 2 else answer(503, {"error": "x"}, "Retry-After: 0"),
    "stream-cut": lambda count: (events(count), None),
    "stream-short": lambda count: events(count) + END,
    "stream-fails": lambda count: events(count, b'event: error\ndata: {"error":"it fell over"}\n\n') + END,
    "stream-bad": lambda count: events(count, b"event: stderr\ndata: {\n\n") + END,
    "early": lambda count: (answer(413, {"error": "the body is too large"}, "Connection: close"), None),
}


class Fake:
    def __init__(self):
        self.asked = collections.Counter()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection = self.listener.accept()[0]
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with contextlib.suppress(OSError), connection:
            while self.exchange(connection):
                pass

    def exchange(self, connection):
        """One request and its answer; False: that was the last."""
        data = b""
        while b"\r\n\r\n" not in data:
            part = connection.recv(65536)
            if not part:
                return False
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        words = head.split(b" ", 2)[1].decode().split("/")
        if words[1] == "asked":
            connection.sendall(answer(200, str(self.asked[words[2], words[3]]).encode()))
            return True
        self.asked[words[1], words[2]] += 1
        if words[1] != "early":
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
            while len(body) < length:
                body += connection.recv(65536)
        steps = SCENARIOS[words[1]](self.asked[words[1], words[2]])
        steps = steps if isinstance(steps, tuple) else (steps,)
        return all(self.step(connection, step, step is not steps[-1]) for step in steps)

    def step(self, connection, step, more):
        if step is None:
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):  # what is still on its way, else it is a reset
                pass
            return False
        if step is RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if step is HANG:
            connection.recv(1)
            return False
        # An end that follows goes with it: who has read the one can see the other.
        connection.sendall(step, socket.MSG_MORE if more else 0)
        return True
