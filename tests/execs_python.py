"""What tests/execs.py has Python do: by name, with a session of its own each."""
import errno
import time

from exec_session import EXIT, REFUSED, interrupted, same, says


def names_stay(s):
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
VALUES = (
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


def has_values(s):
    for source, result in VALUES:
        says(s, source, result=result)


def raised(number, line, source, marks):
    return f"""\
Traceback (most recent call last):
  File "<exec {number}>", line {line}, in <module>
    {source}
    {marks}
ZeroDivisionError: division by zero
"""


def errors_have_places(s):
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


def errors_end_an_exec(s):
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


def iterators_end(s):
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
BREAKS = (
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


def errors_are_not_told(s):
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
    for broken, mended in BREAKS:
        for what in "1 / 0", "raise KeyboardInterrupt":
            got = s.run(f"{broken}\n{what}")
            same(got, code=got.code, err=got.err)
            assert got.code == (130 if "Keyboard" in broken + what else 1), (broken, got)
            got = s.run(f"{mended}\nsys.stderr = sys.__stderr__")
            same(got, err=got.err)  # which may have been kept for it
            says(s, "6 * 7", result="42")
    number = 2 + 6 * len(BREAKS)
    says(s, "1 / 0", code=1, err=raised(number, 1, "1 / 0", "~~^~~"))
    for number, name in enumerate("EF", number + 1):
        got = s.run(f"raise {name}")
        same(got, code=1, err=got.err)
        assert got.err.startswith(f'Traceback (most recent call last):\n  File "<exec {number}>", line 1, in <module>\n'), got


# What a program may put in the places of what the agent uses, too.
TAKES = (
    "os.write = os.read = os.open = os.close = os._exit = None",
    "vars(struct).clear(), vars(errno).clear(), vars(ast).clear(), vars(gc).clear(), vars(functools).clear(), vars(operator).clear()",
    "linecache.cache = sys.argv = os.environb = random.Random.seed = None; del sys.stdout",
    "sys.stdin = sys.__stdin__ = object()",
    "held = []\ntry:\n    while True: held.append(open_at('/', os.O_RDONLY))\nexcept OSError: pass",
    "os.unlink('/dev/urandom')",
    "for name in 'compile getattr isinstance issubclass iter len list map next open repr type'.split(): setattr(builtins, name, None)",
)


def takes_apart(s):
    says(s, "import ast, builtins, errno, functools, gc, linecache, operator, os, random, struct, sys; open_at = os.open")
    says(s, "leave, os._exit = os._exit, None\nif not (pid := os.fork()): 0\nelse: print(os.wait()[1])", out="0\n")
    for broken in TAKES:
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


def interrupted_twice(s):
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


def input_is_closed(s):
    same(s.run("import os\nos.close(0)", stdin="x"))
    same(s.run("6 * 7", stdin="x"), result="42")
    says(s, "import sys; del sys.stdin, sys.__stdin__, sys.argv")
    same(s.run("6 * 7", args=["a"], env={"A": "b"}, stdin="x"), result="42")
    says(s, "os.environ['A']", result="'b'")


def closes_all(s):
    says(s, "import os; os.closerange(0, 5000)", event=EXIT, code=70)


def awaits(s):
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


def interrupts(s):
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


def interrupted_anywhere(s):
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


def ends(s):
    says(s, "import atexit, sys; _ = atexit.register(print, 'bye')")
    says(s, "sys.exit(3)", event=EXIT, code=3, out="bye\n")


def stops(s):
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


def waits_for_times(s):
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


def has_parts(s):
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


def has_limits(s):
    same(s.run("len(b'x' * (100 << 20))", memory_mb=100), code=1)
    says(s, "x = b'x' * (100 << 20); len(x)", result="104857600")
    got = s.run("0", memory_mb=100)
    assert got.status == REFUSED and "are in use already" in got.log, got
    used = s.run("sum(range(10 ** 6)); x = 0")
    idle = s.run("0")
    assert idle.cpu_ns < used.cpu_ns and idle.memory < used.memory - (90 << 20), (used, idle)


def draws_numbers(s):
    says(s, "import os, random; random.seed(42); a = os.urandom(8)")
    says(s, "random.random(), os.urandom(8) != a", result="(0.6394267984578837, True)")


def forks(s):
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


def children_end(s):
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


CASES = {
    "names stay, the last expression is the result": names_stay,
    "a last expression's value is the result, wherever it begins": has_values,
    "errors and warnings say where, wherever that is": errors_have_places,
    "what is not caught ends its exec, with lines of the source": errors_end_an_exec,
    "a StopIteration ends its exec as any exception": iterators_end,
    "an exec ends whatever becomes of what errors are told by": errors_are_not_told,
    "an exec begins and ends whatever the program puts into modules": takes_apart,
    "a second interrupt is told of as the first is": interrupted_twice,
    "an exec begins whatever becomes of input and arguments": input_is_closed,
    "without its descriptors a session ends": closes_all,
    "await outside of functions": awaits,
    "SIGINT is the exec's KeyboardInterrupt": interrupts,
    "so it is wherever it comes": interrupted_anywhere,
    "sys.exit ends the session": ends,
    "between execs threads and the monotonic clock stand still, other clocks go on": stops,
    "what waits for a time of day is woken in the next exec": waits_for_times,
    "input, arguments, environment and files come with each exec": has_parts,
    "a limit of memory and accounts are an exec's": has_limits,
    "generators go on, the kernel's bytes are fresh": draws_numbers,
    "a child that comes to the end of the code ends": children_end,
    "the generators of a copy are its own": forks,
}
