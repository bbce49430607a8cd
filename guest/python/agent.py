"""The agent: what Python runs in a template, from its start to the end of a run.

The interpreter executes this file as a script. It imports what snippets want
ready and ends; the work happens in atexit callbacks, which CPython calls from C
with no Python frame beneath them. So the user's code is the outermost frame, as
it is for `python3 /app/main.py`: tracebacks, sys._getframe, the recursion limit
and warnings' stack levels come out the same. (At this stage of 3.11 the
interpreter is not finalizing yet: threads and imports work.)

Callbacks run last in, first out:
  wait    stops for the request (the snapshot is taken in its read), reseeds,
          writes /app/main.py and compiles it
  run     functools.partial(exec), filled in by `wait`: C calls exec directly
  finish  what CPython does after the main script, without taking apart the
          interpreter, which the VM's end does for nothing

What remains visible: one level of the recursion limit is exec's own,
sys.unraisablehook is this module's (it passes everything
on but the main script's own exception), preloaded modules are in sys.modules,
and str hashes are seeded once for a template.
"""
import atexit
import functools
import gc
import os
import sys
import threading
from importlib.machinery import SourceFileLoader

PATH = "/app/main.py"
PRELOAD = (
    "abc", "argparse", "array", "asyncio", "base64", "bisect", "collections",
    "collections.abc", "concurrent.futures", "contextlib", "copy", "csv",
    "ctypes", "dataclasses", "datetime", "decimal", "enum", "fractions",
    "functools", "hashlib", "heapq", "inspect", "io", "itertools", "json",
    "linecache", "logging", "math", "numbers", "operator", "pathlib", "pickle",
    "queue", "random", "re", "secrets", "shutil", "signal", "statistics",
    "string", "struct", "tempfile", "textwrap", "time", "traceback", "typing",
    "urllib.parse", "uuid", "weakref", "zlib", "numpy", "numpy.linalg",
    "numpy.fft", "numpy.random",
)


for name in PRELOAD:
    __import__(name)


class State:
    exception = None


def unraisable(args, default=sys.unraisablehook):
    """Catches what the main script raised; the rest goes its usual way."""
    if args.object is run:
        State.exception = args.exc_value
    else:
        default(args)


def read_request(fd):
    """The whole code. The first read is where the template is taken."""
    data = os.read(fd, 16384)
    if len(data) < 16384:
        return data
    parts = [data]
    while data:
        data = os.read(fd, 1 << 20)
        parts.append(data)
    return b"".join(parts)


def reseed(python=sys.modules["random"]._inst.seed,
           legacy=sys.modules["numpy"].random.mtrand._rand._bit_generator._legacy_seeding,
           words=sys.modules["numpy"].frombuffer):
    """No two forks may draw the same numbers: what was seeded before the
    snapshot. (OpenSSL's generator seeds itself at its first use, after it.)"""
    seed = os.urandom(64)
    python(int.from_bytes(seed[:32], "little"))
    legacy(words(seed[32:], "<u4"))
    sys.modules["tempfile"]._name_sequence = None


def write_file(fd, code):
    while code:
        code = code[os.write(fd, code):]
    os.close(fd)


def wait():
    sys.modules["threading"] = threading
    script = os.open(PATH, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    fd = os.open("/dev/zeroboot", os.O_RDONLY)
    code = read_request(fd)
    os.close(fd)
    reseed()
    write_file(script, code)
    main = type(sys)("__main__")
    names = main.__dict__
    names.update(__loader__=SourceFileLoader("__main__", PATH),
                 __annotations__={}, __builtins__=__builtins__, __file__=PATH,
                 __cached__=None)
    sys.modules["__main__"] = main
    try:
        if b"\0" in code:
            raise SyntaxError("source code cannot contain null bytes")
        compiled = compile(code, PATH, "exec", dont_inherit=True)
    except BaseException as e:
        State.exception = e.with_traceback(None)
        e.__context__ = None
        run.__setstate__((bool, (), {}, {}))
    else:
        run.__setstate__((exec, (compiled, names), {}, {}))


def exit_code(e):
    """Of a SystemExit; says its message, as CPython does."""
    value = e.code
    if value is None:
        return 0
    if isinstance(value, int):
        return value & 0xFF
    try:
        sys.stderr.write(str(value) + "\n")
    except BaseException:
        pass
    return 1


def report(e):
    """Prints an uncaught exception; the exit code."""
    if isinstance(e, SystemExit):
        return exit_code(e)
    kind, trace = type(e), e.__traceback__
    sys.last_type, sys.last_value, sys.last_traceback = kind, e, trace
    try:
        sys.excepthook(kind, e, trace)
    except SystemExit as inner:
        return exit_code(inner)
    except BaseException as inner:
        inner.__context__ = None
        next_trace = inner.__traceback__.tb_next
        sys.stderr.write("Error in sys.excepthook:\n")
        sys.__excepthook__(type(inner), inner.with_traceback(next_trace), next_trace)
        sys.stderr.write("\nOriginal exception was:\n")
        sys.__excepthook__(kind, e, trace)
    return 130 if kind is KeyboardInterrupt else 1


def flush():
    """True when standard output could be written."""
    ok = True
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except BaseException:
            ok = ok and stream is not sys.stdout
    return ok


def finish():
    code = 0
    e, State.exception = State.exception, None
    if e is not None:
        code = report(e)
        if isinstance(e, BaseException):
            # Only sys.last_* keep the frames from here on, as natively.
            e = None
    try:
        threading._shutdown()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    for callback in (wait, run, finish):
        atexit.unregister(callback)
    atexit._run_exitfuncs()
    ok = flush()
    # The program's globals go, and their __del__ run.
    run.__setstate__((bool, (), {}, {}))
    sys.modules.pop("__main__", None)
    sys.last_type = sys.last_value = sys.last_traceback = None
    gc.collect()
    if not (flush() and ok):
        code = 120
    os._exit(code)


run = functools.partial(exec)

sys.argv[:] = [PATH]
sys.orig_argv[1:] = [PATH]
sys.path[0] = "/app"
os.chdir("/app")
sys.unraisablehook = unraisable
atexit.register(finish)
atexit.register(run)
atexit.register(wait)
# Else the interpreter would end its threads before the first callback.
del sys.modules["threading"]
gc.collect()
gc.freeze()
