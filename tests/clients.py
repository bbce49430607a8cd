#!/usr/bin/env python3
"""Clients that are slow, many, gone or impolite, and what the others see of them."""
import json
import resource
import select
import socket
import sys
import threading
import time

from harness import PATIENCE, Report, Server, answers, eventually, post, receive

HEALTH = b"GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n"
CLOSING = b"GET /v1/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
LOOP = {"code": "while True: pass", "timeout_seconds": 280}
CANCELLED = "zeroboot_cancelled_total"
BUSY = 'zeroboot_workers{language="python",state="busy"}'


def run(server, code):
    answer = answers(server.ask(post({"code": code}, extra=b"Connection: close\r\n")))[0]
    assert answer.status == 200, answer
    return json.loads(answer.body)["stdout"]


def trickle(connection, data, pause):
    """Sends byte by byte until it is cut off; what was answered, and after how
    many seconds."""
    started = time.monotonic()
    for i in range(len(data)):
        try:
            connection.send(data[i:i + 1])
        except ConnectionError:
            break
        if select.select([connection], [], [], pause)[0]:
            break
    else:
        raise AssertionError("not cut off")
    return answers(receive(connection))[0], time.monotonic() - started


def check_slow_head(server):
    answer, took = trickle(server.connect(), b"GET /v1/health HTTP/1.1\r\n" + b"X: " + b"x" * 5000, 0.05)
    assert answer.status == 408 and took > 1.5, (answer, took)


def check_slow_body(server):
    slow = server.connect()
    head, body = post({"code": "print(1)" + " " * 5000}).split(b"\r\n\r\n")
    slow.sendall(head + b"\r\n\r\n")
    answer, took = trickle(slow, body, 0.05)
    assert answer.status == 408 and took > 1.5, (answer, took)


def check_delays_nobody(server):
    slow = [server.connect() for _ in range(50)]
    for s in slow:
        s.sendall(b"POST /v1/exec HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b'{"code":"')
    for i in range(20):
        assert run(server, f"print({i})") == f"{i}\n"
    for s in slow:
        assert answers(receive(s))[0].status == 408


def check_idle(server):
    s = server.connect()
    started = time.monotonic()
    assert receive(s) == b"" and time.monotonic() - started > 2.5
    s = server.connect()
    s.sendall(HEALTH)
    data = receive(s)
    assert answers(data)[0].status == 200 and b"408" not in data


def check_slow_reader(server):
    """Its answer waits in its own buffers; the others' do not."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(("127.0.0.1", server.port))
    s.settimeout(PATIENCE)
    s.sendall(post({"executions": [{"code": "print('x' * 1000000)"}] * 8}, "/v1/exec/batch", b"Connection: close\r\n"))
    for i in range(20):
        assert run(server, f"print({i})") == f"{i}\n"
    eventually(lambda: server.metric("zeroboot_output_held_bytes") > 4000000)
    results = json.loads(answers(receive(s))[0].body)["results"]
    assert [len(r["stdout"]) for r in results] == [1000001] * 8


def check_thousand(server):
    """1,000 connections at once, each with an answer, twice."""
    connections = [server.connect() for _ in range(1000)]
    for _ in range(2):
        for s in connections:
            s.sendall(HEALTH)
        for s in connections:
            data = b""
            while not data.endswith(b"}\n"):
                part = s.recv(65536)
                assert part, data
                data += part
            assert answers(data)[0].status == 200
    for s in connections:
        s.close()


def check_thousand_runs(server):
    """1,000 runs asked for at once: each is answered with its own output."""
    connections = [server.connect(600) for _ in range(1000)]
    for i, s in enumerate(connections):
        s.sendall(post({"code": f"print({i} * 3)"}, extra=b"Connection: close\r\n"))
    for i, s in enumerate(connections):
        answer = answers(receive(s))[0]
        assert answer.status == 200 and json.loads(answer.body)["stdout"] == f"{i * 3}\n", answer
        s.close()


def check_gone_in_a_run(server):
    for goodbye in "close", "reset", "half, then all":
        s = server.connect()
        s.sendall(post(LOOP))
        eventually(lambda: server.metric(BUSY) == 1)
        cancelled = server.metric(CANCELLED)
        if goodbye == "reset":
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if goodbye == "half, then all":
            s.shutdown(socket.SHUT_WR)
            select.select([s], [], [], PATIENCE)  # the beginning of an answer, which is not read
        s.close()
        eventually(lambda: server.metric(BUSY) == 0)
        assert server.metric(CANCELLED) == cancelled + 1
        assert run(server, "print(5)") == "5\n"


def check_half_closed(server):
    """Clients that have no more to ask wait for their answers: in a run, in the queue, of several
    requests; and whatever their version of HTTP."""
    cancelled = server.metric(CANCELLED)
    slow = {"code": "import time; time.sleep(1); print(11)"}
    requests = [post(slow), post(slow).replace(b"1.1", b"1.0", 1), post(slow) + post({"code": "print(12)"}),
                post({"executions": [slow, slow]}, "/v1/exec/batch"), post({"code": "print(11)  #" + "x" * 1000000})]
    some = [server.connect() for _ in requests]
    for s, request in zip(some, requests):
        s.sendall(request)
        s.shutdown(socket.SHUT_WR)
    found = [answers(receive(s)) for s in some]
    assert [a.status for these in found for a in these] == [200] * 6, found
    assert [len(these) for these in found] == [1, 1, 2, 1, 1], found
    assert all(b"11\\n" in these[0].body for these in found), found
    assert json.loads(found[2][1].body)["stdout"] == "12\n"
    assert server.metric(CANCELLED) == cancelled


def check_resets(server):
    """500 runs whose clients reset their connections, some waiting, some in a loop,
    some asleep, cost VMs and no process."""
    before = server.workers()
    sleep = {"code": "import time; time.sleep(250)", "timeout_seconds": 280}

    def reset(n):
        for i in range(125):
            s = server.connect()
            s.sendall(post(LOOP if i % 2 else sleep))
            time.sleep((i + n) % 5 * 0.003)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            s.close()

    threads = [threading.Thread(target=reset, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert run(server, "print(8)") == "8\n"
    assert server.metric('zeroboot_vms_discarded_total{reason="unfinished"}') > 0
    assert server.metric("zeroboot_worker_restarts_total") == 0
    assert server.workers() == before


def check_gone_in_the_queue(server):
    """Runs of clients that left are not run."""
    first = server.connect()
    first.sendall(post(LOOP))
    eventually(lambda: server.metric(BUSY) == 1)
    others = [server.connect() for _ in range(20)]
    for s in others:
        s.sendall(post(LOOP))
    eventually(lambda: server.metric("zeroboot_queue_depth") == 20)
    for s in others:
        s.close()
    eventually(lambda: server.metric("zeroboot_queue_depth") == 0)
    first.close()
    assert run(server, "print(6)") == "6\n"


def check_gone_from_a_batch(server):
    s = server.connect()
    s.sendall(post({"executions": [LOOP] * 5}, "/v1/exec/batch"))
    eventually(lambda: server.metric("zeroboot_queue_depth") == 4)
    s.close()
    eventually(lambda: server.metric("zeroboot_queue_depth") == 0 and server.metric(BUSY) == 0)


def check_pipelined(server):
    """Answers come in the order of the requests, whatever each takes."""
    slow, quick = post({"code": "import time; time.sleep(0.2); print('slow')"}), post({"code": "print('quick')"})
    head = HEALTH.replace(b"GET", b"HEAD")
    found = answers(server.ask(slow + HEALTH + quick + head + slow + CLOSING), heads={3})
    assert [a.status for a in found] == [200] * 6
    assert [json.loads(found[i].body)["stdout"] for i in (0, 2, 4)] == ["slow\n", "quick\n", "slow\n"]
    assert found[3].body == b"" and found[1].body == found[5].body


def check_storm(server):
    """Clients that connect and leave at every stage leave nothing behind."""
    request = post({"code": "print(1)"})

    def storm(n):
        for i in range(60):
            s = server.connect()
            s.sendall(request[:(i * 7 + n) % (len(request) + 1)])
            if i % 3 == 0:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            s.close()

    threads = [threading.Thread(target=storm, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    eventually(lambda: server.metric(BUSY) == 0 and server.metric("zeroboot_queue_depth") == 0)
    assert run(server, "print(7)") == "7\n"


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    report = Report("clients")
    with Server("--workers", "1", "--request-seconds", "2", "--idle-seconds", "3", "--max-queue", "1000") as server:
        report.check("a head that trickles in is cut off with 408", check_slow_head, server)
        report.check("so is a body", check_slow_body, server)
        report.check("slow senders delay nobody", check_delays_nobody, server)
        report.check("an idle connection is closed without a word", check_idle, server)
        report.line("nothing in the log but lines of requests", server.unexpected() or None)
    with Server("--workers", "1", "--max-queue", "1000") as server:
        report.check("a slow reader gets its answer and delays nobody", check_slow_reader, server)
        report.check("1,000 connections at once", check_thousand, server)
        report.check("1,000 runs at once", check_thousand_runs, server)
        report.check("a client that leaves in the middle of a run frees the worker", check_gone_in_a_run, server)
        report.check("500 runs that are given up start no worker anew", check_resets, server)
        report.check("a client that has no more to ask gets its answers", check_half_closed, server)
        report.check("clients that leave the queue are not run", check_gone_in_the_queue, server)
        report.check("a client that leaves in the middle of a batch", check_gone_from_a_batch, server)
        report.check("pipelined requests are answered in order", check_pipelined, server)
        report.check("clients that leave at every stage", check_storm, server)
        report.line("nothing in the log but lines of requests", server.unexpected() or None)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
