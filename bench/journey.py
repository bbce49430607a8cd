#!/usr/bin/env python3
"""From the beginning of `scp box host:` to the first right answer of `ssh host ./box
serve`, on a host of its own that has sshd and /dev/kvm (a network namespace here), and
in a root that has nothing else; and what `doctor` takes. Usage: journey.py [--rounds 3]
"""
import argparse
import itertools
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
from balance.hosts import Host
from harness import TOP
from travel import EMPTY, Served, copy, make_network, own_network, pack

IMAGES = ["build/python.img.gz", "build/node.img.gz"]
PROGRAMS = {"python": "print(6 * 7)", "node": "console.log(6 * 7)"}


NUMBERS = itertools.count(11)  # of hosts: none is there before


def journey(network, box, language, *how):
    """Seconds of the copy, and until the answer."""
    with Host(network, next(NUMBERS)) as host:
        started = time.monotonic()
        copy(network, host, box)
        copied = time.monotonic()
        with Served(network, host, *how) as server:
            assert server.ask(PROGRAMS[language], language) == "42\n"
            return copied - started, time.monotonic() - started


def doctor():
    started = time.monotonic()
    subprocess.run(["./zeroboot", "doctor"], check=True, capture_output=True)
    return time.monotonic() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    os.chdir(TOP)
    own_network()
    with tempfile.TemporaryDirectory(prefix="zeroboot-travel-") as folder:
        network, box = make_network(folder), pack(folder, *IMAGES)
        print(f"{os.path.getsize(box) / 1e6:.1f} MB")
        for language in PROGRAMS:
            for what, how in ("./box", ()), ("in an empty root", (EMPTY,)):
                times = [journey(network, box, language, *how) for _ in range(rounds)]
                copied, answered = (statistics.median(column) for column in zip(*times))
                print(f"{language}, {what}: copied after {copied:.2f} s, answer after {answered:.2f} s")
    print(f"doctor: {1000 * statistics.median(doctor() for _ in range(20)):.0f} ms")


if __name__ == "__main__":
    main()
