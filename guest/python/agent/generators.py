# generators.py: the states of random generators, which are other ones in each run.


class Generators:
    """The states of random's generator, of others that modules have made of its kind,
    and, where it is, of numpy's global one, 624 words each; and the key that
    multiprocessing has drawn, a bytes object that no program has seen."""

    def __init__(self):
        random = sys.modules["random"]
        self.seed = random.Random.seed
        self.python = [random._inst]
        self.python += (some for some in gc.get_objects()
                        if type(some) is random.Random and some is not random._inst)
        self.numpy = self.bits = None
        # RandomObject of CPython's _randommodule.c: object head, int index, words
        places = [id(some) + object.__basicsize__ + 4 for some in self.python]
        if "numpy.random" in sys.modules:
            self.numpy = sys.modules["numpy"].random.mtrand._rand
            self.bits = self.numpy._bit_generator
            places.append(self.bits.ctypes.state_address)
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
            states.append(tuple(self.bits.state["state"]["key"].tolist()))
        return states

    def rewind(self):
        """At the end of their states: the next number is made from all words, and none of
        two that were drawn at once (of a normal distribution) is left. Each by itself."""
        for some in self.python:
            attempt(self.seed, some, 0)
        if self.numpy and self.numpy._bit_generator is self.bits:
            attempt(self.numpy.seed, 0)


def reseed(fd, states):
    """No two forks may draw the same numbers: what was seeded before the
    snapshot. (OpenSSL's generator seeds itself at its first use, after it.)
    Any words but all zeros are a state of the Mersenne Twister."""
    os.readv(fd, states)


def reseed_now(states):
    """As reseed, for what the program leaves of the machine: maybe no descriptor, or no
    /dev/urandom."""
    for state in states:
        if get_random(state.obj, state.nbytes, 0) != state.nbytes:
            die("no random numbers")
