# Run in every new VM before its first request, and the VM is reset: the pages
# that usual programs write are then private to it and mapped already.
import collections
import csv
import dataclasses
import datetime
import functools
import itertools
import json
import logging
import math
import os
import random
import re
import sys
import tempfile
import textwrap

try:
    import numpy.random
except ImportError:
    numpy = None


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __repr__(self):
        return f"Point({self.x}, {self.y})"


@dataclasses.dataclass(order=True)
class Item:
    name: str
    count: int = 0


def walk(n):
    return [Point(i, random.random()) for i in range(n)]


print(json.dumps({"a": [1, 2.5, None], "b": str(walk(20))})[:60])
print(re.sub(r"(\w+)-(\d+)", r"\2", "one-1 two-2"), file=sys.stderr)
if numpy:
    print(numpy.random.rand(3))
print(sorted({3: 1, 1: 2}.items()), sum(i * i for i in range(1000)))


def ordinary():
    items = sorted(Item(word, len(word)) for word in "the quick brown fox".split())
    groups = collections.defaultdict(list)
    for item, number in zip(items, itertools.count()):
        groups[item.count].append(item)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "table.csv")
        with open(path, "w", newline="") as f:
            csv.writer(f).writerows([i.name, i.count] for i in items)
        with open(path) as f:
            print(list(csv.DictReader(f)), os.listdir(folder))
    when = datetime.datetime(2024, 1, 2) + datetime.timedelta(days=3)
    print(when.isoformat(), f"{when:%d %B}", math.sqrt(2), textwrap.fill("a b " * 50, 40))
    print(collections.Counter("banana").most_common(), functools.reduce(lambda a, b: a * b, range(1, 30)))
    logging.warning("%s of %d", groups, len(items))


def draw():
    figure, axes = pyplot.subplots()
    axes.plot([1, 2, 3], [3, 1, 2], label="a line")
    axes.set(title="A title", xlabel="x", ylabel="y")
    axes.legend()
    pyplot.show()


ordinary()
if pyplot := sys.modules.get("matplotlib.pyplot"):
    draw()
try:
    {}["missing"]
except KeyError as e:
    print(repr(e))
raise ValueError("as programs do")
