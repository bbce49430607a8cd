#!/usr/bin/env python3
"""One program over many inputs: whatever the program does, its results are those of runs that each
have begun by themselves; what is asked for wrongly, given up, killed and paid."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import signal
import sys
import tempfile

from harness import PATIENCE, Report, Server, eventually, post, send

BATCH = "/v1/exec/batch"
COMMON = ["1 2\n3\n", "40 2", ""]  # three inputs: lines, none at the end, nothing
ALIKE = "stdout", "stderr", "exit_code", "status", "signal", "files", "stdout_truncated", "stderr_truncated", "error"

# name: program; or program, fields, inputs
PYTHON = {
    "reads nothing": "print('nothing')",
    "is wrong and reads nothing": "print(1, flush=True)\n1 / 0",
    "cannot be parsed": "print(",
    "reads a line": "print('before')\nprint(input())",
    "reads all": "import sys\nprint(repr(sys.stdin.read()))",
    "reads line by line": "import sys\nfor line in sys.stdin: print(sum(map(int, line.split())))",
    "reads bytes": "import sys\nprint(sys.stdin.buffer.read())",
    "reads from the descriptor": "import os\nprint(os.read(0, 3), os.read(0, 100), os.read(0, 1))",
    "reads twice": "a = input()\nprint('between')\nb = input()\nprint(a, b)",
    "opens /dev/stdin": "print(open('/dev/stdin').read())",
    "opens /proc/self/fd/0": "import os\nfd = os.open('/proc/self/fd/0', os.O_RDONLY)\nprint(os.read(fd, 100))",
    "reads into many buffers": "import os\na, b = bytearray(2), bytearray(9)\nprint(os.readv(0, [a, b]), a, b)",
    "polls": "import select\np = select.poll()\np.register(0)\nprint(p.poll())\nprint(input())",
    "selects": "import select\nprint(select.select([0], [], [], 5))\nprint(input())",
    "waits by epoll": "import select\ne = select.epoll()\ne.register(0)\nprint(e.poll())\nprint(input())",
    "asks how much there is": "import fcntl, struct, termios\nprint(struct.unpack('i', fcntl.ioctl(0, termios.FIONREAD, bytes(4))))",
    "asks how large the pipe is": "import fcntl\nprint(fcntl.fcntl(0, 1032))\nprint(input())",
    "does not wait": "import os\nos.set_blocking(0, False)\nprint(os.read(0, 10), os.read(0, 10))",
    "splices": "import os\nr, w = os.pipe()\nn = os.splice(0, w, 100)\nos.close(w)\nprint(n, os.read(r, 100))",
    "looks only at what it is": "import os, stat\ns = os.fstat(0)\nprint(stat.filemode(s.st_mode), s.st_size, os.isatty(0))",
    "closes it": "import os\nos.close(0)\nprint('closed')\nos.read(0, 1)",
    "puts a file in its place": "import os\nopen('f', 'w').write('x')\nos.dup2(os.open('f', 0), 0)\nprint(os.read(0, 9))",
    "keeps it elsewhere": "import os\nfd = os.dup(0)\nos.close(0)\nprint('moved', flush=True)\nprint(os.read(fd, 9))",
    "writes to it first": "import os\nw = os.open('/proc/self/fd/0', os.O_WRONLY)\nos.write(w, b'own')\nos.close(w)\nprint(os.read(0, 100))",
    "reads in a child": "import os\nif not os.fork():\n    print(os.read(0, 4), flush=True)\n    os._exit(3)\nprint(os.wait()[1])\nprint(os.read(0, 100))",
    "leaves it to another program": "import subprocess\nprint('to cat', flush=True)\nprint(subprocess.run(['cat']).returncode, flush=True)\nprint(subprocess.run(['cat'], capture_output=True).stdout)",
    "reads in a thread": "import threading\nout = []\nt = threading.Thread(target=lambda: out.append(open(0).read()))\nt.start(); t.join()\nprint(out)",
    "computes in threads before": "import threading\nsums = [0] * 4\ndef f(i): sums[i] = sum(range(i * 1000))\nts = [threading.Thread(target=f, args=(i,)) for i in range(4)]\n[t.start() for t in ts]; [t.join() for t in ts]\nprint(sums, input())",
    "reads in one thread while another waits": "import threading\ne = threading.Event()\nt = threading.Thread(target=lambda: (e.wait(), print('woken')))\nt.start()\ns = open(0).read()\ne.set(); t.join()\nprint(s)",
    "sleeps, then reads": "import time\ns = time.monotonic()\ntime.sleep(0.02)\nx = open(0).read()\ntime.sleep(0.02)\nprint(x, 0.04 <= time.monotonic() - s < 60)",
    "has a timer under way": "import signal, time\nrung = []\nsignal.signal(signal.SIGALRM, lambda *_: rung.append(print('alarm', flush=True)))\nsignal.setitimer(signal.ITIMER_REAL, 0.05)\nx = open(0).read()\nwhile not rung: time.sleep(0.01)\nprint(x)",
    "is awaited": "import asyncio, sys\nasync def main():\n    loop = asyncio.get_running_loop()\n    r = asyncio.StreamReader()\n    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(r), sys.stdin)\n    print(await r.read())\nasyncio.run(main())",
    "writes files before": "open('a', 'w').write('before')\nx = input()\nopen('a', 'a').write(x)\nopen('b', 'w').write(x)\nprint(open('a').read())",
    "returns files": ("import os\nos.mkdir('d')\nopen('d/a.txt', 'w').write('x')\nx = open(0).read()\nopen('d/b.txt', 'w').write(x)\nopen('c', 'wb').write(b'\\xff' + x.encode())", {"outputs": ["d/*.txt", "c"]}, COMMON),
    "has a seeded generator": "import random\nrandom.seed(42)\nprint(random.random())\nx = open(0).read()\nprint(x, random.random())",
    "imports numpy": "import numpy as np\na = np.arange(10)\nx = open(0).read()\nprint(a.sum() + len(x), np.array(x.split(), dtype=int).sum())",
    "has an error behind it": "x = input()\nprint(int(x))",
    "ends by a signal before": "import os\nprint('x', flush=True)\nos.kill(os.getpid(), 11)",
    "ends by a signal behind it": "import os\nx = input()\nos.kill(os.getpid(), 6)",
    "exits before": "import sys\nprint('out')\nsys.exit(7)",
    "exits as it is told": ("import sys\nprint('begun')\nsys.exit(int(input()))", {}, ["0", "1", "255"]),
    "registers what is done at its end": "import atexit\natexit.register(print, 'at exit')\nprint(open(0).read())",
    "has output that is not flushed": "import sys\nsys.stdout.write('held')\nsys.stderr.write('err')\nprint(sys.stdin.readline())",
    "writes much before": "import sys\nsys.stdout.write('x' * 300000)\nsys.stdout.flush()\nx = open(0).read()\nsys.stdout.write(x)",
    "writes too much before": "import sys\nsys.stdout.write('x' * 20000000)\nsys.stdout.flush()\nx = open(0).read()\nprint(x)\nsys.stderr.write(x * 1000)",
    "runs out of memory behind it": ("x = input()\nb = []\nwhile x: b.append(bytearray(b'x') * 10000000)", {"memory_mb": 120}, ["go", ""]),
    "holds more than is kept of a state": "b = bytearray(range(256)) * 65536\nx = open(0).read()\nprint(x, len(b), b[77777])",
    "gets large inputs": ("import sys, hashlib\nb = sys.stdin.buffer.read()\nprint(len(b), hashlib.md5(b).hexdigest())", {}, ["x" * 70000, "y\n" * 200000, {"base64": "AAEC/w=="}, "z" * 65537]),
    "gets what all have": ("import os, sys\nprint(sys.argv[1:], os.environ['A'], open('/tmp/f').read())\nprint(input())", {"args": ["a", "b"], "env": {"A": "b"}, "files": {"/tmp/f": "given"}}, ["1", "2"]),
    "gets what is its own": ("import os, sys\nprint(sys.argv[1:], os.environ.get('A'), open('/tmp/f').read())\nprint(open(0).read())", {"args": ["a"], "env": {"A": "b"}, "files": {"/tmp/f": "given"}},
                             [{"stdin": "1"}, {"args": ["own"]}, {"args": []}, {"env": {"A": "own"}, "stdin": "4"}, {"files": {"/tmp/f": "own"}}, {}, {"stdin": "7"}]),
    "has base64 for output": ("import sys\nprint('\\xff')\nprint(sys.stdin.read())", {"encoding": "base64"}, COMMON),
    "is too late before": ("print('begun', flush=True)\nwhile True: pass", {"timeout_seconds": 2}, ["1", "2"]),
    "is too late behind it": ("print('begun', flush=True)\nx = input()\nwhile x == 'on': pass", {"timeout_seconds": 3}, ["on", "off"]),
}
NODE = {
    "reads nothing": "console.log('nothing')",
    "reads all at once": "console.log('a'); console.log(require('fs').readFileSync(0, 'utf8'))",
    "listens": "let s = ''; process.stdin.on('data', d => s += d).on('end', () => console.log(JSON.stringify(s)))",
    "reads lines": "require('readline').createInterface({input: process.stdin}).on('line', l => console.log('line', l)).on('close', () => console.log('end'))",
    "iterates": "let n = 0; for await (const chunk of process.stdin) n += chunk.length; console.log(n)",
    "waits for a timer before": "setTimeout(() => console.log(require('fs').readFileSync('/dev/stdin', 'utf8')), 20)",
    "has promises under way": "const later = new Promise(r => setTimeout(r, 30, 'late')); console.log(require('fs').readFileSync(0, 'utf8')); later.then(console.log)",
    "throws behind it": "const s = require('fs').readFileSync(0, 'utf8'); if (s) throw new Error(s); console.log('none')",
    "leaves it to a child": "const r = require('child_process').spawnSync('cat', {stdio: [0, 'pipe', 'pipe']}); console.log(r.status, String(r.stdout))",
}
SH = {
    "reads nothing": "echo nothing; exit 4",
    "reads a line": "echo before; read a b; echo \"$a-$b\"; cat",
    "reads in a pipeline": "cat | sort -r | head -n 1",
    "reads in a loop": "n=0; while read -r l; do n=$((n + 1)); echo $n $l; done",
    "reads in the background": "{ cat; echo done; } <&0 & wait",
    "waits at most so long": "read -t 5 a; echo $? $a",
    "exits in a trap": "trap 'echo trapped' EXIT; read a; exit ${#a}",
}


class Client:
    def __init__(self, server, key=None):
        self.port, self.key = server.port, key

    def ask(self, body, path=BATCH):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(c):
            c.request("POST", path, body if isinstance(body, bytes) else json.dumps(body),
                      {"Authorization": f"Bearer {self.key}"} if self.key else {})
            answer = c.getresponse()
            return answer.status, json.loads(answer.read())

    def results(self, body):
        status, answer = self.ask(body)
        assert status == 200, (status, answer)
        return answer["results"]


# ---- as if each had run alone ----

def without(result):
    return {name: result[name] for name in ALIKE if name in result}


def run_alone(client, program, one):
    """What the batch has of all, with what the input has of its own."""
    whole = {**program, **one}
    for name in "env", "files":
        if name in program or name in one:
            whole[name] = {**program.get(name, {}), **one.get(name, {})}
    return client.results({"executions": [whole]})[0]


def as_alone(client, language, given):
    code, fields, inputs = (given, {}, COMMON) if isinstance(given, str) else given
    inputs = [one if isinstance(one, dict) and "base64" not in one else {"stdin": one} for one in inputs]
    program = {"code": code, "language": language, **fields}
    judged = client.results({**program, "inputs": inputs})
    assert len(judged) == len(inputs)
    for one, result in zip(inputs, judged):
        alone = run_alone(client, program, one)
        assert without(result) == without(alone), (str(one)[:100], without(result), without(alone))
        assert result["usage"]["system_calls"] and result["usage"]["cpu_ms"] > 0, result


# ---- what is shared, and what is not ----

def begins_once(client):
    code = "import os, random\nprint(os.urandom(16).hex(), random.random())\nx = input()\nprint(random.random())\nprint(os.urandom(16).hex(), x)"
    results = client.results({"code": code, "inputs": [{"stdin": str(i)} for i in range(20)]})
    lines = [r["stdout"].splitlines() for r in results]
    assert len({line[0] for line in lines}) == 1 and len({line[1] for line in lines}) == 1, lines
    assert len({line[2].split()[0] for line in lines}) == 20 and [line[2].split()[1] for line in lines] == [str(i) for i in range(20)], lines
    assert len({r["id"] for r in results}) == 20


def counts_the_beginning(client):
    """The time before is everybody's, and less is left of it; the program's clock stands still in between."""
    code = "import time\nstart = time.monotonic()\ntime.sleep(1.5)\nx = input()\nwhile x == 'on':\n    time.sleep(0.05)\n    print(time.monotonic() - start, flush=True)"
    off, on, _ = results = client.results({"code": code, "timeout_seconds": 5, "inputs": [{"stdin": "off"}, {"stdin": "on"}, {"stdin": "off"}]})
    assert [r["status"] for r in results] == ["ok", "timeout", "ok"], results
    assert all(r["exec_time_ms"] >= 1500 for r in results) and on["exec_time_ms"] >= 5000 and off["exec_time_ms"] < 5000, results
    assert 1.5 < float(on["stdout"].split()[-1]) < 6.4 and on["stderr"] == "Execution timed out after 5s", results


def many(client):
    code = "import sys\nprint('sum')\nprint(sum(map(int, sys.stdin.read().split())))"
    results = client.results({"code": code, "inputs": [{"stdin": f"{i} {i}"} for i in range(1000)]})
    assert [r["stdout"] for r in results] == [f"sum\n{2 * i}\n" for i in range(1000)]
    results = client.results({"code": "print('x' * 10)", "inputs": [{"stdin": str(i)} for i in range(1000)]})
    assert {r["stdout"] for r in results} == {"x" * 10 + "\n"} and len(results) == 1000


def beside_others(client):
    """Several of them, and ordinary runs, at a time."""
    def judge(n):
        code = f"x = [{n}] * 1000\nprint(sum(x) + int(input()))"
        return [r["stdout"] for r in client.results({"code": code, "inputs": [{"stdin": str(i)} for i in range(30)]})]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        judged = [pool.submit(judge, n) for n in range(4)]
        runs = [pool.submit(client.ask, {"code": f"print({n})", "language": "sh" if n % 3 else "python"} if n % 3 == 0 else {"code": f"echo {n}", "language": "sh"}, "/v1/exec") for n in range(24)]
        for n, future in enumerate(judged):
            assert future.result() == [f"{1000 * n + i}\n" for i in range(30)], n
        for n, future in enumerate(runs):
            assert future.result()[1]["stdout"] == f"{n}\n", future.result()


# ---- what is wrong ----

def refused(client):
    code = {"code": "print(input())", "language": "python"}
    for body, problem in [
        ({**code, "inputs": []}, "inputs: empty"),
        ({**code, "inputs": [{}] * 1001}, "inputs: more than 1000"),
        ({**code, "inputs": None}, "inputs: not an array"),
        ({**code, "inputs": "a"}, "inputs: not an array"),
        ({**code, "inputs": {"stdin": "a"}}, "inputs: not an array"),
        ({**code, "inputs": ["a"]}, "inputs[0]: not an object"),
        ({**code, "inputs": [{}, {"stdin": 1}]}, "inputs[1].stdin: "),
        ({**code, "inputs": [{"stdin": {"base64": "?"}}]}, "inputs[0].stdin: "),
        ({**code, "inputs": [{"args": "a"}]}, "inputs[0].args: "),
        ({**code, "inputs": [{"args": ["a\0"]}]}, "inputs[0].args: "),
        ({**code, "inputs": [{}, {}, {"env": []}]}, "inputs[2].env: "),
        ({**code, "inputs": [{"files": {"../a": ""}}]}, "inputs[0].files: "),
        ({"inputs": [{}]}, "code: missing"),
        ({"code": 1, "inputs": [{}]}, "code: not a string"),
        ({**code, "language": "cobol", "inputs": [{}]}, "language: "),
        ({**code, "timeout_seconds": 0, "inputs": [{}]}, "timeout_seconds: "),
        ({**code}, "executions: missing"),
        ({}, "executions: missing"),
        (json.dumps({**code, "inputs": [{}]}).encode()[:-1], "JSON"),
    ]:
        status, answer = client.ask(body)
        assert status == 400 and problem in answer["error"], (str(body)[:200], status, answer)
    status, answer = client.ask({**code, "stdin": "all", "more": 1, "inputs": [{"stdin": "1", "code": "2"}, {"stdin": "2"}]})
    assert status == 200 and answer["warnings"] == ["stdin: unknown field", "more: unknown field"], answer
    assert [r.get("warnings") for r in answer["results"]] == [["code: unknown field"], None] and answer["results"][1]["stdout"] == "2\n", answer
    status, answer = client.ask({"executions": [code], "inputs": [{}]})
    assert status == 200 and answer["warnings"] == ["inputs: unknown field"] and len(answer["results"]) == 1, answer
    # The guest says so, to those whom it concerns.
    results = client.results({**code, "inputs": [{"stdin": "1"}, {"files": {"/etc": ""}}, {"stdin": "3"}]})
    assert [r.get("stdout") for r in results] == ["1\n", None, "3\n"] and "/etc" in results[1]["error"], results
    results = client.results({**code, "memory_mb": 1, "inputs": [{"stdin": "1"}, {"stdin": "2"}]})
    assert all("memory_mb" in r["error"] for r in results) and len(results) == 2, results


# ---- who goes away ----

def ticks(pid):
    with contextlib.suppress(OSError):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])
    return 0


def the_only_busy_one(server):
    """Of the workers that there are; None: others have done something too, or have come."""
    before = {pid: ticks(pid) for pid in server.workers()}
    used = lambda: {pid: ticks(pid) - t for pid, t in before.items()}
    eventually(lambda: max(used().values(), default=9) > 3 or server.workers() != [*before])
    busy = [pid for pid, t in used().items() if t > 0]
    return busy[0] if len(busy) == 1 and server.workers() == [*before] else None


def killed(server, client):
    """A worker that dies costs the one input that it ran."""
    def kill():
        eventually(lambda: server.metric("zeroboot_concurrent_forks") == 1)
        found = []
        eventually(lambda: found.append(the_only_busy_one(server)) or found[-1])
        os.kill(found[-1], signal.SIGKILL)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        done = pool.submit(kill)
        results = client.results({"code": "print('begun')\nx = input()\nwhile x == 'on': pass\nprint(x)", "timeout_seconds": 300,
                                  "inputs": [{"stdin": "1"}, {"stdin": "on"}, {"stdin": "3"}, {"stdin": "4"}]})
        done.result()
    assert "worker" in results.pop(1)["error"], results
    assert [r["stdout"] for r in results] == ["begun\n1\n", "begun\n3\n", "begun\n4\n"], results


def killed_before(server, client):
    """In the common beginning: it is nobody's, and said to all."""
    def kill():
        found = []
        eventually(lambda: found.append(the_only_busy_one(server)) or found[-1])
        os.kill(found[-1], signal.SIGKILL)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        done = pool.submit(kill)
        results = client.results({"code": "while True: pass", "timeout_seconds": 300, "inputs": [{}] * 3})
        done.result()
    assert len(results) == 3 and all("worker" in r["error"] for r in results), results


def given_up(server, client):
    """A client that leaves, in the beginning and behind it: nothing of its goes on."""
    for code in "while True: pass", "x = input()\nwhile True: pass":
        cancelled = server.metric("zeroboot_cancelled_total")
        with server.connect() as s:
            send(s, post({"code": code, "timeout_seconds": 300, "inputs": [{"stdin": "1"}] * 300}, BATCH))
            eventually(lambda: server.metric("zeroboot_concurrent_forks") >= 1)
            if "input" in code:
                eventually(lambda: server.metric("zeroboot_concurrent_forks") == 2)
        eventually(lambda: server.metric("zeroboot_concurrent_forks") == 0)
        assert server.metric("zeroboot_cancelled_total") == cancelled + 300, (cancelled, server.metric("zeroboot_cancelled_total"))
    assert client.results({"code": "print(input())", "inputs": [{"stdin": "a"}, {"stdin": "b"}]})[1]["stdout"] == "b\n"
    eventually(lambda: server.metric("zeroboot_sessions_bytes") == 0)


def without_a_queue():
    """They follow each other on the one worker, and nobody is refused."""
    with Server("--workers", "1", "--max-queue", "0") as server:
        client = Client(server)
        results = client.results({"code": "print(int(input()) + 1)", "inputs": [{"stdin": str(i)} for i in range(20)] + [{"stdin": "1", "args": ["x"]}] * 3})
        assert [r["stdout"] for r in results] == [f"{i + 1}\n" for i in range(20)] + ["2\n"] * 3, results
        assert not server.unexpected(), server.unexpected()


def drains():
    """At the end of the server what has begun is finished; the rest is told."""
    with Server("--workers", "1") as server, concurrent.futures.ThreadPoolExecutor(1) as pool:
        client = Client(server)
        answer = pool.submit(client.results, {"code": "import time\nx = input()\nif x == 'first': time.sleep(1.5)\nprint(x)",
                                              "inputs": [{"stdin": "first"}] + [{"stdin": "x"}] * 50})
        eventually(lambda: server.metric("zeroboot_concurrent_forks") == 1)
        server.process.terminate()
        results = answer.result()
        assert len(results) == 51 and all(r.get("stdout") in ("x\n", "first\n") or r["error"] == "the server is draining" for r in results), results


def costs():
    """Each input is one request of its key's; more than a bucket has are waited for afterwards."""
    keys = ["first-key-0123456789", "second-key-abcdefghij"]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(keys, file)
        file.flush()
        with Server("--workers", "1", environment={**os.environ, "ZEROBOOT_API_KEYS_FILE": file.name}) as server:
            first, second = (Client(server, key) for key in keys)
            batch = {"code": "echo x", "language": "sh", "inputs": [{}] * 1000}
            assert len(first.results(batch)) == 1000
            status, answer = first.ask(batch)
            assert status == 429 and "100 requests" in answer["error"], (status, answer)
            assert first.ask({"code": "", "language": "sh"}, "/v1/exec")[0] == 429
            assert second.ask({"code": "", "language": "sh"}, "/v1/exec")[0] == 200


def main():
    report = Report("judge")
    with Server("--workers", "2:2", "--session-memory", "8") as server:
        client = Client(server)
        for language, programs in ("python", PYTHON), ("node", NODE), ("sh", SH):
            for name, given in programs.items():
                report.check(f"{language} {name}: as alone", as_alone, client, language, given)
        report.check("the beginning is once, and the kernel's random bytes behind it are each one's", begins_once, client)
        report.check("the time of the beginning is everybody's", counts_the_beginning, client)
        report.check("a thousand", many, client)
        report.check("beside others", beside_others, client)
        report.check("what is asked for wrongly is refused, and where", refused, client)
        report.check("a worker that dies costs the one input that it ran", killed, server, client)
        report.check("one that dies in the beginning costs all", killed_before, server, client)
        report.check("a client that leaves ends all", given_up, server, client)
        report.line("the server has nothing else to say", server.unexpected() or None)
    report.check("without a queue", without_a_queue)
    report.check("at the end of the server", drains)
    report.check("what it costs", costs)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
