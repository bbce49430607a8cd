#!/usr/bin/env python3
"""What is done with a session beside an exec that is answered at its end: interrupts, answers that come
while it runs, its files."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import random
import socket
import sys
import tempfile
import zlib

from harness import PATIENCE, TOP, Report, Server, answers, eventually, post, send
from sessions import Client, Session, burst, ended
from stream import Stream, whole

SPIN = "print('on', flush=True)\nwhile True: pass"
DEAF = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"


@contextlib.contextmanager
def begun(server, s, code, **fields):
    """A streamed exec that has written its first line; then what else comes of it."""
    with server.connect() as connection:
        stream = Stream(connection, {"code": code, "stream": True, **fields}, path=f"/v1/sessions/{s.id}/exec")
        events = iter(stream)
        first = next(events)
        assert first[0] == "stdout" and first[1]["text"].startswith("on\n"), first
        yield events
        stream.file.close()


def interrupt(s, status=202):
    got, answer = s.ask("POST", "/interrupt")
    assert got == status, (got, answer)
    return answer


# ---- interrupts ----

def interrupts(server, client):
    """^C for what runs, in each language; the session goes on."""
    for language, code, value, expected in (("python", SPIN, "x", "1"), ("node", "console.log('on'); while (true);", "x", "1"),
                                            ("sh", "echo on; sleep 1000", "echo $x", "1\n")):
        s = client.make(language=language)
        s.run("x=1")
        for code in code, code:
            with begun(server, s, code, timeout_seconds=300) as events:
                assert interrupt(s)["state"] == "live"
                *_, (kind, result) = events
            assert kind == "result" and result["exit_code"] == 130 and result["status"] == "error", (language, result)
        answer = s.run(value)
        assert answer.get("result", answer["stdout"]) == expected, (language, answer)
        s.delete()


def printing_is_interrupted(server, client):
    """Wherever a program is when it is interrupted, also in the middle of a write: what it prints later is seen."""
    for language, code, last in (("python", "while True: print('on', flush=True)", "print('last')"),
                                 ("node", "while (true) { console.log('on'); console.error('on'); }", "console.log('last')"),
                                 ("node", "console.log('on'); while (true) { require('fs').writeSync(1, 'x'); await null; }", "console.log('last')"),
                                 ("sh", "while :; do echo on; done", "echo last")):
        s = client.make(language=language)
        for _ in range(10):
            with begun(server, s, code, timeout_seconds=PATIENCE) as events:
                interrupt(s)
                *_, (kind, result) = events
            assert kind == "result" and result["exit_code"] == 130, (language, result)
            answer = s.run(last)
            assert answer["stdout"] == "last\n" and answer["stderr"] == "", (language, answer)
        s.delete()


def nothing_to_interrupt(server, client):
    s = client.make()
    assert interrupt(s)["id"] == s.id
    s.run("x = 1")
    assert interrupt(s)["runs"] == 1
    assert s.ask("POST", "/interrupt", {"any": "body"})[0] == 202
    assert s.value("x") == "1"
    assert s.ask("GET", "/interrupt")[0] == 405
    s.run("raise SystemExit")
    interrupt(s, 410)
    s.delete()
    interrupt(s, 404)


def not_begun(server, client):
    """An exec that waits for a worker is interrupted as soon as it has one."""
    s, other = client.make(), client.make()
    with begun(server, other, SPIN, timeout_seconds=300):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(s.exec, "while True: pass", timeout_seconds=300)
            eventually(lambda: server.metric("zeroboot_queue_depth") == 1)
            interrupt(s)
            interrupt(other)
            status, answer = waiting.result()
    assert status == 200 and answer["exit_code"] == 130, (status, answer)
    s.delete()
    other.delete()


def many_interrupts(server, client):
    """However many come, what runs sees the last of them and nobody is harmed."""
    s = client.make()
    code = """import signal, time
seen = 0
def note(*_):
    global seen
    seen += 1
before = signal.signal(signal.SIGINT, note)
print('on', flush=True)
while True:
    if seen: break
"""
    failures = server.metric("zeroboot_worker_failures_total")
    with begun(server, s, code, timeout_seconds=300) as events:
        # All of them have been answered before the next exec.
        assert burst(client, "POST", f"/v1/sessions/{s.id}/interrupt", 2000).count(b"HTTP/1.1 202 ") == 2001
        *_, (kind, result) = events
    assert kind == "result" and result["status"] in ("ok", "error"), result
    assert int(s.value("signal.signal(signal.SIGINT, before); seen")) >= 1
    assert server.metric("zeroboot_worker_failures_total") == failures
    s.delete()


def late(server, client):
    """At its time limit an exec is interrupted, and the session goes on; or not, if that does not help."""
    s = client.make(on_timeout="interrupt")
    for code in "x = 1\nwhile True: pass", "import sys, time; x = 1; sys.stderr.write('open'); time.sleep(1000)":
        answer = s.run(code, timeout_seconds=1)
        assert answer["status"] == "timeout" and answer["exit_code"] == 130, answer
        assert answer["stderr"].endswith("\nKeyboardInterrupt\nExecution timed out after 1s"), answer
        assert s.value("x") == "1"
    answer = s.run("try:\n    time.sleep(1000)\nexcept KeyboardInterrupt: x = 2", timeout_seconds=1)
    assert answer["status"] == "timeout" and answer["exit_code"] == 0, answer
    assert s.run("x", timeout_seconds=1)["result"] == "2"
    assert s.run("x = 3\nwhile True: pass", timeout_seconds=1, on_timeout="rollback")["exit_code"] == -1
    assert s.value("x") == "2"
    answer = s.run(DEAF + SPIN, timeout_seconds=1)
    assert answer["status"] == "timeout" and answer["exit_code"] == -1 and answer["stdout"] == "on\n", answer
    ended(s, "by a timeout")
    s = client.make()
    assert s.run("while True: pass", timeout_seconds=1, on_timeout="interrupt")["exit_code"] == 130
    assert s.run("while True: pass", timeout_seconds=1, on_timeout="end")["exit_code"] == -1
    ended(s, "by a timeout")


def leaves(server, client):
    """A client that goes away interrupts as well: what runs has two seconds to end."""
    s = client.make(on_timeout="interrupt")
    code = "try:\n    print('on', flush=True)\n    while True: %s\nexcept KeyboardInterrupt: x = 2"
    for what in "pass", "print('much' * 10000)":
        s.run("x = 1")
        with begun(server, s, code % what, timeout_seconds=300):
            pass
        assert s.value("x") == "2"
    with begun(server, s, DEAF + SPIN, timeout_seconds=300):
        pass
    eventually(lambda: s.about()["state"] == "ended")
    ended(s, "went away")
    eventually(lambda: server.metric("zeroboot_concurrent_forks") == 0)
    s = client.make(on_timeout="interrupt")
    with begun(server, s, DEAF + SPIN, timeout_seconds=300):
        pass
    s.delete()
    assert s.ask()[0] == 404


# ---- answers that come while it runs ----

def streams(server, client):
    s = client.make()
    with server.connect() as connection:
        path = f"/v1/sessions/{s.id}/exec"
        for extra, more in (b"Accept: text/event-stream\r\n", {}), (b"", {"stream": True}):
            body = {"code": "import sys\nprint('é')\nx = 1\nprint('e', file=sys.stderr)\nx + 1", "nonsense": 1, **more}
            events = list(Stream(connection, body, extra, path))
            kind, result = events[-1]
            assert kind == "result" and result["result"] == "2" and result["warnings"] == ["nonsense: unknown field"], events
            assert whole(events, "stdout") == "é\n" and whole(events, "stderr") == "e\n" and result["stdout"] == ""
    plain = s.run("1")
    assert [key for key in plain if key != "result"] == [key for key in result if key not in ("result", "warnings")], (plain, result)
    with begun(server, s, "print('on')\nimport time\nwhile True: time.sleep(1)", on_timeout="rollback", timeout_seconds=300):
        pass
    assert s.value("x") == "1" and "time" not in s.value("dir()")
    # More than the rings have: the program waits until somebody reads.
    code = "print('on')\nfor i in range(40000): print('%07d' % i * 10)"
    with begun(server, s, code, timeout_seconds=300) as events:
        eventually(lambda: server.metric("zeroboot_output_held_bytes") > 0)
        text = whole(list(events), "stdout")
    assert text == "".join("%07d" % i * 10 + "\n" for i in range(40000)), len(text)
    assert s.value("i") == "39999"
    with server.connect() as connection:
        assert Stream(connection, {"code": "1", "stream": True, "memory_mb": 1}, path=path).status == 400
    with begun(server, s, "print('on')\nraise SystemExit(3)") as events:
        (kind, result), = events
    assert kind == "result" and result["exit_code"] == 3, result
    with server.connect() as connection:
        assert Stream(connection, {"code": "1", "stream": True}, path=path).status == 410
    ended(s, "program has ended")


def too_large(server):
    """What comes of it is told when its beginning has been sent."""
    client = Client(server)
    s = client.make()
    s.run("x = 1")
    with begun(server, s, "import os; print('on', flush=True); x = os.urandom(5 << 20)") as events:
        (kind, said), = events
    assert kind == "error" and "larger than 4 MiB" in said["error"], said
    assert s.value("x") == "1"


# ---- files ----

def file(s, method, path, body=None, **headers):
    """(status, type, bytes)"""
    c = http.client.HTTPConnection("127.0.0.1", s.client.port, timeout=PATIENCE)
    if s.client.key:
        headers["Authorization"] = f"Bearer {s.client.key}"
    with contextlib.closing(c):
        c.request(method, f"/v1/sessions/{s.id}/files/{path}", body, headers)
        answer = c.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read()


def get(s, path):
    status, kind, data = file(s, "GET", path)
    assert status == 200 and kind == "application/octet-stream", (path, status, kind, data)
    return data


def put(s, path, data):
    got = file(s, "PUT", path, data)
    assert got == (204, None, b""), (path, got)


def listing(s, path):
    status, kind, data = file(s, "GET", path)
    assert status == 200 and kind == "application/json", (path, status, kind, data)
    return {entry.pop("name"): entry for entry in json.loads(data)["entries"]}


def files(server, client):
    """Bytes as they are, whatever the language, before the first exec and afterwards."""
    whole_byte = bytes(range(256)) * 17
    for language, read in (("python", "len(open('d/e f', 'rb').read())"), ("node", "require('fs').readFileSync('d/e f').length"),
                           ("sh", "wc -c <'d/e f'")):
        s = client.make(language=language, files={"given": "text"}, env={"A": "b"})
        assert get(s, "given") == b"text" and s.about()["runs"] == 0
        put(s, "d/e%20f", whole_byte)
        assert get(s, "d/e%20f") == whole_byte
        answer = s.run(read)
        assert answer.get("result", answer["stdout"].strip()) == str(len(whole_byte)), (language, answer)
        put(s, "d/e%20f", b"")
        answer = s.run(read)
        assert answer.get("result", answer["stdout"].strip()) == "0", (language, answer)
        assert get(s, "d/e%20f") == b"" and s.about()["runs"] == 2
        assert file(s, "DELETE", "d/e%20f") == (204, None, b"")
        assert file(s, "GET", "d/e%20f")[0] == file(s, "DELETE", "d/e%20f")[0] == 404
        s.delete()


def untouched(server, client):
    """Whatever is done with files, the program goes on as if nothing had been."""
    s = client.make()
    s.run("import os, threading, time; seen = 0; os.mkdir('/tmp/w'); os.chdir('/tmp/w')\n"
          "def count():\n    global seen\n    while True: seen += 1\n"
          "threading.Thread(target=count, daemon=True).start(); os.urandom(1)")
    before = s.about()
    for path, expected in ("", {}), ("/", None), ("/tmp/", None), (".", {}):
        found = listing(s, path)
        assert expected is None or found == expected, (path, found)
    about = s.about()
    assert {**about, "last_used": 0} == {**before, "last_used": 0}, (before, about)
    # A thread that spins has not had a turn. What runs of it in the exec that asks is another matter.
    s.run("seen = 0; at = time.monotonic()")
    put(s, "a", b"1")
    for _ in range(20):
        assert get(s, "a") == b"1"
    forked, = s.fork()
    put(forked, "a", b"2")
    assert forked.value("open('a').read()") == "'2'" and s.value("open('a').read()") == "'1'"
    # A copy draws numbers of its own though a file was there first.
    other, = s.fork()
    s.run("import random; random.seed(1)")
    one, two = s.fork(2)
    put(one, "b", b"")
    assert one.value("random.random()") != two.value("random.random()") != str(random.Random(1).random())
    assert float(s.value("time.monotonic() - at")) < 20
    assert get(other, "a") == b"1"
    for one in s, forked, other, one, two:
        one.delete()


def directories(server, client):
    s = client.make()
    s.run("import os; os.makedirs('/tmp/x/sub'); os.chdir('/tmp/x'); os.symlink('a', 'link'); os.mkfifo('pipe'); open('a', 'w').write('123')\n"
          "open(b'\\xff\"', 'w').close()")
    assert listing(s, "") == listing(s, "/tmp/x") == listing(s, "%2ftmp%2Fx/") == {
        "a": {"type": "file", "size": 3}, "sub": {"type": "directory"}, "link": {"type": "link"}, "pipe": {"type": "other"},
        "\ufffd\"": {"type": "file", "size": 0}}, listing(s, "")
    assert listing(s, "sub/") == {} and get(s, "link") == get(s, "/tmp/x/a") == b"123" and get(s, "%ff%22") == b""
    assert {"app", "tmp", "usr"} <= listing(s, "/").keys()
    assert listing(s, "/usr/bin")["env"]["size"] > 0
    s.run("for i in range(3000): open(f'sub/{i:0200}', 'w').close()")
    status, _, data = file(s, "GET", "sub")
    answer = json.loads(data)
    assert status == 200 and 2000 < len(answer["entries"]) == 3000 - answer["left_out"], (status, len(answer["entries"]))
    s.delete()


def refused_files(server, client):
    s = client.make(files={"/tmp/d/f": "x"})
    for s in s, client.make(files={"/tmp/d/f": "x"}):
        for method, path, status, said in (
                ("PUT", "/tmp/d", 400, "is a directory"), ("DELETE", "/tmp/d", 400, "is a directory"), ("DELETE", "/tmp/d/", 400, "ends with"),
                ("PUT", "/tmp/d/f/g", 400, "no directory"), ("GET", "/tmp/d/f/g", 400, "no directory"), ("PUT", "a/", 400, "ends with"),
                ("PUT", "", 400, "empty"), ("GET", "../x", 400, ".."), ("GET", "a/%2e%2e/x", 400, ".."), ("PUT", "a%00b", 400, "NUL"),
                ("GET", "/dev/null", 400, "no regular file"), ("GET", "/proc/1/maps", 400, "no regular file"), ("GET", "/proc", 400, "no regular file"),
                ("GET", "none", 404, "is not there"), ("DELETE", "/tmp/none", 404, "is not there"), ("PUT", "a" * 256, 400, "too long"),
                ("PUT", "a/" * 4000 + "b", 400, "too"), ("GET", "a%2", 400, None), ("GET", "a%zz", 400, None)):
            got, kind, data = file(s, method, path, b"x" if method == "PUT" else None)
            assert got == status and kind == "application/json", (method, path, got, data)
            assert said is None or said in json.loads(data)["error"], (method, path, data)
        for method in "POST", "PATCH":
            assert file(s, method, "a", b"")[0] == 405, method
        assert file(s, "PUT", "a", b"x", **{"Content-Encoding": "gzip"})[0] == 415
        assert file(s, "PUT", "a", b"x", **{"Content-Type": "image/png"})[0] == 204
        assert s.value("open('/tmp/d/f').read(), open('a').read()") == "('x', 'x')"
    s.run("import os; os.symlink('/etc', '/app/out'); os.chdir('/app')")
    got, _, data = file(s, "PUT", "out/x", b"")
    assert got == 400 and b"leaves the working directory" in data, (got, data)
    head = file(s, "HEAD", "a")
    assert head == (200, "application/octet-stream", b""), head
    s.run("raise SystemExit")
    assert file(s, "GET", "a")[0] == file(s, "PUT", "a", b"")[0] == 410
    s.delete()
    assert file(s, "GET", "a")[0] == file(s, "PUT", "a", b"")[0] == file(s, "DELETE", "a")[0] == 404


def deleted_before_it_is_made(server, client):
    """One whose first files are still to be written is listed, and can be deleted."""
    busy = client.make()
    with begun(server, busy, SPIN, timeout_seconds=300) as events, concurrent.futures.ThreadPoolExecutor() as pool:
        known = lambda: {s["id"] for s in client.ask("GET", "/v1/sessions")[1]["sessions"]}
        before = known()
        made = pool.submit(client.ask, "POST", "/v1/sessions", {"files": {"f": "x" * 500000}})
        eventually(lambda: known() - before)
        number, = known() - before
        assert client.ask("DELETE", f"/v1/sessions/{number}")[0] == 204
        status, answer = made.result()
        assert status == 409 and "deleted" in answer["error"], (status, answer)
        assert known() == before
        interrupt(busy)
        list(events)
    s = client.make(files={"f": "y"})
    assert s.value("open('f').read()") == "'y'"
    s.delete()
    busy.delete()


def left_before_it_is_made(server, client):
    """A client that goes away before it is told of its session has none."""
    busy = client.make()
    known = lambda: {s["id"] for s in client.ask("GET", "/v1/sessions")[1]["sessions"]}
    with begun(server, busy, SPIN, timeout_seconds=300) as events:
        before = known()
        with server.connect() as connection:
            body = json.dumps({"files": {"f": "x"}}).encode()
            connection.sendall(b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                               b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            eventually(lambda: known() - before)
            # It does not only say that it has no more to ask.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        eventually(lambda: known() == before)
        interrupt(busy)
        list(events)
    busy.delete()


def large_files(server, client):
    """Up to --max-body in, --max-outputs out; beyond that, and beyond --session-memory, nothing has happened."""
    data = random.Random(1).randbytes(2000000)
    s = client.make()
    put(s, "large", data)
    assert get(s, "large") == data
    s.run("import zlib\nwith open('large', 'rb') as f:\n    crc = 0\n    while part := f.read(4096): crc = zlib.crc32(part, crc)")
    assert s.value("crc") == str(zlib.crc32(data))
    status, _, said = file(s, "PUT", "more", 2 * data)
    assert status == 507 and b"4 MiB" in said, (status, said)
    assert file(s, "GET", "more")[0] == 404 and get(s, "large") == data
    assert file(s, "PUT", "more", bytes(5 << 20))[0] == 413
    s.run("with open('holes', 'wb') as f: f.truncate(2 << 20)")
    assert get(s, "holes") == bytes(2 << 20)
    s.run("import os; os.truncate('holes', (3 << 20) + 1)")
    status, _, said = file(s, "GET", "holes")
    assert status == 413 and b"--max-outputs" in said, (status, said)
    s.delete()


def files_in_turn(server, client):
    """A file waits for the exec that runs, and an exec for it."""
    s = client.make()
    with begun(server, s, "print('on', flush=True)\nwhile True: pass", timeout_seconds=300, on_timeout="interrupt"):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            waiting = pool.submit(put, s, "a", b"1")
            for _ in range(20):
                s.about()
            assert not waiting.done()
            interrupt(s)
            waiting.result()
    assert s.value("open('a').read()") == "'1'"
    # Many on one connection, some of which are sent before the others are answered.
    with server.connect() as connection:
        base = f"/v1/sessions/{s.id}/files"
        one = post(b"", f"{base}/b", b"").replace(b"POST", b"PUT") + f"GET {base}/b HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        send(connection, b"".join(one.replace(b"Content-Length: 0\r\n\r\n", b"Content-Length: 100000\r\n\r\n" + bytes([i]) * 100000)
                                  for i in range(5)) + f"GET {base}/b HTTP/1.1\r\nConnection: close\r\nHost: a\r\n\r\n".encode())
        got = answers(connection.makefile("rb").read())
    assert [a.status for a in got] == [204, 200] * 5 + [200], got
    assert [a.body for a in got[1::2]] == [bytes([i]) * 100000 for i in range(5)]
    s.delete()


def forks_in_turn(server, client):
    """A fork waits for what has come before it: it has what that has made of the session."""
    s = client.make(on_timeout="interrupt")
    s.run("x = 1")
    with begun(server, s, "x = 2\n" + SPIN, timeout_seconds=300), concurrent.futures.ThreadPoolExecutor(2) as pool:
        one = pool.submit(s.fork, 2)
        for _ in range(20):
            s.about()
        assert not one.done()
        interrupt(s)
        made = one.result()
    with begun(server, s, "x = 3\n" + SPIN, timeout_seconds=300), concurrent.futures.ThreadPoolExecutor(2) as pool:
        later = pool.submit(s.run, "x = 4")
        for _ in range(20):
            s.about()
        two = pool.submit(s.fork)
        for _ in range(20):
            s.about()
        assert not later.done() and not two.done()
        interrupt(s)
        made += two.result()
        later.result()
    assert [one.value("x") for one in made] == ["2", "2", "4"]
    with begun(server, s, SPIN, timeout_seconds=300), concurrent.futures.ThreadPoolExecutor(1) as pool:
        gone = pool.submit(s.ask, "POST", "/fork", {})
        for _ in range(20):
            s.about()
        s.delete()
        assert gone.result()[0] == 409, gone.result()
    for one in made:
        one.delete()


def warnings(server, client):
    """What is not as it was asked for is named in every answer."""
    unknown = ["nonsense: unknown field"]
    status, answer = client.ask("POST", "/v1/sessions", {"idle_seconds": 10 ** 9, "nonsense": 1})
    assert status == 201 and answer["idle_seconds"] == 31622400, answer
    assert answer["warnings"] == ["idle_seconds: at most 31622400"] + unknown, answer
    s = Session(client, answer["id"])
    assert "warnings" not in s.about()
    for _ in range(2):
        status, answer = s.ask("POST", "/fork", {"count": 2, "nonsense": 1})
        assert status == 201 and answer["warnings"] == unknown and "warnings" not in answer["sessions"][0], answer
        for one in answer["sessions"]:
            Session(client, one["id"]).delete()
        assert "warnings" not in s.ask("POST", "/fork", {})[1]
        s.run("x = 1")  # the next fork waits for what is kept of it
    status, answer = s.ask("POST", "/template", {"name": "warned", "nonsense": 1})
    assert status == 201 and answer["warnings"] == unknown, answer
    status, answer = client.ask("GET", "/v1/templates")
    assert "warnings" not in answer["templates"][0], answer
    assert client.ask("DELETE", "/v1/templates/warned")[0] == 204
    status, answer = client.ask("POST", "/v1/sessions", {"language": "py\0thon"})
    assert status == 400 and answer["error"] == "language: has a NUL byte, at byte 13", answer
    s.delete()


def keys(server):
    one, two = Client(server, "key-one-000000000000"), Client(server, "key-two-000000000000")
    s = one.make(files={"f": "x"})
    other = Session(two, s.id)
    interrupt(other, 404)
    interrupt(s)
    assert Client(server).ask("POST", f"/v1/sessions/{s.id}/interrupt")[0] == 401
    for method in "GET", "PUT", "DELETE":
        assert file(other, method, "f", b"y")[0] == 404 and file(Session(Client(server), s.id), method, "f", b"y")[0] == 401, method
    assert get(s, "f") == b"x"


def main():
    report = Report("session_api")
    os.chdir(TOP)
    with Server("--workers", "1", "--session-memory", "4", "--max-body", "4", "--max-outputs", "3") as server:
        client = Client(server)
        report.check("what runs is interrupted, and the session goes on", interrupts, server, client)
        report.check("what prints is interrupted, and is heard later", printing_is_interrupted, server, client)
        report.check("an interrupt where nothing runs", nothing_to_interrupt, server, client)
        report.check("what waits for a worker is interrupted when it begins", not_begun, server, client)
        report.check("many interrupts", many_interrupts, server, client)
        report.check("on_timeout interrupt", late, server, client)
        report.check("a client that goes away interrupts what runs", leaves, server, client)
        report.check("an exec that is answered as it writes", streams, server, client)
        report.check("one that makes its session too large", too_large, server)
        report.check("files are read, written and deleted as bytes", files, server, client)
        report.check("the program knows nothing of it", untouched, server, client)
        report.check("a directory is listed", directories, server, client)
        report.check("a path that is none, and what is no file", refused_files, server, client)
        report.check("one is deleted before its files are written", deleted_before_it_is_made, server, client)
        report.check("a client goes away before its session is made", left_before_it_is_made, server, client)
        report.check("large files", large_files, server, client)
        report.check("files and execs wait for each other", files_in_turn, server, client)
        report.check("a fork waits for the execs before it", forks_in_turn, server, client)
        report.check("unknown fields and values that are too large are named", warnings, server, client)
        report.line("nothing unexpected is in the log", server.unexpected() or None)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(["key-one-000000000000", "key-two-000000000000"], file)
        file.flush()
        with Server("--workers", "1", environment={**os.environ, "ZEROBOOT_API_KEYS_FILE": file.name}) as server:
            report.check("a session is its key's alone", keys, server)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
