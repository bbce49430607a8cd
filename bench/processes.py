#!/usr/bin/env python3
"""What processes cost in the guest beside native Linux: rounds in turns, medians,
and the ratios that the project aims at. Natively the same programs run in the
image's root, those in C on one CPU, as the guest has one. Run as root.
Usage: processes.py [--rounds 5]
"""
import argparse
import pathlib
import shutil
import statistics
import subprocess
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
RUN = """
import subprocess, time
for _ in range(3): subprocess.run(["/bin/true"])
start = time.perf_counter()
for _ in range(50): subprocess.run(["/bin/true"])
print((time.perf_counter() - start) / 50 * 1e6)
"""
EXEC_FILE = """
const { execFileSync } = require('child_process');
for (let i = 0; i < 3; i++) execFileSync('/bin/true');
const start = process.hrtime.bigint();
for (let i = 0; i < 50; i++) execFileSync('/bin/true');
console.log(Number(process.hrtime.bigint() - start) / 50e3);
"""
FORK = """
import os, time
kept = bytearray(b"x") * (100 << 20)
def fork():
    pid = os.fork()
    if pid == 0: os._exit(0)
    os.waitpid(pid, 0)
fork()
start = time.perf_counter()
for _ in range(10): fork()
print((time.perf_counter() - start) / 10 * 1e6)
"""
SHELL = """
import subprocess, time
subprocess.run("true", shell=True)
start = time.perf_counter()
for _ in range(20): subprocess.run("echo a b | tr a-z A-Z | cat >/dev/null", shell=True)
print((time.perf_counter() - start) / 20 * 1e6)
"""
INTERPRETERS = {"python": "/usr/bin/python3", "node": "/usr/bin/node"}
# name, language, program, the most that the ratio may be
PROGRAMS = (
    ("subprocess.run(['/bin/true'])", "python", RUN, 5),
    ("execFileSync('/bin/true')", "node", EXEC_FILE, 5),
    ("a shell with a pipe of three", "python", SHELL, None),
    ("fork, exit, wait with 100 MiB touched", "python", FORK, None),
)
PARTS = (("round trip over pipes between two processes", 3), ("fork, exit, wait", None), ("vfork, execve, wait", None))


def output(*command, given=""):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300, input=given).stdout


class Place:
    """Where native programs run, and the image of the program in C."""

    def __init__(self):
        self.top = pathlib.Path(tempfile.mkdtemp(dir=TOP / "build"))
        self.launch = self.top / "launch"
        subprocess.run(["gcc", "-std=c11", "-O2", "-o", self.launch, TOP / "tests/compat/launch.c"], check=True)
        (self.top / "root/bin").mkdir(parents=True)
        subprocess.run(["gcc", "-std=gnu11", "-O2", "-static", "-o", self.top / "root/bin/process",
                        TOP / "bench/process.c"], check=True)
        output(TOP / "zeroboot", "image", "build", "-o", self.top / "process.img", self.top / "root")

    def native(self, language, code):
        # In argv: the root file system is left as it is.
        return float(output(self.launch, TOP / f"build/{language}-root", "/app", INTERPRETERS[language],
                            "-c" if language == "python" else "-e", code))

    def guest(self, language, code):
        return float(output(TOP / "zeroboot", "exec", "-l", language, "-t", "120", given=code))

    def parts(self):
        native = output("taskset", "-c", "0", self.top / "root/bin/process")
        guest = output(TOP / "zeroboot", "run", self.top / "process.img", "/bin/process")
        return [tuple(map(float, pair)) for pair in zip(native.split(), guest.split())]


def line(name, pairs, aim):
    native, guest = (statistics.median(side) for side in zip(*pairs))
    met = "" if aim is None else f"{'<=' + str(aim):>8}  {'met' if guest <= aim * native else 'NOT MET'}"
    print(f"{name:48}{native:10.1f}{guest:10.1f}{guest / native:8.2f}{met}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    place = Place()
    try:
        print(f"{'us':48}{'native':>10}{'guest':>10}{'ratio':>8}{'aim':>8}")
        for name, language, code, aim in PROGRAMS:
            line(name, [(place.native(language, code), place.guest(language, code)) for _ in range(rounds)], aim)
        parts = [place.parts() for _ in range(rounds)]
        for number, (name, aim) in enumerate(PARTS):
            line(name, [part[number] for part in parts], aim)
    finally:
        shutil.rmtree(place.top)


if __name__ == "__main__":
    main()
