#!/usr/bin/env python3
"""Faults of the host under a server at work: processes killed and stopped, calls
of the kernel that fail, files that change or vanish. Whatever it is, every
request gets its own right answer or an honest 500 or 503, and after the fault
the service comes back."""
import collections
import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from harness import PATIENCE, TOP, Report, Server, answers, eventually, is_worker, post, receive, send

PLACE = TOP / "build/tests/faults"
numbers = itertools.count(1)


# ---- requests ----

def request(code, language="python", seconds=2, close=True):
    body = {"code": code, "language": language, "timeout_seconds": seconds}
    return post(body, extra=b"Connection: close\r\n" if close else b"")


def verdict(status, body, expected):
    """right, honest or what is wrong with the answer."""
    answer = json.loads(body)
    if status in (500, 503) and isinstance(answer.get("error"), str) and answer["error"]:
        return "honest"
    if status == 200 and answer["exit_code"] == -1 and "Execution timed out" in answer["stderr"]:
        return "honest"
    if status == 200 and answer["stdout"] == expected and answer["exit_code"] == 0:
        return "right"
    return f"wrong: {status} {answer} instead of {expected!r}"


def judge(data, expected):
    if data in (b"", b"(reset)"):
        return "closed without an answer"
    try:
        # What came whole counts, though sending the rest of the request was refused.
        answer = answers(data.removesuffix(b"(reset)"))[0]
        return verdict(answer.status, answer.body, expected)
    except (ValueError, KeyError, IndexError) as e:
        return "cut short" if "cut short" in str(e) else f"wrong: {e!r}"


def ask(server, code=None, expected=None, **more):
    """One request on a connection of its own."""
    number = next(numbers)
    with server.connect() as s:
        send(s, request(code or f"print({number})", **more))
        return judge(receive(s), expected or f"{number}\n")


def ask_all(server, code, expected, **more):
    """Two at once: one for each worker."""
    some = [server.connect() for _ in range(2)]
    for s in some:
        send(s, request(code, **more))
    return [judge(receive(s), expected) for s in some]


class Load:
    """Clients that ask all the time; `with` ends them and holds them to their
    answers. keep: each on one connection, made before."""

    def __init__(self, server, clients=4, keep=False, pause=0):
        self.server, self.keep, self.pause = server, keep, pause
        self.counts, self.problems = collections.Counter(), []
        self.ending = False
        self.threads = [threading.Thread(target=self.client, daemon=True) for _ in range(clients)]

    def client(self):
        kept = self.server.connect() if self.keep else None
        while not self.ending:
            try:
                found = self.on(kept) if kept else ask(self.server)
            except (OSError, ValueError) as e:
                found = f"wrong: {e!r}"
            self.counts[found if found in ("right", "honest") else "wrong"] += 1
            if found not in ("right", "honest"):
                self.problems.append(found)
                return
            time.sleep(self.pause)

    def on(self, s):
        number = next(numbers)
        send(s, request(f"print({number})", close=False))
        data = b""
        while True:
            part = s.recv(1 << 16)
            if not part:
                raise ValueError(f"closed after {data!r}")
            data += part
            head, end, body = data.partition(b"\r\n\r\n")
            size = re.search(rb"Content-Length: (\d+)", head)
            if end and len(body) == int(size[1]):
                return judge(data, f"{number}\n")

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, kind, *_):
        self.ending = True
        for t in self.threads:
            t.join(2 * PATIENCE)
        if kind is None:
            assert not self.problems, self.problems
            assert not any(t.is_alive() for t in self.threads), "a request hangs"


# ---- processes and files ----

def children(pid):
    with contextlib.suppress(FileNotFoundError):
        return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def alive(pid):
    try:
        return not re.search(r"\) Z ", pathlib.Path(f"/proc/{pid}/stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return False


def workers(server):
    """Not the loaders of templates."""
    return [pid for pid in children(server.process.pid) if alive(pid) and is_worker(pid)]


def kill(pid, number=signal.SIGKILL):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def kill_workers(server):
    for pid in workers(server):
        kill(pid)


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def ready(server):
    return int(server.metric('zeroboot_workers{language="python",state="ready"}'))


def health(server):
    answer = answers(server.ask(b"GET /health HTTP/1.0\r\n\r\n"))[0]
    return answer.status, json.loads(answer.body)


slowest = 0.0


def check_back(server):
    global slowest
    start = time.monotonic()
    while (found := ask(server)) != "right":
        assert found == "honest", found
        assert time.monotonic() - start < PATIENCE, "not back"
        time.sleep(0.01)
    slowest = max(slowest, time.monotonic() - start)


@contextlib.contextmanager
def serving(*options, place="python", **more):
    """A server with workers for Python only. Afterwards it has as many workers
    and descriptors as before and nothing of it is left."""
    with Server("--workers", "2", *options, templates=PLACE / place, **more) as server:
        eventually(lambda: ready(server) == 2)
        before = descriptors(server)
        yield server
        check_back(server)
        eventually(lambda: ready(server) == 2)
        eventually(lambda: descriptors(server) <= before)
        assert server.process.poll() is None, "the server ended"
        left = workers(server)
        assert len(left) == 2 and all(alive(pid) for pid in left), left
    assert server.process.returncode == 0, server.process.returncode
    assert not [pid for pid in left if alive(pid)]


def make_place(name, copy=False):
    """A directory of templates with Python alone."""
    place = PLACE / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    if copy:
        os.link(TOP / "build/python.img", place / "python.img")
        fill_in(place / "python.zbt")
    else:
        (place / "python.zbt").symlink_to(TOP / "templates/python.zbt")
    return place / "python.zbt"


def fill_in(path):
    """A good template, by rename."""
    subprocess.run(["cp", "--sparse=always", TOP / "templates/python.zbt", f"{path}.new"], check=True)
    os.rename(f"{path}.new", path)


# ---- workers ----

def check_killed(signals):
    with serving() as server, Load(server) as load:
        start = time.monotonic()
        while time.monotonic() < start + 3 or load.counts["right"] < 10:
            some = workers(server)
            if some:
                kill(random.choice(some), random.choice(signals))
            time.sleep(random.uniform(0, 0.5))
            assert time.monotonic() < start + PATIENCE, load.counts


def check_hung():
    """A worker that stops in a run: 500 when the run's time and a grace are over."""
    with serving() as server:
        with server.connect() as s:
            busy = lambda: server.metric('zeroboot_workers{language="python",state="busy"}') == 1
            start = time.monotonic()
            send(s, request("while True: pass", seconds=1))
            eventually(busy)
            for pid in workers(server):
                kill(pid, signal.SIGSTOP)
            assert answers(receive(s))[0].status == 500
            assert time.monotonic() - start > 2.5, time.monotonic() - start


def check_continued():
    with serving() as server, server.connect() as s:
        send(s, request("import time; time.sleep(0.5); print('whole')", seconds=PATIENCE))
        eventually(lambda: server.metric("zeroboot_concurrent_forks") == 1)
        some = workers(server)
        for pid in some:
            kill(pid, signal.SIGSTOP)
        time.sleep(1)
        for pid in some:
            kill(pid, signal.SIGCONT)
        assert judge(receive(s), "whole\n") == "right"


def check_stopped_front_end():
    """It takes no time of others for its own: not of runs, whose ends it has not seen,
    nor of a client that has sent its request meanwhile."""
    codes = ["print('small')", "print('x' * 1000000)", "while True: pass"]
    with Server("--workers", "3", "--request-seconds", "2", templates=PLACE / "python") as server, \
            contextlib.ExitStack() as stack:
        runs = [stack.enter_context(server.connect()) for _ in codes]
        for s, code in zip(runs, codes):
            send(s, request("import time; time.sleep(1)\n" + code, seconds=2))
        eventually(lambda: server.metric("zeroboot_concurrent_forks") == 3)
        slow = stack.enter_context(server.connect())
        whole = request("print('late')")
        send(slow, whole[:-5])
        time.sleep(0.1)
        kill(server.process.pid, signal.SIGSTOP)
        send(slow, whole[-5:])
        time.sleep(5)
        kill(server.process.pid, signal.SIGCONT)
        found = [json.loads(a.body) if a.status == 200 else a for a in (answers(receive(s))[0] for s in (*runs, slow))]
        assert [f["stdout"] for f in found] == ["small\n", "x" * 1000000 + "\n", "", "late\n"], found
        assert found[2]["exit_code"] == -1, found[2]


def check_stopped_idle():
    """Nobody has to wait for a run of theirs to find out."""
    with serving() as server:
        before = workers(server)
        for pid in before:
            kill(pid, signal.SIGSTOP)
        found = [ask(server, seconds=1) for _ in range(4)]
        assert all(f in ("right", "honest") for f in found), found
        eventually(lambda: not any(alive(pid) for pid in before))
        check_back(server)


def check_stopped_starting():
    with serving() as server:
        for _ in range(5):
            before = workers(server)
            kill_workers(server)
            eventually(lambda: set(workers(server)) - set(before))
            for pid in set(workers(server)) - set(before):
                kill(pid, signal.SIGSTOP)
            eventually(lambda: ready(server) == 2 and not any(map(is_stopped, workers(server))))


def is_stopped(pid):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return "\nState:\tT" in pathlib.Path(f"/proc/{pid}/status").read_text()
    return False


# ---- resources ----

def limit(server, which, soft):
    hard = resource.prlimit(server.process.pid, which)[1]
    resource.prlimit(server.process.pid, which, (soft, hard))


def check_descriptors():
    """No worker can be started: those who wait are told."""
    with serving() as server:
        soft = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)[0]
        with Load(server, keep=True, pause=0.02) as load:
            eventually(lambda: load.counts["right"] > 8)
            limit(server, resource.RLIMIT_NOFILE, 3)
            kill_workers(server)
            eventually(lambda: load.counts["honest"] > 8)
            limit(server, resource.RLIMIT_NOFILE, soft)
            check_back(server)
        assert re.search(rb"level=error msg=\"[^\n]*worker", server.logged()), server.logged()[-500:]


def check_address_space():
    """Neither a new worker nor a large answer finds memory."""
    with serving() as server:
        status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
        size = int(re.search(r"VmSize:\s+(\d+) kB", status)[1]) * 1024
        with Load(server, clients=2, pause=0.02) as load:
            limit(server, resource.RLIMIT_AS, size + (1 << 20))
            for _ in range(4):
                large = ask(server, "print('x' * 1000000)", "x" * 1000000 + "\n")
                assert large in ("right", "honest"), large[:300]
            kill_workers(server)
            eventually(lambda: load.counts["honest"] > 8)
            limit(server, resource.RLIMIT_AS, resource.RLIM_INFINITY)
            check_back(server)


def check_kvm_gone():
    with serving(prefix=["unshare", "-m", "--propagation", "private"]) as server:
        inside = ["nsenter", "-m", "-t", str(server.process.pid)]
        with Load(server, clients=2, pause=0.02) as load:
            subprocess.run([*inside, "mount", "--bind", "/dev/null", "/dev/kvm"], check=True)
            kill_workers(server)
            eventually(lambda: health(server)[0] == 503)
            eventually(lambda: load.counts["honest"] > 8)
            subprocess.run([*inside, "umount", "/dev/kvm"], check=True)
            check_back(server)
        check_log(server, b"/dev/kvm")


def check_log(server, what):
    """Says why, without flooding."""
    lines = [line for line in server.logged().splitlines() if what in line]
    assert 1 <= len(lines) <= 4, lines


class Group:
    """A control group whose processes share so much memory."""

    def __init__(self, size):
        old = pathlib.Path("/sys/fs/cgroup/memory")
        if old.exists():
            self.path, self.limit = old / f"zeroboot-{os.getpid()}", "memory.limit_in_bytes"
            self.events = "memory.oom_control"
        else:
            self.path, self.limit = old.parent / f"zeroboot-{os.getpid()}", "memory.max"
            self.events = "memory.events"
            (old.parent / "cgroup.subtree_control").write_text("+memory")
        self.path.mkdir()
        self.set(size)
        self.prefix = ["sh", "-c", f'echo $$ >{self.path}/cgroup.procs; exec "$@"', "sh"]

    def set(self, size):
        (self.path / self.limit).write_text(str(size))

    def kills(self):
        return int(re.search(r"^oom_kill (\d+)", (self.path / self.events).read_text(), re.M)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.path.rmdir()


def check_memory():
    """The kernel kills who has most: workers, never the front end."""
    fill = "x = bytearray(b'x') * (200 << 20)\nprint('full')"
    with Group(200 << 20) as group, serving(prefix=group.prefix) as server:
        with Load(server, clients=2) as load:
            for _ in range(10):
                found = ask_all(server, fill, "full\n", seconds=PATIENCE)
                assert {"right", "honest"}.issuperset(found), found
                if group.kills():
                    break
            assert group.kills()
            group.set(4 << 30)
            check_back(server)
        assert load.counts["right"] > 0, load.counts


# ---- template files ----

def maps(pid):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return pathlib.Path(f"/proc/{pid}/maps").read_text()
    return ""


def loaded(pid):
    """Its VM is made of files that nobody changes."""
    return "/memfd:zeroboot-template" in maps(pid) and "python.zbt" not in maps(pid)


def memory_of(pid):
    """The file in memory that its VMs start from."""
    return re.search(r" (\d+) +/memfd:zeroboot-template", maps(pid))[1]


def check_unharmed(name, harm, complaint=None):
    """What becomes of a template's file is nothing to workers, nor to those that
    start afterwards."""
    path = make_place(name, copy=True)
    with serving(place=name) as server:
        eventually(lambda: all(loaded(pid) for pid in workers(server)))
        before, memory = workers(server), memory_of(workers(server)[0])
        with Load(server, pause=0.01) as load:
            harm(path)
            so_far = load.counts["right"]
            eventually(lambda: load.counts["right"] > so_far + 50)
            assert workers(server) == before and load.counts["honest"] == 0, load.counts
            assert health(server)[0] == 200
        kill_workers(server)
        eventually(lambda: len(workers(server)) == 2 and not set(workers(server)) & set(before))
        check_back(server)
        assert all(memory_of(pid) == memory for pid in workers(server))
        if complaint:
            eventually(lambda: complaint in server.logged())
        fill_in(path)
        # It is as new: whoever starts now takes it.
        eventually(lambda: kill_workers(server) or other_memory(server, memory))
        check_back(server)
        if complaint:
            check_log(server, complaint)


def other_memory(server, memory):
    time.sleep(0.5)
    some = workers(server)
    return len(some) == 2 and all(loaded(pid) and memory_of(pid) != memory for pid in some)


def overwrite(path):
    """In place, as cp does it."""
    with open(path, "r+b") as f:
        f.write(os.urandom(1 << 20))


def replace_by_garbage(path):
    (PLACE / "junk").write_bytes(os.urandom(1 << 20))
    os.rename(PLACE / "junk", path)


def check_replaced():
    """By rename: who has the old one goes on with it, who comes takes the new."""
    path = make_place("replaced", copy=True)
    other = PLACE / "other.zbt"
    subprocess.run([TOP / "zeroboot", "template", "build", "--memory", "128", "-o", other, TOP / "build/python.img"],
                   check=True)
    with serving(place="replaced") as server:
        eventually(lambda: all(loaded(pid) for pid in workers(server)))
        before, memory = workers(server), memory_of(workers(server)[0])
        with Load(server, clients=2):
            os.rename(other, path)
            time.sleep(1)
            assert workers(server) == before and all(memory_of(pid) == memory for pid in before)
            eventually(lambda: kill_workers(server) or other_memory(server, memory))


def check_memory_is_shared():
    """No run makes the files that all VMs share grow, or can write them."""
    with serving() as server:
        eventually(lambda: all(loaded(pid) for pid in workers(server)))
        pid = workers(server)[0]
        link = next(f for f in pathlib.Path(f"/proc/{pid}/fd").iterdir()
                    if os.readlink(f).startswith("/memfd:zeroboot-template"))
        fd = os.open(link, os.O_RDONLY)
        try:
            before = os.fstat(fd)
            assert before.st_blocks * 512 >= before.st_size > 1 << 20, before
            assert fcntl.fcntl(fd, 1034) == 15, "F_GET_SEALS: all four"
            touch = "x = bytearray(150 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\nprint(sum(x[::4096]))"
            for _ in range(4):
                assert ask_all(server, touch, f"{(150 << 20) // 4096}\n", seconds=PATIENCE) == 2 * ["right"]
            after = os.fstat(fd)
            assert (after.st_blocks, after.st_size) == (before.st_blocks, before.st_size), (before, after)
            found = ask_all(server, "import mmap; m = mmap.mmap(-1, 160 << 20); print(sum(m[::4096]))", "0\n",
                            seconds=PATIENCE)
            assert found == 2 * ["right"]
            assert os.fstat(fd).st_blocks == before.st_blocks
        finally:
            os.close(fd)


# ---- full disks, closed streams ----

def in_full_tmpfs(command, kib):
    """Output and status of a command in a small file system of its own, and the
    files that it left there."""
    script = f"mount -t tmpfs -o size={kib}k tmpfs /mnt && {command}; status=$?; ls -A /mnt >&2; exit $status"
    return subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", script],
                          cwd=TOP, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)


def check_full_disk(command):
    done = in_full_tmpfs(command, 4096)
    lines = done.stderr.splitlines()
    assert done.returncode == 1 and len(lines) == 1, done
    assert lines[0].startswith("zeroboot: ") and lines[0].endswith("No space left on device"), lines


def check_full_log():
    script = 'mount -t tmpfs -o size=64k tmpfs /mnt; exec "$@" 2>/mnt/log'
    with plain(prefix=["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh"]) as server:
        log = pathlib.Path(f"/proc/{server.process.pid}/root/mnt/log")
        with Load(server):
            eventually(lambda: log.stat().st_size == 65536)
            eventually(lambda: server.metric("zeroboot_log_lines_dropped_total") > 100)
            kill_workers(server)
        check_back(server)
        os.truncate(log, 0)
        eventually(lambda: (ask(server), log.stat().st_size)[1] > 0)


@contextlib.contextmanager
def plain(stderr=subprocess.DEVNULL, **more):
    """A server whose log is not the harness's."""
    with Server("--workers", "2", templates=PLACE / "python", stderr=stderr, **more) as server:
        eventually(lambda: ready(server) == 2)
        yield server
        left = workers(server)
    assert server.process.returncode == 0 and not [pid for pid in left if alive(pid)]


def check_closed_streams():
    with plain(prefix=["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]) as server:
        assert [os.readlink(f"/proc/{server.process.pid}/fd/{fd}") for fd in range(3)] == ["/dev/null"] * 3
        assert all(os.readlink(f"/proc/{pid}/fd/2") == "/dev/null" for pid in workers(server))
        with Load(server) as load:
            eventually(lambda: load.counts["right"] > 100)
            kill_workers(server)
        check_back(server)


def check_closed_pipe(reading):
    """stderr is a pipe that nobody reads; reading: nor ever will."""
    with plain(stderr=subprocess.PIPE) as server:
        if not reading:
            server.process.stderr.close()
        with Load(server) as load:
            eventually(lambda: load.counts["right"] > (500 if reading else 50))
            kill_workers(server)
        check_back(server)
        if reading: # also when the guest has something for the log
            unknown = "import ctypes\nprint(sum(ctypes.CDLL(None).syscall(9999) for _ in range(150)))"
            assert ask(server, unknown, "-150\n") == "right"
            server.process.stderr.close()


# ---- calls that fail, one after the other ----

class Injected:
    """strace(1) makes calls of processes fail while in `with`: of each the same one."""

    def __init__(self, pids, call, error, when, follow=False):
        self.pids, self.output = pids, PLACE / "strace"
        # Into a file of its own (-o) it writes late, to stderr a line at a time.
        self.command = ["strace", "-qq", *(["-f"] if follow else []), "-e", f"trace={call}",
                        "-e", f"inject={call}:error={error}:when={when}", "-p", " ".join(map(str, pids))]

    def __enter__(self):
        with open(self.output, "wb") as output:
            self.strace = subprocess.Popen(self.command, stderr=output)
        eventually(lambda: all(map(self.attached, self.pids)))
        return self

    def attached(self, pid):
        """Or it has failed already, and ended."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            return f"TracerPid:\t{self.strace.pid}\n" in status or self.strace.poll() == 0
        return True

    def __exit__(self, *_):
        self.strace.send_signal(signal.SIGINT)
        self.strace.wait(PATIENCE)
        self.count = self.output.read_bytes().count(b"(INJECTED)")


# Calls of the front end, how they fail, and whether a client may then find its
# connection closed, as after a failure of the network.
FRONT_END = [
    ("mmap", "ENOMEM", False), ("mremap", "ENOMEM", False),
    ("clone", "EAGAIN", False), ("socketpair", "EMFILE", False), ("epoll_ctl", "ENOMEM", True),
    ("epoll_pwait", "EINTR", False), ("accept4", "ENFILE", False), ("accept4", "ECONNABORTED", False),
    ("sendmsg", "ENOBUFS", False), ("recvfrom", "ENOMEM", True), ("sendto", "EPIPE", True),
    ("write", "EIO", False), ("madvise", "ENOMEM", False), ("fcntl", "EINVAL", False),
]
WORKER = [("ioctl", "ENOMEM"), ("recvfrom", "EIO"), ("sendmsg", "ENOBUFS"),
          ("timer_settime", "EINVAL"), ("getrandom", "ENOSYS")]
FRESH = [("ioctl", "ENOMEM"), ("mmap", "ENOMEM"), ("munmap", "EINVAL")]
STARTING = [("open", 2), ("mmap", 6), ("ioctl", 22), ("recvfrom", 1), ("sendmsg", 1), ("timer_create", 1),
            ("timer_settime", 1)]


def exercise(server, may_close):
    """Requests that make the front end use all of its calls."""
    fine = {"right", "honest"} | ({"closed without an answer", "cut short"} if may_close else set())
    some = workers(server)
    large = f"print('y' * {random.randint(200000, 900000)})"
    found = [ask(server)]
    if some:
        kill(random.choice(some))
    found += [ask(server), ask(server, large, eval(large[5:]) + "\n"), ask(server)]
    found.append(ask(server, "#" + "x" * random.randint(300000, 900000) + "\nprint(7)", "7\n"))
    with server.connect() as s:
        send(s, post({"executions": [{"code": f"print('{i}' * 200000)"} for i in range(3)]}, "/v1/exec/batch",
                     b"Connection: close\r\n"))
        data = receive(s)
        if data.startswith(b"HTTP/1.1 200") and judge(data, None) != "cut short":
            for i, result in enumerate(json.loads(answers(data)[0].body)["results"]):
                found.append(verdict(500 if "error" in result else 200, json.dumps(result), f"{i}" * 200000 + "\n"))
        else:
            found.append(judge(data, None))
    assert server.process.poll() is None, f"the server ended with {server.process.returncode}"
    assert fine.issuperset(found), [f[:300] for f in found if f not in fine]


def check_front_end(server, call, error, may_close):
    count = 0
    for when in [1, 2, 3, 5, 8, "1+2"]:
        with Injected([server.process.pid], call, error, when) as injected:
            exercise(server, may_close)
        count += injected.count
        check_back(server)
    eventually(lambda: ready(server) == 2)
    assert count, "no call was made to fail"


def check_no_memory(server):
    """The front end gets no memory at all for a while."""
    with Injected([server.process.pid], "mmap,brk,mremap", "ENOMEM", "1+") as injected:
        for _ in range(3):
            exercise(server, False)
    check_back(server)
    assert injected.count, "no call was made to fail"


def check_worker(server, call, error):
    count = 0
    for when in 1, 2, 3, 5, 8, 13:
        with Injected(workers(server), call, error, when) as injected:
            found = [ask(server), *ask_all(server, "print(len(bytearray(b'z') * 60000000))", "60000000\n"), ask(server)]
            assert {"right", "honest"}.issuperset(found), found
        count += injected.count
        check_back(server)
        eventually(lambda: ready(server) == 2)
    assert count, "no call was made to fail"


def check_trim(server):
    """A worker gives back what a large run made it keep once nobody has asked it for a while."""
    for when in 1, 2:
        with Injected(workers(server), "madvise", "ENOMEM", when) as injected:
            # Long enough for both at once: else one worker may take both.
            found = ask_all(server, "import time; print(len(bytearray(b'z') * 20000000)); time.sleep(1)", "20000000\n")
            assert {"right", "honest"}.issuperset(found), found
            if when == 1:  # after ten seconds
                eventually(lambda: b"(INJECTED)" in injected.output.read_bytes())
        check_back(server)
        eventually(lambda: ready(server) == 2)


def check_starting(server, call, most):
    """Each new worker meets the failure at the same place, until it ends."""
    assert server.process.poll() is None, "the server ended before"
    for when in range(1, most + 1, 1 + most // 10):
        with Injected([server.process.pid], call, "ENOMEM", when, follow=True) as injected:
            before = workers(server)
            kill_workers(server)
            eventually(lambda: set(workers(server)) - set(before))
            waiting = [server.connect() for _ in range(2)]
            for s in waiting:
                send(s, request("print('waited')"))
            eventually(lambda: b"(INJECTED)" in injected.output.read_bytes())
        check_back(server)
        for s in waiting:
            found = judge(receive(s), "waited\n")
            assert found in ("right", "honest"), found
    eventually(lambda: ready(server) == 2)


def main():
    report = Report("faults")
    check = report.check
    make_place("python")
    check("workers killed at random", check_killed, [signal.SIGKILL])
    check("workers that crash at random", check_killed, [signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT])
    check("a worker that hangs in a run", check_hung)
    check("a worker that is stopped and continued", check_continued)
    check("the front end is stopped and continued", check_stopped_front_end)
    check("workers that are stopped while they wait", check_stopped_idle)
    check("workers that are stopped while they start", check_stopped_starting)
    check("no descriptors for new workers", check_descriptors)
    check("no memory for new workers and large answers", check_address_space)
    check("memory is short", check_memory)
    check("/dev/kvm is gone for a while", check_kvm_gone)
    check("the template is truncated under its workers", check_unharmed, "truncated", lambda path: os.truncate(path, 4096),
          b"damaged")
    check("the template is overwritten in place", check_unharmed, "overwritten", overwrite, b"not a zeroboot template")
    check("the template is replaced by garbage", check_unharmed, "garbage", replace_by_garbage, b"not a zeroboot template")
    check("the template is removed", check_unharmed, "removed", os.unlink)
    check("the template is replaced by another", check_replaced)
    check("no run makes the template's memory grow", check_memory_is_shared)
    check("no room for a template", check_full_disk, "./zeroboot template build -o /mnt/t.zbt build/python.img")
    check("no room for an image", check_full_disk, "./zeroboot image build -o /mnt/i.img build/python-root")
    check("no room for the log", check_full_log)
    check("stdin, stdout and stderr are closed at start", check_closed_streams)
    check("stderr is a pipe that is closed", check_closed_pipe, False)
    check("stderr is a pipe that nobody reads", check_closed_pipe, True)
    with serving() as server:
        for call, error, may_close in FRONT_END:
            check(f"{call} fails in the front end with {error}", check_front_end, server, call, error, may_close)
        check("the front end gets no memory", check_no_memory, server)
        for call, error in WORKER:
            check(f"{call} fails in a worker that recycles", check_worker, server, call, error)
        check("madvise fails in a worker that gives memory back", check_trim, server)
        for call, most in STARTING:
            check(f"{call} fails in workers that start", check_starting, server, call, most)
    with serving("--fresh") as server:
        for call, error in FRESH:
            check(f"{call} fails in a worker that makes new VMs", check_worker, server, call, error)
    print(f"# back after {slowest:.2f} s at most")
    shutil.rmtree(PLACE)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
