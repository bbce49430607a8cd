#!/usr/bin/env python3
"""layers.py: holds the guest kernel to its floors. `make layers` runs it.

Arguments: the tree, the directory of its objects, the floors, lowest first and
separated by commas, and the groups of nouns that may need each other, likewise.
A noun is a file's path in the tree without its ending; `mm/*` stands for those
of a folder that no floor names. A noun includes headers and uses symbols of its
own floor and those beneath only, and no circle goes beyond a group.
"""
import fnmatch
import pathlib
import re
import subprocess
import sys

tree, objects = map(pathlib.Path, sys.argv[1:3])
floors, groups = ([part.split() for part in text.split(",")] for text in sys.argv[3:5])
height = {noun: i for i, floor in enumerate(floors) for noun in floor}
includes, defines, uses, faults = {}, {}, {}, []

for path in sorted(tree.rglob("*.[ch]")):
    noun = str(path.relative_to(tree).with_suffix(""))
    for header in re.findall(r'^#include "(\w.*)\.h"', path.read_text(), re.M):
        if (tree / f"{header}.h").exists():
            includes.setdefault(noun, set()).add(header)
for path in sorted(tree.rglob("*.c")):
    noun = str(path.relative_to(tree).with_suffix(""))
    symbols = subprocess.run(["nm", objects / f"{noun}.o"], check=True, capture_output=True, text=True).stdout
    for kind, name in re.findall(r"^[0-9a-f ]{17}([A-Z]) (.+)", symbols, re.M):
        uses.setdefault(noun, set()).add(name) if kind == "U" else defines.setdefault(name, noun)
calls = {noun: {defines[name] for name in names if name in defines} for noun, names in uses.items()}


def floor_of(noun):
    floor = height.get(noun, height.get(noun.rpartition("/")[0] + "/*"))
    if floor is None:
        sys.exit(f"{tree}: {noun} is on no floor: see FLOORS in the Makefile")
    return floor


def check_floors(edges, verb):
    for noun, others in edges.items():
        for other in sorted(others):
            if floor_of(other) > floor_of(noun):
                faults.append(f"{noun} {verb} {other}, which is above it")


def reach(noun):
    seen, todo = set(), [noun]
    while todo:
        new = calls.get(todo.pop(), set()) - seen
        seen |= new
        todo += new
    return seen


check_floors(includes, "includes")
check_floors(calls, "calls")
reached = {noun: reach(noun) for noun in calls}
for circle in {frozenset(o for o in reached[noun] if noun in reached.get(o, ())) for noun in calls}:
    if not any(all(any(fnmatch.fnmatch(noun, name) for name in group) for noun in circle) for group in groups):
        faults.append("these call each other: " + " ".join(sorted(circle)))

for fault in faults:
    print(f"{tree}: {fault}", file=sys.stderr)
sys.exit(bool(faults))
