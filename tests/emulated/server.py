"""zeroboot serve inside an emulated machine, and what tests say of its answers."""
import contextlib
import json
import time

import harness
from emulated.machine import PATIENCE, PATIENCE_HERE, Stopped


class Server(harness.Server):
    """zeroboot serve inside; requests to it as harness.Server has them."""

    def __init__(self, inside, *options, binary="zeroboot", templates="/tmp/t"):
        self.inside, self.port = inside, inside.http_port
        self.shell(f"/test/{binary} serve --listen {inside.listen} --templates {templates} "
                   f"{' '.join(options)} >/tmp/log 2>&1 & echo $! >/tmp/server")
        self.wait_for("every template is ready")

    def shell(self, script):
        output, status = self.inside.run(script)
        if status:
            raise RuntimeError(f"{script}: {status}: {output}")
        return output

    def logged(self):
        return self.shell("cat /tmp/log")

    def wait_for(self, text):
        end = self.inside.clock() + PATIENCE_HERE
        while text not in self.logged():
            if self.inside.clock() > end:
                raise RuntimeError(f"no {text!r} in {self.logged()}")
            time.sleep(0.1)

    def __exit__(self, kind, *_):
        if kind is not Stopped:
            self.shell("kill $(cat /tmp/server); while [ -d /proc/$(cat /tmp/server) ]; do usleep 20000; done")

    def post(self, path, body):
        with self.connect(PATIENCE_HERE) as s:
            s.sendall(harness.post(body, path, b"Connection: close\r\n"))
            return harness.answers(harness.receive(s))[0]

    def run(self, code, language="python", timeout=PATIENCE):
        answer = self.post("/v1/exec", {"code": code, "language": language, "timeout_seconds": timeout})
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {answer.body!r}")
        return json.loads(answer.body)

    def cut(self, code, language="python"):
        """The answer to what is to be cut off after it has said something, and
        the timeout: the shortest in which it got so far."""
        for seconds in 1, 10, 100:
            answer = self.post("/v1/exec", {"code": code, "language": language, "timeout_seconds": seconds})
            if answer.status != 200 or json.loads(answer.body)["stdout"]:
                break
        return answer, seconds

    @contextlib.contextmanager
    def rises(self, number, by=1):
        """In this context number() rises by so much at least, in the end."""
        before = number()
        yield
        end = self.inside.clock() + PATIENCE_HERE
        while number() < before + by:
            if self.inside.clock() > end:
                raise AssertionError(f"{number()} is not {by} more than {before}")
            time.sleep(0.1)

    def recycled(self):
        return self.metric('zeroboot_forks_total{kind="recycled"}')

    def discarded(self, reason):
        return self.metric(f'zeroboot_vms_discarded_total{{reason="{reason}"}}')


def equal(got, expected):
    if got != expected:
        raise AssertionError(f"{got!r}, not {expected!r}")


def expect(answer, stdout, exit_code=0, stderr=""):
    equal((answer["stdout"], answer["stderr"], answer["exit_code"]), (stdout, stderr, exit_code))


class Report(harness.Report):
    """Ends the suite with the machine: nothing comes about on one that has
    stopped. Says what each test took of the emulator's CPU time."""
    inside, before = None, 0

    def line(self, name, problem):
        super().line(name, problem)
        if self.inside:
            now = self.inside.used()
            print(f"# {now - self.before:.1f} s of {now:.0f} s", flush=True)
            self.before = now
        if problem is not None and self.inside and not self.inside.alive():
            raise Stopped(name)
