#!/usr/bin/env python3
"""Memory that runs out: with the Nth allocation failing, for every N that a
script of requests or a command reaches, nothing crashes, every answer is right
or says that it is an error or is missing, and everything works afterwards. The
program is built with sanitizers and with tests/oom/fail.c."""
import contextlib
import io
import json
import mmap
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import tempfile
import time

from harness import LOG_LINE, PATIENCE, TOP, Report, Server, answers, eventually, post, receive, serve

PROGRAM = "build/sanitize/zeroboot-oom"
KEY = b"Authorization: Bearer a-key-that-is-long-enough\r\n"
CLOSE = b"Connection: close\r\n"


class Failures:
    """The file that fail.c looks at."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "fail")
        with open(self.path, "wb") as f:
            f.write(bytes(4096))
        with open(self.path, "r+b") as f:
            self.memory = mmap.mmap(f.fileno(), 4096)

    def plan(self, countdown, lasting=False, children=False):
        self.memory[:24] = struct.pack("<qqii", countdown, 0, lasting, children)

    def end(self):
        """How many failed; no more do."""
        failed = struct.unpack("<qq", self.memory[:16])[1]
        self.plan(0)
        return failed


# ---- requests: what may be answered ----

def complain(problem, data):
    raise AssertionError(f"{problem}: {data[:300]!r}")


def ran(result, stdout, data):
    """A result of a run: right, or openly an error."""
    if "error" not in result and (result["stdout"], result["exit_code"]) != (stdout, 0):
        complain("a wrong result", data)


def check(data, look):
    """No answer at all, whole errors, or what look accepts."""
    for answer in answers(data):
        if answer.status == 200:
            look(answer.body, data)
        elif answer.status not in (429, 500, 503) or b'"error":' not in answer.body and b'"degraded"' not in answer.body:
            complain("an unexpected answer", data)


def one(body, data):
    ran(json.loads(body), "x\n", data)


def batch(body, data):
    results = json.loads(body)["results"]
    if len(results) != 3:
        complain("results are missing", data)
    for result, stdout in zip(results, ("0\n", "1\n", "2\n")):
        ran(result, stdout, data)


def health(body, data):
    if json.loads(body)["status"] != "ok":
        complain("not well", data)


def metrics(body, data):
    if b"\nzeroboot_build_info{" not in body:
        complain("cut short", data)


def whole(server, *parts):
    s = server.connect()
    for part in parts:
        try:
            s.sendall(part)
        except ConnectionError:
            break
        time.sleep(0.002)
    data = receive(s)
    if b"(no end)" in data:
        complain("no end", data)
    return data.replace(b"(reset)", b"") # closed before all was read


def small(server):
    check(whole(server, post({"code": "print('x')"}, extra=KEY + CLOSE)), one)


def in_parts(server):
    data = post({"code": "print('x')" + " " * 20000}, extra=KEY + CLOSE)
    check(whole(server, data[:70], data[70:300], data[300:9000], data[9000:]), one)


def chunked(server):
    body = b'{"code":"print(\'x\')","language":"python"}'
    head = b"POST /v1/exec HTTP/1.1\r\nHost: a\r\n" + KEY + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n"
    check(whole(server, head + b"5\r\n" + body[:5] + b"\r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body) - 5, body[5:])), one)


def several(server):
    executions = [{"code": f"print({n})"} for n in range(2)] + [{"code": "console.log(2)", "language": "node"}]
    check(whole(server, post({"executions": executions}, "/v1/exec/batch", KEY + CLOSE)), batch)


def pipelined(server):
    request = post({"code": "print('x')"}, extra=KEY)
    check(whole(server, request + request, post({"code": "print('x')"}, extra=KEY + CLOSE)), one)


def broken(server):
    """Refused requests are refused, whatever memory there is."""
    data = whole(server, post(b'{"code":', extra=KEY + CLOSE))
    if any(a.status not in (400, 429, 500, 503) for a in answers(data)):
        complain("an unexpected answer", data)
    data = whole(server, post({"code": ""}, extra=CLOSE))
    if any(a.status not in (401, 500, 503) for a in answers(data)):
        complain("an unexpected answer", data)


def observed(server):
    check(whole(server, b"GET /v1/health HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n"), health)
    check(whole(server, b"GET /v1/metrics HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n"), metrics)


def timed_out(server):
    def look(body, data):
        result = json.loads(body)
        if "error" not in result and not result["stderr"].endswith("Execution timed out after 1s"):
            complain("a wrong result", data)

    check(whole(server, post({"code": "while True: pass", "timeout_seconds": 1}, extra=KEY + CLOSE)), look)


def reloaded(server):
    count = server.logged().count(b"keys ")
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: server.logged().count(b"keys ") > count)


def works(server):
    """As if nothing had been."""
    def right():
        answer = answers(whole(server, post({"code": "print('x')"}, extra=KEY + CLOSE)))[0]
        return answer.status == 200 and json.loads(answer.body)["stdout"] == "x\n"

    eventually(right)


def each(failures, server, script, lasting):
    """The script with every allocation failing in turn."""
    for n in range(1, 2000):
        failures.plan(n, lasting)
        script(server)
        failed = failures.end()
        if n % 16 == 0 or not failed:
            works(server)
        if not failed:
            assert n > 1, "nothing was allocated"
            return
    raise AssertionError("no end of allocations")


# ---- sessions ----

def forks(failures, server):
    """All copies of a session, or none, over MCP too."""
    def ask(path, body, method="POST"):
        text = json.dumps(body).encode()
        return answers(whole(server, f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(text)}\r\n".encode()
                             + b"Content-Type: application/json\r\n" + KEY + CLOSE + b"\r\n" + text))[0]

    def there():
        answer = answers(whole(server, b"GET /v1/sessions HTTP/1.1\r\nHost: a\r\n" + KEY + CLOSE + b"\r\n"))[0]
        return [one["id"] for one in json.loads(answer.body)["sessions"]]

    session = json.loads(ask("/v1/sessions", {}).body)["id"]
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "fork_session", "arguments": {"session": session, "count": 3}}}
    for path, body in ("/mcp", call), (f"/v1/sessions/{session}/fork", {"count": 3}):
        for n in range(1, 500):
            failures.plan(n)
            answer = ask(path, body)
            failed = failures.end()
            made = re.findall(rb"[0-9a-f]{8}-[0-9a-f-]{27}", answer.body)
            good = answer.status in (200, 201) and b'"isError":true' not in answer.body
            copies = sorted(set(there()) - {session})
            if good and sorted(made) != [one.encode() for one in copies] or answer.status == 200 and not good and copies:
                complain(f"allocation {n}: {len(copies)} copies", answer.body)
            for one in copies:
                ask(f"/v1/sessions/{one}", {}, "DELETE")
            if not failed:
                break
        assert good and n > 1, answer.body
    ask(f"/v1/sessions/{session}", {}, "DELETE")


# ---- workers ----

def start_of_a_worker(failures, server):
    """A worker that finds no memory when it starts is replaced by one that does."""
    for n in range(1, 100):
        failures.plan(n, children=True)
        for pid in subprocess.run(["ps", "-o", "pid=", "--ppid", str(server.process.pid)],
                                  capture_output=True, text=True).stdout.split():
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                os.kill(int(pid), signal.SIGKILL)
        works(server)
        if not failures.end():
            assert n > 1, "nothing was allocated"
            return
    raise AssertionError("no end of allocations")


# ---- commands ----

def command(failures, arguments, code=b"", done=(0,)):
    """Ends as it should, or with 1 and one line that says why."""
    for n in range(1, 3000):
        failures.plan(n)
        run = subprocess.run([TOP / PROGRAM, *arguments], input=code, capture_output=True, timeout=PATIENCE,
                             env=os.environ | {"ZEROBOOT_FAIL": failures.path})
        failed = failures.end()
        if run.returncode not in done and not (
                failed and run.returncode == 1 and re.fullmatch(rb"zeroboot: [^\n]+\n", run.stderr)):
            complain(f"allocation {n}: ended with {run.returncode}", run.stderr)
        if not failed:
            assert n > 1, "nothing was allocated"
            return
    raise AssertionError("no end of allocations")


def start_of_a_server(failures, environment):
    """Starts in the end, or says in one line why it does not."""
    for n in range(1, 200):
        failures.plan(n)
        log = tempfile.TemporaryFile()
        process = serve("--listen", "127.0.0.1:0", "--workers", "1", program=PROGRAM, stderr=log, env=environment)
        while process.poll() is None and not healthy(log_text(log)):
            time.sleep(0.01)
        failed = failures.end()
        process.terminate()
        status, text = process.wait(PATIENCE), log_text(log)
        if status != 0 and not (failed and status == 1 and re.search(rb"\Azeroboot: [^\n]+\n\Z", text)):
            complain(f"allocation {n}: ended with {status}", text)
        if not failed:
            return
    raise AssertionError("no end of allocations")


def add_layers(saved, tree):
    """As docker save: a layer, and one that hides some of it."""
    for name, files in ("lower", ("1", "2")), ("upper", ("1", ".wh.2", "long" * 40)):
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for file in files:
                info = tar.gettarinfo(f"{tree}/{file}/file") if file.isdigit() else tarfile.TarInfo(file)
                info.name, info.pax_headers = file, {"SCHILY.xattr.user.a": "b"}
                tar.addfile(info, io.BytesIO(b"text"[:info.size]))
        add_file(saved, name, layer.getvalue())
    add_file(saved, "config", json.dumps({"config": {"Env": ["A=B"], "Cmd": ["c"]}}).encode())
    add_file(saved, "manifest.json", json.dumps([{"Config": "config", "Layers": ["lower", "upper"]}]).encode())


def add_file(tar, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def log_text(log):
    return os.pread(log.fileno(), 1 << 20, 0)


def healthy(log):
    port = re.search(rb"serving on 127\.0\.0\.1:(\d+)", log)
    if not port:
        return False
    with socket.create_connection(("127.0.0.1", int(port[1])), PATIENCE) as s:
        s.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        return receive(s).startswith(b"HTTP/1.1 200")


def main():
    subprocess.run(["make", "-s", "MODE=sanitize", PROGRAM], cwd=TOP, check=True, stdout=subprocess.DEVNULL)
    report = Report("oom")
    with tempfile.TemporaryDirectory() as directory:
        failures = Failures(directory)
        keys = os.path.join(directory, "keys.json")
        with open(keys, "w") as f:
            f.write('["a-key-that-is-long-enough"]')
        environment = os.environ | {"ZEROBOOT_FAIL": failures.path, "ZEROBOOT_API_KEYS_FILE": keys}
        with Server("--workers", "1", program=PROGRAM, environment=environment) as server:
            for script in small, in_parts, chunked, several, pipelined, broken, observed, reloaded:
                for lasting in False, True:
                    report.check(f"{script.__name__}, {'all from the Nth' if lasting else 'the Nth'}",
                                 each, failures, server, script, lasting)
            report.check("timed_out, the Nth", each, failures, server, timed_out, False)
            report.check("copies of a session, the Nth", forks, failures, server)
            # Whose memory would run out, too.
            eventually(lambda: not server.loads())
            report.check("a worker's start", start_of_a_worker, failures, server)
        log = [line for line in server.logged().decode().splitlines()
               if not LOG_LINE.match(line) and not re.match(r"time=\S+ level=error msg=\"(keys not reloaded|\w+: worker: [^\"]*([Nn]o memory|Cannot allocate memory)\")|zeroboot: worker: ", line)]
        report.line("the server ends well and has nothing strange in its log",
                    None if server.process.returncode == 0 and not log else (server.process.returncode, log[:5]))
        report.check("a server's start", start_of_a_server, failures, environment)
        report.check("exec", command, failures, ["exec", "--templates", TOP / "templates"], b"print(1)")
        report.check("bench", command, failures, ["bench", "--templates", TOP / "templates", "-n", "1"])
        tree = os.path.join(directory, "tree")
        for i in range(20):
            os.makedirs(f"{tree}/{i}/empty")
            with open(f"{tree}/{i}/file", "w") as f:
                f.write("text")
            os.symlink("file", f"{tree}/{i}/link")
            os.link(f"{tree}/{i}/file", f"{tree}/{i}/same")
        image = os.path.join(directory, "image")
        report.check("image build", command, failures, ["image", "build", "-o", image, tree])
        layers = os.path.join(directory, "layers")
        with tarfile.open(layers, "w:gz") as saved:
            add_layers(saved, tree)
        report.check("image build of layers", command, failures, ["image", "build", "-o", image, layers])
        report.line("leaves no half of an image", next((f for f in os.listdir(directory) if f.startswith("image.")), None))
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
