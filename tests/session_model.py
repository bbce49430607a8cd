#!/usr/bin/env python3
"""Sessions of a server in random sequences of what can become of them: execs, forks, workers
that others have had, clients that go away, timeouts, workers that are killed, deletions, and in
the middle a server that ends and another one on the same disk. What each session has said in all
its execs is what an interpreter says natively that is fed the same code.
session_model.py [--rounds N] [--seed S] [LANGUAGE...]"""
import argparse
import collections
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import random
import signal
import sys
import tempfile
import time

from harness import PATIENCE, TOP, Report, Server, eventually
from sequences import LANGUAGES, make_root, native, same
from sessions import Client

WORKERS = 2
STEPS = 10  # of a sequence, before and after
SESSIONS = 4  # at a time
KEYS = ["key-of-others-000000000000", *(f"key-{i}-000000000000" for i in range(16))]
# What must leave no trace: it is cut off.
LOOPS = {"python": "a = 'wrong'\nopen('a', 'w').write('wrong')\nwhile True: pass",
         "node": "var a = 'wrong'; require('fs').writeFileSync('a', 'wrong'); for (;;) ;",
         # An assignment would end the exec where a is readonly.
         "sh": "declare a=wrong 2>/dev/null; echo wrong >a; while :; do :; done"}
ENDS = {"python": "import sys; sys.exit()", "node": "process.exit()", "sh": "exit"}


class Keyed(Client):
    """Waits where its key has had too many requests. killed: workers, of whose end the server may not
    have heard when it gives them the next exec, which has not been then."""
    killed = 0

    def ask(self, *what):
        while True:
            status, answer = super().ask(*what)
            if status == 500 and "before the run began" in answer["error"] and self.killed:
                self.killed -= 1
            elif status == 429:
                time.sleep(0.1)
            else:
                return status, answer


class Model:
    """A session, and what it has been told and has said."""

    def __init__(self, session, history):
        self.session, self.history = session, history

    def exec(self, maker, code):
        answer = self.session.run(code, timeout_seconds=200)
        self.history.append((code, [answer["stdout"], answer.get("result", ""), answer["exit_code"],
                                    maker.error(answer["stderr"])]))


class Sequence:
    def __init__(self, language, seed):
        self.language, self.seed, self.wrong = language, seed, None
        self.random = random.Random(f"{language} {seed}")
        self.maker = LANGUAGES[language](self.random)
        self.key = KEYS[1 + self.random.randrange(len(KEYS) - 1)]
        self.sessions, self.over = [], []
        self.done = collections.Counter()

    def go(self, server):
        """Some steps, with all the sessions that there were."""
        self.server, self.client = server, Keyed(server, self.key)
        for one in self.sessions:
            one.session.client = self.client
        try:
            self.step_on()
        except Exception as e:
            self.wrong = repr(e)

    def step_on(self):
        steps = {self.exec: 10, self.make: 1, self.fork: 2, self.park: 3, self.delete: 1, self.leave: 1, self.kill: 1,
                 self.time_out: 0.3, self.end: 0.5, self.steal: 1}
        for step in self.random.choices(list(steps), steps.values(), k=STEPS):
            if not self.sessions:
                self.make()
            step()
            self.done[step.__name__] += 1

    def end_all(self):
        try:
            while self.sessions:
                self.any().exec(self.maker, self.maker.snippet())
                self.delete()
        except Exception as e:
            self.wrong = repr(e)

    def any(self):
        return self.random.choice(self.sessions)

    def make(self):
        if len(self.sessions) == SESSIONS:
            return
        session = self.client.make(language=self.language)
        session.run(self.maker.prelude)
        self.sessions.append(Model(session, []))
        self.sessions[-1].exec(self.maker, self.maker.first)

    def exec(self):
        self.any().exec(self.maker, self.maker.snippet())

    def fork(self):
        one = self.any()
        for copy in one.session.fork(self.random.randint(1, 2)):
            self.sessions.append(Model(copy, one.history[:]))
        while len(self.sessions) > SESSIONS:
            self.delete()

    def delete(self):
        one = self.any()
        one.session.delete()
        assert one.session.ask()[0] == one.session.exec("1")[0] == 404
        self.sessions.remove(one)
        self.over.append(one)

    def end(self):
        """Its program ends, and with it the session."""
        one = self.any()
        one.session.run(ENDS[self.language])
        assert one.session.exec("1")[0] == 410
        one.session.delete()
        self.sessions.remove(one)
        self.over.append(one)

    def park(self):
        """Runs have all workers meanwhile."""
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            for status, answer in pool.map(lambda _: self.client.ask("POST", "/v1/exec", {
                    "language": self.language, "code": self.maker.prelude}), range(WORKERS)):
                assert status == 200 and answer["exit_code"] == 0, (status, answer)

    def steal(self):
        """To another key there is no such session."""
        other = Keyed(self.server, KEYS[0])
        path = f"/v1/sessions/{self.any().session.id}"
        for method, more, body in ("GET", "", None), ("DELETE", "", None), ("POST", "/exec", {"code": "a"}), ("POST", "/fork", {}):
            assert other.ask(method, path + more, body)[0] == 404, more
        assert other.ask("GET", "/v1/sessions") == (200, {"sessions": []})

    def leave(self):
        """The client goes away, before the exec or in it."""
        one = self.any()
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        body = {"code": LOOPS[self.language], "on_timeout": "rollback"}
        connection.request("POST", f"/v1/sessions/{one.session.id}/exec", json.dumps(body),
                           {"Authorization": f"Bearer {self.client.key}"})
        time.sleep(self.random.uniform(0, 0.05))
        connection.close()

    def time_out(self):
        answer = self.any().session.run(LOOPS[self.language], on_timeout="rollback", timeout_seconds=1)
        assert answer["status"] == "timeout", answer

    def workers(self, state):
        return self.server.metric(f'zeroboot_workers{{language="{self.language}",state="{state}"}}')

    def kill(self):
        """All workers of this language in the exec; none that only starts, or there are soon no more."""
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            self.client.killed = 0
            run = pool.submit(self.any().session.exec, LOOPS[self.language], timeout_seconds=200)
            while not run.done():
                eventually(lambda: run.done() or self.workers("busy") and not self.workers("starting"))
                for pid in () if run.done() else self.server.workers():
                    with contextlib.suppress(OSError):
                        if f"/{self.language}.zbt".encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                            os.kill(pid, signal.SIGKILL)
                            self.client.killed += 1
                time.sleep(0.01)
            status, answer = run.result()
            assert status == 500 and "worker" in answer["error"], (status, answer)


def problem(language, top, models):
    """What a session has said that is not said natively, or None."""
    for model in models:
        if not model.history:
            continue
        wanted = native(top, LANGUAGES[language], [code for code, _ in model.history])
        for n, ((_, got), want) in enumerate(zip(model.history, wanted)):
            if not same(got, want):
                codes = "\n---\n".join(code for code, _ in model.history[:n + 1])
                return f"{codes}\nnatively: {want}\nsession:  {got}"
    return None


def judge(report, language, sequences):
    top = make_root("session_model", language)
    done, execs, failed = collections.Counter(), 0, False
    for sequence in sequences:
        wrong = sequence.wrong or problem(language, top, sequence.over)
        done += sequence.done
        execs += sum(len(model.history) for model in sequence.over)
        if wrong:
            failed = True
            report.line(f"{language}: {sequence.seed}", wrong)
    if not failed:
        report.line(f"{language}: {len(sequences)} random sequences of what becomes of sessions; they say what is said natively", None)
    print(f"# {language}: {execs} execs; {dict(done)}", flush=True)


def nothing_left(server):
    # One that a client left is deleted when its worker has stopped.
    eventually(lambda: server.metric("zeroboot_concurrent_forks") == 0)
    left = server.metric("zeroboot_sessions"), server.metric("zeroboot_sessions_bytes")
    assert left == (0, 0), left
    assert not [line for line in server.unexpected() if "worker" not in line], server.unexpected()


def all_of(sequences, do):
    """Those of a language one after the other, as a kill is of all its workers."""
    with concurrent.futures.ThreadPoolExecutor(len(sequences)) as pool:
        list(pool.map(lambda some: [do(one) for one in some], sequences.values()))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("languages", nargs="*", default=list(LANGUAGES))
    options = parser.parse_args()
    report = Report("session_model")
    os.chdir(TOP)
    seeds = range(options.seed, options.seed + options.rounds)
    sequences = {language: [Sequence(language, seed) for seed in seeds] for language in options.languages}
    with tempfile.TemporaryDirectory() as directory:
        (pathlib.Path(directory) / "keys.json").write_text(json.dumps(KEYS))
        start = lambda: Server("--workers", str(WORKERS), "--max-sessions", "1000", "--state", f"{directory}/state",
                               environment={**os.environ, "ZEROBOOT_API_KEYS_FILE": f"{directory}/keys.json"})
        with start() as server:
            all_of(sequences, lambda one: one.go(server))
        with start() as server:
            all_of(sequences, lambda one: one.go(server))
            all_of(sequences, lambda one: one.end_all())
            report.check("nothing is left of them", nothing_left, server)
    for language in sequences:
        judge(report, language, sequences[language])
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
