"""The Python package as it is installed, against the server and the fake one."""
import asyncio
import dataclasses
import json
import os
import pathlib
import re
import sys
import threading
import time
import urllib.request

import zeroboot
from zeroboot import Execution, Input
from zeroboot.events import EventParser
from zeroboot.http1 import Answer

SERVER, KEYED, SMALL, FAKE = (os.environ[name] for name in ("SERVER", "KEYED", "SMALL", "FAKE"))
EVERY_BYTE = bytes(range(256)) * 3
loop = asyncio.new_event_loop()
failed = 0


class AwaitedStream:
    def __init__(self, stream):
        self.stream = stream

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return loop.run_until_complete(self.stream.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self):
        loop.run_until_complete(self.stream.close())

    @property
    def result(self):
        return self.stream.result


class AwaitedSession:
    """An AsyncSession that is used like a Session."""

    def __init__(self, session):
        self.session = session
        loop.run_until_complete(self.session.__aenter__())

    def stream(self, *arguments, **options):
        return AwaitedStream(self.session.stream(*arguments, **options))

    def fork(self, *arguments):
        return [AwaitedSession(one) for one in loop.run_until_complete(self.session.fork(*arguments))]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        loop.run_until_complete(self.session.__aexit__(*error))

    def __getattr__(self, name):
        if name in ("id", "language"):
            return getattr(self.session, name)
        return lambda *arguments, **options: loop.run_until_complete(
            getattr(self.session, name)(*arguments, **options))


class Awaited:
    """An AsyncSandbox that is used like a Sandbox."""

    def __init__(self, *arguments, **options):
        self.sandbox = zeroboot.AsyncSandbox(*arguments, **options)

    def stream(self, *arguments, **options):
        return AwaitedStream(self.sandbox.stream(*arguments, **options))

    @classmethod
    def class_session(cls, *arguments, **options):
        return AwaitedSession(zeroboot.AsyncSandbox.session(*arguments, **options))

    def session(self, *arguments, **options):
        return AwaitedSession(self.sandbox.session(*arguments, **options))

    def get_session(self, *arguments):
        return AwaitedSession(loop.run_until_complete(self.sandbox.get_session(*arguments)))

    def __getattr__(self, name):
        return lambda *arguments, **options: loop.run_until_complete(
            getattr(self.sandbox, name)(*arguments, **options))


def raises(kind, function, *arguments, **options):
    try:
        function(*arguments, **options)
    except zeroboot.ZerobootError as e:
        assert type(e) is kind, repr(e)
        return e
    raise AssertionError("nothing was raised")


def metric(url, name):
    with urllib.request.urlopen(url + "/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line for line in lines if line.startswith(name + " ")).split()[1])


# ---- both clients against the server ----

def check_result(kind):
    r = kind(base_url=SERVER).run("import sys; print(1 + 1); print('no', file=sys.stderr); sys.exit(3)")
    assert (r.stdout, r.stderr, r.exit_code, r.status, r.ok) == ("2\n", "no\n", 3, "error", False), r
    assert len(r.id) == 36 and 0 < r.fork_time_ms + r.exec_time_ms <= r.total_time_ms, r
    assert r.usage.cpu_ms > 0 and r.usage.peak_memory_mb > 1 and r.usage.system_calls > 0, r
    assert r.stdout_bytes == b"2\n" and r.signal is None and r.error is None, r


def check_original_names(kind):
    sandbox = kind("any-key", SERVER + "/")
    assert sandbox.run("console.log(2)", "node", 10).stdout == "2\n"
    results = sandbox.run_batch(["echo 1", "echo 2"], "sh", 10)
    assert [r.stdout for r in results] == ["1\n", "2\n"]
    assert zeroboot.Result(id="a", stdout="b").exit_code == 0


def check_input(kind):
    code = "import sys, os; print(sys.stdin.buffer.read(), sys.argv[1:], os.environ['A'])"
    r = kind(base_url=SERVER).run(code, stdin=EVERY_BYTE, args=["x", "", "ü"], env={"A": "b c"})
    assert r.stdout == f"{EVERY_BYTE} ['x', '', 'ü'] b c\n", r
    assert kind(base_url=SERVER).run("print(input())", stdin="text ü").stdout == "text ü\n"


def check_files(kind):
    code = "d = open('in/ü.bin', 'rb').read(); open('out.bin', 'wb').write(d[::-1]); open('t', 'w').write('ü')"
    r = kind(base_url=SERVER).run(code, files={"in/ü.bin": EVERY_BYTE}, outputs=["*.bin", "t", "missing"])
    assert r.ok and r.files == {"out.bin": EVERY_BYTE[::-1], "t": "ü".encode()}, r


def check_binary(kind):
    code = "import sys; d = bytes(range(256)); sys.stdout.buffer.write(d); sys.stderr.buffer.write(d[::-1])"
    r = kind(base_url=SERVER).run(code, binary=True)
    assert r.stdout_bytes == bytes(range(256)) and r.stderr_bytes == bytes(range(256))[::-1], r
    assert r.stdout.startswith("\0\1") and "\ufffd" in r.stdout


def check_ends(kind):
    sandbox = kind(base_url=SERVER)
    r = sandbox.run("print('here', flush=True)\nwhile True: pass", timeout=1)
    assert (r.exit_code, r.status, r.stdout) == (-1, "timeout", "here\n"), r
    r = sandbox.run("import os; os.kill(os.getpid(), 11)")
    assert (r.exit_code, r.status, r.signal) == (139, "signal", "SIGSEGV"), r
    assert sandbox.run("x = bytearray(200 << 20)", memory_mb=100).exit_code != 0
    assert sandbox.run("print('x' * 2000000)").stdout_truncated


def check_batch(kind):
    results = kind(base_url=SERVER).run_batch(
        ["print(input())", Execution("echo $1", "sh", args=["own"]),
         Execution("import sys; sys.stdout.buffer.write(b'\\xff')", binary=True), "raise SystemExit(4)"], stdin="a\n")
    assert [r.exit_code for r in results] == [0, 0, 0, 4], results
    assert [r.stdout_bytes for r in results] == [b"a\n", b"own\n", b"\xff", b""], results


def check_inputs(kind):
    sandbox = kind(base_url=SERVER)
    code = "import sys, os; print(os.environ.get('A'), end=' ', flush=True)\nline = sys.stdin.buffer.readline(); sys.stdout.buffer.write(line); print(sys.argv[1:], file=sys.stderr)"
    results = sandbox.run_inputs(code, ["1 \u00fc", b"\xff", Input("3", args=["y"], env={"A": "b"})], args=["x"], timeout=10, binary=True)
    assert [r.stdout_bytes for r in results] == ["None 1 \u00fc".encode(), b"None \xff", b"b 3"], results
    assert [r.stderr for r in results] == ["['x']\n", "['x']\n", "['y']\n"] and all(r.ok for r in results), results
    assert [r.stdout for r in sandbox.run_inputs("read x; echo $((x * x))", ["0", "1", "2"], "sh")] == ["0\n", "1\n", "4\n"]
    assert [r.exit_code for r in sandbox.run_inputs("print(1 // int(input()))", ["1", "0"])] == [0, 1]
    raises(zeroboot.BadRequestError, sandbox.run_inputs, "1", [])


def check_health(kind):
    health = kind(base_url=SERVER).health()
    assert health["status"] == "ok" and health["templates"]["python"]["ready"], health


def check_refusals(kind):
    sandbox = kind(base_url=SERVER)
    e = raises(zeroboot.BadRequestError, sandbox.run, "1", language="cobol")
    assert e.status == 400 and "cobol" in e.message and str(e).startswith("API error (400): "), e
    assert isinstance(e, RuntimeError)
    raises(zeroboot.BadRequestError, sandbox.run, "1", files={"../x": "y"})
    raises(zeroboot.BadRequestError, sandbox.run_batch, [])
    raises(zeroboot.NotFoundError, kind(base_url=SERVER + "/elsewhere").run, "1")
    raises(zeroboot.TooLargeError, kind(base_url=SMALL).run, "1", stdin="x" * 8000000)
    assert sandbox.run("print(1)").ok


def check_keys(kind):
    raises(zeroboot.AuthenticationError, kind(base_url=KEYED).run, "1")
    raises(zeroboot.AuthenticationError, kind("wrong", KEYED).run, "1")
    assert kind("first-key", KEYED).run("print(1)").ok


def check_rate(kind):
    """The bucket has 100; a batch takes as many at once."""
    batch = [Execution("", "sh")] * 100
    hasty = kind("second-key", KEYED, retries=0)
    for _ in range(50):
        try:
            hasty.run_batch(batch)
        except zeroboot.RateLimitError as e:
            assert e.retry_after and e.retry_after >= 1, e.retry_after
            break
    else:
        raise AssertionError("never refused")
    assert kind("second-key", KEYED).run("", "sh").ok


def check_keeps(kind):
    before = metric(SERVER, "zeroboot_http_connections_total")
    sandbox = kind(base_url=SERVER)
    for i in range(20):
        assert sandbox.run(f"print({i})").stdout == f"{i}\n"
    assert metric(SERVER, "zeroboot_http_connections_total") - before == 2  # one, and that of metric()


# ---- both clients against the fake ----

def fake(kind, scenario, **options):
    client = f"{kind.__name__}-{os.urandom(4).hex()}"
    return kind("key", f"{FAKE}/{scenario}/{client}", **options), f"{FAKE}/asked/{scenario}/{client}"


def asked(url):
    with urllib.request.urlopen(url) as answer:
        return int(answer.read())


def check_framings(kind):
    for scenario in "good", "chunked", "to-the-end":
        sandbox, _ = fake(kind, scenario)
        assert [sandbox.run("").stdout for _ in range(3)] == ["1", "2", "3"], scenario


def check_ended_while_idle(kind):
    sandbox, _ = fake(kind, "closes")
    for i in range(5):
        assert sandbox.run("").stdout == str(i + 1)


def check_retries(kind):
    for scenario in "full-twice", "fast-twice":
        sandbox, count = fake(kind, scenario)
        assert sandbox.run("").stdout == "3" and asked(count) == 3, scenario
        sandbox, count = fake(kind, scenario)
        assert raises(zeroboot.ProtocolError, sandbox.run_batch, [""]) and asked(count) == 3, scenario


def check_retries_are_bounded(kind):
    sandbox, count = fake(kind, "full", retries=2)
    raises(zeroboot.UnavailableError, sandbox.run, "")
    assert asked(count) == 3
    sandbox, count = fake(kind, "full-for-long")
    assert raises(zeroboot.UnavailableError, sandbox.run, "").retry_after == 3600 and asked(count) == 1


def check_no_retries(kind):
    for scenario, error in (("fails", zeroboot.ServerError), ("gateway", zeroboot.ServerError),
                            ("ends", zeroboot.ConnectionLostError), ("resets", zeroboot.ConnectionLostError),
                            ("cut", zeroboot.ConnectionLostError), ("cut-chunk", zeroboot.ConnectionLostError),
                            ("no-http", zeroboot.ProtocolError), ("no-json", zeroboot.ProtocolError),
                            ("other-json", zeroboot.ProtocolError)):
        sandbox, count = fake(kind, scenario)
        raises(error, sandbox.run, "")
        assert asked(count) == 1, scenario


def check_early_answer(kind):
    sandbox, _ = fake(kind, "early")
    raises(zeroboot.TooLargeError, sandbox.run, "x" * (8 << 20))


def check_patience(kind):
    for scenario in "hangs", "slow-body":
        sandbox, count = fake(kind, scenario, patience=0.2)
        raises(zeroboot.AnswerTimeoutError, sandbox.run, "", timeout=0)
        assert asked(count) == 1, scenario


def check_nobody_there(kind):
    raises(zeroboot.ConnectError, kind(base_url="http://127.0.0.1:1").run, "")


def check_bad_arguments(kind):
    for arguments in (["a\nb"], ["ü"], ["k", "localhost:8080"], ["k", "ftp://x"], ["k", "http://a b"]):
        try:
            kind(*arguments)
        except ValueError:
            continue
        raise AssertionError(arguments)


def check_wrong_types(kind):
    """They are named, before anything is sent."""
    sandbox = kind(base_url="http://127.0.0.1:1")
    for call, said in (
            (lambda: sandbox.run(b"1"), "code: a string is wanted, not bytes"),
            (lambda: sandbox.run("1", timeout="5"), "timeout: a number is wanted, not str"),
            (lambda: sandbox.run("1", stdin=5), "stdin: a string or bytes is wanted, not int"),
            (lambda: sandbox.run("1", args="-v"), "args: a list is wanted, not str"),
            (lambda: sandbox.run("1", outputs="*.png"), "outputs: a list is wanted, not str"),
            (lambda: sandbox.run("1", env=["A=b"]), "env: a dict is wanted, not list"),
            (lambda: sandbox.run("1", files=["a"]), "files: a dict is wanted, not list"),
            (lambda: sandbox.run("1", files={"a": 5}), "files: a: a string or bytes is wanted, not int"),
            (lambda: sandbox.run_batch("print(1)"), "codes: a list is wanted, not str"),
            (lambda: sandbox.run_inputs("1", b"12"), "inputs: a list is wanted, not bytes"),
            (lambda: sandbox.session(files={"a": None}), "files: a: a string or bytes is wanted, not NoneType")):
        try:
            call()
        except TypeError as e:
            assert str(e) == said, (str(e), said)
            continue
        raise AssertionError(said)


# ---- streams ----

def check_stream(kind):
    code = ("import sys\nfor i in range(3):\n print('out', i)\n print('err é', i, file=sys.stderr)\n"
            "open('f', 'w').write('made'); sys.exit(4)")
    stream = kind(base_url=SERVER).stream(code, outputs=["f"])
    raises(zeroboot.ZerobootError, lambda: stream.result)
    text = {"stdout": "", "stderr": ""}
    for output in stream:
        text[output.stream] += output.text
        assert output.data == output.text.encode()
    assert text == {"stdout": "out 0\nout 1\nout 2\n", "stderr": "err é 0\nerr é 1\nerr é 2\n"}, text
    r = stream.result
    assert (r.exit_code, r.status, r.stdout, r.files) == (4, "error", "", {"f": b"made"}) and list(stream) == [], r


def check_stream_comes_early(kind):
    """The program sleeps for minutes; its line is here, and whoever leaves ends it."""
    before = metric(SERVER, "zeroboot_cancelled_total")
    stream = kind(base_url=SERVER).stream("import time; print('here'); time.sleep(250)", timeout=280)
    assert next(stream).text == "here\n"
    stream.close()
    while metric(SERVER, "zeroboot_cancelled_total") == before:
        time.sleep(0.01)


def check_stream_binary(kind):
    code = "import sys\nfor i in range(3):\n sys.stdout.buffer.write(bytes(range(256))); sys.stdout.flush()"
    data = b"".join(output.data for output in kind(base_url=SERVER).stream(code, binary=True))
    assert data == EVERY_BYTE


def check_stream_large(kind):
    size = sum(len(output.text) for output in kind(base_url=SERVER).stream("for i in range(3000): print('é' * 999)"))
    assert size == 3000000, size


def check_stream_timeout(kind):
    stream = kind(base_url=SERVER).stream("print('here')\nwhile True: pass", timeout=1)
    assert [output.text for output in stream] == ["here\n"]
    assert stream.result.status == "timeout" and "timed out" in stream.result.stderr, stream.result


def check_stream_errors(kind):
    raises(zeroboot.BadRequestError, next, kind(base_url=SERVER).stream("1", language="cobol"))
    raises(zeroboot.AuthenticationError, next, kind(base_url=KEYED).stream("1"))
    for scenario, error in (("stream-cut", zeroboot.ConnectionLostError), ("stream-short", zeroboot.ConnectionLostError),
                            ("stream-fails", zeroboot.ServerError), ("stream-bad", zeroboot.ProtocolError)):
        sandbox, count = fake(kind, scenario)
        stream = sandbox.stream("")
        assert next(stream).text == "1 é", scenario
        raises(error, next, stream)
        assert asked(count) == 1, scenario
    sandbox, count = fake(kind, "good")
    raises(zeroboot.ProtocolError, next, sandbox.stream(""))
    sandbox, count = fake(kind, "hangs", patience=0.2)
    raises(zeroboot.AnswerTimeoutError, next, sandbox.stream("", timeout=0))


def check_stream_again(kind):
    """Retries; and the connection is used again."""
    sandbox, count = fake(kind, "stream-full-twice")
    assert [output.text for output in sandbox.stream("")] == ["3 é"] and asked(count) == 3
    before = metric(SERVER, "zeroboot_http_connections_total")
    sandbox = kind(base_url=SERVER)
    for _ in range(5):
        assert [output.text for output in sandbox.stream("print(1)")] == ["1\n"]
    assert metric(SERVER, "zeroboot_http_connections_total") - before == 2


# ---- sessions ----

def check_session(kind):
    sandbox = kind(base_url=SERVER)
    with sandbox.session() as s:
        assert (len(s.id), s.language) == (36, "python")
        r = s.run("import sys\nx = [1, len(sys.stdin.read())]\nprint('out')", stdin="abc")
        assert (r.stdout, r.result, r.ok) == ("out\n", None, True), r
        assert s.run("x.append(2)\nx").result == "[1, 3, 2]"
        r = s.run("1 / 0")
        assert (r.exit_code, r.status) == (1, "error") and "ZeroDivisionError" in r.stderr, r
        assert sum(one.id == s.id for one in sandbox.sessions()) == 1
        about = s.info()
        assert (about.id, about.language, about.runs, about.idle_seconds, about.reason) == (s.id, "python", 3, 600, None), about
        assert about.state in ("live", "parked") and about.memory_mb > 0 and about.created <= about.last_used, about
        assert sandbox.get_session(s.id).run("x").result == "[1, 3, 2]"
    assert all(one.id != s.id for one in sandbox.sessions())
    for gone in s.run, s.fork:
        assert raises(zeroboot.NotFoundError, gone, 1 if gone == s.fork else "1").status == 404
    raises(zeroboot.NotFoundError, s.info)
    raises(zeroboot.NotFoundError, s.delete)
    s.close()
    for no_id in s.id, "x", "", "../exec", "a b/\u00e9":
        raises(zeroboot.NotFoundError, sandbox.get_session, no_id)


def check_session_options(kind):
    sandbox = kind(base_url=SERVER)
    with sandbox.session("sh", idle_seconds=50, env={"A": "b c"}, files={"/tmp/f": EVERY_BYTE}) as s:
        assert (s.language, s.info().idle_seconds) == ("sh", 50)
        r = s.run("n=$((n + 1)); cat /tmp/f; echo $A $1 >out; exec 3<&0", args=["x"], binary=True, outputs=["out"])
        assert r.stdout_bytes == EVERY_BYTE and r.files == {"out": b"b c x\n"}, r
        assert s.run("echo $n $D; cat g", env={"D": "e"}, files={"g": "given"}).stdout == "1 e\ngiven"
    raises(zeroboot.BadRequestError, sandbox.session, "cobol")
    raises(zeroboot.BadRequestError, sandbox.session, on_timeout="never")


def check_templates(kind):
    sandbox, name = kind(base_url=SERVER), f"data-{kind.__name__.lower()[:7]}"
    with sandbox.session() as s:
        s.run("x = [1, 2, 3]")
        made = s.template(name)
        assert (made.name, made.language, made.sessions) == (name, "python", 0) and made.memory_mb > 1 and made.created, made
        error = raises(zeroboot.NameTakenError, s.template, name)
        assert error.status == 409, error
        raises(zeroboot.BadRequestError, s.template, "A")
        assert s.run("x.append(4)\nlen(x)").result == "4"
    assert [one.name for one in sandbox.templates()] == [name]
    assert sandbox.run("x.append(5); print(x)", name).stdout == "[1, 2, 3, 5]\n"
    with sandbox.session(name) as s:
        assert s.language == name and s.run("x").result == "[1, 2, 3]"
    sandbox.delete_template(name)
    raises(zeroboot.NotFoundError, sandbox.delete_template, name)
    assert sandbox.templates() == []


def check_fields():
    """What clients have of a session and of a template is what the API's document says."""
    with urllib.request.urlopen(f"{SERVER}/v1/openapi.json", timeout=60) as answer:
        schemas = json.load(answer)["components"]["schemas"]
    types = (pathlib.Path(__file__).resolve().parent.parent.parent / "sdk/node/src/session.ts").read_text()
    for known in zeroboot.SessionInfo, zeroboot.TemplateInfo:
        said = set(schemas[known.__name__.removesuffix("Info")]["properties"])
        assert {f.name for f in dataclasses.fields(known)} == said, (known, said)
        typed = re.search(rf"interface {known.__name__} \{{(.*?)\n\}}", types, re.S)[1]
        assert set(re.findall(r"^\t(\w+)\??:", typed, re.M)) == said, (typed, said)


def check_session_forks(kind):
    with kind(base_url=SERVER).session() as s:
        s.run("x = [1]")
        a, b = s.fork(2)
        with a, b:
            a.run("x.append('a')")
            b.run("x.append('b')")
            assert [one.run("x").result for one in (s, a, b)] == ["[1]", "[1, 'a']", "[1, 'b']"]
            assert len({s.id, a.id, b.id}) == 3
        assert s.run("x").result == "[1]"
        [c] = s.fork()
        c.delete()


def check_session_ends(kind):
    sandbox = kind(base_url=SERVER)
    with sandbox.session() as s:
        assert s.run("import sys; sys.exit(3)").exit_code == 3
        e = raises(zeroboot.SessionEndedError, s.run, "1")
        assert e.status == 410 and e.message == "the session's program has ended" == s.info().reason, e
        raises(zeroboot.SessionEndedError, s.fork)
        assert s.info().state == "ended"
    with sandbox.session(on_timeout="rollback") as s:
        s.run("x = 1")
        assert s.run("x = 2\nwhile True: pass", timeout=1).status == "timeout"
        assert s.run("x").result == "1"
        assert s.run("while True: pass", timeout=1, on_timeout="rollback").status == "timeout"
    with sandbox.session() as s:
        assert s.run("while True: pass", timeout=1).status == "timeout"
        assert "timeout" in raises(zeroboot.SessionEndedError, s.run, "1").message
    with kind(base_url=SMALL).session() as s:
        s.run("x = 1")
        e = raises(zeroboot.SessionTooLargeError, s.run, "import random; x = random.randbytes(8 << 20)")
        assert e.status == 507 and isinstance(e, zeroboot.ServerError) and s.run("x").result == "1", e


def check_session_streams(kind):
    """It comes while it runs; an interrupt, and who leaves, ends the run and not the session."""
    with kind(base_url=SERVER).session(on_timeout="interrupt") as s:
        stream = s.stream("print('é')\nx = 1\nx + 1")
        assert [output.text for output in stream] == ["é\n"] and stream.result.result == "2", stream.result
        stream = s.stream("print('on', flush=True)\nwhile True: x += 1", timeout=280)
        assert next(stream).text == "on\n"
        s.interrupt()
        assert "KeyboardInterrupt" in "".join(output.text for output in stream) and stream.result.exit_code == 130, stream.result
        stream = s.stream("y = 1; print('on', flush=True)\nwhile True: pass", timeout=280)
        assert next(stream).text == "on\n"
        stream.close()
        assert s.run("x > 1, y").result == "(True, 1)"
        r = s.run("while True: pass", timeout=1)
        assert (r.status, r.exit_code) == ("timeout", 130), r
        s.interrupt()
        assert s.run("raise SystemExit(3)").exit_code == 3
        raises(zeroboot.SessionEndedError, next, s.stream("1"))
        raises(zeroboot.SessionEndedError, s.interrupt)


def check_session_files(kind):
    with kind(base_url=SERVER).session() as s:
        s.run("import os; os.makedirs('/tmp/d/sub'); os.chdir('/tmp/d'); os.symlink('x', 'link')")
        for path, data in (("a \u00fc?%#.bin", EVERY_BYTE), ("/tmp/d/sub/deep/b", b""), ("sub/c", bytearray(b"\xff"))):
            s.write_file(path, data)
            assert s.read_file(path) == bytes(data), path
        s.write_file("text", "\u00fc")
        assert s.read_file("./text") == "\u00fc".encode() and s.run("open('text').read()").result == "'\u00fc'"
        found = {one.name: (one.type, one.size) for one in s.list_files()}
        assert found == {"a \u00fc?%#.bin": ("file", 768), "sub": ("directory", None), "text": ("file", 2), "link": ("link", None)}, found
        assert {one.name for one in s.list_files("/tmp/d/sub")} == {"deep", "c"} and len(s.list_files(".")) == 4
        s.delete_file("text")
        raises(zeroboot.NotFoundError, s.read_file, "text")
        raises(zeroboot.NotFoundError, s.delete_file, "text")
        raises(zeroboot.NotFoundError, s.list_files, "none")
        raises(zeroboot.ZerobootError, s.read_file, "sub")
        raises(zeroboot.ZerobootError, s.list_files, "sub/c")
        for bad in "../x", "..", "sub", "":
            raises(zeroboot.BadRequestError, s.write_file, bad, b"")
            raises(zeroboot.BadRequestError, s.delete_file, bad)
        assert s.info().runs == 2
    with kind(base_url=SMALL).session() as s:
        raises(zeroboot.TooLargeError, s.write_file, "a", bytes(2 << 20))
        for i in range(4):
            s.write_file(f"f{i}", os.urandom(700000))
        raises(zeroboot.SessionTooLargeError, lambda: [s.write_file(f"g{i}", os.urandom(900000)) for i in range(6)])


def check_session_keys(kind):
    sandbox = kind("first-key", KEYED)
    with sandbox.session() as s:
        assert [one.id for one in sandbox.sessions()] == [s.id] and kind("second-key", KEYED).sessions() == []
        raises(zeroboot.NotFoundError, kind("second-key", KEYED).get_session, s.id)
        raises(zeroboot.AuthenticationError, kind("no-key", KEYED).get_session, s.id)
        raises(zeroboot.AuthenticationError, kind(base_url=KEYED).session)


def check_session_of_the_class(kind):
    os.environ["ZEROBOOT_BASE_URL"] = SERVER
    try:
        with getattr(kind, "class_session", kind.session)("node") as s:
            assert s.run("let x = 6 * 7; x").result == "42"
            raises(zeroboot.SessionDeletedError, deleted_while_it_runs, kind, s)
    finally:
        del os.environ["ZEROBOOT_BASE_URL"]


def deleted_while_it_runs(kind, s):
    """From another thread, with a client of its own."""
    def delete():
        while metric(SERVER, "zeroboot_concurrent_forks") == 0:
            time.sleep(0.01)
        zeroboot.Sandbox(base_url=SERVER).get_session(s.id).delete()
    thread = threading.Thread(target=delete)
    thread.start()
    try:
        s.run("for (;;);", timeout=280)
    finally:
        thread.join()


# ---- one of them ----

def check_threads():
    sandbox = zeroboot.Sandbox(base_url=SERVER)
    results = {}

    def work(i):
        results[i] = [sandbox.run(f"print({i}, {j})").stdout for j in range(5)]
    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {i: [f"{i} {j}\n" for j in range(5)] for i in range(8)}, results


def check_gather():
    async def work():
        async with zeroboot.AsyncSandbox(base_url=SERVER) as sandbox:
            return [r.stdout for r in await asyncio.gather(*(sandbox.run(f"print({i})") for i in range(30)))]
    assert loop.run_until_complete(work()) == [f"{i}\n" for i in range(30)]


def check_cancel():
    """A task that is cancelled ends its run."""
    before = metric(SERVER, "zeroboot_cancelled_total")

    async def work():
        task = asyncio.ensure_future(sandbox.run("while True: pass", timeout=280))
        while (await loop.run_in_executor(None, metric, SERVER, "zeroboot_concurrent_forks")) < 1:
            await asyncio.sleep(0.01)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        while (await loop.run_in_executor(None, metric, SERVER, "zeroboot_cancelled_total")) == before:
            await asyncio.sleep(0.01)
        assert (await sandbox.run("print(1)")).ok
    sandbox = zeroboot.AsyncSandbox(base_url=SERVER)
    loop.run_until_complete(work())


def check_awaited_session():
    """By await too; it is not there before."""
    async def work():
        async with zeroboot.AsyncSandbox(base_url=SERVER) as sandbox:
            making = sandbox.session()
            try:
                making.id
            except zeroboot.ZerobootError:
                pass
            else:
                raise AssertionError("it is made")
            await making.close()
            session = await making
            assert await session is session and (await session.run("1")).result == "1"
            runs = await asyncio.gather(*(session.run(f"{i} ** 2") for i in range(10)))
            assert [r.result for r in runs] == [str(i ** 2) for i in range(10)]
            await session.close()
    loop.run_until_complete(work())


def check_loops():
    """A client outlives the loop that its connections were made in."""
    sandbox = zeroboot.AsyncSandbox(base_url=SERVER)
    for i in range(3):
        assert asyncio.run(sandbox.run(f"print({i})")).stdout == f"{i}\n"


def check_parser():
    """The same answer wherever it is cut."""
    body = b"0123456789"
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + body,
               b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n"
               b"4\r\n0123\r\n6;x\r\n456789\r\n00\r\nA: b\r\n\r\n"]
    for data in answers:
        for i in range(len(data) + 1):
            answer = Answer()
            assert answer.feed(data[:i]) + answer.feed(data[i:]) == body and answer.complete and answer.keep, (data, i)
            answer = Answer()
            answer.feed(data[:i])
            assert answer.end() == (i == len(data)), (data, i)
    for data in (b"HTTP/2 200\r\n\r\n", b"X", b"HTTP/1.1 0200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
                 b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", b"HTTP/1.1 " + b"x" * 70000):
        try:
            Answer().feed(data)
        except zeroboot.ProtocolError:
            continue
        raise AssertionError(data[:60])
    extra = Answer()
    assert extra.feed(answers[0] + b"more") == body and not extra.keep


def check_events():
    """The same events wherever the stream is cut, and however lines end."""
    data = "\ufeffevent: a\ndata: é\ndata:  2\n\n: comment\nid: 1\ndata\n\nevent: none\n\ndata: 3\n\n".encode()
    expected = [("a", "é\n 2"), ("message", ""), ("message", "3")]
    for text in data, data.replace(b"\n", b"\r\n"):
        for i in range(len(text) + 1):
            parser = EventParser()
            assert parser.feed(text[:i]) + parser.feed(text[i:]) == expected, i


def report(name, function, *arguments):
    global failed
    try:
        function(*arguments)
        print("ok - sdk: " + name, flush=True)
    except Exception as e:
        failed += 1
        print(f"not ok - sdk: {name}\n# {e!r}"[:1500], flush=True)


BOTH = [
    ("a run's output, exit code, times and usage", check_result),
    ("the original SDK's calls by position", check_original_names),
    ("standard input, arguments, environment", check_input),
    ("files in and out, byte by byte", check_files),
    ("output that is not UTF-8", check_binary),
    ("timeout, signal, memory limit, output that is cut", check_ends),
    ("a batch, of strings and of executions with their own options", check_batch),
    ("one program over many inputs", check_inputs),
    ("health", check_health),
    ("what the server refuses is an error of its kind", check_refusals),
    ("keys", check_keys),
    ("a rate limit is an error with retry_after, and passes with retries", check_rate),
    ("runs one after the other share a connection", check_keeps),
    ("lengths, chunks, answers up to the end of the connection", check_framings),
    ("a connection that ended while it was idle is not used again", check_ended_while_idle),
    ("429 and 503 are asked again", check_retries),
    ("not for ever, and not where the wait is long", check_retries_are_bounded),
    ("500, lost connections, answers of others are not", check_no_retries),
    ("an answer that comes before the body has gone is read", check_early_answer),
    ("no answer in time", check_patience),
    ("no server", check_nobody_there),
    ("keys and addresses that are none", check_bad_arguments),
    ("arguments of a wrong type are named", check_wrong_types),
    ("a stream: what is written, in order, and the result", check_stream),
    ("a stream comes while the program runs, and who leaves ends it", check_stream_comes_early),
    ("a stream of bytes", check_stream_binary),
    ("a stream of 3 MB", check_stream_large),
    ("a stream that its time cuts off", check_stream_timeout),
    ("a stream's errors", check_stream_errors),
    ("a stream is asked for again, on the same connection", check_stream_again),
    ("a session keeps its state, is found, listed, and gone after `with`", check_session),
    ("a session has options, and its runs have", check_session_options),
    ("a session forks", check_session_forks),
    ("a session becomes a template", check_templates),
    ("a session that ends, goes back, is too large: errors of their kind", check_session_ends),
    ("a session streams, and is interrupted", check_session_streams),
    ("a session's files, byte by byte", check_session_files),
    ("a session is its key's alone", check_session_keys),
    ("a session of the class, deleted while it runs", check_session_of_the_class),
]
asyncio.set_event_loop(loop)
for name, function in BOTH:
    report("python: " + name, function, zeroboot.Sandbox)
    report("python, async: " + name, function, Awaited)
report("python, node: sessions and templates have the fields of the document", check_fields)
report("python: threads share a client", check_threads)
report("python, async: 30 runs at once", check_gather)
report("python, async: a cancelled task ends its run", check_cancel)
report("python, async: a session is awaited, and so are runs that wait for each other", check_awaited_session)
report("python, async: a client is used in several loops", check_loops)
report("python: answers cut at every byte, and bad ones", check_parser)
report("python: events cut at every byte", check_events)
sys.exit(failed > 0)
