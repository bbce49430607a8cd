#!/usr/bin/env python3
"""A long mixture of runs, ordinary and hostile, in both languages. Each carries a
number of its own, which must come back and no other; afterwards the server has
the memory, descriptors and processes that it had near the beginning, and its
counters agree with the clients'. SOAK_REQUESTS requests, 3,000 unless set."""
import collections
import json
import os
import pathlib
import random
import re
import select
import signal
import socket
import sys
import threading
import time

from harness import Report, Server, eventually, post

REQUESTS = int(os.environ.get("SOAK_REQUESTS", "3000"))
CLIENTS = 12
WORKERS = 4          # for each language
FRONT_END_MB = 3     # that the front end may have grown by,
WORKER_MB = 24       # and its largest worker
MINE = re.compile(r"soak-[0-9a-f]{16}")

PYTHON_STORM = """
import threading
found = []
threads = [threading.Thread(target=lambda: found.append(sum(range(1000)))) for _ in range(50)]
[t.start() for t in threads]
[t.join() for t in threads]
print(len(found), "NONCE")
"""
PYTHON_FILE = """
import os
open("/tmp/NONCE", "w").write("NONCE")
os.chdir("/tmp")
os.environ["LEAK"] = "NONCE"
print(*[f for f in os.listdir("/tmp") if f.startswith("soak-")])
"""
PYTHON_LEAK = """
import builtins, json
print(getattr(builtins, "leak", "none"), getattr(json, "leak", "none"), "NONCE")
builtins.leak = json.leak = "NONCE"
json.dumps = None
"""
PYTHON_RANDOM = """
import os, random, uuid
print("NONCE", random.random(), os.urandom(12).hex(), uuid.uuid4())
"""
PYTHON_STACK = """
import sys
a = []
for _ in range(300000): a = [a]
sys.setrecursionlimit(10**9)
repr(a)
"""
# Over the guest kernel: whatever comes of it, it comes to this run alone.
PYTHON_OVERWRITE = """
import ctypes, random
print("NONCE", flush=True)
ctypes.memset(random.choice([0x400000100000, 0x400000200000, 0x400000110000]), random.choice([0, 255]), 1 << random.randint(12, 21))
print("NONCE")
"""
NODE_FILE = """
const fs = require("fs");
fs.writeFileSync("/tmp/NONCE", "NONCE");
console.log(fs.readdirSync("/tmp").filter(f => f.startsWith("soak-")).join(" "));
"""
NODE_LEAK = """
console.log(globalThis.leak ?? "none", JSON.leak ?? "none", "NONCE");
globalThis.leak = JSON.leak = Array.prototype.leak = "NONCE";
"""
NODE_RANDOM = """
console.log("NONCE", Math.random(), require("crypto").randomBytes(12).toString("hex"), crypto.randomUUID());
"""
NODE_LATER = """
setTimeout(() => console.log("NONCE"), 5);
Promise.resolve().then(() => console.log("first"));
"""


def said(text, code=0):
    """Exactly this on stdout, and this exit code."""
    return lambda r, n: r["stdout"] == text.replace("NONCE", n) and r["exit_code"] == code


def ended(*codes, stderr=""):
    return lambda r, n: r["exit_code"] in codes and stderr.replace("NONCE", n) in r["stderr"]


def cut(r, n):
    """On a busy machine perhaps before it said anything."""
    return (r["exit_code"] == -1 and r["stdout"] in ("", n + "\n") and
            r["stderr"].endswith("Execution timed out after 1s"))


def truncated(r, n):
    return (r["exit_code"] == 0 and len(r["stdout"]) == 1 << 20 and r["stdout"].startswith(n) and
            "stdout truncated" in r["stderr"])


drawn, draws = set(), threading.Lock()


def unique(r, n):
    values = r["stdout"].split()
    with draws:
        fresh = len(values) == 4 and values[0] == n and drawn.isdisjoint(values[1:])
        drawn.update(values[1:])
    return fresh and r["exit_code"] == 0


def anything(_r, _n):
    return True


Kind = collections.namedtuple("Kind", "name share language code right")
KINDS = [
    Kind("print", 3000, "python", "print('NONCE')", said("NONCE\n")),
    Kind("numpy", 300, "python", "import numpy\nprint(numpy.arange(1000).sum(), 'NONCE')", said("499500 NONCE\n")),
    Kind("unicode", 500, "python", "print('\u00fc\u20ac\U0001f600\\0 NONCE')", said("\u00fc\u20ac\U0001f600\0 NONCE\n")),
    Kind("exit", 300, "python", "import sys\nprint('NONCE')\nsys.exit(77)", said("NONCE\n", 77)),
    Kind("raise", 300, "python", "raise ValueError('NONCE')", ended(1, stderr="ValueError: NONCE\n")),
    Kind("random", 300, "python", PYTHON_RANDOM, unique),
    Kind("files", 300, "python", PYTHON_FILE, said("NONCE\n")),
    Kind("leak", 300, "python", PYTHON_LEAK, said("none none NONCE\n")),
    Kind("output", 20, "python", "print('NONCE' + 'x' * 3000000)", truncated),
    Kind("recursion", 30, "python", "def f(): f()\nf()", ended(1, stderr="RecursionError")),
    Kind("stack", 3, "python", PYTHON_STACK, ended(139)),
    Kind("memory", 2, "python", "a = []\nwhile True: a.append(bytearray(1 << 20))", ended(1, 137)),
    Kind("segfault", 30, "python", "import ctypes\nctypes.string_at(8)", ended(139)),
    Kind("abort", 30, "python", "import os\nprint('NONCE', flush=True)\nos.abort()", said("NONCE\n", 134)),
    Kind("overwrite", 6, "python", PYTHON_OVERWRITE, anything),
    Kind("threads", 40, "python", PYTHON_STORM, said("50 NONCE\n")),
    Kind("loop", 2, "python", "print('NONCE', flush=True)\nwhile True: pass", cut),
    Kind("sleep", 10, "python", "print('NONCE', flush=True)\nimport time\ntime.sleep(100)", cut),
    Kind("print", 2000, "node", "console.log('NONCE')", said("NONCE\n")),
    Kind("unicode", 300, "node", "console.log('\u00fc\u20ac\U0001f600 NONCE')", said("\u00fc\u20ac\U0001f600 NONCE\n")),
    Kind("exit", 200, "node", "console.log('NONCE'); process.exit(77)", said("NONCE\n", 77)),
    Kind("throw", 200, "node", "throw new Error('NONCE')", ended(1, stderr="Error: NONCE\n")),
    Kind("random", 200, "node", NODE_RANDOM, unique),
    Kind("files", 200, "node", NODE_FILE, said("NONCE\n")),
    Kind("leak", 200, "node", NODE_LEAK, said("none none NONCE\n")),
    Kind("later", 200, "node", NODE_LATER, said("first\nNONCE\n")),
    Kind("output", 10, "node", "process.stdout.write('NONCE' + 'x'.repeat(3000000))", truncated),
    Kind("recursion", 20, "node", "function f() { f(); } f()", ended(1, stderr="RangeError")),
    Kind("memory", 1, "node", "const a = []; for (;;) a.push(new Array(1e5).fill(1.5));", ended(1, 134, 137, 139)),
    Kind("abort", 20, "node", "console.log('NONCE'); process.abort()", said("NONCE\n", 134)),
    Kind("loop", 2, "node", "console.log('NONCE'); for (;;) ;", cut),
    Kind("wait", 5, "node", "console.log('NONCE'); setInterval(() => {}, 1000)", cut),
]
SHARES = [k.share for k in KINDS]


class Tally:
    """What the clients saw, together."""

    def __init__(self):
        self.lock = threading.Lock()
        self.kinds = collections.Counter()
        self.ended = collections.Counter()  # runs by success, error, timeout
        self.failed = 0                     # honest failures of ordinary runs
        self.left = 0                       # runs whose client did not wait
        self.kills = 0
        self.requests = 0
        self.problems = []

    def run(self, kind, nonce, result):
        """One run that was answered."""
        text = json.dumps(result)
        name = f"{kind.language} {kind.name}"
        error = "error" in result
        right = kind.right is anything if error else kind.right(result, nonce)
        if not set(MINE.findall(text)) <= {nonce}:
            right, name = False, name + ", another's output"
        with self.lock:
            self.kinds[name] += 1
            if error:
                self.ended["error"] += 1
                self.failed += kind.right is not anything
            else:
                code = result["exit_code"]
                self.ended["timeout" if code == -1 else "error" if code else "success"] += 1
            if not right and not error:
                self.problems.append(f"{name} {nonce}: {text[:400]}")

    def problem(self, text):
        with self.lock:
            self.problems.append(text)


class Client(threading.Thread):
    """Asks on one connection or on new ones, one request after the other."""

    def __init__(self, server, tally, seed, most):
        super().__init__(daemon=True)
        self.server, self.tally, self.most = server, tally, most
        self.random = random.Random(seed)
        self.socket = None

    def run(self):
        try:
            while self.take():
                self.request()
        except Exception as e:
            self.tally.problem(f"client: {e!r}")
        self.hang_up()

    def take(self):
        with self.tally.lock:
            self.tally.requests += 1
            if self.tally.requests % 20000 == 0:
                print(f"# {self.tally.requests} requests", flush=True)
            return self.tally.requests <= self.most and not self.tally.problems

    def hang_up(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def execution(self):
        kind = self.random.choices(KINDS, SHARES)[0]
        nonce = f"soak-{self.random.getrandbits(64):016x}"
        seconds = 1 if kind.right in (cut, anything) else 280
        return kind, nonce, {"code": kind.code.replace("NONCE", nonce), "language": kind.language,
                             "timeout_seconds": seconds}

    def request(self):
        if self.socket is None:
            self.socket = self.server.connect(1200)
        choice = self.random.random()
        if choice < 0.005:
            self.leave()
        elif choice < 0.05:
            self.batch([self.execution() for _ in range(self.random.randint(2, 8))])
        else:
            kind, nonce, body = self.execution()
            self.socket.sendall(post(body))
            status, answer = self.receive()
            self.expect(status in (200, 500), f"{status} {answer}")
            self.tally.run(kind, nonce, answer)
        if self.random.random() < 0.2:
            self.hang_up()

    def batch(self, some):
        self.socket.sendall(post({"executions": [body for _, _, body in some]}, "/v1/exec/batch"))
        status, answer = self.receive()
        self.expect(status == 200 and len(answer["results"]) == len(some), f"{status} {str(answer)[:200]}")
        for (kind, nonce, _), result in zip(some, answer["results"]):
            self.tally.run(kind, nonce, result)

    def leave(self):
        """In the middle of a run, or of the wait for one."""
        code = self.random.choice(["import time; time.sleep(3)", "while True: pass", "print(1)"])
        self.socket.sendall(post({"code": code, "timeout_seconds": 5}))
        select.select([self.socket], [], [], self.random.uniform(0, 0.03))
        if self.random.random() < 0.5:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.hang_up()
        with self.tally.lock:
            self.tally.left += 1

    def receive(self):
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.more(data)
        head, _, body = data.partition(b"\r\n\r\n")
        size = int(re.search(rb"Content-Length: (\d+)", head)[1])
        parts = [body]
        while size > sum(map(len, parts)):
            parts.append(self.more(data))
        body = b"".join(parts)
        self.expect(len(body) == size, "more than one answer")
        if b"Connection: close" in head:
            self.hang_up()
        return int(head[9:12]), json.loads(body)

    def more(self, data):
        part = self.socket.recv(1 << 18)
        self.expect(part, f"closed after {data[:200]!r}")
        return part

    def expect(self, condition, what):
        if not condition:
            raise AssertionError(what)


def children(server):
    pid = server.process.pid
    some = [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [p for p in some if b"\0worker\0" in command_line(p)]


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def killer(server, tally, until):
    while not until.wait(random.uniform(0.5, 4)):
        some = children(server)
        if some:
            os.kill(random.choice(some), signal.SIGKILL)
            tally.kills += 1


def private(pid):
    """MiB that this process alone has written."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"Private_Dirty:\s+(\d+) kB", text)[1]) / 1024


def meminfo(name):
    return int(re.search(rf"^{name}:\s+(\d+) kB", pathlib.Path("/proc/meminfo").read_text(), re.M)[1]) / 1024


Sample = collections.namedtuple("Sample", "front_end worker slab descriptors worker_descriptors processes")


def settled(server):
    """Every worker is there and waits."""
    ready = lambda l: server.metric(f'zeroboot_workers{{language="{l}",state="ready"}}') == WORKERS
    eventually(lambda: ready("python") and ready("node"))
    time.sleep(0.5)


def sample(server):
    """Once all is quiet; a worker that is killed is not looked at."""
    settled(server)
    pids = children(server)
    count = lambda pid: len(os.listdir(f"/proc/{pid}/fd"))
    return Sample(private(server.process.pid), max(private(p) for p in pids), meminfo("SUnreclaim"),
                  count(server.process.pid), max(count(p) for p in pids), len(pids))


def phase(server, tally, most, seed):
    """Requests until there have been so many."""
    over = threading.Event()
    clients = [Client(server, tally, seed + i, most) for i in range(CLIENTS)]
    tally.requests = min(tally.requests, most)
    threads = [*clients, threading.Thread(target=killer, args=(server, tally, over), daemon=True)]
    for t in threads:
        t.start()
    for c in clients:
        c.join()
    over.set()
    threads[-1].join()
    tally.requests = most


def check_counters(server, tally):
    get = lambda status: server.metric(f'zeroboot_total_executions{{status="{status}"}}')
    shown = {status: get(status) for status in ("success", "error", "timeout")}
    for status, count in shown.items():
        seen = tally.ended[status]
        assert seen <= count <= seen + tally.left, (status, count, seen, tally.left)
    cancelled = server.metric("zeroboot_cancelled_total")
    runs = sum(tally.ended.values())
    assert runs <= sum(shown.values()) + cancelled <= runs + tally.left, (shown, cancelled, runs, tally.left)
    for histogram in "fork", "exec", "total":
        count = server.metric(f"zeroboot_{histogram}_time_milliseconds_count")
        failures = server.metric("zeroboot_worker_failures_total")
        assert count + failures == sum(shown.values()), (histogram, count, failures, shown)


def check_same(server, first, last):
    """Workers give back what runs used when they have had nothing to do for some
    time."""
    eventually(lambda: sample(server).worker < first.worker + WORKER_MB)
    assert last.front_end < first.front_end + FRONT_END_MB, (first, last)
    assert last.descriptors <= first.descriptors, (first, last)
    assert last.worker_descriptors <= first.worker_descriptors + 1, (first, last)
    assert last.processes == first.processes, (first, last)


def check_failures(tally):
    """A killed worker costs one run at most."""
    assert tally.failed <= tally.kills, (tally.failed, tally.kills)


def require(condition, what=None):
    assert condition, what


def main():
    report, tally = Report("soak"), Tally()
    seed = random.getrandbits(32)
    start = time.monotonic()
    with Server("--workers", str(WORKERS), "--max-queue", "1000") as server:
        phase(server, tally, min(1000, REQUESTS // 4), seed)
        first = sample(server)
        phase(server, tally, REQUESTS, seed + 100)
        last = sample(server)
        seconds = time.monotonic() - start
        report.check(f"{REQUESTS} requests, each with its own answer (seed {seed})", require, not tally.problems,
                     "\n".join(tally.problems[:5]))
        report.check("a killed worker costs one run at most", check_failures, tally)
        report.check("the counters agree with the clients'", check_counters, server, tally)
        report.check("memory, descriptors and processes are as near the beginning", check_same, server, first, last)
        report.line("nothing in the log but lines of requests", server.unexpected()[:5] or None)
    runs = sum(tally.ended.values())
    print(f"# {runs} runs in {seconds:.0f} s, {runs / seconds:.0f} a second; {dict(tally.ended)}; "
          f"{tally.left} not waited for, {tally.kills} workers killed, {tally.failed} runs failed by that")
    print("#", ", ".join(f"{name} {count}" for name, count in sorted(tally.kinds.items())))
    for name, s in ("near the beginning", first), ("at the end", last):
        print(f"# {name}: front end {s.front_end:.1f} MiB private, {s.descriptors} descriptors; largest worker "
              f"{s.worker:.1f} MiB, {s.worker_descriptors}; {s.processes} workers; kernel {s.slab:.0f} MiB")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
