#!/usr/bin/env python3
"""Many different snippets, shuffled, on zeroboot and on a native fork server in
turns: those of tests/python/snippets.txt that neither sleep nor start threads.

mix.py [--rounds N]   p50, p90, p99, mean with one keep-alive client, rate with 4,
                      their ratios, and how many runs cost their VM
mix.py --list         what each snippet costs: what became of its VM, time of the
                      run and of the VM's renewal (us), page faults that KVM took,
                      pages compared, put right, given back; the first run in a VM
                      and its repetition
"""
import argparse
import json
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.request

from run import LOAD, TOP, clean, python_rival, zeroboot

SNIPPETS = TOP / "tests/python/snippets.txt"
WAITS = re.compile(r"sleep|thread|asyncio|\bselect[.,]|itimer", re.I)
SEED = 12
AIMS = {"p50": 0.15, "p90": 0.40, "rate": 2.5, "cost": 0.01}


def snippets():
    """[(name, code)]"""
    blocks = re.split(r"^### ", SNIPPETS.read_text(), flags=re.M)[1:]
    pairs = [block.split("\n", 1) for block in blocks]
    return [(name, code) for name, code in pairs if not WAITS.search(code)]


def metric(server, name):
    """{labels: value} of a metric."""
    text = urllib.request.urlopen(f"http://127.0.0.1:{server.port}/v1/metrics").read().decode()
    return {labels: float(value) for labels, value in re.findall(rf"^{name}(\S*) (\S+)$", text, re.M)}


def discarded(server):
    return metric(server, "zeroboot_vms_discarded_total")


def load(server, path, clients):
    """(rate, [us of each request])"""
    out = subprocess.run([LOAD, str(server.port), "/v1/exec", f"@{path}", "", str(clients), "300", "keep"],
                         capture_output=True, text=True, check=True).stdout.splitlines()
    return float(out[0].split()[2]), [int(us) for us in out[1].split()]


def quantile(samples, percent):
    ordered = sorted(samples)
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]


def empty_tmp():
    """What the rival's runs left."""
    for path in (TOP / "build/python-root/tmp").iterdir():
        if path.name != "bench":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_bodies(path, pairs, order, times):
    """Shuffled again for each time."""
    bodies = [json.dumps({"code": code}) for _, code in pairs]
    with open(path, "w") as f:
        for _ in range(times):
            order.shuffle(bodies)
            f.write("\n".join(bodies) + "\n")


def rounds(servers, pairs, count):
    """{server: {"us": [...], "rate": [...]}}, runs on zeroboot"""
    results = {name: {"us": [], "rate": []} for name in servers}
    order = random.Random(SEED)
    runs = 0
    with tempfile.NamedTemporaryFile("r", suffix=".bodies") as f:
        for number in range(count):
            for clients, times in ((1, 1), (4, 2)):
                write_bodies(f.name, pairs, order, times)
                for name, server in servers.items():
                    print(f"\rround {number + 1} of {count}: {name}, {clients} clients   ", end="", file=sys.stderr)
                    rate, us = load(server, f.name, clients)
                    if clients == 1:
                        results[name]["us"] += us
                    else:
                        results[name]["rate"].append(rate)
                    empty_tmp()
                runs += times * len(pairs)
    print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
    return results, runs


def line(name, ours, theirs, aim=None, unit=0):
    ratio = ours / theirs
    verdict = "" if aim is None else f"{aim:8.2f}  " + (
        "met" if (ratio >= aim if aim > 1 else ratio <= aim) else "NOT MET")
    print(f"{name:34}{ours:10.{unit}f}{theirs:10.{unit}f}{ratio:8.2f}{verdict}")


def show(results, runs, lost):
    ours, theirs = results.values()
    print(f"{'':34}{'zeroboot':>10}{'rival':>10}{'ratio':>8}{'aim':>8}")
    for name, percent in (("p50", 50), ("p90", 90), ("p99", 99)):
        line(f"{name}, one keep-alive client, us", quantile(ours["us"], percent), quantile(theirs["us"], percent),
             AIMS.get(name))
    line("mean, us", statistics.mean(ours["us"]), statistics.mean(theirs["us"]))
    line("requests/s, 4 keep-alive clients", statistics.median(ours["rate"]), statistics.median(theirs["rate"]),
         AIMS["rate"])
    total = sum(lost.values())
    print(f"runs that cost their VM: {total:.0f} of {runs}, {total / runs:.2%} (aim {AIMS['cost']:.0%}) "
          + " ".join(f"{labels} {count:.0f}" for labels, count in lost.items() if count))


def compare(count):
    pairs = snippets()
    servers = {}
    try:
        servers["zeroboot"] = zeroboot()
        servers["fork server"] = python_rival("fork_server.py")
        print(f"{len(pairs)} snippets, {count} rounds")
        before = discarded(servers["zeroboot"])
        results, runs = rounds(servers, pairs, count)
        after = discarded(servers["zeroboot"])
        show(results, runs, {labels: after[labels] - before.get(labels, 0) for labels in after})
    finally:
        for server in servers.values():
            server.stop()
        clean()


def list_costs():
    """In shuffled order twice: of the second half what is printed first is a
    VM that has seen all of them."""
    tool = TOP / "build/tests/recycle"
    pairs = snippets()
    subprocess.run(["make", "-s", "-C", TOP, "build/tests/recycle"], check=True)
    random.Random(SEED).shuffle(pairs)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
        f.write("".join(f"### {name}\n{code}" for name, code in pairs))
        f.flush()
        subprocess.run([tool, "-c", TOP / "templates/python.zbt", f.name, f.name], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        list_costs()
    else:
        compare(options.rounds)


if __name__ == "__main__":
    main()
