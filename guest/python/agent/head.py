# head.py: the first file of the agent. All of this directory is one module, its files put
# together by the Makefile in the order of PYTHON_AGENT.
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
import builtins
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

# Of the functions below: what the program puts there is not in it.
__builtins__ = builtins.__dict__.copy()

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
