#!/usr/bin/env python3
"""Sessions as the guest has them: execs one after the other in one VM, without a
server (tests/recycle/session.c). `execs.py python` runs those of one language."""
import contextlib
import errno
import struct
import subprocess
import sys
import time

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


# ---- Python ----

def python_names_stay(s):
    says(s, "x = 1")
    says(s, "import math\ndef f(): return x + 1\nclass A:\n    y = 3")
    says(s, "f(), A.y, math.floor(2.5), __name__", result="(2, 3, 2, '__main__')")
    says(s, "print(x); x = 5; None", out="1\n")
    says(s, "x", result="5")
    says(s, "x;", result="5")
    says(s, "if x: x", result="")
    says(s, "'a' * 70000", result="'" + "a" * 65534, cut=1)
    says(s, "'\u20ac' * 40000", result="'" + "\u20ac" * 21844, cut=1)
    says(s, "class B:\n    def __repr__(self): return '\\ud800'\nB()", result="\\ud800")
    says(s, "from __future__ import annotations")
    says(s, "def g(a: nothing): pass\ng.__annotations__", result="{'a': 'nothing'}")


# Code, and the text of the value that it has: of a last expression, wherever that begins.
PYTHON_VALUES = (
    ("x = 1; x + 1", "2"), ("x = 3; y = 4", ""), ("x; 42", "42"), ("'#;'; x", "3"), ("x # 1; y", "3"),
    ("if 1: x; y", ""), ("if x: z = (1,\n2); x", ""), ("if x: \\\nz = 1; x", ""), ("for z in 1, 2: z; x", ""),
    ("x = \\\ny", ""), ("x", "4"), ("x <= 1", "False"), ("x = lambda n=1: n; x(7)", "7"), ("x = 5\nx == 5", "True"),
    ("'''\nx = 1'''", "'\\nx = 1'"), ("'''\n ''' 'b'", "'\\n b'"), ('"""\n  x\'"""', '"\\n  x\'"'), ("x = '''\nx'''\nx", "'\\nx'"),
    ("z = [1,\nx\n]", ""), ("dict(a='(',\nb=')(' )", "{'a': '(', 'b': ')('}"), ("dict(a=1,\nb = '(' )", "{'a': 1, 'b': '('}"),
    ("dict(a=1,\n  b=[2])", "{'a': 1, 'b': [2]}"), ("(1,\n x)", "(1, '\\nx')"), ("1 + \\\n  2", "3"),
    ("def f(n):\n    return n", ""), ("@f\ndef g(): pass", ""), ("f(8)\n# end; x", "8"), ("f(8)\n  # end", "8"),
    ("f(9)\n  # it's", "9"), ("  # 1", ""), ("for z in ():\n    f(1)\nelse: f(2)", ""), ("try:\n    f(1)\nfinally: f(2)", ""),
    ("with open('/dev/null') as z:\n    z.read()", ""), ("match 1:\n    case 1: f(2)", ""), ("z: int\nz: f(3)", ""),
    ("f.a = 1; f.a", "1"), ("z = {'a': 1}\nz['a'] = 'it\\'s'", ""), ("z['a']", '"it\'s"'), ("z = 1,; z", "(1,)"), ("*z, 2", "(1, 2)"),
    ("(z := 6)", "6"), ("z", "6"), ("'first'; z", "6"), ("__doc__", "'first'"), ("f(1)\nf(2) or 3", "2"),
    ("f(1)\n1 < f(2) < 2", "False"), ("f(1)\r\nf(2)\r\n", "2"), ("# coding: latin-1\nlen('\u00e9')", "2"),
    ("# nothing\nlen('\u00e9')", "1"), ("z = '\u00e9'; z", "'\u00e9'"), ("import math; math.pi", "3.141592653589793"),
    ("if z:\n    f(1)", ""), ("f(1);", "1"), ("f(1)\nNone", ""), ("", ""), ("...", "Ellipsis"),
    ("pass\u00e9 = 3\npass\u00e9", "3"), ("if\u00e9 = 7; if\u00e9", "7"),
)


def python_has_values(s):
    for source, result in PYTHON_VALUES:
        says(s, source, result=result)


def raised(number, line, source, marks):
    return f"""\
Traceback (most recent call last):
  File "<exec {number}>", line {line}, in <module>
    {source}
    {marks}
ZeroDivisionError: division by zero
"""


def python_errors_have_places(s):
    says(s, "x = 0; 1 / x", code=1, err=raised(1, 1, "x = 0; 1 / x", "       ~~^~~"))
    source = "x = '\u00e9\u00e9';  x[0] * (1 / 0)"
    says(s, source, code=1, err=raised(2, 1, source, " " * source.index("1 /") + "~~^~~"))
    says(s, "x = 0\n\n# 1\n1 / x  # 2\n", code=1, err=raised(3, 4, "1 / x  # 2", "~~^~~"))
    says(s, "if 1:\n    x = 1\n    1 / 0", code=1, err=raised(4, 3, "1 / 0", "~~^~~"))
    says(s, "x = 1 / 0", code=1, err=raised(5, 1, "x = 1 / 0", "    ~~^~~"))
    for number, source, line, shown, marks in ((6, "x = 5\ny z", 2, "y z", "  ^"), (7, "x; y z", 1, "x; y z", "     ^")):
        says(s, source, code=1, err=f"""\
  File "<exec {number}>", line {line}
    {shown}
    {marks}
SyntaxError: invalid syntax
""")
    says(s, "x = 1\nx is 1", result="True", err="""\
<exec 8>:2: SyntaxWarning: "is" with a literal. Did you mean "=="?
  x is 1
""")
    says(s, "x is 2\nx = 1", err="""\
<exec 9>:1: SyntaxWarning: "is" with a literal. Did you mean "=="?
  x is 2
""")
    says(s, "x is 3\nx is 4", result="False", err="""\
<exec 10>:1: SyntaxWarning: "is" with a literal. Did you mean "=="?
  x is 3
<exec 10>:2: SyntaxWarning: "is" with a literal. Did you mean "=="?
  x is 4
""")
    says(s, "x is 5\nreturn\nx is 6", code=1, err="""\
<exec 11>:1: SyntaxWarning: "is" with a literal. Did you mean "=="?
  x is 5
  File "<exec 11>", line 2
SyntaxError: 'return' outside function
""")
    says(s, "x\n1\v", code=1, err="""\
  File "<exec 12>", line 2
    1\v
     ^
SyntaxError: invalid non-printable character U+000B
""")
    for number, (source, kind, what) in enumerate((
            ("None[0]", "NoneType", "subscriptable"), ("True(1)", "bool", "callable"), ("__debug__ [0]", "bool", "subscriptable"),
            ("...[0]", "ellipsis", "subscriptable"), ("1.[0]", "float", "subscriptable"), ("1.e5(0)", "float", "callable")), 13):
        says(s, f"x is 7\nx or {source}", result="1", err=f"""\
<exec {number}>:1: SyntaxWarning: "is" with a literal. Did you mean "=="?
  x is 7
<exec {number}>:2: SyntaxWarning: '{kind}' object is not {what}; perhaps you missed a comma?
  x or {source}
""")


def python_errors_end_an_exec(s):
    says(s, "def f():\n    return 1 / 0")
    says(s, "x = 1\nf()", code=1, err="""\
Traceback (most recent call last):
  File "<exec 2>", line 2, in <module>
    f()
  File "<exec 1>", line 2, in f
    return 1 / 0
           ~~^~~
ZeroDivisionError: division by zero
""")
    says(s, "x", result="1")
    says(s, "y ==", code=1, err="""\
  File "<exec 4>", line 1
    y ==
        ^
SyntaxError: invalid syntax
""")
    says(s, "class A:\n    def __repr__(self): raise ValueError\nA()", code=1, err="""\
Traceback (most recent call last):
  File "<exec 5>", line 2, in __repr__
    def __repr__(self): raise ValueError
                        ^^^^^^^^^^^^^^^^
ValueError
""")
    says(s, "import inspect, sys\ninspect.getsource(f), sys._getframe().f_back", result=r"('def f():\n    return 1 / 0\n', None)")
    got = s.run("def r(n): return r(n + 1)\nr(0)")
    same(got, code=1, err=got.err)
    assert got.err.endswith("RecursionError: maximum recursion depth exceeded\n"), got
    says(s, "sys.excepthook = lambda *a: print(a[0].__name__)\n1 / 0", code=1, out="ZeroDivisionError\n")


def python_iterators_end(s):
    """A StopIteration is an error as any other, also of repr()."""
    for number, (source, line, what) in enumerate((("next(iter([]))", "next(iter([]))", ""), ("raise StopIteration(5)", "raise StopIteration(5)", ": 5"),
                                                   ("x = next(iter([]))\nprint('after')", "x = next(iter([]))", ""),
                                                   ("x = 3\nnext(iter([]))\nx", "next(iter([]))", "")), 1):
        place = source.split("\n").index(line) + 1
        marks = "        ^^^^^^^^^^^^^^\n" if line.startswith("x") else ""
        says(s, source, code=1, err=f"""\
Traceback (most recent call last):
  File "<exec {number}>", line {place}, in <module>
    {line}
{marks}StopIteration{what}
""")
    got = s.run("class A:\n    def __repr__(self): return next(iter([]))\nA()")
    same(got, code=1, err=got.err)
    assert got.err.endswith("\nStopIteration\n"), got
    says(s, "class A: __repr__ = iter([]).__next__\nA()", code=1, err="StopIteration\n")
    says(s, "async def f(): return next(iter([]))\nimport asyncio")
    got = s.run("await f()")
    same(got, code=1, err=got.err)
    assert got.err.endswith("\nRuntimeError: coroutine raised StopIteration\n"), got
    says(s, "x", result="3")


# What a program may do to what errors are told by, and back.
PYTHON_BREAKS = (
    ("sys.stderr.close()", "sys.stderr = sys.__stderr__ = open(2, 'w', closefd=False)"),
    ("sys.stderr = W(ValueError)", ""), ("sys.stderr = W(KeyboardInterrupt)", ""), ("sys.stderr = W(SystemExit)", ""),
    ("sys.stderr = None", ""), ("del sys.stderr", ""), ("del sys.__excepthook__", "sys.__excepthook__ = sys.excepthook"),
    ("del sys.excepthook; sys.stderr = W(ValueError)", "sys.excepthook = sys.__excepthook__"),
    ("sys.excepthook = lambda *_: 1 / 0; sys.stderr = W(ValueError)", "sys.excepthook = sys.__excepthook__"),
    ("modules = dict(sys.modules); sys.modules.clear()", "sys.modules.update(modules)"),
    ("traceback.print_exception, p = None, traceback.print_exception", "traceback.print_exception = p"),
    ("sys.unraisablehook = lambda _: 1 / 0; sys.stdout = W(ValueError)", "sys.stdout = sys.__stdout__; sys.unraisablehook = sys.__unraisablehook__"),
    ("e = os.dup(2); os.close(2)", "os.dup2(e, 2); sys.stderr = sys.__stderr__ = open(2, 'w', closefd=False)"),
    ("sys.stdout = W(E)", "sys.stdout = sys.__stdout__"), ("sys.stdout = sys.stderr = W(F)", "sys.stdout = sys.__stdout__"),
    ("sys.unraisablehook = None; sys.stdout = W(F)", "sys.stdout = sys.__stdout__; sys.unraisablehook = sys.__unraisablehook__"),
)


def python_errors_are_not_told(s):
    """An exec of which nothing can be told ends all the same, as a run does."""
    says(s, """
import os, sys, traceback
class W:
    closed = False
    def __init__(self, error): self.error = error
    def write(self, text): raise self.error
    def flush(self): raise self.error
class E(Exception):
    def with_traceback(self, trace): raise E
class F(Exception):
    __class__ = __traceback__ = property(lambda self: 1 / 0)
    def with_traceback(self, trace): raise ValueError
""")
    for broken, mended in PYTHON_BREAKS:
        for what in "1 / 0", "raise KeyboardInterrupt":
            got = s.run(f"{broken}\n{what}")
            same(got, code=got.code, err=got.err)
            assert got.code == (130 if "Keyboard" in broken + what else 1), (broken, got)
            got = s.run(f"{mended}\nsys.stderr = sys.__stderr__")
            same(got, err=got.err)  # which may have been kept for it
            says(s, "6 * 7", result="42")
    number = 2 + 6 * len(PYTHON_BREAKS)
    says(s, "1 / 0", code=1, err=raised(number, 1, "1 / 0", "~~^~~"))
    for number, name in enumerate("EF", number + 1):
        got = s.run(f"raise {name}")
        same(got, code=1, err=got.err)
        assert got.err.startswith(f'Traceback (most recent call last):\n  File "<exec {number}>", line 1, in <module>\n'), got


# What a program may put in the places of what the agent uses, too.
PYTHON_TAKES = (
    "os.write = os.read = os.open = os.close = os._exit = None",
    "vars(struct).clear(), vars(errno).clear(), vars(ast).clear(), vars(gc).clear(), vars(functools).clear(), vars(operator).clear()",
    "linecache.cache = sys.argv = os.environb = random.Random.seed = None; del sys.stdout",
    "sys.stdin = sys.__stdin__ = object()",
    "held = []\ntry:\n    while True: held.append(open_at('/', os.O_RDONLY))\nexcept OSError: pass",
    "os.unlink('/dev/urandom')",
    "for name in 'compile getattr isinstance issubclass iter len list map next open repr type'.split(): setattr(builtins, name, None)",
)


def python_takes_apart(s):
    says(s, "import ast, builtins, errno, functools, gc, linecache, operator, os, random, struct, sys; open_at = os.open")
    says(s, "leave, os._exit = os._exit, None\nif not (pid := os.fork()): 0\nelse: print(os.wait()[1])", out="0\n")
    for broken in PYTHON_TAKES:
        same(s.run(f"{broken}\nstate = random.getstate()"))
        s.order("forked")
        same(s.run("random.getstate() == state", stdin="x", args=["a"], env={"A": "b"}), result="False")
        got = s.run("1 / 0")
        same(got, code=1, err=got.err)
        assert got.err.endswith("ZeroDivisionError: division by zero\n"), got
        says(s, "x = [7]; (x\n); x", result="[7]")
    says(s, "globals().clear()")
    says(s, "import builtins, sys; builtins.mine = 5")
    says(s, "mine, (lambda: 0).__builtins__ is vars(builtins)", result="(5, True)")
    says(s, "sys.exit(3)", event=EXIT, code=3)


def python_interrupted_twice(s):
    """The second time while the first is told of: no line of the agent's is shown."""
    says(s, """
import sys
class W:
    def __init__(self): self.interrupted = False
    def __getattr__(self, name): return getattr(sys.__stderr__, name)
    def write(self, text):
        if not self.interrupted:
            self.interrupted = True
            raise KeyboardInterrupt
        return sys.__stderr__.write(text)
sys.stderr = W()
""")
    says(s, "raise KeyboardInterrupt", code=130, err="""\
Traceback (most recent call last):
  File "<exec 1>", line 9, in write
    raise KeyboardInterrupt
KeyboardInterrupt
""")


def python_input_is_closed(s):
    same(s.run("import os\nos.close(0)", stdin="x"))
    same(s.run("6 * 7", stdin="x"), result="42")
    says(s, "import sys; del sys.stdin, sys.__stdin__, sys.argv")
    same(s.run("6 * 7", args=["a"], env={"A": "b"}, stdin="x"), result="42")
    says(s, "os.environ['A']", result="'b'")


def python_closes_all(s):
    says(s, "import os; os.closerange(0, 5000)", event=EXIT, code=70)


def python_awaits(s):
    says(s, "import asyncio\nasync def f(n):\n    await asyncio.sleep(0)\n    return n")
    says(s, "x = await f(3)\nx", result="3")
    says(s, "await f(4)", result="4")
    says(s, "[await f(n) async for n in (await f(m) for m in range(3))]", result="[0, 1, 2]")
    got = s.run("asyncio.get_running_loop()")
    same(got, code=1, err=got.err)
    assert got.err.startswith('Traceback (most recent call last):\n  File "<exec 5>", line 1, in <module>\n'), got
    assert "RuntimeError: no running event loop\n" in got.err, got
    says(s, "await asyncio.sleep(0); t = asyncio.create_task(f(9))")
    says(s, "await t", result="9")
    says(s, "async def g(): raise KeyError(1)\nawait g()", code=1, err="""\
Traceback (most recent call last):
  File "<exec 8>", line 2, in <module>
    await g()
  File "<exec 8>", line 1, in g
    async def g(): raise KeyError(1)
                   ^^^^^^^^^^^^^^^^^
KeyError: 1
""")
    says(s, "asyncio.run(f(2))", result="2")
    says(s, "await f(1)", result="1")
    says(s, "async def g(): return asyncio.get_running_loop()\nloop = await g()")
    says(s, "loop.close()")
    says(s, "await f(3)", result="3")


def told_at(got, *wheres):
    """Of an interrupted exec, which may have been met in its print already."""
    same(got, code=130, out="1\n", err=got.err)
    texts = [f"Traceback (most recent call last):\n{where}KeyboardInterrupt\n" for where in wheres]
    assert got.err in texts, (texts, got)


def python_interrupts(s):
    said = '  File "<exec %d>", line %d, in <module>\n    print(1, flush=True)\n'
    told_at(interrupted(s, "x = 1\nprint(1, flush=True)\nwhile True: pass"), said % (1, 2), """\
  File "<exec 1>", line 3, in <module>
    while True: pass
""")
    says(s, "x", result="1")
    assert interrupted(s, "import time; print(1, flush=True); time.sleep(1000)").code == 130
    says(s, "import asyncio; await asyncio.sleep(0)")
    told_at(interrupted(s, "print(1, flush=True)\nawait asyncio.sleep(1000)"), said % (5, 1), """\
  File "<exec 5>", line 2, in <module>
    await asyncio.sleep(1000)
  File "/usr/lib/python3.11/asyncio/tasks.py", line 639, in sleep
    return await future
           ^^^^^^^^^^^^
""")
    same(interrupted(s, "try: print(1, flush=True); time.sleep(1000)\nexcept KeyboardInterrupt: print('caught')"), out="1\ncaught\n")
    assert interrupted(s, "import subprocess; print(1, flush=True); subprocess.run(['sleep', '1000'])").code == 130
    says(s, "await asyncio.sleep(0, 7)", result="7")


def python_interrupted_anywhere(s):
    """As an exec ends, as one that awaits begins, and in what the agent does before the code."""
    says(s, """
import asyncio, ctypes, linecache, signal
class P:
    _as_parameter_ = signal.SIGINT
    send = property(ctypes.CDLL(None)["raise"])
p = P()
""")
    says(s, "x = p.send", code=130, err="KeyboardInterrupt\n")  # C: no signal is looked for before the end
    says(s, "6 * 7", result="42")
    says(s, """
def before(loop, coroutine, **more):
    loop.set_task_factory(None)
    signal.raise_signal(signal.SIGINT)
    return asyncio.Task(coroutine, loop=loop, **more)
def behind(loop, coroutine, **more):
    loop.set_task_factory(None)
    task = asyncio.Task(coroutine, loop=loop, **more)
    signal.raise_signal(signal.SIGINT)
    return task
async def running(): return asyncio.get_running_loop()
loop = await running()
""")
    for factory in "before", "behind":
        says(s, f"loop.set_task_factory({factory})")
        got = s.run("await asyncio.sleep(0, print('ran'))")
        same(got, code=130, out="", err=got.err)
        assert got.err.endswith("KeyboardInterrupt\n"), got
        says(s, "await asyncio.sleep(0, 7)", result="7")
    says(s, """
class Late(Exception): pass
class Cache(dict):
    def __setitem__(self, key, value):
        linecache.cache = cache
        signal.raise_signal(signal.SIGALRM)
def late(*_): raise Late
_ = signal.signal(signal.SIGALRM, late)
cache, linecache.cache = linecache.cache, Cache()
""")
    got = s.run("print('ran')")
    same(got, code=1, err=got.err)
    assert "in late\n" in got.err and got.err.endswith("\nLate\n") and "agent" not in got.err, got
    says(s, "Cache.__setitem__ = lambda *_: 1 / 0; linecache.cache = Cache()")
    says(s, "6 * 7", result="42")


def python_ends(s):
    says(s, "import atexit, sys; _ = atexit.register(print, 'bye')")
    says(s, "sys.exit(3)", event=EXIT, code=3, out="bye\n")


def python_stops(s):
    """Threads, time, children and what is in pipes."""
    says(s, """
import subprocess, threading, time
n = 0
def count():
    global n
    while True:
        n += 1
        time.sleep(0.001)
threading.Thread(target=count, daemon=True).start()
while n < 2: time.sleep(0.001)
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
_ = child.stdin.write(b"line\\n"), child.stdin.flush()
clocks = time.CLOCK_MONOTONIC, time.CLOCK_REALTIME, time.CLOCK_BOOTTIME
before, at = n, [time.clock_gettime(c) for c in clocks]
""")
    time.sleep(1.5)
    says(s, """
after, now = n, [time.clock_gettime(c) for c in clocks]
mono, wall, boot = (b - a for a, b in zip(at, now))
assert after < before + 1000 * mono + 2, (before, after)
assert mono < wall - 1.4 and wall - 0.1 < boot < wall + 0.1, (mono, wall, boot)
while n < after + 2: time.sleep(0.001)
child.stdout.readline()
""", result=r"b'line\n'")
    says(s, "child.stdin.close(), child.wait(), child.stdout.read()", result="(None, 0, b'')")


def python_waits_for_times(s):
    """Who waits for a time of day is woken when it has come, whatever else stands still."""
    says(s, """
import ctypes, os, struct, threading, time
libc = ctypes.CDLL(None)
woken, files = [], {}
def until(clock, at):
    libc.clock_nanosleep(clock, 1, at, None)
    woken.append(clock)
for clock, seconds in ((time.CLOCK_REALTIME, 1), (time.CLOCK_BOOTTIME, 1), (time.CLOCK_MONOTONIC, 1000)):
    at = struct.pack("=qq", *divmod(time.clock_gettime_ns(clock) + seconds * 10 ** 9, 10 ** 9))
    threading.Thread(target=until, args=(clock, at), daemon=True).start()
    files[clock] = libc.timerfd_create(clock, os.O_NONBLOCK)
    libc.timerfd_settime(files[clock], 1, bytes(16) + at, None)
""")
    time.sleep(1.5)
    says(s, """
while len(woken) < 2: time.sleep(0.001)
assert time.CLOCK_MONOTONIC not in woken
[os.read(files[clock], 8)[0] for clock in woken]
""", result="[1, 1]")
    says(s, "os.read(files[time.CLOCK_MONOTONIC], 8)", code=1, err="""\
Traceback (most recent call last):
  File "<exec 3>", line 1, in <module>
    os.read(files[time.CLOCK_MONOTONIC], 8)
BlockingIOError: [Errno 11] Resource temporarily unavailable
""")


def python_has_parts(s):
    same(s.run("input()", stdin="one\ntwo\n"), result="'one'")
    same(s.run("import sys; sys.stdin.read()", stdin="three\n"), result=r"'three\n'")
    says(s, "sys.stdin.read()", result="''")
    says(s, "input()", code=1, err="""\
Traceback (most recent call last):
  File "<exec 4>", line 1, in <module>
    input()
EOFError: EOF when reading a line
""")
    same(s.run("import os; sys.argv[1:], os.environ['A']", args=["p", "q r"], env={"A": "b"}), result="(['p', 'q r'], 'b')")
    says(s, "sys.argv[1:], os.environ['A']", result="(['p', 'q r'], 'b')")
    big = bytes(range(256)) * 1000
    same(s.run("open('d/e/big', 'rb').read() == bytes(range(256)) * 1000, open('small').read()",
               files={"d/e/big": big, "small": b"text"}), result="(True, 'text')")
    says(s, "b = bytearray(30 << 20); b[:] = b'x' * len(b); del b")  # frames that have old data
    same(s.run("open('d/e/big', 'rb').read() == bytes(range(256)) * 1000 + b'1'", files={"d/e/big": big + b"1"}), result="True")
    same(s.run("f = open('d/e/big', 'r+b'); _ = f.truncate(300000); f.seek(256001); set(f.read())"), result="{0}")
    same(s.run("0", files={"../x": b""}), status=REFUSED, code=errno.EXDEV, log="files: ../x: leaves the working directory")
    says(s, "os.chdir('d'); open('../small').read()", result="'text'")
    says(s, "os.getcwd()", result="'/app/d'")


def python_has_limits(s):
    same(s.run("len(b'x' * (100 << 20))", memory_mb=100), code=1)
    says(s, "x = b'x' * (100 << 20); len(x)", result="104857600")
    got = s.run("0", memory_mb=100)
    assert got.status == REFUSED and "are in use already" in got.log, got
    used = s.run("sum(range(10 ** 6)); x = 0")
    idle = s.run("0")
    assert idle.cpu_ns < used.cpu_ns and idle.memory < used.memory - (90 << 20), (used, idle)


def python_draws_numbers(s):
    says(s, "import os, random; random.seed(42); a = os.urandom(8)")
    says(s, "random.random(), os.urandom(8) != a", result="(0.6394267984578837, True)")


def python_forks(s):
    """What a copy draws is not what the session would have drawn."""
    says(s, "import random, uuid; random.seed(42); state = random.getstate()")
    s.order("forked")
    says(s, "random.getstate() == state", result="False")
    says(s, "state = random.getstate()")
    says(s, "random.getstate() == state", result="True")
    says(s, "import numpy; pairs = lambda: (random._inst.gauss_next is None, numpy.random.get_state()[3])")
    says(s, "random.gauss(0, 1), numpy.random.randn(); pairs()", result="(False, 1)")
    s.order("forked")
    says(s, "pairs()", result="(True, 0)")
    says(s, "import builtins; kept = isinstance; numpy.random.randn(); builtins.isinstance = None")
    s.order("forked")
    says(s, "builtins.isinstance = kept; pairs()[1]", result="0")


def python_children_end(s):
    """A child that comes to the end of its code is not the session's program."""
    says(s, "import os\npid = os.fork()\nif pid: print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\nelse: 1 / 0", out="1\n",
         err="""\
Traceback (most recent call last):
  File "<exec 1>", line 4, in <module>
    else: 1 / 0
          ~~^~~
ZeroDivisionError: division by zero
""")
    says(s, "pid > 0", result="True")


# ---- Node ----

def node_names_stay(s):
    says(s, "let x = 1; const y = 2; class A {}; function f() { return x + y; }")
    says(s, "f()", result="3")
    says(s, "let x = 5; const y = 6; class A { m() { return [1, { a: 'b' }]; } }")
    says(s, "console.log(f()); new A().m()", out="11\n", result="[ 1, { a: 'b' } ]")
    says(s, "undefined")
    says(s, "null", result="null")
    says(s, "[-0, NaN, 10n, Symbol('s')].map((v) => v)", result="[ -0, NaN, 10n, Symbol(s) ]")
    says(s, "10n", result="10n")
    says(s, "const [p, { q }] = [1, { q: 2 }]; p + q", result="3")


def node_loads_modules(s):
    says(s, "const os = require('os'); os.EOL", result=r"'\n'")
    says(s, "const { join } = await import('node:path'); join('a', 'b')", result="'a/b'")
    same(s.run("require('./m.cjs') + (await import('./m.mjs')).default",
               files={"m.cjs": b"module.exports = 1;", "m.mjs": b"export default 2;"}), result="3")
    says(s, "await import('./nothing.mjs').catch((e) => e.code)", result="'ERR_MODULE_NOT_FOUND'")


def node_errors_end_an_exec(s):
    says(s, "function f() {\n  throw new TypeError('no');\n}")
    says(s, "1;\nf()", code=1, err="Uncaught TypeError: no\n    at f (<exec-1>:2:9)\n    at <exec-2>:2:1\n")
    says(s, "let a = 1;\na ===", code=1, err="<exec-3>:2\na ===\n     ^\n\nUncaught SyntaxError: Unexpected end of input\n")
    says(s, "a = )", code=1, err="<exec-4>:1\na = )\n    ^\n\nUncaught SyntaxError: Unexpected token ')'\n")
    says(s, "throw 5", code=1, err="Uncaught 5\n")
    says(s, "void Promise.reject(new Error('lost'))", code=1, err="Uncaught Error: lost\n    at <exec-6>:1:21\n")
    got = s.run("setTimeout(() => { throw new Error('late'); }, 1); await new Promise((r) => setTimeout(r, 1000))")
    same(got, code=1, err=got.err)
    assert got.err.startswith("Uncaught Error: late\n    at Timeout._onTimeout (<exec-7>:1:26)\n"), got
    got = s.run("({ [require('util').inspect.custom]() { throw new Error('shown'); } })")
    same(got, code=1, err=got.err)
    assert got.err.startswith("Uncaught Error: shown\n    at [nodejs.util.inspect.custom] (<exec-8>:1:47)\n"), got
    says(s, "process.on('uncaughtException', (e) => console.log('mine', e.message)); 0", result="0")
    says(s, "process.nextTick(() => { throw new Error('x'); }); 1", out="mine x\n", result="1")


def node_waits(s):
    says(s, "const later = (ms, v) => new Promise((r) => setTimeout(r, ms, v))")
    says(s, "const v = await later(20, 'v'); v", result="'v'")
    says(s, "for await (const n of [later(2, 1), 2]) console.log(n)", out="1\n2\n")
    says(s, "let done = 0; setTimeout(() => { done++; }, 30); done", result="0")
    time.sleep(0.2)
    says(s, "done", result="0")
    says(s, "await later(100); done", result="1")
    says(s, "setImmediate(() => console.log('immediate'))\nundefined")
    says(s, "2", out="immediate\n", result="2")


def node_errors_are_not_told(s):
    """An exec of which nothing can be told ends all the same."""
    says(s, "const { write } = process.stderr; const kept = process; const later = () => new Promise((r) => setTimeout(r, 1)); 0", result="0")
    thrown = "process.stderr.write = () => { throw 1; };"
    says(s, f"{thrown} throw 'a'", code=1, err="Uncaught 'a'\n")
    says(s, "await later(); throw 'b'", code=1, err="Uncaught 'b'\n")
    says(s, "setTimeout(() => { throw 'c'; }, 0); await later(); await later()", code=1, err="Uncaught 'c'\n")
    says(s, "({ [require('util').inspect.custom]() { throw 'd'; } })", code=1, err="Uncaught 'd'\n")
    says(s, "process.stderr.write = write; 1", result="1")
    says(s, "const { assign } = Object, { parse, stringify } = JSON; Object.assign = JSON.parse = JSON.stringify = null; 5", result="5")
    says(s, "throw 'j'", code=1, err="Uncaught 'j'\n")
    says(s, "Object.assign = assign; JSON.parse = parse; JSON.stringify = stringify; 6", result="6")
    says(s, "delete globalThis.process; delete globalThis.JSON; throw 'e'", code=1, err="Uncaught 'e'\n")
    says(s, "globalThis.process = kept; 2", result="2")
    says(s, "const { split } = String.prototype; String.prototype.split = null; throw 'f'", code=1, err="Uncaught 'f'\n")
    says(s, "String.prototype.split = split; kept.argv = null; kept.env = null; 3", result="3")
    same(s.run("4", args=["a"], env={"A": "b"}), result="4")
    says(s, "Object.preventExtensions(globalThis); throw 'g'", code=1, err="Uncaught 'g'\n")
    s.order("forked")
    says(s, "Object.freeze(Math); throw 'h'", code=1, err="Uncaught 'h'\n")
    s.order("forked")
    says(s, "throw 'i'", code=1, err="Uncaught 'i'\n")


def node_interrupts(s):
    stopped = "Script execution was interrupted by `SIGINT`\n"
    same(interrupted(s, "let x = 1; console.log('go'); while (true);"), code=130, out="go\n", err=stopped)
    says(s, "x", result="1")
    same(interrupted(s, "console.log('go'); await new Promise(() => {})"), code=130, out="go\n", err=stopped)
    says(s, "process.once('SIGINT', () => console.log('mine')); 0", result="0")
    same(interrupted(s, "console.log('go'); await new Promise((r) => process.once('SIGINT', r))"), out="go\nmine\n")
    same(interrupted(s, "console.log('go'); while (true);"), code=130, out="go\n", err=stopped)
    says(s, "process.kill(process.pid, 'SIGINT'); while (true);", code=130, err=stopped)
    says(s, "process.kill(process.pid, 'SIGWINCH')", result="true")
    loop = "setTimeout(() => { process.kill(process.pid, 'SIGINT'); while (true); }, 1); await new Promise(() => {})"
    says(s, loop, code=130, err=stopped)
    says(s, "require('async_hooks').createHook({ before() {}, after() {} }).enable(); 0", result="0")
    says(s, loop, code=130, err=stopped)
    says(s, "await new Promise((r) => setTimeout(r, 1)); await new Promise(setImmediate); 0", result="0")
    says(s, "x", result="1")


def node_interrupted_early(s):
    """In what the agent does once it has read the code, before and after it has taken note of it."""
    stopped = "Script execution was interrupted by `SIGINT`\n"
    says(s, """
const { writeSync } = require('fs'), { splice } = Array.prototype, iterate = Array.prototype[Symbol.iterator];
const wait = () => {
  writeSync(1, 'go\\n');
  for (const end = performance.now() + 1000; performance.now() < end;);
};
Array.prototype[Symbol.iterator] = function () {
  if (this[2] === "console.log('one')") {
    Array.prototype[Symbol.iterator] = iterate;
    wait();
  }
  return iterate.call(this);
};
process.argv.splice = function (...some) {
  wait();
  return splice.apply(this, some);
};
0""", result="0")
    same(interrupted(s, "console.log('one')"), code=130, out="go\n", err=stopped)
    says(s, "1", result="1")
    same(interrupted(s, "console.log('two')", args=["a"]), code=130, out="go\n", err=stopped)
    says(s, "process.argv.slice(2)", result="[ 'a' ]")


def node_ends(s):
    says(s, "process.on('exit', (code) => console.log('bye', code)); 0", result="0")
    says(s, "process.exit(4)", event=EXIT, code=4, out="bye 4\n")


def node_has_parts(s):
    same(s.run("require('fs').readFileSync(0, 'utf8')", stdin="one"), result="'one'")
    read = "let d = ''; for await (const c of process.stdin) d += c; d"
    same(s.run(read, stdin="two"), result="'two'")
    same(s.run(read, stdin="three"), result="'three'")
    says(s, read, result="''")
    same(s.run("[process.argv.slice(2), process.env.A, process.cwd()]", args=["p", "q"], env={"A": "b"}),
         result="[ [ 'p', 'q' ], 'b', '/app' ]")
    same(s.run("require('fs').readFileSync('d/f', 'utf8')", files={"d/f": b"text"}), result="'text'")


def node_forks(s):
    says(s, "let { random } = Math; random === Math.random", result="true")
    s.order("forked")
    says(s, "random === Math.random || random() === Math.random()", result="false")
    says(s, "typeof Math.random()", result="'number'")
    says(s, "require('crypto').randomInt = require('vm').runInNewContext = () => { throw 1; }; ({ random } = Math); 0", result="0")
    s.order("forked")
    says(s, "random === Math.random", result="false")


def node_draws_numbers(s):
    says(s, "const a = [Math.random(), crypto.randomUUID()]")
    says(s, "a.includes(Math.random()) || a.includes(crypto.randomUUID())", result="false")


# ---- sh ----

def sh_forks(s):
    says(s, "RANDOM=42; a=$RANDOM; RANDOM=42; b=$RANDOM; RANDOM=42; [ $a = $b ] && echo same", out="same\n")
    s.order("forked")
    says(s, "c=$RANDOM$RANDOM$RANDOM; RANDOM=42; [ $c = $RANDOM$RANDOM$RANDOM ] || echo other", out="other\n")


def sh_state_stays(s):
    says(s, "x=1; f() { echo \"f $1 $x\"; return 3; }; export E=e; shopt -s nullglob; a=(1 '2 3')")
    says(s, "f 2", code=3, out="f 2 1\n")
    says(s, "echo $? $x; sh -c 'echo $E'; echo \"${a[1]}\"; cd /tmp", out="3 1\ne\n2 3\n")
    says(s, "pwd; echo $LINENO\necho $LINENO", out="/tmp\n1\n2\n")
    says(s, "cat <<END\nhere $x\nEND\nexec 3>file; echo text >&3", out="here 1\n")
    says(s, "cat file; (exit 5)", code=5, out="text\n")
    says(s, "sleep 1000 & echo started", out="started\n")
    says(s, "jobs %1; kill %1; wait %1; echo $?", out="[1]+  Running                 sleep 1000 &\n143\n")


def sh_errors_end_an_exec(s):
    says(s, "if true; then", code=2, err="/app/main.sh: exec 1: line 2: syntax error: unexpected end of file\n")
    says(s, "echo one\necho )", code=2, out="one\n", err="/app/main.sh: exec 2: line 2: syntax error near unexpected token `)'\n"
         "/app/main.sh: exec 2: line 2: `echo )'\n")
    says(s, "echo 'abc", code=2, err="/app/main.sh: exec 3: line 1: unexpected EOF while looking for matching `''\n")
    says(s, "echo $?; nosuch", code=127, out="2\n", err="/app/main.sh: line 1: nosuch: command not found\n")
    says(s, "echo ${q:?unset}; echo not", code=1, err="/app/main.sh: line 1: q: unset\n")
    says(s, "set -u; echo $q; echo not", code=1, err="/app/main.sh: line 1: q: unbound variable\n")
    says(s, "f() { nosuch; }; f || echo $-", out="huB\n", err="/app/main.sh: line 1: nosuch: command not found\n")
    says(s, "for i in 1 2; do : $((1 / 0)); done", code=1, err='/app/main.sh: line 1: 1 / 0: division by 0 (error token is "0")\n')
    says(s, "echo still", out="still\n")


def sh_code_is_a_scripts(s):
    """NULs and traces are as in a script."""
    says(s, "echo a\0b\n", code=126, err="/app/main.sh: exec 1: cannot execute binary file\n")
    says(s, "echo $?\necho b\0c\0", out="126\nbc\n")
    says(s, "set -x; echo 1", out="1\n", err="+ echo 1\n")
    says(s, "eval echo 2", out="2\n", err="+ eval echo 2\n++ echo 2\n")
    says(s, "echo ${q:?unset}", code=1, err="/app/main.sh: line 1: q: unset\n")
    says(s, "echo $(echo 3)", out="3\n", err="++ echo 3\n+ echo 3\n")


def sh_children_give_up(s):
    """An error of arithmetic in a child ends the child."""
    got = s.run("a='x y'\ncat <<END\n$((a + 1))\nEND\necho $?")
    assert (got.code, got.out) == (0, "1\n") and got.err.count("\n") == 1 and "x y" in got.err, got
    says(s, "echo $?", "0\n")


def sh_interrupts(s):
    same(interrupted(s, "x=1; echo go; while true; do :; done"), code=130, out="go\n")
    same(interrupted(s, "echo go; sleep 1000; echo not"), code=130, out="go\n")
    same(interrupted(s, "echo go; (sleep 1000; echo not); echo not"), code=130, out="go\n")
    says(s, "echo $? $x", out="130 1\n")
    same(interrupted(s, "trap 'echo mine' INT; echo go; sleep 1000; echo after"), out="go\nmine\nafter\n")
    says(s, "trap - INT")
    same(interrupted(s, "echo go; sleep 1000; echo not"), code=130, out="go\n")


def sh_ends(s):
    says(s, "trap 'echo bye' EXIT")
    says(s, "exit 4", event=EXIT, code=4, out="bye\n")


def sh_ends_by_errexit(s):
    says(s, "set -e; false || echo on", out="on\n")
    says(s, "echo one; false; echo two", event=EXIT, code=1, out="one\n")


def sh_has_parts(s):
    same(s.run("read l; echo $l; cat", stdin="one\ntwo\nthree\n"), out="one\ntwo\nthree\n")
    same(s.run("read l; echo $l", stdin="one\ntwo\n"), out="one\n")
    says(s, "read l; echo $?", out="1\n")
    same(s.run("echo $1 $2 $# $A; cat d/f", args=["p", "q r"], env={"A": "b"}, files={"d/f": b"text\n"}), out="p q r 2 b\ntext\n")
    says(s, "echo $2; sh -c 'echo $A'; sh -c 'echo /proc/self/fd/[0-9]*'", out="q r\nb\n/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3\n")


CASES = {
    "python": {
        "names stay, the last expression is the result": python_names_stay,
        "a last expression's value is the result, wherever it begins": python_has_values,
        "errors and warnings say where, wherever that is": python_errors_have_places,
        "what is not caught ends its exec, with lines of the source": python_errors_end_an_exec,
        "a StopIteration ends its exec as any exception": python_iterators_end,
        "an exec ends whatever becomes of what errors are told by": python_errors_are_not_told,
        "an exec begins and ends whatever the program puts into modules": python_takes_apart,
        "a second interrupt is told of as the first is": python_interrupted_twice,
        "an exec begins whatever becomes of input and arguments": python_input_is_closed,
        "without its descriptors a session ends": python_closes_all,
        "await outside of functions": python_awaits,
        "SIGINT is the exec's KeyboardInterrupt": python_interrupts,
        "so it is wherever it comes": python_interrupted_anywhere,
        "sys.exit ends the session": python_ends,
        "between execs threads and the monotonic clock stand still, other clocks go on": python_stops,
        "what waits for a time of day is woken in the next exec": python_waits_for_times,
        "input, arguments, environment and files come with each exec": python_has_parts,
        "a limit of memory and accounts are an exec's": python_has_limits,
        "generators go on, the kernel's bytes are fresh": python_draws_numbers,
        "a child that comes to the end of the code ends": python_children_end,
        "the generators of a copy are its own": python_forks,
    },
    "node": {
        "names stay and may be declared again, the last expression is the result": node_names_stay,
        "require and import find what programs find": node_loads_modules,
        "what is not caught ends its exec, with where it was": node_errors_end_an_exec,
        "an exec ends whatever becomes of what errors are told by": node_errors_are_not_told,
        "await, and timers that go on in the next exec": node_waits,
        "SIGINT ends the exec, unless the program listens": node_interrupts,
        "one that comes as an exec begins is that exec's": node_interrupted_early,
        "process.exit ends the session": node_ends,
        "input, arguments, environment and files come with each exec": node_has_parts,
        "numbers are not drawn twice": node_draws_numbers,
        "the generators of a copy are its own": node_forks,
    },
    "sh": {
        "variables, functions, directory, descriptors and jobs stay": sh_state_stays,
        "errors end their exec, of syntax too": sh_errors_end_an_exec,
        "NULs and traces are as in a script": sh_code_is_a_scripts,
        "an error in a child is the child's": sh_children_give_up,
        "SIGINT ends the exec, or runs its trap": sh_interrupts,
        "exit ends the session": sh_ends,
        "the generators of a copy are its own": sh_forks,
        "so does what fails under set -e": sh_ends_by_errexit,
        "input, arguments, environment and files come with each exec": sh_has_parts,
    },
}


def main():
    failed = 0
    for language in sys.argv[1:] or CASES:
        for name, case in CASES[language].items():
            try:
                with Session(language) as session:
                    case(session)
                print(f"ok - execs: {language}: {name}", flush=True)
            except AssertionError as e:
                failed = 1
                print(f"not ok - execs: {language}: {name}\n# " + str(e).replace("\n", "\n# "), flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
