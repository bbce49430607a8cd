"""What the Python rivals share: HTTP on raw sockets, as short as it can be made,
and running a snippet with its output captured."""
import contextlib
import io
import json
import socket
import sys
import traceback

import numpy
import random

import preload  # what the guest's agent imports


def listen(port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind(("127.0.0.1", port))
    s.listen(256)
    return s


def take_request(connection, buffer):
    """(body, rest) of the next request, or None at the end."""
    while (end := buffer.find(b"\r\n\r\n")) < 0:
        part = connection.recv(65536)
        if not part:
            return None
        buffer += part
    at = buffer.index(b"Content-Length: ") + 16
    size = int(buffer[at:buffer.index(b"\r\n", at)])
    parts, missing = [buffer], end + 4 + size - len(buffer)
    while missing > 0:
        parts.append(connection.recv(1 << 20))
        missing -= len(parts[-1])
    buffer = b"".join(parts)
    return buffer[end + 4:end + 4 + size], buffer[end + 4 + size:]


def http_answer(body):
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def run(code, names):
    """The answer to a request, as JSON. names: that are there already."""
    out, err, exit_code = io.StringIO(), io.StringIO(), 0
    random.seed()
    numpy.random.seed()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            exec(compile(code, "main.py", "exec"), {"__name__": "__main__", **names})
        except SystemExit as e:
            exit_code = e.code or 0
        except BaseException:
            traceback.print_exc()
            exit_code = 1
    return json.dumps({"stdout": out.getvalue(), "stderr": err.getvalue(), "exit_code": exit_code}).encode()
