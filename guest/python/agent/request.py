# request.py: what comes of /dev/zeroboot, and what is set by it: hook, arguments, streams.


def own(module):
    """A module as the agent has it: what a program puts there is not in it."""
    copy = type(sys)(module.__name__)
    copy.__dict__.update(module.__dict__)
    return copy


def is_handler(frame):
    """Whether it is of a signal: what it was called with is the frame that it interrupts, which
    is beneath it."""
    values = [*frame.f_locals.values()]
    for value in frame.f_locals.values():
        if type(value) is tuple:
            values += value
    return frame.f_back and any(value is frame.f_back for value in values)


def attempt(action, *arguments):
    """What the program has taken apart stays so; what its signals raise does not belong to
    that."""
    try:
        action(*arguments)
    except Exception as e:
        trace = traceback_of(e)
        while trace:
            if is_handler(trace.tb_frame):
                raise
            trace = trace.tb_next


class State:
    exception = None
    hook = sys.unraisablehook


State = State()


def unraisable(args):
    """Catches what the main script raised, or an exec, or an interrupt that came into a
    step; the rest goes its usual way."""
    if args.object is step:
        nothing_to_call()
        State.exception = with_traceback(args.exc_value, cut_outer(args.exc_traceback))
    elif args.object in (run, body):
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
