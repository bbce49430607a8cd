#!/usr/bin/env python3
"""What the server and its workers hold before and after many requests. Usage:
growth.py [--requests 100000] [--language python]
"""
import argparse
import json
import pathlib
import subprocess

from many import TOP, Server, children, meminfo, rollup

PROGRAMS = {"python": "print(1+1)", "node": "console.log(1+1)"}
KERNEL = ("SUnreclaim", "VmallocUsed", "PageTables", "SecPageTables", "KernelStack")


def load(server, language, count):
    """At least so many requests; how many were wrong."""
    body = json.dumps({"code": PROGRAMS[language], "language": language})
    done = wrong = 0
    while done < count:
        out = subprocess.run([TOP / "build/bench/load", str(server.port), "/v1/exec", body, r'"stdout":"2\n"', "8", "5", "keep"],
                             capture_output=True, text=True, check=True).stdout.split()
        done += int(out[0])
        wrong += int(out[1])
    return done, wrong


def descriptors(pid):
    return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))


def sample(server):
    pid = server.process.pid
    workers = children(pid)
    values = {"front end, private KiB": rollup([pid])["Private_Dirty"], "front end, descriptors": descriptors(pid),
              "workers": len(workers), "a worker, private KiB": rollup(workers)["Private_Dirty"] / len(workers),
              "a worker, descriptors": sum(map(descriptors, workers)) / len(workers)}
    info = meminfo()
    values.update({f"kernel: {name} KiB": info[name] for name in KERNEL})
    return values


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=100000)
    parser.add_argument("--language", default="python")
    o = parser.parse_args()
    server = Server(o.language, [])
    try:
        server.wait(f'zeroboot_workers_warm{{language="{o.language}"}}', 1)
        load(server, o.language, o.requests // 20)
        before = sample(server)
        done, wrong = load(server, o.language, o.requests)
        after = sample(server)
        restarts = server.metric("zeroboot_worker_restarts_total")
    finally:
        server.stop()
    print(f"{done} requests, {wrong} wrong answers, {restarts:.0f} workers replaced")
    print(f"{'':32}{'before':>12}{'after':>12}{'change':>10}")
    for name, value in before.items():
        print(f"{name:32}{value:12.0f}{after[name]:12.0f}{after[name] - value:+10.0f}")


if __name__ == "__main__":
    main()
