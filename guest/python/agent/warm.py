# warm.py: what is done before the snapshot so that no run has to.


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
