# run.py: the three callbacks: the wait for a request, its run, the end.


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


def main_module():
    main = type(sys)("__main__")
    main.__dict__.update(__loader__=SourceFileLoader("__main__", PATH),
                         __annotations__={}, __builtins__=builtins,
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


def say(text):
    """To standard error, as far as there is one."""
    try:
        sys.stderr.write(text)
    except BaseException:
        pass


def exit_code(e):
    """Of a SystemExit; says its message, as CPython does."""
    try:
        value = e.code
    except BaseException:
        value = e
    if value is None:
        return 0
    if issubclass(type(value), int):
        return int.__and__(value, 0xFF)
    try:
        sys.stderr.write(str(value) + "\n")
    except BaseException:
        pass
    return 1


def report(e):
    """Prints an uncaught exception; the exit code."""
    kind, trace = type(e), traceback_of(e)
    if issubclass(kind, SystemExit):
        return exit_code(e)
    sys.last_type, sys.last_value, sys.last_traceback = kind, e, trace
    if not hasattr(sys, "excepthook"):
        say("sys.excepthook is missing\n")
        sys.excepthook = display
    try:
        sys.excepthook(kind, e, trace)
    except SystemExit as inner:
        return exit_code(inner)
    except BaseException as inner:
        inner.__context__ = None
        next_trace = traceback_of(inner).tb_next
        say("Error in sys.excepthook:\n")
        display(type(inner), with_traceback(inner, next_trace), next_trace)
        say("\nOriginal exception was:\n")
        display(kind, e, trace)
    return 130 if kind is KeyboardInterrupt else 1


def flush():
    """What could not be written of standard output and error: (stream, exception)."""
    failed = []
    for stream in (getattr(sys, "stdout", None), getattr(sys, "stderr", None)):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except BaseException as e:
            failed.append((stream, with_traceback(e, traceback_of(e).tb_next)))
    return failed


def tell_unraisable(e, what, where):
    try:
        unraisable(UnraisableHookArgs((type(e), e, traceback_of(e), what, where)))
    except BaseException as inner:
        said = "Exception ignored in sys.unraisablehook"
        try:
            sys.__unraisablehook__(UnraisableHookArgs((type(inner), inner, traceback_of(inner), said, State.hook)))
        except BaseException:
            pass


def flush_and_tell():
    """True when all could be written. CPython tells of standard output only."""
    failed = flush()
    for stream, e in failed:
        if stream is getattr(sys, "stdout", None):
            tell_unraisable(e, None, stream)
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
    modules.pop("io", None)
    if Session.once:
        drop_names()
    run.__setstate__((bool, (), {}, {}))
    modules.pop("__main__", None)
    sys.last_type = sys.last_value = sys.last_traceback = None
    gc.collect()
    flush()
    leave(code)
