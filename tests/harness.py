"""What the HTTP tests share: a server of their own, raw exchanges with it over
sockets, answers taken apart, and lines of TAP."""
import collections
import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
os.environ.setdefault("XDG_CACHE_HOME", str(TOP / "build/tests/cache"))
PATIENCE = 120  # seconds: for whatever is to come about, on a machine that is busy
DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d GMT$")
LOG_LINE = re.compile(r"time=\S+ level=(info|warning) msg=|zeroboot: serving on |zeroboot: guest: (out of memory |\d+ more lines$)")

Answer = collections.namedtuple("Answer", "version status reason headers body")


def eventually(condition):
    """Waits until it holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "did not come about"
        time.sleep(0.01)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def serve(*options, prefix=(), program="zeroboot", templates=TOP / "templates", **how):
    """A server's process, which may end at once; all servers of Python's start here.
    prefix: a command that runs it in its own place, by exec. how: Popen's."""
    return subprocess.Popen([*prefix, TOP / program, "serve", "--templates", templates, *options], cwd=TOP, **how)


def is_worker(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1:2] == [b"worker"]
    return False


class Server:
    """./zeroboot serve on a free port, ready; use with `with`. stderr: where its log goes, if not to
    logged()."""

    def __init__(self, *options, files=None, prefix=(), templates=TOP / "templates", program="zeroboot",
                 environment=None, stderr=None):
        self.log = tempfile.TemporaryFile() if stderr is None else None
        self.port = 0 if self.log else free_port()
        limit = ["prlimit", f"--nofile={files}:{files}"] if files else []
        self.process = serve("--listen", f"127.0.0.1:{self.port}", *options, prefix=[*prefix, *limit], program=program,
                             templates=templates, stderr=self.log or stderr, env=environment)
        eventually(lambda: self.process.poll() is not None or self.ready())
        if self.process.poll() is not None:
            sys.stderr.write(self.logged().decode(errors="replace") if self.log else "the server ended\n")
            sys.exit(2)

    def ready(self):
        if self.log:
            said = self.logged()
            found = re.search(rb"serving on 127\.0\.0\.1:(\d+)", said)
            self.port = int(found[1]) if found else 0
            return found and b"every template is ready" in said
        try:
            return self.ask(b"GET /health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")
        except ConnectionRefusedError:
            return False

    def logged(self):
        # Not by seeking: the server writes where the file stands.
        fd = self.log.fileno()
        return os.pread(fd, os.fstat(fd).st_size, 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE)

    def unexpected(self):
        """Lines of the log that are not a request's or an event's."""
        return [line for line in self.logged().decode().splitlines() if not LOG_LINE.match(line)]

    def connect(self, timeout=PATIENCE):
        s = socket.create_connection(("127.0.0.1", self.port), timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def children(self):
        pid = self.process.pid
        return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

    def workers(self):
        """Their processes; what loads a template is none."""
        return sorted(int(child) for child in self.children() if is_worker(child))

    def loads(self):
        """A template is being loaded, made or kept."""
        return not all(map(is_worker, self.children()))

    def cpu_seconds(self):
        """What the front end has used, to the nanosecond."""
        return int(pathlib.Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0]) / 1e9

    def sleeps(self):
        """How often the front end has waited."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.M)[1])

    def metric(self, name):
        body = answers(self.ask(b"GET /metrics HTTP/1.0\r\n\r\n"))[0].body.decode()
        return float(re.search(rf"^{re.escape(name)} (\S+)$", body, re.M)[1])

    def ask(self, *parts, pause=0.004):
        """All that is answered to the parts, sent one after the other, until
        the server closes."""
        return self.ask_many([parts], pause)[0]

    def ask_many(self, streams, pause=0.004, at_once=100):
        """As ask, for many streams, each on a connection of its own."""
        got = []
        for start in range(0, len(streams), at_once):
            some = [(self.connect(), list(parts)) for parts in streams[start:start + at_once]]
            while any(parts for _, parts in some):
                for s, parts in some:
                    if parts:
                        send(s, parts.pop(0))
                time.sleep(pause)
            for s, _ in some:
                got.append(receive(s))
                s.close()
        return got


def send(s, data):
    try:
        s.sendall(data)
    except ConnectionError:
        pass  # refused early; what was answered is read all the same


def receive(s):
    """Everything up to the end; a reset or a wait that is too long shows."""
    data = []
    try:
        while part := s.recv(1 << 20):
            data.append(part)
    except ConnectionError:
        data.append(b"(reset)")
    except TimeoutError:
        data.append(b"(no end)")
    return b"".join(data)


def answers(data, heads=()):
    """The answers in data; those whose numbers are in heads have no body."""
    found = []
    while data:
        head, end, rest = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        match = re.match(r"(HTTP/1\.1) (\d{3}) (.+)$", lines[0])
        if not end or not match:
            raise ValueError(f"not an answer: {data[:200]!r}")
        headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(": ")
            if not colon or name.lower() in headers:
                raise ValueError(f"bad header: {line!r}")
            headers[name.lower()] = value
        status = int(match[2])
        number = sum(a.status != 100 for a in found)
        size = 0 if status in (100, 204, 304) or number in heads else int(headers["content-length"])
        if len(rest) < size:
            raise ValueError(f"cut short: {data[:200]!r}")
        found.append(Answer(match[1], status, match[3], headers, rest[:size]))
        data = rest[size:]
    return found


def post(body, path="/v1/exec", extra=b""):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"POST %s HTTP/1.1\r\nHost: a\r\n%sContent-Length: %d\r\n\r\n%s" % (path.encode(), extra, len(body), body)


class Report:
    """Prints TAP lines and counts."""

    def __init__(self, suite):
        self.suite, self.failed, self.count = suite, 0, 0

    def line(self, name, problem):
        """problem: None or what is wrong."""
        self.count += 1
        self.failed += problem is not None
        print(f"{'ok' if problem is None else 'not ok'} - {self.suite}: {name}", flush=True)
        if problem is not None:
            print("#", str(problem).replace("\n", "\n# ")[:1500], flush=True)

    def todo(self, name, reason):
        """What is known to fail, and not counted."""
        print(f"not ok - {self.suite}: {name} # TODO {reason}", flush=True)

    def check(self, name, function, *arguments):
        """ok when the function returns; what it raises is the problem."""
        try:
            function(*arguments)
        except Exception as e:
            self.line(name, repr(e))
        else:
            self.line(name, None)
