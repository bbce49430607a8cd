#!/usr/bin/env python3
"""CPython's own tests, natively and in the guest, compared test by test.

Whatever passes natively must pass in the guest; a test that is lost fails the
command. The answers of Linux are kept in build/compat and made again with --renew.
Usage: compat.py [--renew] [--jobs N] [MODULE...]
"""
import argparse
import concurrent.futures
import json
import pathlib
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
PLACE = TOP / "build/compat"
MEMORY = "1024"
SECONDS = 150  # for a test
MODULE_SECONDS = 1500
RESTARTS = 60  # after tests that ended the interpreter
GOOD = ("ok", "xfail")


def command(mode, module, skip, hung):
    program = ["/usr/bin/python3.11", "/run_module.py", module, str(skip), str(SECONDS), ",".join(hung)]
    if mode == "guest":
        return [TOP / "zeroboot", "run", "--memory", MEMORY, "-t", str(MODULE_SECONDS), PLACE / "python.img", *program]
    return [PLACE / "launch", PLACE / "root", "/", *program]


def run_once(mode, module, skip, hung):
    """What the program said: standard output, and what ended it."""
    try:
        done = subprocess.run(command(mode, module, skip, hung), stdin=subprocess.DEVNULL, capture_output=True,
                              start_new_session=True, timeout=MODULE_SECONDS + 60, check=False)
        return done.stdout.decode(errors="replace"), f"ended with {done.returncode}\n{done.stderr.decode(errors='replace')[-600:]}"
    except subprocess.TimeoutExpired as e:
        return (e.stdout or b"").decode(errors="replace"), "killed"


def read_lines(output):
    """The documents in it, and the rest as a text."""
    documents, rest = [], []
    for line in output.splitlines():
        try:
            documents.append(json.loads(line))
        except ValueError:
            rest.append(line)
    return [d for d in documents if isinstance(d, dict)], "\n".join(rest)


def run_module(mode, module):
    """{test: [status, message]}; the module itself is a test of that name."""
    tests, skip, hung = {}, 0, []
    for _ in range(RESTARTS):
        output, end = run_once(mode, module, skip, hung)
        documents, rest = read_lines(output)
        current = None
        for document in documents:
            if "begin" in document:
                current, skip = document["begin"], document["number"] + 1
            elif "end" in document:
                note(tests, document["end"], document["status"], document["message"])
                current = None
            else:
                note(tests, module, document["module"], document["message"])
                return tests
        if current is None:
            note(tests, module, "CRASH", end + rest[-1500:])
            return tests
        hangs = "Timeout (" in rest or "timed out" in end
        note(tests, current, "HANG" if hangs else "CRASH", end + rest[-1500:])
        if hangs:  # the others of its class will: one is enough
            hung.append(current.split(".")[-2])
    return tests


def note(tests, name, status, message):
    if name not in tests or tests[name][0] in GOOD:
        tests[name] = [status, message]


def results(mode, module, renew):
    """run_module's, kept for Linux, whose answers stay the same."""
    path = PLACE / mode / f"{module}.json"
    if mode != "guest" and path.exists() and not renew:
        return json.loads(path.read_text())
    began = time.monotonic()
    tests = run_module(mode, module)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(tests, indent=1))
    print(f"{mode} {module}: {len(tests)} tests, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return tests


def lost(expected, got, module):
    """{test: [status, message]} of what passes in expected and not in got."""
    missing = ["missing", "the module ended before it"]
    return {name: got.get(name, missing) for name, (status, _) in expected.items()
            if name != module and status in GOOD and got.get(name, missing)[0] not in GOOD}


def passed(tests, module):
    return sum(status in GOOD for name, (status, _) in tests.items() if name != module)


def last_line(message):
    lines = [line for line in message.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def compare(module, renew):
    native = results("native", module, renew)
    return module, passed(native, module), lost(native, results("guest", module, renew), module)


def print_table(rows):
    print(f"{'module':36}{'native':>8}{'lost':>8}")
    for module, count, gone in rows:
        print(f"{module:36}{count:8}{len(gone):8}")
    print(f"{'all':36}{sum(row[1] for row in rows):8}{sum(len(row[2]) for row in rows):8}")


def modules():
    lines = (TOP / "tests/compat/modules.txt").read_text().splitlines()
    return [name for line in lines if not line.startswith("#") for name in line.split()]


def main():
    parser = argparse.ArgumentParser(description="CPython's tests, natively and in the guest")
    parser.add_argument("--renew", action="store_true", help="ask Linux again")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("modules", nargs="*")
    options = parser.parse_args()
    subprocess.run([TOP / "tests/compat/build.sh"], check=True)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        rows = list(pool.map(lambda module: compare(module, options.renew), options.modules or modules()))
    print_table(rows)
    for _, _, gone in rows:
        for name, (status, message) in gone.items():
            print(f"{status} {name}: {last_line(message)}")
    return 1 if any(gone for _, _, gone in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
