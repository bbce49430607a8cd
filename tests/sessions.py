#!/usr/bin/env python3
"""Sessions of a server: what stays and what does not, whose they are, forks, ends, limits, and workers
that die in the middle."""
import ast
import concurrent.futures
import contextlib
import http.client
import json
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time

from harness import PATIENCE, TOP, Report, Server, answers, eventually, post, receive


FRESH = 'zeroboot_forks_total{kind="fresh"}'


class Client:
    def __init__(self, server, key=None):
        self.port, self.key = server.port, key

    def ask(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(c):
            c.request(method, path, None if body is None else json.dumps(body),
                      {"Authorization": f"Bearer {self.key}"} if self.key else {})
            answer = c.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None

    def make(self, **what):
        status, answer = self.ask("POST", "/v1/sessions", what)
        assert status == 201, (status, answer)
        return Session(self, answer["id"])


class Session:
    def __init__(self, client, number):
        self.client, self.id = client, number

    def ask(self, method="GET", more="", body=None):
        return self.client.ask(method, f"/v1/sessions/{self.id}{more}", body)

    def exec(self, code, **what):
        return self.ask("POST", "/exec", {"code": code, **what})

    def run(self, code, **what):
        status, answer = self.exec(code, **what)
        assert status == 200, (status, answer)
        return answer

    def value(self, code):
        return self.run(code).get("result")

    def fork(self, count=1):
        status, answer = self.ask("POST", "/fork", {"count": count})
        assert status == 201 and len(answer["sessions"]) == count, (status, answer)
        return [Session(self.client, one["id"]) for one in answer["sessions"]]

    def delete(self):
        assert self.ask("DELETE") == (204, None)

    def about(self):
        status, answer = self.ask()
        assert status == 200, (status, answer)
        return answer


# ---- what stays ----

def stays(client):
    s = client.make(language="python", env={"A": "b"}, files={"/tmp/given": "text"})
    assert s.about()["state"] == "parked" and s.about()["runs"] == 0, s.about()
    answer = s.run("import json as j, os\nx = [1]\nos.mkdir('/tmp/d'); os.chdir('/tmp/d')\nprint(os.environ['A'], open('/tmp/given').read())")
    assert answer["stdout"] == "b text\n" and "result" not in answer and answer["status"] == "ok", answer
    assert s.value("x.append(2); open('f', 'w').write('kept')") == "4"
    answer = s.run("print('out'); j.dumps(x), os.getcwd(), open('f').read()", args=["a"], stdin="in")
    assert (answer["stdout"], answer["result"]) == ("out\n", "('[1, 2]', '/tmp/d', 'kept')"), answer
    answer = s.run("1 / 0")
    assert answer["status"] == "error" and answer["exit_code"] == 1 and "ZeroDivisionError" in answer["stderr"], answer
    assert s.value("len(x)") == "2"
    answer = s.run("open('out', 'w').write('file')", outputs=["out"])
    assert answer["files"] == {"out": "file"}, answer
    about = s.about()
    assert about["state"] == "parked" and about["runs"] == 6 and 0.01 < about["memory_mb"] < 1, about
    assert s.run("x", lang="py")["warnings"] == ["lang: unknown field"]
    s.delete()
    assert s.ask()[0] == s.exec("x")[0] == s.ask("DELETE")[0] == s.ask("POST", "/fork", {})[0] == 404


def grows(client):
    """What counts no more is given back, and what is large comes back whole."""
    s = client.make()
    s.run("import hashlib, random\nr = random.Random(1)\nb = bytearray(10 << 20)\n"
          "for i in range(0, len(b), 65536): b[i:i + 65536] = r.randbytes(65536)")
    size = s.about()["memory_mb"]
    assert 10 < size < 12, size
    expected = s.value("hashlib.sha256(b).hexdigest()")
    for i in range(5):
        s.run(f"b[{i}::4096] = bytes(len(b[{i}::4096]))")
    assert s.about()["memory_mb"] < 2.2 * size, s.about()
    assert s.value("len(b), hashlib.sha256(b).hexdigest() == %s" % expected) == "(10485760, False)"
    s.run("b = None")
    assert s.about()["memory_mb"] < 1, s.about()
    # More than one may have (64 MiB), one after the other.
    s.run("import mmap; b = mmap.mmap(-1, 30 << 20)")
    for _ in range(5):
        s.run("b.close(); b = mmap.mmap(-1, 30 << 20)\nfor _ in range(480): b.write(r.randbytes(65536))")
    s.run("b.close()")
    assert s.about()["memory_mb"] < 1, s.about()
    s.delete()
    s = client.make()
    s.run("b = bytes(range(256)) * 40000; b = bytearray(b)")
    size = s.about()["memory_mb"]
    assert 9 < size < 11, size
    s.delete()


def usage(client):
    """Of an exec, not of the session so far."""
    s = client.make()
    calls = [s.exec("1 + 1")[1]["usage"]["system_calls"] for _ in range(30)]
    assert 0 < calls[-1] == calls[-2] == calls[-10] < 30, calls
    assert s.exec("import os\nfor _ in range(1000): os.getppid()")[1]["usage"]["system_calls"] >= 1000
    s.delete()


def clocks(client):
    s = client.make()
    s.run("import time; before = time.monotonic()")
    time.sleep(1.5)
    assert s.value("time.monotonic() - before < 1.4 and abs(time.time() - %f) < 60" % time.time()) == "True"
    s.delete()


def many_ways(client, runs=40):
    """Ordinary runs and sessions in the same workers know nothing of each other."""
    made = [client.make() for _ in range(6)]
    for s in made:
        s.run(f"name = '{s.id}'; n = 0")

    def one(i):
        if i % 3 == 0:
            status, answer = client.ask("POST", "/v1/exec", {"code": "import os\nprint('name' in globals(), os.path.exists('/tmp/mark'))"})
            return status == 200 and answer["stdout"] == "False False\n", answer
        s = made[i % len(made)]
        answer = s.run("open('/tmp/mark', 'w').write(name); n += 1; name")
        return answer["result"] == f"'{s.id}'", answer
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(one, range(runs)))
    assert all(good for good, _ in results), [answer for good, answer in results if not good][:3]
    counts = sum(int(s.value("n")) for s in made)
    assert counts == sum(i % 3 != 0 for i in range(runs)), counts
    for s in made:
        s.delete()


def hang(client, s):
    """An exec that goes on until its connection is closed."""
    c = http.client.HTTPConnection("127.0.0.1", client.port, timeout=PATIENCE)
    c.request("POST", f"/v1/sessions/{s.id}/exec", json.dumps({"code": "while True: pass", "on_timeout": "rollback"}))
    return c


def draws(client):
    """The kernel's random bytes are fresh in each exec, however many the one before has
    taken, in a VM that goes on and in another one."""
    s, seen = client.make(), []
    s.run("import os")
    for n in (16, 400, 16, 20000, 16, 16, 7000, 9000, 1, 16):
        seen += ast.literal_eval(s.value(f"os.urandom({n})[-16:], os.urandom(16), os.urandom(16)"))[n < 16:]
        if n == 9000:
            client.ask("POST", "/v1/exec", {"code": "print(1)"})
    copy, = s.fork()
    for one in s, copy:
        seen += ast.literal_eval(one.value("os.urandom(16), os.urandom(16)"))
        one.delete()
    assert len(set(seen)) == len(seen) and all(len(set(some)) > 4 for some in seen), seen


def in_turn(server, client):
    """Execs of one session that come at the same time wait for each other; one too many is refused."""
    s = client.make()
    s.run("seen = []")
    running = hang(client, s)
    eventually(lambda: server.metric("zeroboot_concurrent_forks") == 1)
    with concurrent.futures.ThreadPoolExecutor(17) as pool:
        execs = [pool.submit(s.exec, f"seen.append({i})") for i in range(17)]
        eventually(lambda: any(one.done() for one in execs))
        fresh = server.metric(FRESH)
        running.close()
        statuses = [one.result()[0] for one in execs]
    assert sorted(statuses) == 16 * [200] + [503], statuses
    # They go on in one VM: nobody else has wanted it.
    assert server.metric(FRESH) <= fresh + 2, (fresh, server.metric(FRESH))
    assert s.value("sorted(seen)") == str([i for i in range(17) if statuses[i] == 200])
    s.delete()


def goes_on(server, client):
    """Runs that have other workers leave a session's VM as it is: what has page tables of its own would
    need a new one, where paging is shadowed."""
    s = client.make()
    s.run("import os; pid = os.fork(); pid or os._exit(0); os.waitpid(pid, 0)")

    def undisturbed():
        before = server.metric(FRESH)
        for _ in range(4):
            s.run("1")
            assert client.ask("POST", "/v1/exec", {"code": "print(1)"})[0] == 200
        return server.metric(FRESH) == before
    eventually(undisturbed)
    s.delete()


# ---- forks ----

def forks(client):
    s = client.make()
    s.run("import os, random\nx = [1]\nrandom.seed(42)")
    forked = s.fork(3)
    assert len({f.id for f in forked} | {s.id}) == 4
    for i, f in enumerate(forked):
        f.run(f"x.append({i} + 10)")
    assert [f.value("x") for f in forked] == ["[1, 10]", "[1, 11]", "[1, 12]"] and s.value("x") == "[1]"
    deeper, = forked[0].fork()
    s.delete()
    forked[1].delete()
    assert deeper.value("x") == "[1, 10]" and forked[2].value("x") == "[1, 12]"
    for draw in "os.urandom(8)", "random.random()":
        draws = {f.value(draw) for f in (forked[0], forked[2], deeper)}
        assert len(draws) == 3 and str(random.Random(42).random()) not in draws, draws
    for f in (forked[0], forked[2], deeper):
        f.delete()
    fresh = client.make(env={"A": "b"})
    one, = fresh.fork()
    assert one.value("import os; os.environ['A']") == "'b'" and fresh.value("import os; os.environ['A']") == "'b'"
    assert fresh.ask("POST", "/fork", {"count": 101})[0] == fresh.ask("POST", "/fork", {"count": 0})[0] == 400
    one.delete()
    fresh.delete()


# ---- ends ----

def ended(s, why):
    assert s.about()["state"] == "ended" and why in s.about()["reason"], s.about()
    for status, answer in s.exec("1"), s.ask("POST", "/fork", {}):
        assert status == 410 and why in answer["error"], (status, answer)
    s.delete()


def ends(client):
    s = client.make()
    answer = s.run("import sys; print('bye'); sys.exit(3)")
    assert (answer["stdout"], answer["exit_code"], answer["session_ended"]) == ("bye\n", 3, True), answer
    ended(s, "program has ended")
    s = client.make()
    assert "session_ended" not in s.run("1/0")
    answer = s.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert answer["status"] == "signal", answer
    ended(s, "program has ended")
    s = client.make()
    assert s.run("while True: pass", timeout_seconds=1)["status"] == "timeout"
    ended(s, "timeout")
    for made, more in ({"on_timeout": "rollback"}, {}), ({}, {"on_timeout": "rollback"}):
        s = client.make(**made)
        s.run("x = 1")
        assert s.run("x = 2\nwhile True: pass", timeout_seconds=1, **more)["status"] == "timeout"
        assert s.value("x") == "1"
        s.delete()
    assert client.ask("POST", "/v1/sessions", {"on_timeout": "never"})[0] == 400


def leaves(server, client):
    """A client that goes away is as a timeout; one that only waited is not missed."""
    s, kept = client.make(), client.make(on_timeout="rollback")
    for one in s, kept:
        one.run("x = 1")
        c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        before = server.metric("zeroboot_cancelled_total")
        c.request("POST", f"/v1/sessions/{one.id}/exec", json.dumps({"code": "x = 2\nwhile True: pass"}))
        eventually(lambda: server.metric("zeroboot_concurrent_forks") == 1)
        c.close()
        eventually(lambda: server.metric("zeroboot_cancelled_total") == before + 1)
    ended(s, "went away")
    assert kept.value("x") == "1"
    kept.delete()


def deleted_in_run(server, client):
    s = client.make()
    s.run("x = 1")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(s.exec, "while True: pass") for _ in range(2)]
        eventually(lambda: server.metric("zeroboot_concurrent_forks") == 1)
        s.delete()
        assert sorted(run.result()[0] for run in runs) in ([404, 409], [409, 409]), [run.result() for run in runs]
    assert s.ask()[0] == 404


def killed(server, client):
    """A worker that is killed in an exec: 500, and the session is as it was."""
    s = client.make()
    s.run("x = 1")
    failures, dead = server.metric("zeroboot_worker_failures_total"), set()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        run = pool.submit(s.exec, "x = 2\nwhile True: pass")
        eventually(lambda: server.metric("zeroboot_concurrent_forks") == 1)
        while not run.done():
            for pid in server.workers():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                dead.add(str(pid))
            time.sleep(0.05)
        status, answer = run.result()
    assert status == 500 and "worker" in answer["error"], (status, answer)
    assert server.metric("zeroboot_worker_failures_total") == failures + 1
    # One that is not missed yet may be given an exec.
    eventually(lambda: dead.isdisjoint(server.children()))
    assert s.value("x") == "1"
    s.delete()


def killed_after_answer(server, client):
    """A worker that is killed once an exec is answered and before its session is saved: the
    next request says so, and runs nothing; so does a fork. What is killed later is kept."""
    lost, n = server.metric("zeroboot_sessions_lost_total"), 0
    seen = {"exec": False, "fork": False}
    s = client.make()
    s.run("n = 0")
    for _ in range(100):
        s.run(f"n += 1; x = bytes([n]) * (12 << 20)")  # some ms to save
        dead = set(map(str, server.workers()))
        for pid in dead:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        path, body = ("fork", {}) if seen["exec"] else ("exec", {"code": "n = 100"})
        status, answer = s.ask("POST", "/" + path, body)
        eventually(lambda: dead.isdisjoint(server.children()))
        if status == 500 and "lost" in answer["error"]:
            seen[path] = True
            assert s.about()["state"] == "parked"
        else:
            assert status in (200, 201), (status, answer)
            n += 1
            for copy in answer.get("sessions", ()):
                client.ask("DELETE", "/v1/sessions/" + copy["id"])
            if path == "exec":
                s.run(f"n = {n}")
        assert s.value(f"n, x == bytes([n]) * (12 << 20) if n else 0") == (f"({n}, True)" if n else "(0, 0)")
        if all(seen.values()):
            break
    assert all(seen.values()), seen
    assert server.metric("zeroboot_sessions_lost_total") >= lost + 2
    eventually(lambda: server.logged().count(b"was answered and is lost") >= 2)
    s.delete()


# ---- what is refused ----

def refused(client):
    s = client.make()
    for path in "/v1/sessions/none", f"/v1/sessions/{s.id[:-1]}", f"/v1/sessions/{s.id}x", f"/v1/sessions/{'0' * 36}":
        assert client.ask("GET", path)[0] == client.ask("DELETE", path)[0] == 404, path
        assert client.ask("POST", path + "/exec", {"code": "1"})[0] == 404, path
    for more in "/templates", "/files", "/exec/more", "/":
        assert s.ask("POST", more, {})[0] == 404, more
    for method, more in ("PUT", ""), ("POST", ""), ("GET", "/exec"), ("DELETE", "/fork"):
        assert s.ask(method, more, {})[0] == 405, (method, more)
    for body in {"language": "none"}, {"idle_seconds": -1}, {"idle_seconds": "1"}, {"env": 1}, {"files": {"..": ""}}, []:
        assert client.ask("POST", "/v1/sessions", body)[0] == 400, body
    for body in {}, {"code": 1}, {"code": "1", "timeout_seconds": 0}, {"code": "1", "on_timeout": "never"}:
        assert s.ask("POST", "/exec", body)[0] == 400, body
    count = len(client.ask("GET", "/v1/sessions")[1]["sessions"])
    for path in "/etc", "/proc/stat", "/etc/passwd/x":
        for language in "python", "sh":
            status, answer = client.ask("POST", "/v1/sessions", {"language": language, "files": {"good": "x", path: "x"}})
            assert status == 400 and path in answer["error"], (status, answer)
    assert len(client.ask("GET", "/v1/sessions")[1]["sessions"]) == count
    status, answer = client.ask("POST", "/v1/sessions", {"files": {"good": "x"}, "lang": "sh"})
    assert status == 201 and answer["warnings"] == ["lang: unknown field"], (status, answer)
    status, answer = s.exec("1", files={"/etc": "x"})
    assert status == 400 and "/etc" in answer["error"], (status, answer)
    assert s.value("6 * 7") == "42"
    s.delete()


def keys(server):
    """A session is its key's alone."""
    one, two = Client(server, "key-one-000000000000"), Client(server, "key-two-000000000000")
    s = one.make()
    s.run("secret = 1")
    other = Session(two, s.id)
    assert other.ask()[0] == other.ask("DELETE")[0] == other.exec("secret")[0] == other.ask("POST", "/fork", {})[0] == 404
    assert [x["id"] for x in one.ask("GET", "/v1/sessions")[1]["sessions"]] == [s.id]
    assert two.ask("GET", "/v1/sessions") == (200, {"sessions": []})
    for path in "/v1/sessions", f"/v1/sessions/{s.id}":
        assert Client(server).ask("GET", path)[0] == 401
    assert s.value("secret") == "1"
    # A fork costs one request for each copy, and what has no body one.
    bodiless = ("GET", "/v1/sessions"), ("GET", f"/v1/sessions/{s.id}"), ("DELETE", f"/v1/sessions/{'0' * 36}")
    paid(lambda: sum(100 for _ in range(3) if s.ask("POST", "/fork", {"count": 100})[0] == 201))
    for method, path in bodiless:
        paid(lambda: 301 - burst(one, method, path).count(b"HTTP/1.1 429 "))
    for method, path, body in (*((*what, None) for what in bodiless), ("POST", f"/v1/sessions/{s.id}/fork", {})):
        eventually(lambda: owes(one) and one.ask(method, path, body)[0] == 429)
    eventually(lambda: s.ask("DELETE")[0] == 204)


def paid(requests):
    """Of a key's requests there went no more than it had saved and what came meanwhile, however long that took."""
    start = time.monotonic()
    went = requests()
    assert went <= 101 + 100 * (time.monotonic() - start), went


def owes(client):
    """What a key has had is more than what comes in seconds; it costs one run."""
    many = {"code": "1", "inputs": [{"stdin": ""}] * 1000}
    return client.ask("POST", "/v1/exec/batch", many)[0] in (200, 429)


def burst(client, method, path, count=300):
    """What comes of so many requests that are sent at once."""
    request = f"{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {client.key}\r\n"
    with socket.create_connection(("127.0.0.1", client.port), PATIENCE) as s, s.makefile("rb") as answers:
        sender = threading.Thread(target=s.sendall, args=(f"{request}\r\n".encode() * count + f"{request}Connection: close\r\n\r\n".encode(),))
        sender.start()
        text = answers.read()
        sender.join()
    assert text.count(b"HTTP/1.1 ") == count + 1, text[-300:]
    return text


def until_full(s):
    """What is said when the session may not grow any more."""
    status = 200
    while status == 200:
        status, answer = s.exec("import os; x = [*globals().get('x', []), os.urandom(1 << 19)]; len(x)")
    assert status == 507, (status, answer)
    return answer["error"]


def shares(server):
    """Whatever one key takes, there is some left for another."""
    one, two = Client(server, "key-one-000000000000"), Client(server, "key-two-000000000000")
    made = [one.make() for _ in range(5)]
    assert one.ask("POST", "/v1/sessions", {})[0] == made[0].ask("POST", "/fork", {})[0] == 503
    others = [two.make() for _ in range(3)]
    assert two.ask("POST", "/v1/sessions", {})[0] == 503
    for s in made[:3]:
        said = until_full(s)
    assert "together" in said, said
    others[0].run("import os; x = os.urandom(1 << 20)")
    made[0].delete()
    assert made[1].value("6 * 7") == others[1].value("6 * 7") == "42"


def first(server, client):
    """What a session is made with counts before it has run, and forks share it."""
    files = {"/tmp/a": "x" * 2000000}
    s = client.make(files=files)
    s.about()  # it is kept by now
    held = server.metric("zeroboot_sessions_bytes")
    assert 2000000 < held < 2200000, held
    forked = s.fork(2)
    assert server.metric("zeroboot_sessions_bytes") == held
    forked.pop().delete()
    other = client.make(files=files)
    status, answer = client.ask("POST", "/v1/sessions", {"files": {"/tmp/a": "x" * 5000000}})
    assert status == 507 and "together" in answer["error"], (status, answer)
    s.delete()
    one, = forked
    assert one.value("import os; os.path.getsize('/tmp/a')") == "2000000"
    assert one.value("os.path.getsize('/tmp/a')") == "2000000"
    one.delete()
    other.delete()
    assert server.metric("zeroboot_sessions_bytes") == 0


def limits(server):
    client = Client(server)
    first(server, client)
    made = [client.make() for _ in range(4)]
    status, answer = client.ask("POST", "/v1/sessions", {})
    assert status == 503 and "too many sessions" in answer["error"], (status, answer)
    assert made[0].ask("POST", "/fork", {})[0] == 503
    made.pop().delete()
    s = made[0]
    s.run("import os; y = 1")
    status, answer = s.exec("y = os.urandom(5 << 20)")
    assert status == 507 and "larger than 4 MiB" in answer["error"], (status, answer)
    assert s.value("y") == "1"
    # Each may have 4 MiB, all together 8.
    said = [until_full(one) for one in made]
    assert "larger than 4 MiB" in said[0] and "together" in said[-1], said
    assert all(one.value("len(x[0])") == "524288" for one in made[:2])
    for one in made:
        one.delete()
    assert server.metric("zeroboot_sessions") == 0 and server.metric("zeroboot_sessions_bytes") == 0


def idle(server):
    """A session that nobody asks for goes; a GET and a fork are requests as well."""
    client = Client(server)
    before = server.metric("zeroboot_sessions_expired_total")
    s, left = client.make(idle_seconds=1), client.make(idle_seconds=1)
    for one in s, left:
        one.run("x = 1")
    asked, pause = time.monotonic(), 0
    while server.metric("zeroboot_sessions_expired_total") == before:
        s.ask()
        pause, asked = max(pause, time.monotonic() - asked), time.monotonic()
    status = s.ask()[0]
    # It is there, unless this machine stood still.
    assert status == 200 or max(pause, time.monotonic() - asked) > 0.5
    eventually(lambda: server.metric("zeroboot_sessions_expired_total") == before + 2)
    assert s.ask()[0] == left.ask()[0] == 404


def ends_with_server():
    """An exec that runs is waited for; sessions end with the server."""
    with Server("--workers", "1") as server:
        client = Client(server)
        s = client.make()
        s.run("import time")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            run = pool.submit(s.exec, "time.sleep(1); 'done'")
            eventually(lambda: server.metric("zeroboot_concurrent_forks") == 1)
            server.process.terminate()
            status, answer = run.result()
            assert status == 200 and answer["result"] == "'done'", (status, answer)
        assert server.process.wait(PATIENCE) == 0
        assert not server.unexpected(), server.unexpected()


def waits_for_no_turn():
    """At an end what runs is waited for, and what waits for its turn is told."""
    with Server("--workers", "1") as server:
        s = Client(server).make(language="sh")
        path = f"/v1/sessions/{s.id}/exec"
        with server.connect() as first, server.connect() as second, server.connect() as third:
            first.sendall(post({"code": "sleep 1000", "timeout_seconds": 300}, path))
            eventually(lambda: server.metric("zeroboot_concurrent_forks") == 1)
            for waiting in second, third:
                waiting.sendall(post({"code": "echo"}, path))
            assert s.about()["state"] == "live"
            server.process.terminate()
            for waiting in second, third:
                answer, = answers(receive(waiting))
                assert answer.status == 503 and b"draining" in answer.body, answer
            assert server.process.poll() is None
        assert server.process.wait(PATIENCE) == 0


def no_place():
    """An exec whose turn comes while the queue is full is refused, as is one that finds no place to wait; a fork
    needs none. Nothing is lost by that."""
    close = b"Connection: close\r\n"
    with Server("--workers", "1", "--max-queue", "1") as server:
        client = Client(server)
        s = client.make(language="sh")
        s.run("x=1")
        path = f"/v1/sessions/{s.id}/exec"
        with contextlib.ExitStack() as stack:
            first, second, third, other = (stack.enter_context(server.connect()) for _ in range(4))
            first.sendall(post({"code": "x=2; sleep 1000", "timeout_seconds": 300}, path, close))
            eventually(lambda: server.metric("zeroboot_concurrent_forks") == 1)
            for waiting in second, third:
                waiting.sendall(post({"code": "x=3"}, path, close))
            assert s.about()["state"] == "live"
            other.sendall(post({"code": "echo other", "language": "sh"}, extra=close))
            eventually(lambda: server.metric("zeroboot_queue_depth") == 1)
            another = client.make(language="sh")
            status, answer = another.exec("echo")
            assert status == 503 and "queue is full" in answer["error"], (status, answer)
            # Their turn has come, and nobody is there.
            for pid in server.workers():
                os.kill(pid, signal.SIGKILL)
            said = [answers(receive(one))[0] for one in (first, second, third, other)]
        assert [one.status for one in said] == [500, 503, 503, 200], said
        for one in said[1:3]:
            assert b"queue is full" in one.body and "retry-after" in one.headers, one
        assert json.loads(said[3].body)["stdout"] == "other\n", said[3]
        about = s.about()
        assert about["state"] == "parked" and s.run("echo $x")["stdout"] == "1\n", about
        assert another.run("echo here")["stdout"] == "here\n"
        with server.connect() as first, server.connect() as other:
            first.sendall(post({"code": "sleep 1; x=$(head -c 4000000 /dev/zero | tr '\\0' 4)"}, path, close))
            eventually(lambda: server.metric("zeroboot_concurrent_forks") == 1)
            other.sendall(post({"code": "echo other", "language": "sh"}, extra=close))
            eventually(lambda: server.metric("zeroboot_queue_depth") == 1)
            assert answers(receive(first))[0].status == 200
            copy, = s.fork()
            assert answers(receive(other))[0].status == 200
        for one in s, copy:
            assert one.run("echo ${#x}")["stdout"] == "4000000\n"


def nothing_left(server, client):
    """After all that: no session, no memory of one, no run."""
    for one in client.ask("GET", "/v1/sessions")[1]["sessions"]:
        client.ask("DELETE", f"/v1/sessions/{one['id']}")
    eventually(lambda: server.metric("zeroboot_concurrent_forks") == 0)
    assert server.metric("zeroboot_sessions") == 0 and server.metric("zeroboot_sessions_bytes") == 0
    assert threading.active_count() == 1


def main():
    report = Report("sessions")
    os.chdir(TOP)
    with Server("--workers", "2") as server:
        client = Client(server)
        report.check("variables, imports, files and the directory stay", stays, client)
        report.check("what is large stays whole, what counts no more goes", grows, client)
        report.check("the monotonic clock stands still between execs", clocks, client)
        report.check("what an exec has used is its own", usage, client)
        report.check("sessions and ordinary runs in the same workers know nothing of each other", many_ways, client)
        report.check("random bytes are fresh in each exec", draws, client)
        report.check("execs of one session are one after the other", in_turn, server, client)
        report.check("a session goes on in its VM while others have other ones", goes_on, server, client)
        report.check("forks go on by themselves, with other random numbers", forks, client)
        report.check("a program that ends, and an exec that is cut off", ends, client)
        report.check("a client that goes away is as a timeout", leaves, server, client)
        report.check("a session that is deleted while it runs", deleted_in_run, server, client)
        report.check("a worker that is killed in an exec leaves the session as it was", killed, server, client)
        report.check("a worker that is killed right after its answer: it is said", killed_after_answer, server, client)
        report.check("what is wrong or not there is refused", refused, client)
        report.check("nothing is left of those that are deleted", nothing_left, server, client)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(["key-one-000000000000", "key-two-000000000000"], file)
        file.flush()
        environment = {**os.environ, "ZEROBOOT_API_KEYS_FILE": file.name}
        with Server("--workers", "1", environment=environment) as server:
            report.check("a session belongs to the key that made it", keys, server)
        with Server("--workers", "1", "--max-sessions", "9", "--session-memory", "4", "--sessions-memory", "8",
                    environment=environment) as server:
            report.check("a key leaves some for others", shares, server)
    with Server("--workers", "1", "--max-sessions", "4", "--session-memory", "4", "--sessions-memory", "8") as server:
        report.check("there are so many, and so large", limits, server)
        report.check("one that nobody asks for goes", idle, server)
    report.check("a server that ends waits for an exec", ends_with_server)
    report.check("and for none that waits for its turn", waits_for_no_turn)
    report.check("a queue that is full when an exec's turn comes", no_place)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
