#!/usr/bin/env python3
"""Cases: inputs that once gave another answer than Linux, each with the native one.

tests/cases.jsonl has one a line: name, subsystem, language, code, stdout,
exit_code, and stderr where it matters. `todo` says why a case still fails; one
that passes in spite of it fails the suite, so that the mark goes away.
Usage: cases.py [--report|--unmark] [NAME...]; --report prints only what fails,
sorted by subsystem, --unmark takes the todo from what passes.
"""
import json
import sys

from harness import TOP, Report, Server, answers, post, receive, send

FILE = TOP / "tests/cases.jsonl"
SECONDS = 60
FIELDS = ("stdout", "stderr", "exit_code")


def cases(wanted):
    for line in FILE.read_text().splitlines():
        case = json.loads(line)
        if not wanted or case["name"] in wanted:
            yield case


servers = []


def run(case):
    """What the guest answers. Not by `zeroboot exec`, where output is taken as it
    comes and Python writes line by line, as the native answers were not."""
    body = {"language": case["language"], "code": case["code"], "timeout_seconds": SECONDS}
    with servers[0].connect() as s:
        send(s, post(body, extra=b"Connection: close\r\n"))
        return json.loads(answers(receive(s))[0].body)


def difference(case):
    """None, or the fields that differ."""
    answer = run(case)
    wrong = [field for field in FIELDS if field in case and case[field] != answer[field]]
    if not wrong:
        return None
    lines = [f"{field}: got {answer[field]!r:.300}, natively {case[field]!r:.300}" for field in wrong]
    if "stderr" not in wrong and answer["stderr"]:
        lines.append(f"stderr: {answer['stderr'][-300:]!r}")
    return "\n".join(lines)


def report(wanted):
    """Prints what fails today, grouped."""
    failing = [(case["subsystem"], case, problem) for case in cases(wanted) if (problem := difference(case))]
    for subsystem in sorted({subsystem for subsystem, _, _ in failing}):
        print(f"== {subsystem}")
        for _, case, problem in (row for row in failing if row[0] == subsystem):
            print(f"{case['name']}{' (' + case['todo'] + ')' if 'todo' in case else ''}")
            print("    " + problem.replace("\n", "\n    "))


def unmark(wanted):
    kept = []
    for case in cases(()):
        if "todo" in case and (not wanted or case["name"] in wanted) and difference(case) is None:
            del case["todo"]
            print(case["name"])
        kept.append(json.dumps(case) + "\n")
    FILE.write_text("".join(kept))


def test(wanted):
    tap = Report("cases")
    for case in cases(wanted):
        problem = difference(case)
        if "todo" not in case:
            tap.line(case["name"], problem)
        elif problem is None:
            tap.line(case["name"], f"passes now; take its todo ({case['todo']}) out of tests/cases.jsonl")
        else:
            tap.todo(case["name"], case["todo"])
    return 1 if tap.failed else 0


def main():
    with Server() as server:
        servers.append(server)
        return judge(sys.argv[1:])


def judge(arguments):
    for option, action in (("--report", report), ("--unmark", unmark)):
        if option in arguments:
            arguments.remove(option)
            action(arguments)
            return 0
    return test(arguments)


if __name__ == "__main__":
    sys.exit(main())
