#!/usr/bin/env python3
"""metrics.py: prints docs/metrics.md: the series of /v1/metrics, as the source writes
them by metrics.h. `make docs/metrics.md` runs it.
"""
import pathlib
import re

TEXT = r'"(?:[^"\\]|\\.)*"'
CALL = re.compile(rf'\b(?:metrics_(?:series|value)|put_histogram)\(\s*t,\s*(?P<name>"\w+"|\w+),\s*(?:"(?P<type>\w+)",)?'
                  rf"(?P<between>[^;\"]*?)(?P<help>{TEXT}(?:\s*{TEXT})*)\s*\);")


def words(literals):
    """The text of C string literals in a row."""
    return "".join(part[1:-1] for part in re.findall(TEXT, literals))


def series(path):
    source = path.read_text()
    for call in CALL.finditer(source):
        name = call["name"]
        if not name.startswith('"'):  # a variable of the function
            found = re.findall(rf'\b{name} = ("zeroboot_\w+");', source[: call.start()])
            if not found:
                continue
            name = found[-1]
        # What is written of it stands before the next series, or the function's end.
        rest = source[call.end() :]
        end = re.search(r"\bmetrics_series\(|\bmetrics_value\(|^}", rest, re.M)
        labels = re.findall(r'[{,](\w+)=\\"', words(rest[: end.start()]))
        if not call["type"]:
            labels = ["le"]
        yield name.strip('"'), call["type"] or "histogram", dict.fromkeys(labels), words(call["help"])


rows = sorted(row for path in pathlib.Path().glob("*.c") for row in series(path))
known = {name for name, *_ in rows}
for path in pathlib.Path().glob("*.c"):
    for name in re.findall(r'"(zeroboot_\w+)"', path.read_text()):
        assert name in known, f"{path}: {name}: not found as a series"
print("# Metrics\n")
print("The series of `GET /v1/metrics`, generated from their `# HELP` texts by `make docs/metrics.md`.")
print("Counters belong to the server and survive its workers. A histogram has `_bucket`, `_sum` and")
print("`_count`. Series of sessions are there while there may be sessions, those of a directory with")
print("`--state`, and `zeroboot_loop_longest_turn_seconds` in a build that measures turns.\n")
print("| name | type | labels | |\n| --- | --- | --- | --- |")
for name, kind, labels, text in rows:
    print(f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in labels)} | {text} |")
