#!/usr/bin/env python3
"""Many different snippets, shuffled, on zeroboot and on a native fork server in
turns: those of tests/python/snippets.txt that neither sleep nor start threads.

mix.py [--rounds N]   p50, p90, p99, mean with one keep-alive client, rate with 4,
                      their ratios, CPU time, and how many runs cost their VM
       [--each]       and the medians of each snippet, the dearest first
mix.py --list         what each snippet costs: what became of its VM, time of the
                      run and of the VM's renewal (us), page faults that KVM took,
                      pages compared, put right, given back; in a new VM, and after
                      all others, with a repetition
"""
import argparse
import json
import os
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
    """Shuffled again for each time. Returns the names in that order."""
    names = []
    with open(path, "w") as f:
        for _ in range(times):
            order.shuffle(pairs)
            f.write("".join(json.dumps({"code": code}) + "\n" for _, code in pairs))
            names += [name for name, _ in pairs]
    return names


def cpu_seconds(server):
    """Of a server, its children, and theirs that have ended."""
    parents, used = {}, {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
        used[int(stat.parent.name)] = sum(map(int, fields[11:15]))
    ours, found = set(), {server.process.pid}
    while found - ours:
        ours |= found
        found = {pid for pid, parent in parents.items() if parent in ours}
    return sum(used.get(pid, 0) for pid in ours) / os.sysconf("SC_CLK_TCK")


def rounds(servers, pairs, count):
    """{server: {"us": [...], "each": {name: [us]}, "rate": [...], "cpu": seconds}}, number of runs"""
    results = {name: {"us": [], "each": {}, "rate": [], "cpu": -cpu_seconds(server)}
               for name, server in servers.items()}
    order = random.Random(SEED)
    runs = 0
    with tempfile.NamedTemporaryFile("r", suffix=".bodies") as f:
        for number in range(count):
            for clients, times in ((1, 1), (4, 2)):
                names = write_bodies(f.name, pairs, order, times)
                runs += len(names)
                for name, server in servers.items():
                    print(f"\rround {number + 1} of {count}: {name}, {clients} clients   ", end="", file=sys.stderr)
                    rate, us = load(server, f.name, clients)
                    if clients == 1:
                        results[name]["us"] += us
                        for snippet, time in zip(names, us):
                            results[name]["each"].setdefault(snippet, []).append(time)
                    else:
                        results[name]["rate"].append(rate)
                    empty_tmp()
    for name, server in servers.items():
        results[name]["cpu"] += cpu_seconds(server)
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
    line("CPU time of a request, us", ours["cpu"] / runs * 1e6, theirs["cpu"] / runs * 1e6)
    total = sum(lost.values())
    print(f"runs that cost their VM: {total:.0f} of {runs}, {total / runs:.2%} (aim {AIMS['cost']:.0%}) "
          + " ".join(f"{labels} {count:.0f}" for labels, count in lost.items() if count))


def show_each(results):
    ours, theirs = ({name: statistics.median(us) for name, us in r["each"].items()} for r in results.values())
    for name in sorted(ours, key=ours.get, reverse=True):
        line(name, ours[name], theirs[name])


def compare(count, each):
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
        if each:
            show_each(results)
    finally:
        for server in servers.values():
            server.stop()
        clean()


def list_costs():
    """The later ones meet a VM that has seen all of them."""
    tool = TOP / "build/tests/recycle"
    pairs = snippets()
    subprocess.run(["make", "-s", "-C", TOP, "build/tests/recycle"], check=True)
    random.Random(SEED).shuffle(pairs)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
        f.write("".join(f"### {name}\n{code}" for name, code in pairs))
        f.flush()
        for option, files in (("-c", [f.name]), ("-cc", [f.name] * 3)):
            subprocess.run([tool, option, TOP / "templates/python.zbt", *files], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        list_costs()
    else:
        compare(options.rounds, options.each)


if __name__ == "__main__":
    main()
