"""A session as the guest has it: execs one after the other in one VM, without a server
(tests/recycle/session.c)."""
import contextlib
import struct
import subprocess

from harness import TOP

PARTS = {"code": 1, "stdin": 2, "argument": 3, "environment": 4, "file": 5, "output": 6}
READY, EXIT = 0, 2  # enum vm_event
EXITED, REFUSED = 0, 3  # ZB_STATUS_*
MINUTES = 600_000  # ms: no exec takes so long


def padded(data):
    return data + bytes(-len(data) % 8)


def part(kind, data, name=b""):
    return struct.pack("=IIQ", PARTS[kind], len(name), len(data)) + padded(name) + padded(data)


class Exec:
    """What came of one."""

    def __init__(self, line, read):
        (self.event, self.status, self.code, out, err, result, log, self.cut, self.cpu_ns, self.memory,
         self.mono_ns) = map(int, line.split())
        self.out, self.err, self.result, self.log = (read(size).decode() for size in (out, err, result, log))

    def __repr__(self):
        return repr(vars(self))


class Session:
    """One program; use with `with`."""

    def __init__(self, language):
        self.process = subprocess.Popen([TOP / "build/tests/session", TOP / f"templates/{language}.zbt"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        self.process.wait()

    def order(self, line, data=b""):
        self.process.stdin.write(line.encode() + b"\n" + data)
        self.process.stdin.flush()

    def start(self, code, stdin=None, args=(), env=(), files=(), outputs=(), memory_mb=0, ms=MINUTES):
        data = part("code", code.encode())
        if stdin is not None:
            data += part("stdin", stdin.encode())
        for text in args:
            data += part("argument", text.encode())
        for name, value in dict(env).items():
            data += part("environment", f"{name}={value}".encode())
        for path, content in dict(files).items():
            data += part("file", content, path.encode())
        for path in outputs:
            data += part("output", b"", path.encode())
        self.order(f"exec {len(data)} {ms} {memory_mb}", data)

    def end(self):
        line = self.process.stdout.readline()
        assert line, "the session's machine has failed"
        return Exec(line, self.process.stdout.read)

    def run(self, code, **what):
        self.start(code, **what)
        return self.end()

    def interrupt(self):
        self.order("signal 2")


def same(got, **wanted):
    """Compares what is named; that the session goes on, and an exit code of 0, if not."""
    wanted = {"event": READY, "status": EXITED, "code": 0, **wanted}
    for name, value in wanted.items():
        assert getattr(got, name) == value, f"{name}: wanted {value!r:.1000}\ngot {getattr(got, name)!r:.1000}\n{got!r:.1000}"


def says(session, source, out="", result="", err="", **wanted):
    same(session.run(source), out=out, result=result, err=err, **wanted)


def interrupted(session, code, **what):
    """Of one that runs for long: SIGINT comes once it has printed something."""
    session.start(code, **what)
    session.interrupt()
    return session.end()
