# session.py: execs of a session: each is read, compiled, called and told of.


NO_RESULT = "no result"
FAILURES_MOST = 1000  # at the end of one exec, before the next one's code is there
TRIES = 3  # to tell of an exec's end


class Nothing:
    """The value of an exec that has none. Its repr() is C too, and that very text."""
    __repr__ = NO_RESULT.__str__


class Session:
    """open: what runs are execs. fd: of /dev/zeroboot. flags: of the compiler, what
    `from __future__` has set stays. reported: the exec's end was told, and the next
    one is to be read, or the rest of it. report: what is told. failures: to do that, and
    to read the next one, up to now. input: it was given some. once: it is a run of
    a template that the session has become; kept: what that has, by name. copied: it waits as
    that, or has not been made a copy since."""
    open = False
    once = False
    copied = False
    kept = {}
    fd = -1
    names = None
    count = 0
    flags = 0
    reported = True
    report = None
    failures = 0
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
    Session.sources[name] = len(text)
    Session.size += len(text)
    linecache.cache[name] = (len(text), None, lines, name)
    while len(Session.sources) > 1 and Session.size > SOURCES_MAX:
        oldest = next(iter(Session.sources))
        Session.size -= Session.sources.pop(oldest)
        linecache.cache.pop(oldest, None)


def await_it(code):
    """What has `await` outside of functions goes on in one event loop. Its interrupt is as
    asyncio's, but whenever it comes: the first cancels the task, or is raised when the loop has
    stopped, which is used again; the next is raised wherever it comes."""
    if Session.runner is None or Session.runner.get_loop().is_closed():
        Session.runner = asyncio.Runner()
    loop, coroutine, interrupted, cancelled = Session.runner.get_loop(), None, False, None

    def tasks():
        return [task for task in asyncio.all_tasks(loop) if task.get_coro() is coroutine]

    def cancel():
        nonlocal cancelled
        if interrupted and not cancelled:
            for cancelled in tasks():
                cancelled.cancel()

    def on_interrupt(number, frame):
        nonlocal interrupted
        set_handler(number, raise_interrupt)
        interrupted = True
        cancel()
        if loop.is_running():
            loop.call_soon_threadsafe(bool)  # it may wait

    try:
        if handler_of(SIGINT) is raise_interrupt:
            set_handler(SIGINT, on_interrupt)
        loop.call_soon(cancel)  # before there was a task
        coroutine = function_of(code)()
        value = Session.runner.run(coroutine)
    except asyncio.CancelledError:
        if cancelled and not cancelled.uncancel():
            raise KeyboardInterrupt
        raise
    finally:
        if handler_of(SIGINT) is on_interrupt:
            set_handler(SIGINT, raise_interrupt)
        left = tasks() if coroutine else ()
        for task in left:
            task.cancel()
        if coroutine and not left:
            coroutine.close()
    if interrupted and not cancelled:
        raise KeyboardInterrupt
    return value


def function_of(code):
    """Else, where the program has cleared its names, it would have the agent's builtins."""
    Session.names.setdefault("__builtins__", builtins)
    return FunctionType(code, Session.names)


def callable_of(code):
    if code.co_flags & COROUTINE:
        return functools.partial(await_it, code)
    return function_of(code)


def nothing_to_call():
    body.__setstate__((bool, (), {}, {}))


def prepare_exec(source):
    """Makes `body` of it: calls both in turn, and puts the text of a value that is
    something into results, or NO_RESULT. All of it is C, so no frame is beneath. There
    is always a next one, so that a StopIteration is the program's."""
    Session.count += 1
    name = f"<exec {Session.count}>"
    try:
        attempt(keep_source, name, source.decode("utf-8", "replace"))
        if Session.once:
            body.__setstate__((callable_of(compile(source, name, "exec", Session.flags, True)), (), {}, {}))
            return
        codes = [*map(callable_of, compile_exec(source, name)), Nothing]
    except BaseException as e:
        State.exception = with_traceback(e, cut_outer(traceback_of(e)))
        return
    values = filter(is_something, map(operator.call, codes))
    body.__setstate__((map(Session.results.append, map(repr, values)).__next__, (), {}, {}))


def cut_outer(trace):
    while trace and trace.tb_frame.f_code.co_filename not in Session.sources:
        trace = trace.tb_next
    return trace


def cut_traceback(e):
    """Without what is beneath an exec that awaits, which the loop tells of its
    interrupt by an exception of its own."""
    trace = traceback_of(e)
    if trace is None or trace.tb_frame.f_code is not await_it.__code__:
        return e
    trace = cut_outer(trace)
    if trace is None and issubclass(type(e), KeyboardInterrupt) and e.__context__:
        trace, e.__context__ = cut_outer(traceback_of(e.__context__)), None
    return with_traceback(e, trace)


def report_exec(e):
    """Prints an exception that has ended an exec, with lines of the source, which C
    does not find; the exit code."""
    if getattr(sys, "excepthook", None) is not display:
        return report(e)
    sys.last_type, sys.last_value, sys.last_traceback = type(e), e, traceback_of(e)
    try:
        if sys.stderr is not None:
            modules["traceback"].print_exception(e)
    except KeyboardInterrupt:
        raise
    except BaseException:
        # The program has taken something of it apart. C prints what it can.
        display(type(e), e, traceback_of(e))
    return 130 if issubclass(type(e), KeyboardInterrupt) else 1


def end_exec():
    """The exec's end, up to what is told of it. What is interrupted here is the exec."""
    code = 0
    e, State.exception = State.exception, None
    if issubclass(type(e), SystemExit):
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
    text = Session.results.pop() if Session.results and not code else NO_RESULT
    Session.results.clear()
    if text is NO_RESULT:
        return struct.pack("=II", code, 0)
    return struct.pack("=II", code, 1) + text.encode("utf-8", "backslashreplace")[:RESULT_MAX + 1]


def give_up():
    """The end of an exec of which nothing can be told: that has raised, several times."""
    e, State.exception = State.exception, None
    code = 130 if issubclass(type(e), KeyboardInterrupt) else 1
    if Session.once:
        end_program(code)
    try:
        flush()
    except BaseException:
        pass
    Session.results.clear()
    return struct.pack("=II", code, 0)


def end_program(code):
    """Whatever is raised: once begun it cannot be begun again."""
    try:
        finish(code)
    except BaseException as e:
        code = 1
        code = report(with_traceback(e, None))
        flush()
    finally:
        leave(code)


def die(what):
    """The agent has not what it needs."""
    try:
        write(2, f"zeroboot: python agent: {what}\n".encode())
    finally:
        leave(70)


def has_input():
    """Whether there is something in standard input."""
    try:
        return Session.ioctl(0, FIONREAD, b"\0\0\0\0") != b"\0\0\0\0"
    except OSError:
        return False


def renew_input():
    """What the exec has read ahead is not the next one's. The kernel has dropped the
    rest."""
    old = getattr(sys, "__stdin__", None)
    if not Session.input or old is None or old.closed or getattr(sys, "stdin", None) is not old:
        return
    new = open(0, encoding=old.encoding, errors=old.errors, closefd=False)
    new.buffer.raw.name = "<stdin>"
    new.mode = "r"
    sys.stdin = sys.__stdin__ = new


def tell(report):
    try:
        os.write(Session.fd, report)
    except PermissionError:
        # A child that has come to the end of its code.
        leave(struct.unpack_from("=I", report)[0])
    except OSError as e:
        if e.errno == errno.EBADF:
            die("the end of an exec cannot be told")
        raise
    Session.reported = True


def reseed_fork():
    attempt(generators.rewind)
    reseed_copy()


def renew_openssl():
    """If the program has imported it: to begin it takes as long as some runs."""
    if add_random and any(type(getattr(modules.get(name), "__spec__", None)) is not Preloaded for name in ("ssl", "_ssl")):
        add_random(os.urandom(64), 64.0)


def reseed_copy():
    """Of a session: also what has been seeded in that. OpenSSL's generators of all
    threads take new bytes from the first one when that has."""
    reseed_now(generators.states)
    attempt(renew_openssl)
    attempt(renew_key)


def renew_key():
    """Of multiprocessing; children of the program know it."""
    processes = modules.get("multiprocessing.process")
    if processes and not processes._children:
        processes._current_process.authkey = os.urandom(32)


def drop_names():
    """What a run has given names goes at its end; what was there before stays. A
    finalizer may drop others."""
    names, kept = Session.names, Session.kept
    for name in list(names):
        if names.get(name, body) is not kept.get(name, body):
            names.pop(name, None)


def renew_strings(arguments, variables):
    """As far as the program has left what they belong to."""
    try:
        if arguments:
            sys.argv[1:] = map(os.fsdecode, arguments)
    except Exception:
        pass
    try:
        for variable in variables:
            name, _, value = variable.partition(b"=")
            os.environb[name] = value
        if variables:
            time.tzset()
    except Exception:
        pass


def line_buffered(on):
    if sys.stdout is sys.__stdout__:
        sys.stdout.reconfigure(line_buffering=on)


def settle():
    """What is behind it is a copy, whatever cuts off what is done then."""
    attempt(line_buffered, False)
    gc.collect()
    gc.freeze()
    Session.kept = dict(Session.names)
    attempt(generators.rewind)
    attempt(renew_openssl)
    Session.copied = True


def become_copy(why):
    reseed_copy()
    Session.once = why != errno.ENOTUNIQ
    if why in (errno.ENOTUNIQ, errno.ESTRPIPE):
        attempt(line_buffered, True)
    if not Session.once:
        Session.kept = {}
    Session.copied = False


def wait_for_exec():
    try:
        os.write(Session.fd, b"")
    except OSError as e:
        if e.errno == errno.EBADF:
            die("no exec")
        raise
    try:
        os.read(Session.fd, 0)
    except OSError as e:
        if e.errno != errno.EBADF:
            return e.errno
    die("no exec")


def read_exec():
    """Its code; the first read stops. An interrupt may come into it: then all of it is
    read again."""
    why = wait_for_exec()
    if why == errno.EINPROGRESS:
        settle()
        why = wait_for_exec()
    if Session.copied:
        become_copy(why)
    elif why == errno.ENOTUNIQ:
        reseed_fork()
    arguments = variables = b""
    if why != errno.ESHUTDOWN:
        arguments = read_all(Session.fd)
        variables = read_all(Session.fd)
    code = os.read(Session.fd, 4000)
    if len(code) == 4000:
        code += read_all(Session.fd)
    if Session.failures < TRIES:
        if arguments or variables:
            renew_strings(arguments.split(b"\0")[:-1], variables.split(b"\0")[:-1])
        attempt(renew_input)
    Session.input = has_input()
    return code


def step():
    nothing_to_call()
    while True:
        try:
            if not Session.reported:
                Session.report = Session.report or (end_exec() if Session.failures < TRIES else give_up())
                tell(Session.report)
            code = read_exec()
            Session.report = None
            Session.failures = 0
            State.exception = None
            Session.reported = False
            break
        except BaseException as e:
            # An interrupt, mostly. While an exec ends it is the exec's.
            Session.failures += 1
            if Session.failures >= FAILURES_MOST:
                die("the next exec cannot be begun")
            if Session.report is None and not Session.reported:
                State.exception = with_traceback(e, cut_outer(traceback_of(e)))
    prepare_exec(code)


body = functools.partial(bool)
# Called from C, which gives what they raise to the hook.
call_step, call_body = map(ctypes.PYFUNCTYPE(None), (step, body))
