# preload.py: what is imported before the snapshot, and the filters of warnings that it adds.

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
