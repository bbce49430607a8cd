#!/usr/bin/env python3
"""kernel.py: prints docs/kernel.md: what each file of the guest kernel is for,
by the first sentence of its header, or of itself. `make docs/kernel.md` runs it;
the argument is FLOORS of the Makefile.
"""
import pathlib
import re
import sys

tree = pathlib.Path("guest/kernel")
FOLDERS = {
    "net": "sockets",
    "io": "what can be waited for",
    "fs": "files, names, /proc",
    "task": "processes, threads, signals, time",
    "mm": "memory of programs, page tables, frames",
    ".": "the core: ways in and out, and what all use",
}


def sentence(path):
    if not path.exists():
        return ""
    comment = re.match(r"/\*\s*(.*?)\*/", path.read_text(), re.S)
    text = " ".join(re.sub(r"^ ?\*", "", comment[1] if comment else "", flags=re.M).split())
    text = re.sub(r"^[\w.]+: ", "", text)
    return re.split(r"\.( |$)", text)[0]


print("# The guest kernel, file by file\n")
print("Generated from the first sentence of each file by `make docs/kernel.md`.\n")
print("Floors, from the highest; a file includes and calls what is on its own or beneath\n(`make layers`):\n\n```")
for floor in reversed(sys.argv[1].split(",")):
    print(" ".join(floor.split()))
print("```")
for folder, what in FOLDERS.items():
    print(f"\n## {'guest/kernel' if folder == '.' else folder + '/'}: {what}\n\n| file | |\n| --- | --- |")
    for path in sorted((tree / folder).glob("*.c")):
        text = sentence(path.with_suffix(".h")) or sentence(path)
        print(f"| `{path.stem}` | {text} |".replace("*", "\\*"))
