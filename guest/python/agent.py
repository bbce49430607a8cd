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
  run     functools.partial, filled in by `wait` with a function of the code
  finish  what CPython does after the main script, without taking apart the
          interpreter, which the VM's end does for nothing

In a session `run` goes through an endless C iterator instead, which calls in turn
`step` (tells of the exec before, stops for the next one, compiles it) and `body`,
what it has made of it: again no Python frame is beneath the code.

What remains visible: preloaded modules are in sys.modules, sys is of a class of
its own, and str hashes are seeded once for a template.
"""
import atexit
import ctypes
import functools
import gc
import itertools
import logging
import os
import sys
import threading
import warnings
from importlib.machinery import EXTENSION_SUFFIXES, BuiltinImporter, ModuleSpec, PathFinder, SourceFileLoader
from types import FunctionType

# What is used below of the interpreter's inside, each with its own way of failing.
if (sys.implementation.name, sys.version_info[:2]) != ("cpython", (3, 11)):
    sys.exit("zeroboot: python agent: made for CPython 3.11, not for %s %d.%d"
             % (sys.implementation.name, *sys.version_info[:2]))

PATH = "/app/main.py"
FIONREAD = 0x541B  # ioctl's
POPULATE_READ, POPULATE_WRITE = 22, 23  # madvise's
# What the programs that people send import most, of the standard library and beyond:
# here it costs the template some memory that all its VMs share. Nothing that draws
# random numbers when it is imported (multiprocessing) may be here. What runs use
# most comes first: its objects lie together, in fewer pages.
PRELOAD = (
    "numpy", "numpy.linalg", "numpy.fft", "numpy.random", "abc", "argparse",
    "array", "asyncio", "base64", "bisect", "bz2", "calendar", "cmath",
    "collections", "collections.abc", "concurrent.futures", "configparser",
    "contextlib", "copy", "csv", "ctypes", "dataclasses", "datetime", "decimal",
    "difflib", "email", "email.message", "email.parser", "email.policy", "enum",
    "fnmatch", "fractions", "functools", "glob", "gzip", "hashlib", "heapq",
    "hmac", "html", "html.parser", "http.client", "inspect", "io", "ipaddress",
    "itertools", "json", "linecache", "locale", "logging", "lzma", "math",
    "numbers", "operator", "pathlib", "pickle", "platform", "pprint", "queue",
    "random", "re", "secrets", "select", "shlex", "shutil", "signal", "socket",
    "sqlite3", "statistics", "string", "struct", "subprocess", "tarfile",
    "tempfile", "textwrap", "time", "timeit", "traceback", "types", "typing",
    "unicodedata", "unittest", "urllib.parse", "urllib.request", "uuid",
    "weakref", "xml.etree.ElementTree", "zipfile", "zlib", "zoneinfo",
)
# Where the image has it.
PRELOAD_IF_THERE = ("pandas",)
# What an image wants beside that: names in a file of its own.
WISHES = "/usr/lib/zeroboot/preload"


# ---- sessions ----


class Session:
    """open: what runs are execs. fd: of /dev/zeroboot. flags: of the compiler, what
    `from __future__` has set stays. reported: the exec's end was told, and the next
    one is to be read, or the rest of it. input: it was given some. once: it is a run of
    a template that the session has become; kept: what that has, by name."""
    open = False
    once = False
    kept = {}
    fd = -1
    names = None
    count = 0
    flags = 0
    reported = True
    input = False
    results = []
    runner = None
    ioctl = None
    sources = {}  # name to size, the oldest first
    size = 0  # of all


# What is set in a class makes all that CPython has learnt of it void.
Session = Session()


def begin_session(fd, main):
    """The descriptor is kept where programs do not look: beyond their limit."""
    resource, fcntl = __import__("resource"), __import__("fcntl")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft + 1, hard), hard))
    Session.fd = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, min(soft, hard - 1))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    os.close(fd)
    Session.ioctl = fcntl.ioctl
    Session.names = main.__dict__
    main.__loader__ = BuiltinImporter
    main.__spec__ = None
    del main.__file__, main.__cached__
    sys.argv[:] = [""]
    sys.orig_argv[1:] = []
    sys.path[0] = ""
    run.__setstate__((collections.deque, (map(operator.call, itertools.cycle((call_step, call_body))), 0), {}, {}))


def keep_source(name, text):
    """For tracebacks and inspect."""
    lines = text.splitlines(True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    linecache.cache[name] = (len(text), None, lines, name)
    Session.sources[name] = len(text)
    Session.size += len(text)
    while len(Session.sources) > 1 and Session.size > SOURCES_MAX:
        oldest = next(iter(Session.sources))
        Session.size -= Session.sources.pop(oldest)
        linecache.cache.pop(oldest, None)


def await_it(code):
    """What has `await` outside of functions goes on in one event loop."""
    Session.runner = Session.runner or sys.modules["asyncio"].Runner()
    return Session.runner.run(FunctionType(code, Session.names)())


def callable_of(code):
    if code.co_flags & COROUTINE:
        return functools.partial(await_it, code)
    return FunctionType(code, Session.names)


def compile_exec(source, name):
    """One or two pieces of code, so that there is a value: what is before a last
    expression, and that."""
    if source and not STATEMENT.match(source):
        try:
            return (compile(source, name, "eval", Session.flags, True),)
        except (SyntaxError, ValueError):
            pass
    tree = compile(source, name, "exec", Session.flags | ast.PyCF_ONLY_AST, True)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    code = compile(tree, name, "exec", Session.flags, True)
    Session.flags |= code.co_flags & FEATURES
    return (code, compile(last, name, "eval", Session.flags, True)) if last else (code,)


def prepare_exec(source):
    """Makes `body` of it: calls both in turn, and puts the text of a value that is
    something into results. All of it is C, so no frame is beneath."""
    Session.count += 1
    name = f"<exec {Session.count}>"
    try:
        keep_source(name, source.decode("utf-8", "replace"))
        if Session.once:
            body.__setstate__((callable_of(compile(source, name, "exec", Session.flags, True)), (), {}, {}))
            return
        codes = [callable_of(code) for code in compile_exec(source, name)]
    except BaseException as e:
        State.exception = e.with_traceback(None)
        return
    values = filter(is_something, map(operator.call, codes))
    body.__setstate__((collections.deque, (map(Session.results.append, map(repr, values)), 0), {}, {}))


def cut_outer(trace):
    while trace and trace.tb_frame.f_code.co_filename not in Session.sources:
        trace = trace.tb_next
    return trace


def cut_traceback(e):
    """Without what is beneath an exec that awaits, which the loop tells of its
    interrupt by an exception of its own."""
    trace = e.__traceback__
    if trace is None or trace.tb_frame.f_code is not await_it.__code__:
        return e
    trace = cut_outer(trace)
    if trace is None and isinstance(e, KeyboardInterrupt) and e.__context__:
        trace, e.__context__ = cut_outer(e.__context__.__traceback__), None
    return e.with_traceback(trace)


def report_exec(e):
    """Prints an exception that has ended an exec, with lines of the source, which C
    does not find; the exit code."""
    if getattr(sys, "excepthook", None) is not sys.__excepthook__:
        return report(e)
    sys.last_type, sys.last_value, sys.last_traceback = type(e), e, e.__traceback__
    sys.modules["traceback"].print_exception(e)
    return 130 if isinstance(e, KeyboardInterrupt) else 1


def end_exec():
    """The exec's end, up to what is told of it. What is interrupted here is the exec."""
    code = 0
    e, State.exception = State.exception, None
    if isinstance(e, SystemExit):
        State.exception = e
        end_program(0)
    if e is not None:
        code = report_exec(cut_traceback(e))
    if Session.once:
        end_program(code)
    for ending in ENDINGS:
        try:
            ending()
        except Exception:
            sys.excepthook(*sys.exc_info())
    if not flush_and_tell() and not code:
        code = 120
    text = Session.results.pop().encode("utf-8", "backslashreplace") if Session.results and not code else None
    Session.results.clear()
    return struct.pack("=II", code, text is not None) + (text or b"")[:RESULT_MAX + 1]


def end_program(code):
    """Whatever is raised: once begun it cannot be begun again."""
    try:
        finish(code)
    except BaseException as e:
        code = 1
        code = report(e.with_traceback(None))
        flush()
    finally:
        os._exit(code)


def has_input():
    """Whether there is something in standard input."""
    try:
        return Session.ioctl(0, FIONREAD, b"\0\0\0\0") != b"\0\0\0\0"
    except OSError:
        return False


def renew_input():
    """What the exec has read ahead is not the next one's. The kernel has dropped the
    rest."""
    old = sys.__stdin__
    if not Session.input or old is None or old.closed or sys.stdin is not old:
        return
    sys.stdin = sys.__stdin__ = open(0, encoding=old.encoding, errors=old.errors, closefd=False)
    sys.stdin.buffer.raw.name = "<stdin>"
    sys.stdin.mode = "r"


def tell(report):
    try:
        os.write(Session.fd, report)
    except PermissionError:
        # A child that has come to the end of its code.
        os._exit(struct.unpack_from("=I", report)[0])
    Session.reported = True


def reseed_fork():
    generators.rewind()
    random = os.open("/dev/urandom", os.O_RDONLY | os.O_CLOEXEC)
    reseed_copy(random)
    os.close(random)


def renew_openssl():
    """If the program has imported it: to begin it takes as long as some runs."""
    if add_random and any(type(getattr(sys.modules.get(name), "__spec__", None)) is not Preloaded for name in ("ssl", "_ssl")):
        add_random(os.urandom(64), 64.0)


def reseed_copy(random):
    """Of a session: also what has been seeded in that. OpenSSL's generators of all
    threads take new bytes from the first one when that has; children of the program
    know the key of multiprocessing."""
    reseed(random, generators.states)
    renew_openssl()
    processes = sys.modules.get("multiprocessing.process")
    if processes and not processes._children:
        processes._current_process.authkey = os.urandom(32)


def drop_names():
    """What a run has given names goes at its end; what was there before stays. A
    finalizer may drop others."""
    names, kept = Session.names, Session.kept
    for name in list(names):
        if names.get(name, body) is not kept.get(name, body):
            names.pop(name, None)


def line_buffered(on):
    if sys.stdout is sys.__stdout__ and hasattr(sys.stdout, "reconfigure"):
        try:
            sys.stdout.reconfigure(line_buffering=on)
        except ValueError:
            pass  # the program has closed it


def wait_as_template():
    """Stops where the template is taken; as wait_for_exec."""
    line_buffered(False)
    gc.collect()
    gc.freeze()
    Session.kept = dict(Session.names)
    random = os.open("/dev/urandom", os.O_RDONLY | os.O_CLOEXEC)
    generators.rewind()
    renew_openssl()
    why = wait_for_exec()
    reseed_copy(random)
    os.close(random)
    Session.once = why != errno.ENOTUNIQ
    if why in (errno.ENOTUNIQ, errno.ESTRPIPE):
        line_buffered(True)
    if not Session.once:
        Session.kept = {}
    return why


def wait_for_exec():
    os.write(Session.fd, b"")
    try:
        os.read(Session.fd, 0)
    except OSError as e:
        return e.errno


def read_exec():
    """Its code; the first read stops. An interrupt may come into it: then all of it is
    read again."""
    why = wait_for_exec()
    if why == errno.EINPROGRESS:
        why = wait_as_template()
    elif why == errno.ENOTUNIQ:
        reseed_fork()
    arguments = variables = b""
    if why != errno.ESHUTDOWN:
        arguments = read_all(Session.fd)
        variables = read_all(Session.fd)
    code = os.read(Session.fd, 4000)
    if len(code) == 4000:
        code += read_all(Session.fd)
    if arguments:
        sys.argv[1:] = map(os.fsdecode, arguments.split(b"\0")[:-1])
    if variables:
        for variable in variables.split(b"\0")[:-1]:
            name, _, value = variable.partition(b"=")
            os.environb[name] = value
        sys.modules["time"].tzset()
    renew_input()
    Session.input = has_input()
    return code


def step():
    body.__setstate__((bool, (), {}, {}))
    report = None
    while True:
        try:
            if not Session.reported:
                report = report or end_exec()
                tell(report)
            code = read_exec()
            Session.reported = False
            break
        except BaseException as e:
            # An interrupt, mostly. While an exec ends it is the exec's.
            if report is None and not Session.reported:
                State.exception = e
    prepare_exec(code)


body = functools.partial(bool)
# Called from C, which gives what they raise to the hook.
call_step, call_body = map(ctypes.PYFUNCTYPE(None), (step, body))


# What modules have added to the filters of warnings, before and behind what was there.
FILTERS = {}


def load(name):
    """Imports it; what filters it adds go to FILTERS instead."""
    before = warnings.filters[:]
    __import__(name)
    now = warnings.filters[:]
    for front in range(len(now) - len(before) + 1):
        rest = front + len(before)
        if now[front:rest] == before and now != before:
            FILTERS[name] = now[:front], now[rest:]
            warnings.filters[:] = before
            warnings._filters_mutated()
            break


def preload(name):
    try:
        load(name)
    except ImportError:
        pass  # it, or what it needs, is not in the image


# What some of them have to do at the end of an exec.
ENDINGS = []


def preload_wishes():
    """True when one of them has something to do at the end of each run."""
    if not os.path.exists(WISHES):
        return False
    callbacks = atexit._ncallbacks()
    with open(WISHES) as file:
        names = file.read().split()
    for name in names:
        load(name)
        if ending := getattr(sys.modules[name], "end_of_exec", None):
            ENDINGS.append(ending)
    return atexit._ncallbacks() > callbacks


class Preloaded(ModuleSpec):
    """A module of FILTERS: they are there once the program imports it, which is when
    the import system first looks at this."""

    @property
    def _initializing(self):
        self.__class__ = ModuleSpec
        self._initializing = False
        front, back = FILTERS[self.name]
        warnings.filters[:] = front + warnings.filters + back
        warnings._filters_mutated()
        return False


def hide_filters():
    for name, added in FILTERS.items():
        spec = sys.modules[name].__spec__
        if type(spec) is Preloaded:
            continue  # as they are
        added = sum(added, [])
        warnings.filters[:] = [some for some in warnings.filters if some not in added]
        del spec._initializing
        spec.__class__ = Preloaded


for name in PRELOAD + tuple(filter(PathFinder.find_spec, PRELOAD_IF_THERE)):
    preload(name)
ENDS = preload_wishes()


class State:
    exception = None
    hook = sys.unraisablehook


State = State()


def unraisable(args):
    """Catches what the main script raised, or an exec, or an interrupt that came into a
    step; the rest goes its usual way."""
    if args.object in (run, body, step):
        State.exception = args.exc_value
    else:
        (State.hook or sys.__unraisablehook__)(args)


class module(type(sys)):
    """Of sys. Programs see and change State.hook, where CPython finds `unraisable`:
    it does not go by attributes."""
    __module__ = "builtins"

    @property
    def unraisablehook(self):
        return State.hook

    @unraisablehook.setter
    def unraisablehook(self, hook):
        State.hook = hook


def read_all(fd):
    """Mostly little: what is large would be mapped for each read."""
    parts, size = [], 4000
    while data := os.read(fd, size):
        parts.append(data)
        size = 4000 if len(data) < size else 1 << 20
    return b"".join(parts)


def set_strings(fd):
    """Arguments and environment, as if the program had been started with them."""
    arguments = [os.fsdecode(a) for a in read_all(fd).split(b"\0")[:-1]]
    sys.argv += arguments
    sys.orig_argv += arguments
    for variable in read_all(fd).split(b"\0")[:-1]:
        name, _, value = variable.partition(b"=")
        os.environb[name] = value
    sys.modules["time"].tzset()
    if os.environb.get(b"PYTHONUNBUFFERED"):
        unbuffer()


def unbuffer():
    """Output as with -u: also what a run has printed that is cut off."""
    io = sys.modules["io"]
    for fd, name in (1, "stdout"), (2, "stderr"):
        old = getattr(sys, name)
        raw = io.FileIO(fd, "w", closefd=False)
        raw.name = old.name
        new = io.TextIOWrapper(raw, old.encoding, old.errors, "\n", write_through=True)
        new.mode = old.mode
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def read_request(fd):
    """The whole code. The first read is where the template is taken; it fails where
    there is more than code, and where somebody sees output as it comes: then lines are
    written as they end."""
    try:
        data = os.read(fd, 4000)
    except OSError as e:
        Session.open = e.errno == sys.modules["errno"].EISCONN
        if Session.open or e.errno == sys.modules["errno"].ESTRPIPE:
            sys.stdout.reconfigure(line_buffering=True)
        if Session.open:
            return b""
        set_strings(fd)
        return read_all(fd)
    if len(data) < 4000:
        return data
    return data + read_all(fd)


class Generators:
    """The states of random's generator, of others that modules have made of its kind,
    and, where it is, of numpy's global one, 624 words each; and the key that
    multiprocessing has drawn, a bytes object that no program has seen."""

    def __init__(self):
        random = sys.modules["random"]
        self.python = [random._inst]
        self.python += (some for some in gc.get_objects()
                        if type(some) is random.Random and some is not random._inst)
        self.numpy = None
        # RandomObject of CPython's _randommodule.c: object head, int index, words
        places = [id(some) + object.__basicsize__ + 4 for some in self.python]
        if "numpy.random" in sys.modules:
            self.numpy = sys.modules["numpy"].random.mtrand._rand._bit_generator
            places.append(self.numpy.ctypes.state_address)
        words = [(ctypes.c_uint32 * 624).from_address(place) for place in places]
        self.rewind()
        if [tuple(some) for some in words] != self.known():
            raise RuntimeError("the generators' states are not where they should be")
        self.states = tuple(memoryview(some) for some in words)
        self.all = self.states + self.find_key()

    def find_key(self):
        if not process:
            return ()
        process.authkey = os.urandom(32)
        # PyBytesObject: object head, size, hash, bytes and a NUL
        key = (ctypes.c_char * 32).from_address(id(process.authkey) + bytes.__basicsize__ - 1)
        if key.raw != process.authkey:
            raise RuntimeError("a key is not where it should be")
        return (memoryview(key),)

    def known(self):
        states = [some.getstate()[1][:624] for some in self.python]
        if self.numpy:
            states.append(tuple(self.numpy.state["state"]["key"].tolist()))
        return states

    def rewind(self):
        """At the end of their states: the next number is made from all words."""
        for some in self.python:
            some.seed(0)
        if self.numpy:
            self.numpy._legacy_seeding(0)


def reseed(fd, states):
    """No two forks may draw the same numbers: what was seeded before the
    snapshot. (OpenSSL's generator seeds itself at its first use, after it.)
    Any words but all zeros are a state of the Mersenne Twister."""
    os.readv(fd, states)


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


def main_module():
    main = type(sys)("__main__")
    main.__dict__.update(__loader__=SourceFileLoader("__main__", PATH),
                         __annotations__={}, __builtins__=__builtins__,
                         __file__=PATH, __cached__=None)
    return main


def wait():
    sys.modules["threading"] = threading
    main = main_module()
    script = os.open(PATH, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    random = os.open("/dev/urandom", os.O_RDONLY)
    fd = os.open("/dev/zeroboot", os.O_RDWR)
    os.write(fd, b"".join(os.fsencode(a) + b"\0" for a in sys.orig_argv))
    sys.modules["__main__"] = main
    generators.rewind()
    code = read_request(fd)
    reseed(random, generators.all)
    if Session.open:
        os.closerange(script, fd)
        begin_session(fd, main)
        return
    write_all(script, code)
    os.closerange(script, fd + 1)
    try:
        compiled = compile(code, PATH, "exec", dont_inherit=True)
    except BaseException:
        # What a string's parser refuses, a file's takes or refuses in other words.
        names = main.__dict__
        run.__setstate__((run_file, (open_file(PATH.encode(), b"rb"), PATH.encode(), FILE_INPUT, names, names, 1), {}, {}))
    else:
        # As PyEval_EvalCode calls it: exec would be a level of the recursion limit.
        run.__setstate__((FunctionType(compiled, main.__dict__), (), {}, {}))


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
    if not hasattr(sys, "excepthook"):
        sys.stderr.write("sys.excepthook is missing\n")
        sys.excepthook = sys.__excepthook__
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
    """What could not be written of standard output and error: (stream, exception)."""
    failed = []
    for stream in (getattr(sys, "stdout", None), getattr(sys, "stderr", None)):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except BaseException as e:
            failed.append((stream, e.with_traceback(e.__traceback__.tb_next)))
    return failed


def flush_and_tell():
    """True when all could be written. CPython tells of standard output only."""
    failed = flush()
    for stream, e in failed:
        if stream is getattr(sys, "stdout", None):
            unraisable(UnraisableHookArgs((type(e), e, e.__traceback__, None, stream)))
            flush()
    return not failed


def finish(code=0):
    e, State.exception = State.exception, None
    if e is not None:
        code = report(e)
        if isinstance(e, BaseException):
            # Only sys.last_* keep the frames from here on, as natively.
            e = None
    for callback in (wait, run, finish):
        atexit.unregister(callback)
    # One lock is the main thread's. Mostly there is nothing to end.
    if ENDS or atexit._ncallbacks() > CALLBACKS or threading._threading_atexits or len(threading._shutdown_locks) > 1:
        try:
            threading._shutdown()
        except BaseException:
            sys.excepthook(*sys.exc_info())
        atexit._run_exitfuncs()
    if len(logging._handlerList) > HANDLERS:
        logging.shutdown()
    if not flush_and_tell():
        code = 120
    # The program's globals go, and their __del__ run; nothing can be imported any
    # more, which is why a traceback from there has no lines of the source.
    sys.meta_path = None
    sys.modules.pop("io", None)
    if Session.once:
        drop_names()
    run.__setstate__((bool, (), {}, {}))
    sys.modules.pop("__main__", None)
    sys.last_type = sys.last_value = sys.last_traceback = None
    gc.collect()
    flush()
    os._exit(code)


def open_extensions():
    """Opens the extension modules of the standard library and of what has been
    imported. An import of one finds it mapped and relocated, under the very name that
    it asks for; until then no program sees it."""
    places = set(sys.path)
    for module in tuple(sys.modules.values()):
        places.update(getattr(module, "__path__", ()))
    for place in sorted(filter(os.path.isdir, places)):
        for name in sorted(os.listdir(place)):
            if name.endswith(tuple(EXTENSION_SUFFIXES)):
                try:
                    ctypes._dlopen(f"{place}/{name}", os.RTLD_NOW)
                except OSError:
                    pass  # a library that it needs is not in the image


def map_files():
    """Enters all pages of what is mapped from files into the page tables, and the
    pages that follow such a mapping at once, a library's data without content."""
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    end = None
    with open("/proc/self/maps") as maps:
        lines = [line.split() for line in maps]
    for (where, rights, _, _, _, *name) in lines:
        first, last = (int(address, 16) for address in where.split("-"))
        if name and name[0].startswith("/") or not name and first == end:
            advise(first, last - first, POPULATE_WRITE if "w" in rights else POPULATE_READ)
            end = last


WARM_NUMPY = (b"import numpy\nprint(numpy.random.rand(3), numpy.arange(4) * 2, file=out)\n"
              if "numpy.random" in sys.modules else b"")


def warm():
    """Runs what runs run, so that CPython has specialized it before the
    snapshot and does not write its code's caches again after it."""
    out = sys.modules["io"].StringIO()
    code = (b"import json, random, re\nclass P:\n    def __init__(self, x): self.x = x\n"
            b"def f(n): return [P(i) for i in range(n)]\n"
            b"print(json.dumps({'a': [1, 2.5, None]}), re.sub('a', 'b', 'aa'), len(f(9)),\n"
            b"      sum(i * i for i in range(9)), f'{1 + 1:>4}', random.random(), file=out)\n"
            + WARM_NUMPY)
    random = os.open("/dev/urandom", os.O_RDONLY)
    for _ in range(16):
        hide_filters()
        exec(compile(code, "<warm>", "exec", dont_inherit=True), {"out": out})
        reseed(random, generators.all)
        flush()
        try:
            exec(compile("1/0", "<warm>", "exec", dont_inherit=True))
        except ZeroDivisionError as e:
            sys.modules["traceback"].print_exception(e, file=out)
    os.close(random)
    sys.modules["linecache"].clearcache()


def rehearse():
    """Does what `wait` and `finish` will do, last of all, so that what is free of the
    interpreter's memory is what they want again, in few pages."""
    agent, out = sys.modules["__main__"], sys.stdout
    random = os.open("/dev/urandom", os.O_RDONLY)
    with open(os.devnull, "w") as sys.stdout:
        for _ in range(8):
            main = sys.modules["__main__"] = main_module()
            reseed(random, generators.all)
            compiled = compile(b"print(1 + 1)", PATH, "exec", dont_inherit=True)
            run.__setstate__((FunctionType(compiled, main.__dict__), (), {}, {}))
            run()
            flush_and_tell()
            run.__setstate__((bool, (), {}, {}))
            del sys.modules["__main__"], compiled, main
            gc.collect()
            flush()
    os.close(random)
    sys.modules["__main__"], sys.stdout = agent, out


def warm_threads():
    """Their stacks stay with the C library, which gives them to new threads."""
    start = threading.Barrier(4)
    some = [threading.Thread(target=lambda: (start.wait(), [bytearray(2000) for _ in range(9)]))
            for _ in range(4)]
    for thread in some:
        thread.start()
    for thread in some:
        thread.join()
    threading._counter = itertools.count(1).__next__


class Unraisable:
    def __del__(self):
        raise ValueError


# A type that only what is passed to the hook has.
sys.unraisablehook = lambda args: globals().update(UnraisableHookArgs=type(args))
Unraisable()
sys.unraisablehook = sys.__unraisablehook__

# PyRun_FileEx of the C API: what CPython runs its main script with.
FILE_INPUT = 257
run_file = ctypes.pythonapi.PyRun_FileEx
run_file.restype = ctypes.py_object
run_file.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.py_object, ctypes.py_object, ctypes.c_int)
open_file = ctypes.CDLL(None).fopen
open_file.restype = ctypes.c_void_p
open_file.argtypes = (ctypes.c_char_p, ctypes.c_char_p)

run = functools.partial(exec)
process = "multiprocessing" in sys.modules and sys.modules["multiprocessing"].current_process()
generators = Generators()
# Of OpenSSL; loaded with what is imported above, where the image has it.
add_random = getattr(sys.modules.get("_ssl"), "RAND_add", None)
if add_random:
    FILTERS.update((name, FILTERS.get(name, ([], []))) for name in ("ssl", "_ssl"))

sys.argv[:] = [PATH]
sys.orig_argv[1:] = [PATH]
sys.path[0] = "/app"
os.path.isdir("/app") or os.mkdir("/app")
os.chdir("/app")
sys.__class__ = module
sys.__dict__["unraisablehook"] = unraisable
open_extensions()
map_files()
warm()
warm_threads()
hide_filters()
# For sessions, behind what runs use.
import __future__
import ast
import collections
import errno
import linecache
import operator
import struct

FEATURES = functools.reduce(operator.or_, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names))
RESULT_MAX = 1 << 16
SOURCES_MAX = 4 << 20  # characters of execs whose lines tracebacks show
COROUTINE = 0x80  # of code.co_flags
# What eval would take though it is none, and what it will mostly not take: indented,
# a word that begins a statement, an assignment, more than a line.
STATEMENT = sys.modules["re"].compile(
    rb"\s|[#\\]|(?:import|from|for|def|class|if|while|with|try|del|assert|raise|global|async|pass)\b"
    rb"|[\w\s.,\[\]]*[-+*/%@&|^<>:]*=(?!=)|.*[;\n].")
is_something = functools.partial(operator.is_not, None)
Session.flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
# Done by `finish`, when somebody has added a handler.
atexit.unregister(logging.shutdown)
HANDLERS = len(logging._handlerList)
atexit.register(finish)
atexit.register(run)
atexit.register(wait)
CALLBACKS = atexit._ncallbacks()  # goes up only, whoever unregisters
# Else the interpreter would end its threads before the first callback.
del sys.modules["threading"]
gc.collect()
warm()
hide_filters()
rehearse()
gc.collect()
gc.freeze()
