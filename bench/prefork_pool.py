"""A pool of interpreters forked in advance, each used for one request; the next
is forked while nobody waits for it. Usage: prefork_pool.py PORT"""
import gc
import os
import signal
import socket
import sys

from rival import http_answer, json, listen, run, take_request

POOL = 8


def serve_one(listener):
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = take_request(connection, b"")
    if request:
        connection.sendall(http_answer(run(json.loads(request[0])["code"], {})))
    connection.close()
    os._exit(0)


if __name__ == "__main__":
    os.setpgrp()
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
    listener = listen(int(sys.argv[1]))
    gc.collect()
    gc.freeze()
    waiting = 0
    while True:
        while waiting < POOL:
            if os.fork() == 0:
                serve_one(listener)
            waiting += 1
        os.wait()
        waiting -= 1
