#!/usr/bin/env python3
"""What making Python's template costs, in CPU seconds, beside Python that imports the
same modules natively, in turns. Usage: template.py [--rounds 5]
"""
import argparse
import ast
import resource
import statistics
import subprocess
import tempfile

ROOT = "build/python-root"


def preloaded():
    """The modules that the agent imports."""
    names = []
    for node in ast.parse(open("guest/python/agent/head.py").read()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) in ("PRELOAD", "PRELOAD_IF_THERE"):
            names += ast.literal_eval(node.value)
    return names


def cpu_time(*command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    program = "import " + ", ".join(preloaded())
    template, native = [], []
    with tempfile.TemporaryDirectory(dir="build") as folder:
        for _ in range(rounds):
            native.append(cpu_time("chroot", ROOT, "/usr/bin/python3.11", "-c", program))
            template.append(cpu_time("./zeroboot", "template", "build", "-o", f"{folder}/python.zbt", "build/python.img"))
    for what, times in (("natively", native), ("template", template)):
        print(f"{what}: {min(times):.2f} s at least, median {statistics.median(times):.2f}")
    print(f"ratio: {statistics.median(template) / statistics.median(native):.2f}")


if __name__ == "__main__":
    main()
