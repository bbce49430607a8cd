#!/usr/bin/env python3
"""The Model Context Protocol: the client of those who made it over both transports
(tests/mcp/check.mjs), and what is no good message, over both, byte by byte."""
import json
import os
import pathlib
import select
import subprocess
import sys
import tempfile
import threading
import time

from harness import PATIENCE, TOP, Report, Server, answers, eventually, post

report = Report("mcp")
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
KEY, OTHER = "a-key-of-the-tests", "another-key-of-them"


def request(method, number=1, **params):
    return {"jsonrpc": "2.0", "id": number, "method": method, **({"params": params} if params else {})}


def call(code, number=1, tool="run_python", **arguments):
    return request("tools/call", number, name=tool, arguments={"code": code, **arguments})


def tool(name, number=1, **arguments):
    return request("tools/call", number, name=name, arguments=arguments)


INITIALIZE = request("initialize", 0, **HELLO)
# Messages, and the codes of what is answered; None: nothing is.
TABLE = [
    (b"{", -32700), (b"x", -32700), (b'{"a":1}}', -32700), (b'"\xff"', -32700), (b'{"jsonrpc":"2.0","id":1,"id":2}', -32700),
    (b"[]", -32600), (b"1", -32600), (b"null", -32600), (json.dumps([request("ping")]).encode(), -32600),
    ({"id": 1, "method": "ping"}, -32600), ({"jsonrpc": "1.0", "id": 1, "method": "ping"}, -32600),
    ({"jsonrpc": 2.0, "id": 1, "method": "ping"}, -32600), ({"jsonrpc": "2.0", "id": 1}, -32600),
    ({"jsonrpc": "2.0", "id": None, "method": "ping"}, -32600), ({"jsonrpc": "2.0", "id": [1], "method": "ping"}, -32600),
    ({"jsonrpc": "2.0", "id": "x" * 255, "method": "ping"}, -32600), ({"jsonrpc": "2.0", "id": 1, "method": 5}, -32600),
    (request("resources/list"), -32601), (request("x" * 10000), -32601), (request("ping\0"), -32601), (request(""), -32601),
    ({**request("ping"), "params": []}, -32602), ({**request("tools/list"), "params": "x"}, -32602),
    (request("initialize"), -32602), (request("initialize", protocolVersion=5), -32602), (request("tools/list", cursor="x"), -32602),
    (request("tools/call"), -32602), (request("tools/call", name=5), -32602), (request("tools/call", name="run_cobol"), -32602),
    (request("tools/call", name="n" * 10000), -32602), (request("tools/call", name="run_python"), -32602),
    (request("tools/call", name="run_python", arguments=[]), -32602), (call(5), -32602), (call("1", stdin=5), -32602),
    (call("1", files={"..": ""}), -32602), (call("1", language="node"), -32602), (call("1", timeout_seconds="x"), -32602),
    (call("1", session=5), -32602), (tool("fork_session"), -32602), (tool("fork_session", session="x", count=101), -32602),
    (tool("fork_session", session="x", count=0), -32602), (tool("fork_session", session=5), -32602), (tool("end_session", count=1), -32602),
    (tool("fork_session", session="x"), 0), (tool("end_session", session="x" * 100), 0), (call("1", session="x"), 0), (call("1", session=""), 0),
    (request("ping"), 0), (request("ping", "ü\\ \n"), 0), (request("ping", -5), 0), (request("ping", 2 ** 70), 0),
    (request("ping", "x" * 254), 0), ({**request("tools/list"), "extra": [{}]}, 0), (request("tools/list", _meta={"a": 1}), 0),
    (b' {"method":"ping","params":{},"id":7,"jsonrpc":"2.0"} ', 0), (call("print(1)", _meta=1), 0),
    (call("print(1)", encoding="base64"), 0),
    ({"jsonrpc": "2.0", "method": "notifications/initialized"}, None), ({"jsonrpc": "2.0", "method": "anything"}, None),
    ({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 99}}, None),
    ({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": 5}, None),
    ({"jsonrpc": "2.0", "id": 1, "result": {}}, None), ({"jsonrpc": "2.0", "id": 1, "error": {"code": 1}}, None),
]


def data_of(message):
    return message if isinstance(message, bytes) else json.dumps(message).encode()


def judge(message, code, answered):
    """answered: of one message, or None."""
    shown = data_of(message)[:100]
    if code is None:
        assert answered is None, (shown, answered)
        return
    assert answered["jsonrpc"] == "2.0" and ("error" in answered) != ("result" in answered), (shown, answered)
    assert answered.get("error", {"code": 0})["code"] == code, (shown, answered)
    sent = message if isinstance(message, dict) else {"id": 7 if code == 0 else None}
    number = sent.get("id") if isinstance(sent.get("id"), (int, str)) and sent.get("id") != "x" * 255 else None
    assert answered["id"] == number, (shown, answered)


# ---- stdio ----

class Stdio:
    def __init__(self, *options):
        self.process = subprocess.Popen([TOP / "zeroboot", "mcp", "--templates", TOP / "templates", "--workers", "1", *options],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.come = b""

    def send(self, *messages):
        self.process.stdin.write(b"".join(data_of(m) + b"\n" for m in messages))
        self.process.stdin.flush()

    def answer(self):
        """The next one."""
        while b"\n" not in self.come:
            assert select.select([self.process.stdout], [], [], PATIENCE)[0], "no answer"
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            assert data, "it has ended"
            self.come += data
        line, _, self.come = self.come.partition(b"\n")
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def whole(data, *options):
    """All that is answered to an input that ends, and the exit code."""
    done = subprocess.run([TOP / "zeroboot", "mcp", "--templates", TOP / "templates", "--workers", "1", *options], input=data,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=PATIENCE)
    return [json.loads(line) for line in done.stdout.splitlines()], done.returncode


def check_stdio_table():
    with Stdio() as s:
        s.send(INITIALIZE)
        assert s.answer()["result"]["protocolVersion"] == "2025-06-18"
        for message, code in TABLE:
            s.send(message, request("ping", "after"))
            found = [s.answer()] if code is None else [s.answer(), s.answer()]
            found.sort(key=lambda a: a["id"] == "after")
            assert found.pop() == {"jsonrpc": "2.0", "id": "after", "result": {}}, data_of(message)[:100]
            judge(message, code, found[0] if found else None)


def check_first():
    """Nothing but a ping comes before initialize."""
    found, status = whole(b"".join(data_of(m) + b"\n" for m in (
        request("tools/list", 1), call("1", 2), request("ping", 3), {**INITIALIZE, "params": {}}, request("tools/list", 4),
        INITIALIZE, request("tools/list", 5))))
    codes = [a.get("error", {"code": 0})["code"] for a in found]
    assert codes == [-32600, -32600, 0, -32602, -32600, 0, 0] and status == 0, (codes, status)


def check_versions():
    for asked, given in (("2025-06-18",) * 2, ("2025-03-26",) * 2, ("2024-11-05",) * 2, ("2099-01-01", "2025-06-18")):
        found, _ = whole(data_of(request("initialize", **{**HELLO, "protocolVersion": asked})))
        assert found[0]["result"]["protocolVersion"] == given, found


def check_lines():
    """Blank lines, CR LF, a last line without an end; files as input and output."""
    data = b"\n \r\n" + data_of(INITIALIZE) + b"\r\n\n" + data_of(call("print(input())", 5, stdin="x"))
    found, status = whole(data)
    assert [a["id"] for a in found] == [0, 5] and found[1]["result"]["content"][0]["text"] == "x\n" and status == 0, found
    with tempfile.TemporaryDirectory() as place:
        (pathlib.Path(place) / "in").write_bytes(data)
        with open(f"{place}/in", "rb") as i, open(f"{place}/out", "wb") as o:
            subprocess.run([TOP / "zeroboot", "mcp", "--templates", TOP / "templates"], stdin=i, stdout=o,
                           stderr=subprocess.DEVNULL, timeout=PATIENCE, check=True)
        assert [json.loads(a)["id"] for a in (pathlib.Path(place) / "out").read_bytes().splitlines()] == [0, 5]


def check_nothing():
    assert whole(b"") == ([], 0)


def check_large():
    """A line over --max-body is refused, and what comes behind it is read."""
    limit = 1 << 20
    small = call("print(len(input()))", 1, stdin="")
    fits = call("print(len(input()))", 1, stdin="x" * (limit - len(data_of(small))))
    assert len(data_of(fits)) == limit
    found, _ = whole(b"\n".join(data_of(m) for m in (INITIALIZE, fits, request("ping", "x" * (3 * limit)), request("ping", 2))),
                     "--max-body", "1")
    assert {a["id"]: a.get("error", {"code": 0})["code"] for a in found} == {0: 0, 1: 0, None: -32600, 2: 0}, found


def check_cancelled():
    """The only worker is free again, and nobody answers; others' calls are not touched."""
    with Stdio() as s:
        s.send(INITIALIZE, call("while True: pass", "long", timeout_seconds=280), call("print(1)", 2))
        s.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "lon"}},
               {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "long"}})
        assert s.answer()["id"] == 0 and s.answer()["id"] == 2
        s.process.stdin.close()
        assert s.process.wait(PATIENCE) == 0


def check_many():
    """32 may be under way at a time, whatever becomes of them; each other one is refused."""
    with Stdio() as s:
        s.send(INITIALIZE, *(call("sleep 250", i, "run_shell", timeout_seconds=280) for i in range(32)))
        s.send(*(call("echo late", i, "run_shell") for i in range(100, 200)))
        found = [s.answer() for _ in range(101)]
        assert [a["id"] for a in found] == [0, *range(100, 200)], found
        assert all("the queue is full" in a["result"]["content"][0]["text"] and a["result"]["isError"] for a in found[1:]), found
        s.send(*({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": i}} for i in range(32)))
        s.send(*(call(f"echo {i}", i, "run_shell") for i in range(200, 232)))
        found = [s.answer() for _ in range(32)]
        assert sorted(a["id"] for a in found) == list(range(200, 232)), found
        assert all(a["result"]["content"][0]["text"] == f"{a['id']}\n" for a in found), found


def check_sessions_cancelled():
    """A call in a session that is cancelled leaves it as it was, and one that waits for it comes next."""
    with Stdio() as s:
        s.send(INITIALIZE, call("x = 1", 1, session="new"))
        s.answer()
        number = s.answer()["result"]["content"][-1]["text"].split()[1]
        s.send(call("x = 2\nwhile True: pass", "long", session=number, timeout_seconds=280), call("x", 3, session=number),
               call("x", "waits", session=number))
        s.send(*({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": i}} for i in ("waits", "long")))
        answer = s.answer()
        assert (answer["id"], answer["result"]["content"][0]["text"]) == (3, "result:\n1"), answer
        s.send(call("while True: pass", 4, session=number, timeout_seconds=280), call("x", 5, session=number), tool("end_session", 6, session=number))
        found = {a["id"]: a["result"]["content"][0]["text"] for a in (s.answer() for _ in range(3))}
        assert found == {4: "it did not run: the session is being deleted", 5: "it did not run: the session is being deleted", 6: "ended"}, found


def check_gone():
    """Who closes both ends ends it, whatever runs."""
    with Stdio() as s:
        s.send(INITIALIZE, call("while True: pass", timeout_seconds=280))
        s.answer()
        s.process.stdout.close()
        s.process.stdin.close()
        assert s.process.wait(PATIENCE) == 0


def check_slow_reader():
    """Answers that nobody takes wait, and come whole."""
    with Stdio() as s:
        s.send(INITIALIZE, *(call("print('é' * 400000)", i) for i in range(1, 11)))
        found = [s.answer() for _ in range(11)]
        assert all(len(a["result"]["content"][0]["text"]) == 400001 for a in found[1:])


def check_unread():
    """Who reads no answers is not read from; then nothing is missing."""
    asked, written = 20000, 0
    line = data_of(request("tools/list", 7)) + b"\n"

    def write():
        nonlocal written
        for _ in range(asked):
            os.write(s.process.stdin.fileno(), line)
            written += 1

    with Stdio() as s:
        s.send(INITIALIZE)
        assert s.answer()["id"] == 0
        writer = threading.Thread(target=write)
        writer.start()
        before = -1
        while written != before:
            before = written
            time.sleep(1)
        assert written < asked
        for _ in range(asked):
            assert s.answer()["id"] == 7
        writer.join()
        s.send(request("ping", 8))
        assert s.answer()["id"] == 8


def check_signal():
    with Stdio() as s:
        s.send(INITIALIZE, call("while True: pass", timeout_seconds=280))
        s.answer()
        s.process.terminate()
        assert s.process.wait(PATIENCE) == 0


def check_no_templates():
    done = subprocess.run([TOP / "zeroboot", "mcp", "--templates", "/nowhere"], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=PATIENCE, text=True)
    assert done.returncode == 1 and not done.stdout and "/nowhere" in done.stderr, done


def check_some_templates():
    """Tools are those of the templates that are there, also of one that is nobody's."""
    with tempfile.TemporaryDirectory() as place:
        for name in "sh", "my-own.v2", "my-own":
            for ending in "zbt", "img":
                source = TOP / f"templates/sh.{ending}"
                if source.exists() and (ending == "img" or name == "sh"):
                    os.symlink(source, f"{place}/{name}.{ending}")
        done = subprocess.run([TOP / "zeroboot", "mcp", "--templates", place], timeout=PATIENCE, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, input=b"\n".join(map(data_of, (
                                  INITIALIZE, request("tools/list"), call("echo own", 2, "run_my-own"), call("1", 3)))))
    found = {a["id"]: a for a in map(json.loads, done.stdout.splitlines())}
    assert {t["name"] for t in found[1]["result"]["tools"]} == {"run_shell", "run_my-own", "fork_session", "end_session"}, found[1]
    assert found[2]["result"]["content"][0]["text"] == "own\n" and found[3]["error"]["code"] == -32602, found


# ---- HTTP ----

def ask(server, message, *lines, path="/mcp", key=None):
    extra = "".join(line + "\r\n" for line in (*lines, "Connection: close")) + (f"Authorization: Bearer {key}\r\n" if key else "")
    return answers(server.ask(post(data_of(message), path, extra.encode())))[0]


def check_http_table(server):
    for message, code in TABLE:
        answer = ask(server, message)
        assert answer.status == (202 if code is None else 400 if code in (-32700, -32600) else 200), (message, answer)
        assert code is None or answer.headers["content-type"] == "application/json"
        judge(message, code, json.loads(answer.body) if answer.body else None)


def check_http_head(server):
    for method in "GET", "DELETE", "PUT", "HEAD":
        data = server.ask(f"{method} /mcp HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        answer = answers(data, heads=(0,) if method == "HEAD" else ())[0]
        assert answer.status == 405 and answer.headers["allow"] == "POST, OPTIONS", answer
    for line, status in (("Origin: http://evil.example", 403), ("Origin: http://localhost", 403), ("Origin: null", 403),
                         ("Origin: http://good.example", 200), ("MCP-Protocol-Version: 2025-06-18", 200),
                         ("mcp-protocol-version: 2025-03-26", 200), ("MCP-Protocol-Version: 1999-01-01", 400),
                         ("Content-Type: text/plain", 415), ("Content-Type: application/json; charset=utf-8", 200),
                         ("Accept: application/json, text/event-stream", 200)):
        assert ask(server, request("ping"), line).status == status, line
    assert ask(server, request("ping"), "Origin: http://evil.example", path="/v1/exec").status == 400
    assert ask(server, request("ping", "x" * (1 << 20))).status == 413


def check_http_keep(server):
    """Messages of each kind, one after the other on a connection."""
    kinds = [request("ping"), {"jsonrpc": "2.0", "method": "x"}, b"x", call("print(1)"), request("tools/list"), {"jsonrpc": "2.0", "method": "x"}]
    data = b"".join(post(data_of(m), "/mcp") for m in kinds) + post(data_of(request("ping")), "/mcp", b"Connection: close\r\n")
    assert [a.status for a in answers(server.ask(data))] == [200, 202, 400, 200, 200, 202, 200]


def check_http_keys(server):
    assert ask(server, request("ping")).status == 401 and ask(server, request("ping"), key="wrong").status == 401
    assert ask(server, call("print(1)"), key=KEY).status == 200
    data = b"".join([post(data_of(request("ping")), "/mcp", f"Authorization: Bearer {KEY}\r\n".encode())] * 300)
    found = answers(server.ask(data + post(b"", "/mcp", b"Connection: close\r\n")))
    late = [a for a in found if a.status == 429]
    assert late and all("retry-after" in a.headers for a in late) and found[0].status == 200, len(late)
    # A fork costs one for each copy; the capacity is 100.
    fork = post(data_of(tool("fork_session", session="x", count=50)), "/mcp", f"Authorization: Bearer {KEY}\r\n".encode())
    found = answers(server.ask(fork * 8 + post(b"", "/mcp", b"Connection: close\r\n")))
    assert [a.status for a in found[:8]].count(429) >= 5, found


def text_of(server, message, key=None):
    """Of the last block of a result."""
    return json.loads(ask(server, message, key=key).body)["result"]["content"][-1]["text"]


def check_http_sessions(server):
    """They are the key's, and the same as those of the API."""
    number = text_of(server, call("x = 6 * 7", session="new"), KEY).removeprefix("session: ")
    assert len(number) == 36 and text_of(server, call("x", session=number), KEY) == "result:\n42"
    for message in call("x", session=number), tool("fork_session", session=number), tool("end_session", session=number):
        assert text_of(server, message, OTHER).startswith("no such session"), message
    listed = server.ask(f"GET /v1/sessions/{number} HTTP/1.0\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode())
    about = json.loads(answers(listed)[0].body)
    assert (about["runs"], about["idle_seconds"]) == (2, 3600), about
    forks = text_of(server, tool("fork_session", session=number, count=3), KEY).split()[1:]
    assert len(set(forks)) == 3 and [text_of(server, call("x", session=fork), KEY) for fork in forks] == ["result:\n42"] * 3
    assert text_of(server, tool("end_session", session=number), KEY) == "ended"
    assert text_of(server, call("x", session=number), KEY).startswith("no such session")


def check_http_sessions_full(server):
    """No more of them than there may be, nor larger ones."""
    number = text_of(server, call("x = 1", session="new")).removeprefix("session: ")
    assert text_of(server, tool("fork_session", session=number, count=2)) == "there are too many sessions: end_session ends one"
    assert "undone: " in json.loads(ask(server, call("import random; x = random.randbytes(4 << 20)", session=number)).body)["result"]["content"][0]["text"]
    other = text_of(server, tool("fork_session", session=number)).split()[1]
    assert text_of(server, call("x", session="new")) == "there are too many sessions: end_session ends one"
    assert text_of(server, call("x", session=other)) == "result:\n1"


def check_http_gone(server):
    """A client that goes away ends its call."""
    before = server.metric("zeroboot_cancelled_total")
    s = server.connect()
    s.sendall(post(data_of(call("while True: pass", timeout_seconds=280)), "/mcp"))
    eventually(lambda: server.metric("zeroboot_concurrent_forks") > 0)
    s.close()
    eventually(lambda: server.metric("zeroboot_cancelled_total") > before)
    large = server.connect()
    large.sendall(post(data_of(call("1", stdin="x" * 500000)), "/mcp")[:400000])
    large.close()
    assert json.loads(ask(server, call("print(1)")).body)["result"]["content"][0]["text"] == "1\n"


def check_http_metrics(server):
    assert server.metric('zeroboot_http_requests_total{path="/mcp",status="202"}') > 0
    assert server.metric('zeroboot_http_requests_total{path="/mcp",status="403"}') > 0


def check_http_full(server):
    """Nothing may wait, and the only worker is busy: the call says so."""
    # The session's exec before may be saved still, though it was answered.
    eventually(lambda: "it did not run" not in text_of(server, call("print(1)")))
    s = server.connect()
    s.sendall(post(data_of(call("while True: pass", timeout_seconds=280)), "/mcp"))
    eventually(lambda: server.metric("zeroboot_concurrent_forks") > 0)
    result = json.loads(ask(server, call("print(1)")).body)["result"]
    assert result["isError"] and result["content"][0]["text"] == "it did not run: the queue is full", result
    s.close()


def check_off(server):
    assert ask(server, request("ping")).status == 404
    assert server.ask(b"GET /mcp HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 404")
    [document] = answers(server.ask(b"GET /v1/openapi.json HTTP/1.0\r\n\r\n"))
    assert "/mcp" not in json.loads(document.body)["paths"]


def client(*arguments):
    """Prints lines of its own; whether it went well."""
    done = subprocess.run(["node", TOP / "tests/mcp/check.mjs", *arguments], timeout=900)
    if done.returncode not in (0, 1):
        report.line(f"the client ends, {arguments[0]}", done.returncode)
    return done.returncode == 0


def main():
    good = client("stdio", TOP / "zeroboot", TOP / "templates")
    report.check("stdio: each kind of error, and what is none", check_stdio_table)
    report.check("stdio: initialize comes first", check_first)
    report.check("stdio: revisions of the protocol", check_versions)
    report.check("stdio: lines and their ends, files", check_lines)
    report.check("stdio: no message at all", check_nothing)
    report.check("stdio: a message of --max-body, and one over it", check_large)
    report.check("stdio: a call that is cancelled", check_cancelled)
    report.check("stdio: calls in a session that are cancelled, one that is ended", check_sessions_cancelled)
    report.check("stdio: more calls than there may be", check_many)
    report.check("stdio: a client that has gone", check_gone)
    report.check("stdio: 10 large answers that wait", check_slow_reader)
    report.check("stdio: answers that nobody reads are no more than some", check_unread)
    report.check("stdio: SIGTERM", check_signal)
    report.check("stdio: no templates", check_no_templates)
    report.check("stdio: tools are those of the templates", check_some_templates)
    with tempfile.TemporaryDirectory() as place:
        keys = pathlib.Path(place) / "keys.json"
        keys.write_text(json.dumps([KEY, OTHER]))
        with Server("--max-body", "1", "--cors", "http://good.example") as server:
            report.check("http: each kind of error, and what is none", check_http_table, server)
            report.check("http: methods, origins, revisions, types, sizes", check_http_head, server)
            report.check("http: messages of each kind on one connection", check_http_keep, server)
            report.check("http: a client that has gone", check_http_gone, server)
            report.check("http: metrics", check_http_metrics, server)
            report.line("http: the log has nothing else", server.unexpected() or None)
        with Server(environment={**os.environ, "ZEROBOOT_API_KEYS_FILE": str(keys)}) as server:
            good = client("http", f"http://127.0.0.1:{server.port}/mcp", KEY) and good
            report.check("http: sessions are their key's", check_http_sessions, server)
            report.check("http: keys and their rate", check_http_keys, server)
        with Server("--workers", "1", "--max-queue", "0", "--max-sessions", "2", "--session-memory", "2") as server:
            report.check("http: sessions have limits", check_http_sessions_full, server)
            report.check("http: a queue that is full", check_http_full, server)
        with Server("--no-mcp") as server:
            report.check("http: --no-mcp", check_off, server)
    sys.exit(report.failed > 0 or not good)


main()
