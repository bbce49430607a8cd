# Run in every new VM before its first request, and the VM is reset: the pages
# that usual programs write are then private to it and mapped already.
import json
import random
import re
import sys

import numpy


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __repr__(self):
        return f"Point({self.x}, {self.y})"


def walk(n):
    return [Point(i, random.random()) for i in range(n)]


print(json.dumps({"a": [1, 2.5, None], "b": str(walk(20))})[:60])
print(re.sub(r"(\w+)-(\d+)", r"\2", "one-1 two-2"), file=sys.stderr)
print(numpy.random.rand(3), sorted({3: 1, 1: 2}.items()), sum(i * i for i in range(1000)))
try:
    {}["missing"]
except KeyError as e:
    print(repr(e))
raise ValueError("as programs do")
