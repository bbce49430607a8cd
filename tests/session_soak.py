#!/usr/bin/env python3
"""A long mixture of what is done with sessions, in three languages, beside runs and workers that
are killed. Each session has a number of its own, which must come back and no other; what an exec
was not answered well for has not been. Afterwards, without sessions, the server has the memory and
the descriptors that it had near the beginning. SOAK_SESSIONS operations, 600 unless set."""
import collections
import http.client
import json
import os
import random
import signal
import sys
import threading
import time

from harness import PATIENCE, Report, Server, eventually
from soak import private

OPERATIONS = int(os.environ.get("SOAK_SESSIONS", "600"))
CLIENTS = 6
WORKERS = 2       # of each language
SESSIONS = 12     # of a client
FRONT_END_MB = 4  # that the front end may have grown by,
WORKER_MB = 24    # and its largest worker

# What begins with a number, counts, and shows both.
CODES = {
    "python": ("mine = 'NONCE'; n = 0; open('/tmp/mine', 'w').write(mine)",
               "n += 1; print(mine, n, open('/tmp/mine').read() == mine)", "True",
               "import os; ballast = os.urandom(SIZE)"),
    "node": ("var mine = 'NONCE', n = 0; require('fs').writeFileSync('/tmp/mine', mine)",
             "n++; console.log(mine, n, require('fs').readFileSync('/tmp/mine', 'utf8') === mine)", "true",
             "var ballast = require('crypto').randomBytes(SIZE)"),
    "sh": ("mine=NONCE n=0; echo $mine >/tmp/mine", "((n += 1)); echo $mine $n $([ \"$(cat /tmp/mine)\" = $mine ] && echo true)",
           "true", "head -c SIZE /dev/urandom >/tmp/ballast"),
}


class Tally:
    def __init__(self):
        self.lock = threading.Lock()
        self.done = collections.Counter()
        self.count, self.most, self.lost, self.kills = 0, 0, 0, 0
        self.problems = []

    def take(self):
        with self.lock:
            self.count += 1
            if self.count % 5000 == 0:
                print(f"# {self.count} operations", flush=True)
            return self.count <= self.most and not self.problems


class Client(threading.Thread):
    def __init__(self, server, tally, seed):
        super().__init__(daemon=True)
        self.server, self.tally = server, tally
        self.random = random.Random(seed)
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        self.sessions = []  # [id, language, number, count, what that was before the last exec; None: nothing]

    def ask(self, method, path, body=None):
        self.connection.request(method, path, None if body is None else json.dumps(body))
        answer = self.connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None

    def run(self):
        steps = {self.make: 3, self.exec: 20, self.grow: 2, self.fork: 2, self.delete: 3, self.show: 2, self.one_shot: 4,
                 self.cut: 0.3, self.fail: 1}
        try:
            while self.tally.take():
                step = self.random.choices(list(steps), steps.values())[0]
                step()
                self.tally.done[step.__name__] += 1
            while self.sessions:
                self.delete()
        except Exception as e:
            self.tally.problems.append(f"{type(e).__name__}: {e}")

    def code(self, one, which, **what):
        """An exec. None: a worker was killed, and it has not been."""
        text = CODES[one[1]][which].replace("NONCE", one[2]).replace("SIZE", str(self.random.randrange(1 << 18)))
        status, answer = self.ask("POST", f"/v1/sessions/{one[0]}/exec", {"code": text, "timeout_seconds": 280, **what})
        if status == 500 and "worker" in answer["error"]:
            self.lose(one, answer)
            return None
        assert status == 200 and answer["exit_code"] == 0, (status, answer)
        one[4] = one[3]
        return answer["stdout"]

    def lose(self, one, answer):
        """It has not been; nor has the one before, if it says so, whose worker was killed before it was saved."""
        with self.tally.lock:
            self.tally.lost += 1
        if not answer["error"].startswith("what the exec before"):
            return
        one[3] = one[4]
        while one[3] is None:
            if self.code(one, 0) is not None:
                one[3] = 0

    def make(self):
        if len(self.sessions) == SESSIONS:
            return self.delete()
        language = self.random.choice(list(CODES))
        status, answer = self.ask("POST", "/v1/sessions", {"language": language})
        assert status == 201, (status, answer)
        one = [answer["id"], language, f"soak-{self.random.getrandbits(64):016x}", None, None]
        while self.code(one, 0) is None:
            pass
        one[3] = 0
        self.sessions.append(one)

    def any(self):
        if not self.sessions:
            self.make()
        return self.random.choice(self.sessions)

    def exec(self):
        one = self.any()
        said = self.code(one, 1)
        if said is None:
            return
        one[3] += 1
        assert said == f"{one[2]} {one[3]} {CODES[one[1]][2]}\n", (one, said)

    def grow(self):
        self.code(self.any(), 3)

    def fork(self):
        one = self.any()
        status, answer = self.ask("POST", f"/v1/sessions/{one[0]}/fork", {"count": self.random.randint(1, 3)})
        if status == 500:
            return self.lose(one, answer)
        assert status == 201, (status, answer)
        self.sessions += [[copy["id"], *one[1:]] for copy in answer["sessions"]]
        while len(self.sessions) > SESSIONS:
            self.delete()

    def delete(self):
        one = self.any()
        self.sessions.remove(one)
        status, _ = self.ask("DELETE", f"/v1/sessions/{one[0]}")
        assert status == 204, status

    def show(self):
        one = self.any()
        status, answer = self.ask("GET", f"/v1/sessions/{one[0]}")
        assert status == 200 and answer["language"] == one[1], (status, answer)

    def one_shot(self):
        language = self.random.choice(list(CODES))
        code = {"python": "print('mine' in globals())", "node": "console.log('mine' in globalThis)", "sh": "echo ${mine:-False}"}
        status, answer = self.ask("POST", "/v1/exec", {"language": language, "code": code[language]})
        assert status == 500 or (status == 200 and answer["stdout"].lower() == "false\n"), (status, answer)

    def cut(self):
        """A client that goes away in the middle."""
        one = self.any()
        loop = {"python": "n = -1\nwhile True: pass", "node": "n = -1; for (;;) ;", "sh": "n=-1; while :; do :; done"}[one[1]]
        self.connection.request("POST", f"/v1/sessions/{one[0]}/exec", json.dumps({"code": loop, "on_timeout": "rollback"}))
        time.sleep(self.random.uniform(0, 0.03))
        self.connection.close()

    def fail(self):
        """What is wrong costs nothing."""
        one = self.any()
        status, _ = self.ask("POST", f"/v1/sessions/{one[0]}/exec", {"code": 1})
        assert status == 400, status
        status, _ = self.ask("POST", f"/v1/sessions/{one[0]}/exec", {"code": "1", "files": {"/etc": "x"}})
        assert status in (400, 500), status


def killer(server, tally, until):
    while not until.wait(random.uniform(1, 5)):
        for pid in random.sample(server.workers(), min(1, len(server.workers()))):
            os.kill(pid, signal.SIGKILL)
            tally.kills += 1


Sample = collections.namedtuple("Sample", "front_end descriptors worker worker_descriptors processes")


def sample(server):
    """Once all is quiet: no connection is there but the one that asks, no template is being kept."""
    ready = lambda l: server.metric(f'zeroboot_workers{{language="{l}",state="ready"}}') == WORKERS
    eventually(lambda: server.metric("zeroboot_concurrent_forks") == 0 and server.metric("zeroboot_http_connections") == 1
               and not server.loads() and all(map(ready, CODES)))
    pids = server.workers()
    count = lambda pid: len(os.listdir(f"/proc/{pid}/fd"))
    return Sample(private(server.process.pid), count(server.process.pid), max(map(private, pids)), max(map(count, pids)), len(pids))


def phase(server, tally, most, seed):
    over = threading.Event()
    tally.count, tally.most = min(tally.count, tally.most), most
    clients = [Client(server, tally, seed + i) for i in range(CLIENTS)]
    threads = [*clients, threading.Thread(target=killer, args=(server, tally, over), daemon=True)]
    for t in threads:
        t.start()
    for c in clients:
        c.join()
        c.connection.close()
    over.set()
    threads[-1].join()


def nothing_left(server):
    for name in "zeroboot_sessions", "zeroboot_sessions_bytes":
        assert server.metric(name) == 0, (name, server.metric(name))


def same(server, first, last):
    # Workers give back what runs have used when they have had nothing to do for some time, and the front end its
    # spare buffers; the connection that asks may be there still.
    eventually(lambda: (now := sample(server)).worker < first.worker + WORKER_MB and now.descriptors <= first.descriptors
               and now.front_end < first.front_end + FRONT_END_MB)
    assert last.worker_descriptors <= first.worker_descriptors + 1, (first, last)
    assert last.processes == first.processes, (first, last)


def main():
    report, tally = Report("session_soak"), Tally()
    seed = random.getrandbits(32)
    start = time.monotonic()
    with Server("--workers", str(WORKERS), "--max-queue", "1000") as server:
        phase(server, tally, OPERATIONS // 4, seed)
        first = sample(server)
        phase(server, tally, OPERATIONS, seed + 100)
        last = sample(server)
        report.line(f"{OPERATIONS} operations, each session with its own number (seed {seed})", "\n".join(tally.problems[:5]) or None)
        report.line("a killed worker costs one exec at most", None if tally.lost <= tally.kills else (tally.lost, tally.kills))
        report.check("nothing is left of them", nothing_left, server)
        report.check("memory, descriptors and processes are as near the beginning", same, server, first, last)
        said = [line for line in server.unexpected() if "an exec was answered and is lost" not in line]
        report.line("nothing in the log but lines of requests, and of what was lost", said[:5] or None)
    print(f"# {tally.count} in {time.monotonic() - start:.0f} s, {dict(tally.done)}; {tally.kills} workers killed, {tally.lost} execs lost")
    for name, s in ("near the beginning", first), ("at the end", last):
        print(f"# {name}: front end {s.front_end:.1f} MiB private, {s.descriptors} descriptors; largest worker "
              f"{s.worker:.1f} MiB, {s.worker_descriptors}; {s.processes} workers")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
