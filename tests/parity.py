#!/usr/bin/env python3
"""Parity: every snippet prints the same natively and in a forked VM.

Natively: the interpreter of the image, in the image's root and a place of its own
(tests/compat/launch.c), with the snippet as the main script. In the VM: POST /v1/exec to a server of this test's
own. stdout, stderr and exit code are compared byte for byte. Snippets stand in
tests/LANGUAGE/*.txt, separated by lines of `### name`.
Usage: parity.py [LANGUAGE] [NAME...]

`parity.py natively` runs all of them natively and keeps what they say, for an emulated machine
in which that would take long: what differs from it there is run natively there, too.
"""
import concurrent.futures
import functools
import json
import re
import shutil
import subprocess
import sys
import urllib.request

from harness import TOP, Server

SECONDS = 280  # for a snippet
INTERPRETERS = {"python": ["/usr/bin/python3", "/app/main.py"], "node": ["/usr/bin/node", "/app/main.js"],
                "sh": ["/usr/bin/bash", "/app/main.sh"]}
LAUNCH = TOP / "build/tests/launch"
KEPT = TOP / "build/tests/parity/natively"


def root(language):
    return TOP / f"build/tests/parity/{language}"


@functools.cache
def make_root(language):
    """The image's root once more, for snippets to write to, and what starts them there."""
    top = root(language)
    shutil.rmtree(top, ignore_errors=True)
    top.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-al", TOP / f"build/{language}-root", top], check=True)
    launch = LAUNCH.with_suffix(f".{language}")
    subprocess.run(["gcc", "-std=c11", "-O2", "-o", launch, TOP / "tests/compat/launch.c"], check=True)
    launch.rename(LAUNCH)  # which another language may be using


def snippets(language):
    for path in sorted((TOP / "tests" / language).glob("*.txt")):
        name, lines = None, []
        for line in path.read_text().splitlines(keepends=True):
            if line.startswith("### "):
                if name:
                    yield name, "".join(lines)
                name, lines = line[4:].strip(), []
            else:
                lines.append(line)
        if name:
            yield name, "".join(lines)


def native(language, code):
    make_root(language)
    top, command = root(language), INTERPRETERS[language]
    (top / command[1].lstrip("/")).write_text(code)
    done = subprocess.run([LAUNCH, top, "/app", *command], input=b"", capture_output=True, timeout=SECONDS)
    return done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"), done.returncode


def in_vm(port, language, code):
    body = {"code": code, "language": language, "timeout_seconds": SECONDS}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/exec", json.dumps(body).encode(), {"Content-Type": "application/json"})
    answer = json.load(urllib.request.urlopen(request, timeout=2 * SECONDS))
    return answer["stdout"], answer["stderr"], answer["exit_code"]


# What differs between any two runs, natively too: where objects and code are, and
# the number of the process in Node's warnings.
VARYING = ((r"\bat 0x[0-9a-f]+", "at 0x-"), (r"\(node:\d+\)", "(node:-)"), (r"(?m)^ *\d+: 0x[0-9a-f]+ .*$", "frame"))


def comparable(result):
    parts = []
    for part in result:
        for pattern, same in VARYING if isinstance(part, str) else ():
            part = re.sub(pattern, same, part)
        parts.append(part)
    return parts


# A native answer that comes once in so many runs is one that the guest may give too.
RUNS = 8


def compare(port, language, name, code, kept):
    """True when the guest says what the interpreter says natively, in one of its runs."""
    expected = [kept[code]] if code in kept else []
    try:
        got = comparable(in_vm(port, language, code))
        while len(expected) < RUNS and got not in expected:
            expected.append(comparable(native(language, code)))
    except Exception as e:  # an error of either side is a failure
        expected, got = ["an answer"], repr(e)
    print(f"{'ok' if got in expected else 'not ok'} - parity: {language}: {name}", flush=True)
    if got != expected[0]:
        for answer in {repr(e): e for e in expected}:
            print("# native:", answer[-900:])
        print("# guest: ", repr(got)[-900:])
    return got in expected


def compare_all(port, language, wanted):
    """The number of snippets that differ."""
    kept = kept_answers(language)
    return sum(not compare(port, language, name, code, kept)
               for name, code in snippets(language) if not wanted or name in wanted)


def kept_answers(language):
    """By code; none of another image."""
    image = TOP / f"build/{language}.img"
    if not KEPT.exists() or (image.exists() and image.stat().st_mtime > KEPT.stat().st_mtime):
        return {}
    return json.loads(KEPT.read_text()).get(language, {})


def answers(language):
    return {code: comparable(native(language, code)) for _, code in snippets(language)}


def keep_answers():
    with concurrent.futures.ThreadPoolExecutor() as threads:
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        new = KEPT.with_suffix(".new")
        new.write_text(json.dumps(dict(zip(INTERPRETERS, threads.map(answers, INTERPRETERS)))))
        new.rename(KEPT)


def main():
    wanted = sys.argv[1:]
    if wanted == ["natively"]:
        return keep_answers()
    languages = [wanted.pop(0)] if wanted and wanted[0] in INTERPRETERS else list(INTERPRETERS)
    with Server() as server:
        failed = sum(compare_all(server.port, language, wanted) for language in languages)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
