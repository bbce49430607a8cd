#!/usr/bin/env python3
"""docs/API.md as it stands there: each block of commands is run, against a server at
localhost:8080 (tests/run.sh gives the suite a network of its own), and must answer what
the block beneath it has. `...` in that stands for anything, and of times only the type
counts."""
import json
import os
import re
import subprocess
import sys
import tempfile

from harness import PATIENCE, TOP, Report, Server

FILE = TOP / "docs/API.md"
ANY = "..."
VARYING = re.compile(r"id$|.*_(ms|mb|calls)$")  # fields whose value is another each time


def blocks():
    """(section, commands, kind of the answer, answer) of each pair of blocks."""
    section, found = "", list(re.finditer(r"^(?:(#+ [^\n]*)|```(\w*)\n(.*?)^```)$", FILE.read_text(), re.M | re.S))
    for at, match in enumerate(found):
        section = match[1] or section
        if match[2] == "sh":
            answer = found[at + 1] if at + 1 < len(found) else None
            assert answer and answer[2] in ("json", "text"), f"{section}: commands without an answer"
            yield section.strip("# "), match[3], answer[2], answer[3]


def read(text):
    """The JSON of the document: `, ...}` says that there is more."""
    return json.loads(re.sub(r",\s*\.\.\.\s*}", ', "...": 0}', text))


def differs(where, said, got):
    """What is not as the document has it."""
    if isinstance(said, str) and ANY in said:
        matches = isinstance(got, str) and re.fullmatch(".*".join(map(re.escape, said.split(ANY))), got, re.S)
        return None if matches else (where, said, got)
    if isinstance(said, float) or VARYING.match(where.rsplit(".", 1)[-1]) and not isinstance(said, dict):
        same = isinstance(got, (int, float)) if isinstance(said, (int, float)) else type(got) is type(said)
        return None if same else (where, said, got)
    if type(said) is not type(got):
        return where, said, got
    if isinstance(said, dict):
        more = said.keys() - {ANY}
        if not more <= got.keys() or (ANY not in said and more != got.keys()):
            return where, sorted(said), sorted(got)
        return next(filter(None, (differs(f"{where}.{name}", said[name], got[name]) for name in more)), None)
    if isinstance(said, list):
        if len(said) != len(got):
            return where, said, got
        return next(filter(None, (differs(f"{where}[{n}]", *pair) for n, pair in enumerate(zip(said, got)))), None)
    return None if said == got else (where, said, got)


def line_matches(said, got):
    pattern = ".*".join(map(re.escape, said.split(ANY)))
    return re.fullmatch(re.sub(r"\d+$", r"\\d+", pattern), got)


def check(folder, commands, kind, answer):
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=folder, capture_output=True, text=True, timeout=PATIENCE,
                          stdin=subprocess.DEVNULL, env={**os.environ, "PATH": f"{TOP}:{os.environ['PATH']}", "HOME": folder})
    assert done.returncode == 0 and not done.stderr, (done.returncode, done.stdout, done.stderr)
    if kind == "json":
        problem = differs("", read(answer), json.loads(done.stdout))
        assert problem is None, problem
    else:
        said, got = answer.splitlines(), done.stdout.splitlines()
        assert len(said) == len(got) and all(map(line_matches, said, got)), (said, got)


def checks_itself():
    """What compares must find a difference."""
    said = read('{"stdout": "a...c", "exec_time_ms": 0.1, "list": [{"a": 1, ...}], ...}')
    right = {"stdout": "abc", "exec_time_ms": 2, "list": [{"a": 1, "b": 2}], "more": 1}
    assert differs("", said, right) is None
    for wrong in ({"stdout": "ab"}, {"exec_time_ms": "2"}, {"list": []}, {"list": [{"b": 2}]}, {"list": [{"a": 2}]}, {"list": [{"a": True}]}):
        assert differs("", said, {**right, **wrong}), wrong
    assert differs("", {"a": 1}, {"a": 1, "b": 1}) and differs("", {"a": 1}, {})


def main():
    report = Report("reference")
    report.check("a difference is one", checks_itself)
    all_blocks = list(blocks())
    fields = {field for _, commands, _, _ in all_blocks for field in re.findall(r'"?(\w+)"?: ', commands)}
    with tempfile.TemporaryDirectory() as folder, Server("--listen", "127.0.0.1:8080") as server:
        os.symlink(TOP / "templates", f"{folder}/templates")
        for number, (section, commands, kind, answer) in enumerate(all_blocks):
            report.check(f"{section}: block {number + 1}", check, folder, commands, kind, answer)
        report.line("the server has nothing to say about it", server.unexpected() or None)
        document = subprocess.run(["curl", "-s", f"127.0.0.1:{server.port}/v1/openapi.json"], capture_output=True, check=True).stdout
    for name in "Execution", "Batch", "Inputs":
        missing = json.loads(document)["components"]["schemas"][name]["properties"].keys() - fields
        report.line(f"every field of {name} is shown", missing or None)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
