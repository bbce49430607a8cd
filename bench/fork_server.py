"""A native fork server: two processes that have imported everything; each forks
for a request, runs the snippet in the child, beside files that came with it, and
answers. Usage: fork_server.py PORT [STATE]: a file of Python whose names the snippets find."""
import base64
import gc
import json
import os
import pathlib
import select
import signal
import socket
import sys
import tempfile

from rival import http_answer, listen, run, take_request


names = {}


def run_beside(files, code):
    if not files:
        return run(code, names)
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        for path, content in files.items():
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            pathlib.Path(path).write_bytes(base64.b64decode(content["base64"]))
        return run(code, names)


def answer(body):
    """Of a child made for this request."""
    request = json.loads(body)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.write(writer, run_beside(request.get("files"), request["code"]))
        os._exit(0)
    os.close(writer)
    parts = []
    while part := os.read(reader, 65536):
        parts.append(part)
    os.close(reader)
    os.waitpid(child, 0)
    return b"".join(parts)


def serve(port):
    listener = listen(port)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    connections = {}
    while True:
        for fd, _ in poll.poll():
            if fd == listener.fileno():
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[connection.fileno()] = connection
                poll.register(connection, select.EPOLLIN)
                continue
            connection = connections[fd]
            try:
                request = take_request(connection, b"")
            except OSError:
                request = None
            if request:
                connection.sendall(http_answer(answer(request[0])))
            else:
                del connections[fd]
                poll.unregister(connection)
                connection.close()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
    os.setpgrp()
    for state in sys.argv[2:]:
        exec(pathlib.Path(state).read_text(), names)
    gc.collect()
    gc.freeze()
    os.fork()
    serve(int(sys.argv[1]))
