#!/usr/bin/env python3
"""What scripts cost in a VM that has been trained, beside a native `bash FILE` in the
image's root: in turns, both on one CPU and before others, p50s, exits of KVM counted by
bench/counters.c. Run as root.
Usage: scripts.py [--rounds 5] [FILE...]
"""
import argparse
import os
import pathlib
import re
import statistics
import struct
import subprocess
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
AIM = 1.5
ROOT = TOP / "build/sh-root"
SCRIPTS = {
    ":": ":\n",
    "(:)": "(:)\n",
    "/bin/true": "/bin/true\n",
    "x=$(echo 1)": "x=$(echo 1)\n",
    "printf ... | sort | head -n 1": "printf 'b\\na\\n' | sort | head -n 1\n",
    "ten times /bin/true": "for ((i = 0; i < 10; i++)); do /bin/true; done\n",
    "ten times echo | tr | cat": "for ((i = 0; i < 10; i++)); do echo a b | tr a-z A-Z | cat; done\n",
    "a hundred times (:)": "for ((i = 0; i < 100; i++)); do (:); done\n",
}


def native(path, runs):
    """us from execve to end."""
    times = []
    begun, tell = os.pipe()
    for _ in range(runs):
        pid = os.fork()
        if pid == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.chroot(ROOT)
            os.chdir("/")
            os.write(tell, struct.pack("d", time.perf_counter()))
            os.execv("/bin/bash", ["bash", path])
        status = os.waitpid(pid, 0)[1]
        times.append((time.perf_counter() - struct.unpack("d", os.read(begun, 8))[0]) * 1e6)
        if status:
            raise SystemExit(f"natively the script ends with {status}")
    os.close(begun)
    os.close(tell)
    return statistics.median(times)


def guest(path, runs):
    command = [TOP / "zeroboot", "bench", "-l", "sh", "-n", str(runs), path]
    text = subprocess.run(command, check=True, capture_output=True, text=True, cwd=TOP, timeout=300).stdout
    recycled = text[text.index("recycled VM"):]
    return float(re.search(r"exec \(us\) +([0-9.]+)", recycled)[1])


def exits(path):
    command = [TOP / "build/bench/counters", TOP / "templates/sh.zbt", path]
    text = subprocess.run(command, check=True, capture_output=True, text=True, cwd=TOP, timeout=300).stdout
    return int(re.search(r"^exits +(\d+)", text, re.MULTILINE)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=9, help="of each in a round")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    scripts = {path: pathlib.Path(path).read_text() for path in options.files} or SCRIPTS
    subprocess.run(["make", "-s", "build/bench/counters"], check=True, cwd=TOP)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(30))
    print(f"{'us':40}{'native':>10}{'guest':>10}{'ratio':>8}{'exits':>8}")
    with tempfile.TemporaryDirectory(dir=ROOT / "tmp") as place:
        path = pathlib.Path(place) / "script.sh"
        for name, code in scripts.items():
            path.write_text(code)
            pairs = [(native(pathlib.Path('/') / path.relative_to(ROOT), options.runs), guest(path, options.runs)) for _ in range(options.rounds)]
            mine, other = (statistics.median(side) for side in zip(*pairs))
            print(f"{name:40}{mine:10.0f}{other:10.0f}{other / mine:8.2f}{exits(path):8}"
                  f"{'' if other <= AIM * mine else '  more than ' + str(AIM)}", flush=True)


if __name__ == "__main__":
    main()
