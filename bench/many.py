#!/usr/bin/env python3
"""Many VMs at once: how long until all are ready, and what they take. Usage:
many.py [--language python] [--workers 1000] [--warm]
--warm: with as many as are trained ahead of demand, when all are.
"""
import argparse
import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
from harness import TOP, free_port, serve

# What the kernel counts apart, and what a VM has in it.
KERNEL = {
    "AnonPages": "written guest pages, processes' own memory",
    "SUnreclaim": "slabs: processes, descriptors, struct kvm",
    "SReclaimable": "slabs: inodes, dentries",
    "VmallocUsed": "vmalloc: rmap and dirty bitmap of the slots",
    "KernelStack": "kernel stacks",
    "PageTables": "page tables of processes",
    "SecPageTables": "shadow page tables of guests",
    "Percpu": "per-CPU counters",
}


def meminfo():
    with open("/proc/meminfo") as f:
        return {k: int(v) for k, v in re.findall(r"(\w+):\s+(\d+)", f.read())}


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return f.read().split()


def rollup(pids):
    total = {}
    for pid in pids:
        with contextlib.suppress(ProcessLookupError), open(f"/proc/{pid}/smaps_rollup") as f:
            for k, v in re.findall(r"(\w+):\s+(\d+) kB", f.read()):
                total[k] = total.get(k, 0) + int(v)
    return total


class Server:
    def __init__(self, language, options):
        self.port = free_port()
        self.directory = tempfile.TemporaryDirectory()
        os.symlink(TOP / f"templates/{language}.zbt", f"{self.directory.name}/{language}.zbt")
        self.started = time.monotonic()
        self.process = serve("--listen", f"127.0.0.1:{self.port}", *options, templates=self.directory.name,
                             stderr=subprocess.DEVNULL)

    def metric(self, name):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
                for line in answer.read().decode().splitlines():
                    if line.startswith(name + " "):
                        return float(line.split()[-1])
        except OSError:
            pass
        return 0

    def wait(self, name, value):
        while self.metric(name) < value:
            time.sleep(0.1)
        return time.monotonic() - self.started

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.directory.cleanup()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--language", default="python")
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--warm", action="store_true")
    o = parser.parse_args()
    if o.warm:
        o.workers = 4 * os.cpu_count()
    before = meminfo()
    server = Server(o.language, ["--workers", str(o.workers)])
    try:
        label = f'language="{o.language}"'
        seconds = server.wait(f'zeroboot_workers{{{label},state="ready"}}', o.workers)
        print(f"{o.workers} VMs ready after {seconds:.2f} s")
        if o.warm:
            seconds = server.wait(f"zeroboot_workers_warm{{{label}}}", o.workers)
            print(f"and trained after {seconds:.1f} s")
        after = meminfo()
        own = rollup(children(server.process.pid))
    finally:
        began = time.monotonic()
        server.stop()
    total = before["MemAvailable"] - after["MemAvailable"]
    print(f"ended after {time.monotonic() - began:.2f} s\n")
    print(f"{'MemAvailable went down by':58}{total / 1024:8.0f} MiB{total / o.workers:8.0f} KiB a VM")
    rest = total
    for name, what in KERNEL.items():
        part = after[name] - before[name]
        rest -= part
        print(f"  {name + ' (' + what + ')':56}{part / 1024:8.0f} MiB{part / o.workers:8.0f} KiB")
    print(f"  {'the rest':56}{rest / 1024:8.0f} MiB{rest / o.workers:8.0f} KiB")
    print(f"workers: private and dirty {own['Private_Dirty'] / o.workers:.0f} KiB, resident {own['Rss'] / o.workers:.0f} KiB "
          f"(shared with the others: {(own['Rss'] - own['Private_Dirty']) / o.workers:.0f})")


if __name__ == "__main__":
    sys.exit(main())
