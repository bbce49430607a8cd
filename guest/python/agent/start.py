# start.py: the agent runs: what it sets up, in this order, up to its end.


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
get_random = ctypes.CDLL(None).getrandom
get_random.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint)
# Whatever an exception's class has of these names.
traceback_of, with_traceback = BaseException.__traceback__.__get__, BaseException.with_traceback
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
# As they are, whatever the program puts there. What runs use of them is warm as it is then.
import ast
import errno
import operator
import struct
import time

ast, atexit, errno, functools, gc, operator, os, struct, time = map(
    own, (ast, atexit, errno, functools, gc, operator, os, struct, time))
warm()
warm_threads()
hide_filters()
# For sessions, behind what runs use.
import __future__
import collections
import linecache
from _signal import SIGINT, default_int_handler as raise_interrupt, getsignal as handler_of, signal as set_handler

FEATURES = functools.reduce(operator.or_, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names))
RESULT_MAX = 1 << 16
SOURCES_MAX = 4 << 20  # characters of execs whose lines tracebacks show
COROUTINE = 0x80  # of code.co_flags
# What begins a statement, and not a name.
WORD = (
    rb"(?:import|from|for|def|class|if|elif|else|while|with|try|except|finally|del|assert|raise|global|async|pass)"
    rb"(?![\w\x80-\xff])"
)
# What eval would take though it is none, and what it will mostly not take: indented, a word,
# an assignment, more than a line.
STATEMENT = sys.modules["re"].compile(
    rb"\s|[#\\]|" + WORD +
    rb"|[\w\s.,\[\]]*[-+*/%@&|^<>:]*=(?!=)|.*[;\n].")
# A line that is no expression, if it begins none of its own: of a block, by its word, an assignment.
NO_VALUE = sys.modules["re"].compile(
    rb"\s+[^\s#]|" + WORD +
    rb"|(?!.*\blambda\b)[\w\s.,\[\]]*(?:[-+*/%@&|^]|\*\*|//|<<|>>)?=(?!=)")
# What the compiler may warn of: `is` with a literal, one that is called or has an index (`...`
# and `1.` end with a dot), an escape, a number with a word behind it.
MAY_WARN = sys.modules["re"].compile(
    rb"\bis\b|\\|(?:['\"\])}.]|\b\d\w*(?:\.\w*)?|\b(?:None|True|False|__debug__))\s*[(\[]"
    rb"|\b\d\w*(?:\.\w*)?(?:and|else|for|if|in|is|not|or)\b")
# Strings without backslashes, and comments.
QUOTED = sys.modules["re"].compile(rb"'[^'\\]*'|\"[^\"\\]*\"|#.*")
BRACKETS = (b"(", b")"), (b"[", b"]"), (b"{", b"}")
asyncio, modules = own(sys.modules["asyncio"]), sys.modules
write, leave, display = os.write, os._exit, sys.__excepthook__
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
# What follows collects what it has made itself, as runs do: to go through the objects of
# all modules takes tens of milliseconds, each time.
gc.collect()
gc.freeze()
warm()
hide_filters()
rehearse()
# All of it once more: how soon runs collect follows from how much there was.
gc.unfreeze()
gc.collect()
gc.freeze()
