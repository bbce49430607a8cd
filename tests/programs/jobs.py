# Two jobs, in processes of loky's, of multiprocessing's, and in threads.
from math import sqrt
import os
from joblib import Memory, Parallel, delayed


def work(n):
    return sqrt(n), os.getpid()


if __name__ == "__main__":
    for backend in "loky", "multiprocessing", "threading":
        got = Parallel(n_jobs=2, backend=backend)(delayed(work)(i ** 2) for i in range(20))
        others = {pid for _, pid in got} - {os.getpid()}
        print(backend, [value for value, _ in got], 0 < len(others) <= 2)
    try:
        Parallel(n_jobs=2)(delayed(sqrt)(n) for n in (1, -1))
    except ValueError as e:
        print(type(e).__name__, e)
    memory = Memory("/tmp/cache", verbose=0)
    print(memory.cache(sqrt)(2.0) == memory.cache(sqrt)(2.0))
