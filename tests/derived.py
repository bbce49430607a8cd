#!/usr/bin/env python3
"""Templates that are made of sessions: what runs of them starts with the session's state, and leaves
nothing; whose they are; limits, ends, and guests that mean harm."""
import ast
import contextlib
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

from harness import TOP, Report, Server, answers, eventually, post, receive
from sessions import Client, Session
from state_place import ABI as ABI_AT
from state_place import Place, fill_disk, kill, sealed

KNOWN = TOP / "build/tests"
ID, OF, FLAGS, NAME = 32, 136, 364, 368  # of a session's record
TEMPLATE = 16


def exec_of(client, code, language, **what):
    status, answer = client.ask("POST", "/v1/exec", {"code": code, "language": language, **what})
    assert status == 200, (status, answer)
    return answer


def out(client, code, language, **what):
    answer = exec_of(client, code, language, **what)
    assert answer["stderr"] == "" and answer["exit_code"] == 0 and "result" not in answer, answer
    return answer["stdout"]


def template(session, name):
    status, answer = session.ask("POST", "/template", {"name": name})
    assert status == 201 and answer["name"] == name, (status, answer)
    return answer


def remove(client, *names):
    for name in names:
        assert client.ask("DELETE", f"/v1/templates/{name}")[0] == 204, name


def names(client):
    return [t["name"] for t in client.ask("GET", "/v1/templates")[1]["templates"]]


def lost(server):
    """Virtual machines that were not used again."""
    text = answers(server.ask(b"GET /metrics HTTP/1.0\r\n\r\n"))[0].body.decode()
    return sum(map(int, re.findall(r"^zeroboot_vms_discarded_total\{[^}]*\} (\d+)$", text, re.M)))


def stays(server, client, language, name, start, code, expected, more=()):
    """Each run finds what the session had; none finds what another one did; and its VM is recycled."""
    s = client.make(language=language)
    s.run(start)
    about = template(s, name)
    assert about["language"] == language and about["memory_mb"] > 1 and about["sessions"] == 0, about
    assert out(client, code, name) == expected
    eventually(lambda: server.metric('zeroboot_workers_warm{language="%s"}' % label(server, language)) == 1)
    before = lost(server)
    for _ in range(8):
        assert out(client, code, name) == expected
    assert lost(server) == before, "its VMs are not recycled"
    for some, answer in more:
        assert out(client, some, name) == answer, some
    s.run(start)
    return s


def label(server, language):
    """As the metrics call the one template that was made of a language's sessions."""
    text = answers(server.ask(b"GET /metrics HTTP/1.0\r\n\r\n"))[0].body.decode()
    found = set(re.findall(r'^zeroboot_workers_maximum\{language="(%s@[0-9a-f]{8})"\}' % language, text, re.M))
    assert len(found) == 1, found
    return found.pop()


def python(server, client):
    s = stays(server, client, "python", "with-data",
              "import numpy, threading\nx = numpy.arange(1 << 17)\ndef total(): return int(x.sum())\nopen('here', 'w').write('file')",
              "print(total(), open('here').read(), 'y' in globals()); x[0] += 1; y = 1; open('here', 'w').write('gone')",
              "8589869056 file False\n",
              [("import sys, atexit\natexit.register(print, 'end')\nprint(sys.stdin.read(), end='')\n", "end\n"),
               ("threading.Timer(0.01, print, ['late']).start()", "late\n"),
               ("import asyncio\nawait asyncio.sleep(0.001)\nprint('awaited')", "awaited\n"),
               ("class A:\n    def __del__(self): print('deleted')\na = A()", "deleted\n"),
               ("class A:\n    def __del__(self):\n        global y\n        del y\na, y = A(), 1\nprint('done')", "done\n"),
               ("import sys\ndel sys.modules['io']", "")])
    assert len({out(client, "import random, os\nprint(random.random(), numpy.random.rand())", "with-data") for _ in range(5)}) == 5
    answer = exec_of(client, "print(input(), file=sys.stderr)\nsys.exit(total() % 100)", "with-data", stdin="said\n",
                     env={"A": "b"}, args=["c"], files={"f": "data"})
    assert answer["stderr"].endswith("NameError: name 'sys' is not defined\n"), answer
    answer = exec_of(client, "import os, sys\nprint(input(), os.environ['A'], sys.argv[1:], open('f').read())\nopen('g', 'w').write('back')\nsys.exit(3)",
                     "with-data", stdin="said\n", env={"A": "b"}, args=["c"], files={"f": "data"}, outputs=["g"])
    assert (answer["stdout"], answer["exit_code"], answer["files"]) == ("said b ['c'] data\n", 3, {"g": "back"}), answer
    answer = exec_of(client, "def f():\n    return 1 / 0\nf()", "with-data")
    assert answer["exit_code"] == 1 and "return 1 / 0" in answer["stderr"] and "agent" not in answer["stderr"], answer
    assert exec_of(client, "x y", "with-data")["stderr"].endswith("SyntaxError: invalid syntax\n")
    answer = exec_of(client, "while True: pass", "with-data", timeout_seconds=1)
    assert answer["status"] == "timeout", answer
    assert exec_of(client, "b = bytearray(200 << 20)", "with-data", memory_mb=100)["exit_code"] == 1
    s.delete()


def drawn(client):
    """No two of a session, its forks, and its template's runs and sessions get the same, of this thread and
    of another."""
    draw = ("pool.submit(ssl.RAND_bytes, 16).result().hex(), ssl.RAND_bytes(16).hex(), "
            "bytes(multiprocessing.current_process().authkey).hex()")
    s = client.make()
    s.run("import concurrent.futures, multiprocessing, ssl\npool = concurrent.futures.ThreadPoolExecutor(1)\n" + draw)
    forks = s.fork(3)
    template(s, "with-keys")
    made = [client.make(language="with-keys") for _ in range(3)]
    some = [one.value(draw) for one in (s, *forks, *made)]
    some += [out(client, f"print(({draw}), end='')\npool.shutdown()", "with-keys") for _ in range(3)]
    for of in zip(*map(ast.literal_eval, some)):
        assert len(set(of)) == len(some) and all(of), some
    kept, = made[0].fork()
    key = "multiprocessing.current_process().authkey.hex()"
    child = kept.run("import time\np = multiprocessing.get_context('fork').Process(target=time.sleep, args=(60,))\np.start()\n" + key)
    other, = kept.fork()
    assert child["result"] == other.value(key), "a child does not know the key any more"
    for one in (s, *forks, *made, kept, other):
        one.delete()
    remove(client, "with-keys")


def apart(client):
    """Whatever the session has put in the places of what the agent uses, and has left."""
    s = client.make()
    s.run("import os, random, sys; random.seed(1); os._exit = os.write = None; del sys.stdout; os.unlink('/dev/urandom')\n"
          "held = []\ntry:\n    while True: held.append(os.open('/', os.O_RDONLY))\nexcept OSError: pass")
    template(s, "with-nothing")
    answers = [exec_of(client, "print(random.random(), file=sys.stderr); 1 / 0", "with-nothing") for _ in range(2)]
    assert all(a["exit_code"] == 1 and "ZeroDivisionError" in a["stderr"] for a in answers), answers
    assert len({a["stderr"].split()[0] for a in answers}) == 2, answers
    s.delete()
    remove(client, "with-nothing")
    # An interrupt that comes as a copy is made new, where its program is asked for something.
    s = client.make()
    s.run("import atexit, random, sys; random.seed(1); _ = atexit.register(print, 'bye')\n"
          "class Ssl(type(sys)):\n    asked = 0\n    @property\n    def __spec__(self):\n        Ssl.asked += 1\n"
          "        if Ssl.asked == 2: raise KeyboardInterrupt\nsys.modules['ssl'] = Ssl('ssl')")
    template(s, "with-interrupt")
    said = [out(client, "print(random.random(), Ssl.asked)", "with-interrupt").split() for _ in range(2)]
    assert all(words[1:] == ["3", "bye"] for words in said) and said[0] != said[1], said
    s.delete()
    remove(client, "with-interrupt")
    # One that is met when the code has ended, behind C: it does not run again.
    s = client.make()
    s.run("import ctypes, signal\nclass P:\n    _as_parameter_ = signal.SIGINT\n    send = property(ctypes.CDLL(None)['raise'])\np = P()")
    template(s, "with-interrupt")
    answer = exec_of(client, "print('ran')\nx = p.send", "with-interrupt")
    assert (answer["exit_code"], answer["stdout"], answer["stderr"]) == (130, "ran\n", "KeyboardInterrupt\n"), answer
    s.delete()
    remove(client, "with-interrupt")


def node(server, client):
    s = stays(server, client, "node", "with-object",
              "let x = [1, 2, 3]; const total = () => x.reduce((a, b) => a + b); Math.random(); crypto.randomUUID(); require('crypto').randomInt(5);"
              "const { randomInt } = require('crypto'); require('crypto').randomInt = process.exit = () => 0",
              "console.log(total(), typeof y); x.push(4); var y = 1", "6 undefined\n",
              [("setTimeout(() => console.log(total()), 5); process.on('exit', () => console.log('end'))", "6\nend\n"),
               ("await new Promise((r) => setTimeout(r, 1)); console.log('awaited')", "awaited\n")])
    drawn = [out(client, "console.log(Math.random(), crypto.randomUUID(), randomInt(2 ** 40))", "with-object").split()
             for _ in range(5)]
    assert all(len(set(of)) == 5 for of in zip(*drawn)), drawn
    for code, exit_code, stderr in (("throw new Error('thrown')", 1, "Uncaught Error: thrown"), ("(", 1, "SyntaxError"),
                                    ("Function.prototype.call = null; throw new Error('thrown')", 1, "Uncaught Error: thrown"),
                                    ("process.exitCode = 4", 4, ""), ("await new Promise(() => 0)", 13, ""),
                                    ("setTimeout(() => nothing(), 1)", 1, "nothing is not defined"),
                                    ("setTimeout(() => process.kill(process.pid, 'SIGINT'), 1); setTimeout(() => 0, 60000)",
                                     130, "interrupted by `SIGINT`")):
        answer = exec_of(client, code, "with-object")
        assert answer["exit_code"] == exit_code and stderr in answer["stderr"], answer
    s.delete()


def sh(server, client):
    s = stays(server, client, "sh", "with-functions", "x=5; total() { echo $((x + $1)); }; cd /tmp; trap 'echo end' EXIT",
              'total 1; x=6; echo "$PWD $# $1"', "6\n/tmp 0 \nend\n")
    assert out(client, "echo $1; read y; echo $y", "with-functions", args=["a"], stdin="b\n") == "a\nb\nend\n"
    assert exec_of(client, "false", "with-functions")["exit_code"] == 1
    assert exec_of(client, "exit 7", "with-functions")["exit_code"] == 7
    assert exec_of(client, "(", "with-functions")["exit_code"] == 2
    s.delete()
    s = client.make(language="sh", files={"/tmp/a": "first"}, env={"B": "second"})
    template(s, "not-begun")
    assert out(client, "cat /tmp/a; echo $B", "not-begun") == "firstsecond\n"
    assert s.run("cat /tmp/a; echo $B")["stdout"] == "firstsecond\n"
    s.delete()
    remove(client, "not-begun")


def ways(server, client):
    """Batches, inputs, streams, sessions, their forks, and templates of those."""
    both = [{"code": "print(total())", "language": "with-data"}, {"code": "total 2", "language": "with-functions"},
            {"code": "print(1)"}, {"code": "console.log(total())", "language": "with-object"}]
    status, answer = client.ask("POST", "/v1/exec/batch", {"executions": both})
    assert status == 200 and [r["stdout"] for r in answer["results"]] == ["8589869056\n", "7\nend\n", "1\n", "6\n"], answer
    status, answer = client.ask("POST", "/v1/exec/batch", {"code": "print(total() + int(input()))", "language": "with-data",
                                                           "inputs": [{"stdin": str(i)} for i in range(4)]})
    assert [r["stdout"] for r in answer["results"]] == [f"{8589869056 + i}\n" for i in range(4)], answer
    with server.connect() as stream:
        stream.sendall(post({"code": "print(total())", "language": "with-data", "stream": True}, extra=b"Connection: close\r\n"))
        said = receive(stream)
    assert b"event: stdout" in said and b"8589869056" in said and b"event: result" in said, said
    s = client.make(language="with-data")
    assert s.ask()[1]["language"] == "with-data"
    assert s.run("x[0] = 4; z = 1; total()")["result"] == "8589869060"
    other, = s.fork()
    assert other.value("total() + z") == "8589869061" and s.value("x[0] = 0; total()") == "8589869056"
    template(other, "with-more")
    assert out(client, "print(total() + z, end='')", "with-more") == "8589869061"
    assert other.value("total() + z") == "8589869061"
    assert client.ask("GET", "/v1/templates")[1]["templates"][0]["language"] == "python"
    s.delete()
    other.delete()
    remove(client, "with-more")


def refused(client):
    s = client.make(language="sh")
    for name in ("", "A", "1a", "-a", "a b", "a.b", "a" * 33, "ä", None, 1):
        status, answer = s.ask("POST", "/template", {"name": name})
        assert status == 400 and answer["error"].startswith("name:"), (name, status, answer)
    assert s.ask("POST", "/template", {})[0] == 400
    for name in ("sh", "python", "bash", "js", "with-data"):
        assert s.ask("POST", "/template", {"name": name})[0] == 409, name
    assert s.ask("POST", "/template", {"name": "a" * 32})[0] == 201
    remove(client, "a" * 32)
    s.run("exit")
    assert s.ask("POST", "/template", {"name": "late"})[0] == 410
    s.delete()
    assert s.ask("POST", "/template", {"name": "late"})[0] == 404
    assert client.ask("DELETE", "/v1/templates/late")[0] == client.ask("DELETE", "/v1/templates/sh")[0] == 404
    assert client.ask("POST", "/v1/exec", {"code": "1", "language": "late"})[0] == 400


def deleted(server, client):
    """What runs ends as it would, a session goes on; then workers and memory go."""
    workers = 3  # a language has one
    eventually(lambda: server.metric("zeroboot_sessions_bytes") == 0 and len(server.workers()) == workers)
    s = client.make(language="sh")
    s.run("x=5")
    template(s, "short")
    s.delete()
    s = client.make(language="short")
    assert s.run("echo $x")["stdout"] == "5\n"
    said = []
    run = threading.Thread(target=lambda: said.append(out(client, "echo begun > f; sleep 3; echo $x", "short")))
    run.start()
    eventually(lambda: server.metric("zeroboot_concurrent_forks") == 1)
    remove(client, "short")
    assert "short" not in names(client)
    assert client.ask("POST", "/v1/exec", {"code": "1", "language": "short"})[0] == 400
    assert client.ask("POST", "/v1/sessions", {"language": "short"})[0] == 400
    run.join()
    assert said == ["5\n"], said
    assert s.run("echo $x")["stdout"] == "5\n" and len(server.workers()) > workers
    template(s, "short")
    remove(client, "short")
    s.delete()
    eventually(lambda: server.metric("zeroboot_sessions_bytes") == 0 and len(server.workers()) == workers)


def deriver(server):
    """The process that makes a template."""
    for child in server.children():
        with contextlib.suppress(OSError):
            if b"--derive" in pathlib.Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    return None


def killed(server, client):
    """The process that makes one: its client is told, and nothing else is lost. A client that goes away
    ends it."""
    s = client.make()
    s.run("x = 5")
    for _ in range(100):
        told = []
        asking = threading.Thread(target=lambda: told.append(s.ask("POST", "/template", {"name": "killed"})[0]))
        asking.start()
        while asking.is_alive():
            if pid := deriver(server):
                os.kill(pid, signal.SIGKILL)
        asking.join()
        if told == [500]:
            break
        assert told == [201], told
        remove(client, "killed")
    assert told == [500], told
    assert "killed" not in names(client) and s.value("x") == "5"
    with server.connect() as gone:
        gone.sendall(post({"name": "left"}, f"/v1/sessions/{s.id}/template"))
        eventually(lambda: deriver(server) or "left" in names(client))
    eventually(lambda: not deriver(server))
    template(s, "killed")
    assert out(client, "print(x)", "killed") == "5\n"
    remove(client, *(name for name in names(client) if name in ("left", "killed")))
    s.delete()


# What the session does while it settles.
ABI = (TOP / "guest/abi.h").read_text()
KERNEL_BASE = int(re.search(r"#define ZB_KERNEL_BASE\s+(\w+)", ABI)[1].rstrip("ulUL"), 0)
EVIL = f"""
import ctypes, gc, os
base = {KERNEL_BASE}
def at(gpa): return ctypes.c_uint64.from_address(base + gpa)
def root(): return at(0x1000 + 56).value & ~0xfff
def entries(table): return [at(table + 8 * i) for i in range(256)]
def below(table): return next(e.value for e in entries(table) if e.value & 0x81 == 1) & 0xffffffffff000
def add_table(gpa): next(e for e in entries(below(below(root()))) if not e.value & 1).value = gpa | 7
def evil(act):
    def once(phase, info):
        if phase == "start":
            gc.callbacks.remove(once)
            exec(act)
    gc.callbacks.append(once)
"""


def hostile(server, client):
    """Memory that CPL0 uses, tables that lead in a circle, a program that ends or never comes to rest."""
    failed = []
    for act, statuses in (("at(0x2000 + 8).value ^= 1", (500,)), ("at(0x100000).value ^= 1 << 40", (500,)),
                          ("at(root() + 8 * 300).value = root() | 7", (500,)), ("os._exit(0)", (500,)), ("os.abort()", (500,)),
                          ("at(root()).value ^= 1 << 51", (500,)), ("add_table(0x100000)", (500,)), ("add_table(0x2000)", (500,)),
                          ("[setattr(at(root() + 8 * i), 'value', at(root() + 8 * i).value & ~0x60) for i in range(200)]", (201, 500)),
                          ("at(0x1000 + 3984).value = 1 << 60", (201, 500)), ("at(0x1000 + 312).value = 0x2000", (201, 500)),
                          ("os.write(os.open('/dev/zeroboot', os.O_RDWR), b'12345678')", (201, 500))):
        s = client.make()
        s.run(EVIL)
        s.run(f"evil({act!r})\nx = 5")
        status, answer = s.ask("POST", "/template", {"name": "evil"})
        if status not in statuses:
            failed.append((act, status, answer))
        if status == 201:
            client.ask("POST", "/v1/exec", {"code": "print(x)", "language": "evil", "timeout_seconds": 5})
            remove(client, "evil")
        else:
            assert s.value("gc.callbacks.clear()\nx") == "5", act
        s.delete()
        assert out(client, "print(1)", "python") == "1\n"
    assert not failed, failed


def mapped_twice(client):
    """A library's code that a process maps twice, after a fork, is no damage to its tables."""
    s = client.make()
    assert s.value("""
import ctypes, os, sysconfig
if os.fork() == 0: os._exit(0)
os.wait()
call = ctypes.CDLL(None).mmap
call.restype, call.argtypes = ctypes.c_void_p, [ctypes.c_size_t] * 6
library = next(l.split()[-1] for l in open("/proc/self/maps") if "/libcrypto" in l or "/libc." in l)
fd, size = os.open(library, 0), os.path.getsize(library)
both = [call(0, size, 1, 0x802, fd, 0) for _ in range(2)]
[ctypes.string_at(m, size) == open(library, "rb").read() for m in both]""") == "[True, True]"
    template(s, "twice")
    assert out(client, "print(ctypes.string_at(both[1], 4))", "twice") == "b'\\x7fELF'\n"
    remove(client, "twice")
    s.delete()


def keys(server):
    one, two = Client(server, "key-one-000000000000"), Client(server, "key-two-000000000000")
    s = one.make(language="sh")
    s.run("x=one")
    template(s, "mine")
    assert names(one) == ["mine"] and names(two) == []
    for what in ({"code": "1"}, {"executions": [{"code": "1", "language": "mine"}]}):
        path = "/v1/exec/batch" if "executions" in what else "/v1/exec"
        status, answer = two.ask("POST", path, {**what, "language": "mine"} if "code" in what else what)
        assert status == 400 and "unknown" in answer["error"], (status, answer)
    assert two.ask("POST", "/v1/sessions", {"language": "mine"})[0] == 400
    assert two.ask("DELETE", "/v1/templates/mine")[0] == 404
    assert two.ask("POST", f"/v1/sessions/{s.id}/template", {"name": "stolen"})[0] == 404
    other = two.make(language="sh")
    other.run("x=two")
    template(other, "mine")
    assert out(one, "echo $x", "mine") == "one\n" and out(two, "echo $x", "mine") == "two\n"
    remove(two, "mine")
    assert out(one, "echo $x", "mine") == "one\n"
    for path in (b"/metrics", b"/health"):
        assert b"mine" not in answers(server.ask(b"GET %s HTTP/1.0\r\n\r\n" % path))[0].body, path


def limits(client):
    """There are so many, and so large; a key leaves some for others."""
    s = client.make(language="sh")
    template(s, "one")
    template(s, "two")
    assert s.ask("POST", "/template", {"name": "three"})[0] == 503
    remove(client, "one")
    template(s, "three")
    remove(client, "two", "three")
    template(s, "left")
    of = client.make(language="left")
    remove(client, "left")
    template(s, "next")
    assert s.ask("POST", "/template", {"name": "last"})[0] == 503, "one that is deleted has a session"
    of.delete()
    template(s, "last")
    remove(client, "next", "last")
    large = client.make()
    large.run("x = 1")
    assert large.ask("POST", "/template", {"name": "large"})[0] == 507
    assert large.value("x") == "1"


def most_connections(server):
    """As the log has it, once more."""
    before = len(server.logged())
    os.kill(server.process.pid, signal.SIGUSR1)
    found = []

    def told():
        found[:] = re.findall(rb"\d+ of (\d+) connections: ", server.logged()[before:])
        return found
    eventually(told)
    return int(found[0])


def descriptors(server):
    """Where there are few, what workers of templates need is taken from connections, but half of these stay."""
    client = Client(server)
    all_of = most_connections(server)
    s = client.make(language="sh")
    template(s, "one")
    left = most_connections(server)
    assert all_of // 2 < left < all_of, (all_of, left)
    for name in "two", "three", "four":
        template(s, name)
    assert most_connections(server) == all_of - all_of // 2
    assert out(client, "echo 1", "four") == "1\n"


def listed(client):
    return client.ask("GET", "/v1/templates")[1]["templates"]


def all_saved(client):
    eventually(lambda: all(t["saved"] for t in listed(client)))


def records(place):
    """Files of templates, by their names."""
    found = {}
    for file in place.state.glob("*.zbs"):
        data = file.read_bytes()
        if struct.unpack_from("<I", data, FLAGS)[0] & TEMPLATE:
            found[data[NAME:NAME + 40].rstrip(b"\0").decode()] = file
    return found


def kept_as(file):
    """What is kept of the template of a record."""
    return file.parent / "kept" / (file.read_bytes()[OF:OF + 64].decode() + ".zbt")


def made(client, name, start="x=5"):
    s = client.make(language="sh")
    s.run(start)
    template(s, name)
    s.delete()


def restarted(top):
    """A template outlives its server, and so do sessions of it; one that is deleted does not."""
    place = Place(top, "restarted")
    with place.serve() as server:
        client = Client(server)
        made(client, "mine")
        made(client, "gone")
        begun, fresh = client.make(language="mine"), client.make(language="mine")
        assert begun.run("echo $x; x=6")["stdout"] == "5\n"
        all_saved(client)
        before = listed(client)
        file = records(place)["gone"]
        remove(client, "gone")
        eventually(lambda: not file.exists())
    assert records(place)["mine"].stat().st_mode & 0o777 == 0o600
    assert not server.unexpected(), server.unexpected()
    with place.serve() as server:
        client = Client(server)
        # At once, though it is loaded behind the languages.
        assert out(client, "echo $x", "mine") == "5\n"
        assert listed(client) == before[1:], (listed(client), before)
        assert server.metric("zeroboot_session_templates") == 1 and server.metric("zeroboot_session_templates_unsaved") == 0
        assert server.metric("zeroboot_sessions_bytes") >= kept_as(records(place)["mine"]).stat().st_size
        label(server, "sh")
        begun, fresh = Session(client, begun.id), Session(client, fresh.id)
        assert begun.ask()[1]["language"] == "mine"
        assert begun.run("echo $x")["stdout"] == "6\n" and fresh.run("echo $x")["stdout"] == "5\n"
        assert client.make(language="sh").ask("POST", "/template", {"name": "mine"})[0] == 409
        template(begun, "more")
        begun.delete()
        assert out(client, "echo $x", "more") == "6\n"
        assert {t["name"]: (t["language"], t["sessions"]) for t in listed(client)} == {"mine": ("sh", 1), "more": ("sh", 0)}
        all_saved(client)
        kill(server)
    assert not server.unexpected(), server.unexpected()
    with place.serve() as server:
        client = Client(server)
        assert sorted(names(client)) == ["mine", "more"]
        assert out(client, "echo $x", "mine") + out(client, "echo $x", "more") == "5\n6\n"
        # Its session goes on without it, then as well.
        remove(client, "mine", "more")
        assert Session(client, fresh.id).run("echo $x")["stdout"] == "5\n"
        eventually(lambda: not records(place))
    with place.serve() as server:
        client = Client(server)
        assert names(client) == [] and server.metric("zeroboot_session_templates") == 0
        fresh = Session(client, fresh.id)
        assert fresh.run("echo $x")["stdout"] == "5\n"
        template(fresh, "mine")
        for s in client.ask("GET", "/v1/sessions")[1]["sessions"]:
            Session(client, s["id"]).delete()
        remove(client, "mine")
    assert place.kept() == [] and not list(place.state.glob("*.zbs")), (place.kept(), list(place.state.iterdir()))


def by_name(top):
    """A session finds its template whichever is the older by the clock; one of a template that is deleted goes on,
    whether it has run or not, and what it was called is nobody's to see."""
    place = Place(top, "by_name")
    with place.serve() as server:
        client = Client(server)
        made(client, "mine")
        made(client, "gone")
        early, fresh, begun = (client.make(language=name) for name in ("mine", "gone", "gone"))
        begun.run("x=6")
        all_saved(client)
        remove(client, "gone")
    data = bytearray(place.file(early).read_bytes())
    number = f"{'0' * 8}{early.id[8:]}"
    data[ID:ID + len(number)] = number.encode()
    place.file(early).unlink()
    early = Session(client, number)
    place.file(early).write_bytes(sealed(data))
    with place.serve() as server:
        client = Client(server)
        early, fresh, begun = (Session(client, s.id) for s in (early, fresh, begun))
        assert [(t["name"], t["sessions"]) for t in listed(client)] == [("mine", 1)], listed(client)
        assert [s.run("echo $x")["stdout"] for s in (early, fresh, begun)] == ["5\n", "5\n", "6\n"]
        template(begun, "more")
        assert {t["name"]: t["language"] for t in listed(client)} == {"mine": "sh", "more": "sh"}
        text = answers(server.ask(b"GET /metrics HTTP/1.0\r\n\r\n"))[0].body.decode()
        assert '"sh@' in text and not re.search(r'"(mine|gone|more)', text), text


def broken_off(top):
    """A server that is killed, or ends, right after it has made one: it is there as a whole, or not at all."""
    place = Place(top, "broken_off")
    known = set()
    for i in range(4):
        with place.serve() as server:
            client = Client(server)
            made(client, f"t{i}", f"x={i}")
            if i < 3:
                time.sleep(i * 0.1)
                kill(server)
            else:
                known.add(f"t{i}")
        assert not list(place.state.glob("*.tmp")) or i < 3
    with place.serve() as server:
        client = Client(server)
        there = names(client)
        assert known <= set(there), there
        for name in there:
            assert out(client, "echo $x", name) == name[1:] + "\n"
        assert not server.unexpected(), server.unexpected()


def no_use(top):
    """What is damaged, of another version, or has lost its name or what is kept of it, says so until it is deleted."""
    place = Place(top, "no_use")
    with place.serve() as server:
        client = Client(server)
        for name in "abi", "head", "lost", "memory", "named", "whole":
            made(client, name, f"x={name}")
        all_saved(client)
    files = records(place)
    kept = {name: kept_as(file) for name, file in files.items()}
    good = {name: files[name].read_bytes() for name in files}
    data = bytearray(good["abi"])
    struct.pack_into("<I", data, ABI_AT, 1)
    files["abi"].write_bytes(sealed(data))
    data = bytearray(good["head"])
    data[NAME] ^= 1
    files["head"].write_bytes(data)
    kept["lost"].unlink()
    data = bytearray(kept["memory"].read_bytes())
    data[-5000] ^= 1
    kept["memory"].write_bytes(data)
    os.utime(kept["memory"], (1e9, 1e9))
    for ending in "img", "zbt":
        (place.templates / f"named.{ending}").symlink_to(place.templates / f"sh.{ending}")
    with place.serve() as server:
        client = Client(server)
        assert sorted(names(client)) == ["abi", "lost", "memory", "named", "whole"]
        assert out(client, "echo $x", "whole") == "whole\n"
        assert out(client, "echo $x", "named") == "\n", "the language has lost its name"
        eventually(lambda: len([t for t in listed(client) if "reason" in t]) == 4)
        reasons = {t["name"]: t["reason"] for t in listed(client) if "reason" in t}
        for name, why in ("abi", "another version"), ("lost", "not there"), ("memory", "damaged"), ("named", "a language has its name"):
            assert why in reasons[name], reasons
            assert client.make(language="sh").ask("POST", "/template", {"name": name})[0] == 409, name
            if name != "named":
                status, answer = client.ask("POST", "/v1/exec", {"code": "echo", "language": name})
                assert status == 400 and why in answer["error"], (status, answer)
        assert server.metric("zeroboot_session_templates") == 2  # one is found to be damaged when it is loaded
        log = server.logged().decode()
        assert log.count("not used: ") == 3 and "damaged: wrong checksum of its memory" in log and "head" not in names(client), log
        assert f"{files['head'].name}: damaged; left as it is" in log, log
        remove(client, "abi", "lost", "memory", "named")
        eventually(lambda: not any(files[name].exists() for name in ("abi", "lost", "memory", "named")))
        assert names(client) == ["whole"] and files["head"].exists() and out(client, "echo $x", "named") == "\n"
    files["head"].write_bytes(good["head"])
    with place.serve() as server:
        assert out(Client(server), "echo $x", "head") == "head\n"


def whose(top):
    place = Place(top, "whose")
    one, two = "key-one-000000000000", "key-two-000000000000"
    file = top / "whose.json"
    file.write_text(json.dumps([one, two]))
    environment = {**os.environ, "ZEROBOOT_API_KEYS_FILE": str(file)}
    with place.serve(environment=environment) as server:
        for key in one, two:
            made(Client(server, key), "mine", f"x={key}")
        made(Client(server, two), "more")
        for key in one, two:
            all_saved(Client(server, key))
    with place.serve(environment=environment) as server:
        assert names(Client(server, one)) == ["mine"] and sorted(names(Client(server, two))) == ["mine", "more"]
        for key in one, two:
            assert out(Client(server, key), "echo $x", "mine") == key + "\n"
        assert Client(server, one).ask("POST", "/v1/exec", {"code": "echo", "language": "more"})[0] == 400
        assert Client(server, one).ask("DELETE", "/v1/templates/more")[0] == 404
        remove(Client(server, one), "mine")
        assert out(Client(server, two), "echo $x", "mine") == two + "\n"
    assert one.encode() not in b"".join(file.read_bytes() for file in place.state.glob("*.zbs"))
    # What nobody can ask for takes no place, and is there again with its key.
    file.write_text(json.dumps([one]))
    with place.serve("--session-templates", "3", environment=environment) as server:
        assert server.metric("zeroboot_session_templates") == 0 and server.logged().count(b"nobody has its key") == 2
        for name in "first", "second":
            made(Client(server, one), name)
        file.write_text(json.dumps([one, two]))
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: Client(server, two).ask("GET", "/v1/templates")[0] == 200)
        there = [t["name"] for t in listed(Client(server, two)) if "reason" not in t]
        assert len(there) == 1 and len(names(Client(server, two))) == 2, listed(Client(server, two))
        assert out(Client(server, two), "echo $x", *there) == (two if there == ["mine"] else "5") + "\n"


def bytes_read(server):
    """From files, by the front end."""
    return int(re.search(r"rchar: (\d+)", pathlib.Path(f"/proc/{server.process.pid}/io").read_text())[1])


def limits_hold(top):
    """There are no more, nor larger ones, than a server that is started anew may have; the others wait for one
    that may have more."""
    place = Place(top, "limits_hold")
    with place.serve("--session-templates", "3") as server:
        client = Client(server)
        for name in "one", "two", "three":
            made(client, name, f"x={name}")
        all_saved(client)
    with place.serve("--session-templates", "2") as server:
        client = Client(server)
        assert [t["name"] for t in listed(client) if "reason" in t and "--session-templates" in t["reason"]] == ["three"]
        assert out(client, "echo $x", "one") + out(client, "echo $x", "two") == "one\ntwo\n"
        assert client.make(language="sh").ask("POST", "/template", {"name": "four"})[0] == 503
    size = kept_as(records(place)["one"]).stat().st_size
    with place.serve("--session-memory", "1", "--sessions-memory", str((size >> 20) + 1)) as server:
        client = Client(server)
        assert len([t for t in listed(client) if "--sessions-memory" in t.get("reason", "")]) == 2, listed(client)
        assert server.metric("zeroboot_sessions_bytes") <= size + (1 << 20)
        # Those for which there is no room are not read for each that asks.
        before = bytes_read(server)
        for _ in range(20):
            listed(client)
        assert bytes_read(server) - before < 20 * 4096, bytes_read(server) - before
    with place.serve("--session-templates", "3") as server:
        client = Client(server)
        assert sorted(names(client)) == ["one", "three", "two"] and not any("reason" in t for t in listed(client))
        assert out(client, "echo $x", "three") == "three\n"
        assert client.make(language="sh").ask("POST", "/template", {"name": "four"})[0] == 503
    with place.serve("--session-templates", "2") as server:
        client = Client(server)
        assert client.ask("POST", "/v1/exec", {"code": "echo", "language": "three"})[0] == 400
        remove(client, "two")
        eventually(lambda: client.ask("POST", "/v1/exec", {"code": "echo", "language": "three"})[0] == 200)
        assert out(client, "echo $x", "three") == "three\n" and not any("reason" in t for t in listed(client))


def full_disk(top):
    """One that cannot be kept is used as long as its server is there, and says that it is not saved."""
    place = Place(top, "full")
    script = 'mount -t tmpfs -o size=70m none /mnt && exec "$0" "$@"'
    place.state = pathlib.Path("/mnt/state")
    with place.serve(prefix=["unshare", "-m", "sh", "-c", script]) as server:
        root = pathlib.Path(f"/proc/{server.process.pid}/root/mnt")
        client = Client(server)
        fill_disk(root)
        made(client, "mine")
        eventually(lambda: b"template not kept" in server.logged())
        assert out(client, "echo $x", "mine") == "5\n"
        assert [t["saved"] for t in listed(client)] == [False] and server.metric("zeroboot_session_templates_unsaved") == 1
        assert not list((root / "state").glob("*.zbs"))
        (root / "filler").unlink()
        all_saved(client)
        assert len(list((root / "state").glob("*.zbs"))) == 1 and len(list((root / "state/kept").glob("*.zbt"))) == 1
        assert not list((root / "state/kept").glob("*.tmp"))
        # One for which there is no room does not keep others from it.
        fill_disk(root)
        made(client, "small")
        made(client, "large", "x=$(head -c 9000000 /dev/zero | tr '\\0' 5)")
        assert {t["name"]: t["saved"] for t in listed(client)} == {"mine": True, "small": False, "large": False}
        os.truncate(root / "filler", (root / "filler").stat().st_size - (6 << 20))
        eventually(lambda: [t["saved"] for t in listed(client) if t["name"] == "small"] == [True])
        assert [t["saved"] for t in listed(client) if t["name"] == "large"] == [False]


def proved():
    """What is proved of any template, of those that sessions have become."""
    with tempfile.TemporaryDirectory() as place:
        for language, every, code in (("sh", "12", "x=5; f() { echo $x; }"), ("python", "60", "import numpy; x = numpy.arange(1 << 17)")):
            made = pathlib.Path(place, f"{language}.zbt")
            made.with_suffix(".img").symlink_to(TOP / f"templates/{language}.img")
            subprocess.run([KNOWN / "derive", TOP / f"templates/{language}.zbt", made, code], check=True)
            done = subprocess.run([KNOWN / "states", made, every, TOP / f"tests/{language}/snippets.txt"], capture_output=True, text=True, check=False)
            assert done.returncode == 0 and "not ok" not in done.stdout, done.stdout + done.stderr


def main():
    report = Report("derived")
    with Server("--workers", "1") as server:
        client = Client(server)
        report.check("a Python session with an array", python, server, client)
        report.check("a Node session with variables", node, server, client)
        report.check("a shell with functions, and one that has not begun", sh, server, client)
        report.check("batches, inputs, streams, and sessions of a template", ways, server, client)
        report.check("names, and sessions that are not there, are refused", refused, client)
        remove(client, *names(client))
        report.check("code that is mapped twice", mapped_twice, client)
        report.check("one is deleted", deleted, server, client)
        report.check("the process that makes one is killed", killed, server, client)
        report.check("a guest that means harm harms its template alone", hostile, server, client)
        report.check("random numbers and keys of copies differ", drawn, client)
        report.check("a Python session that has taken its modules apart", apart, client)
        report.line("nothing unexpected is logged", "\n".join(l for l in server.unexpected() if "template of a session not made" not in l) or None)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(["key-one-000000000000", "key-two-000000000000"], file)
        file.flush()
        with Server("--workers", "1", environment={**os.environ, "ZEROBOOT_API_KEYS_FILE": file.name}) as server:
            report.check("a template belongs to the key that made it", keys, server)
    with Server("--workers", "1", "--session-templates", "2", "--sessions-memory", "30") as server:
        report.check("there are so many, and so large", limits, Client(server))
    with Server("--workers", "1", files=320) as server:
        report.check("few descriptors are shared with connections", descriptors, server)
    with tempfile.TemporaryDirectory() as directory:
        top = pathlib.Path(directory)
        report.check("with a directory it outlives its server", restarted, top)
        report.check("sessions find theirs again by its name", by_name, top)
        report.check("a server that is killed when it has made one", broken_off, top)
        report.check("what is kept of it is of no use", no_use, top)
        report.check("a key has its own again", whose, top)
        report.check("limits hold over a restart", limits_hold, top)
        report.check("a full disk, and one is not kept", full_disk, top)
    report.check("a VM of one is that again after each run, and can be brought to any state", proved)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
