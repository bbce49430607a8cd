#!/usr/bin/env python3
"""A session's file that is damaged, by chance or on purpose, with checksums made right: `zeroboot exec` refuses
it or goes on with it, comes to an end in time, and never crashes. session_damage.py [COUNT [SEED]]"""
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile

from crc32c import crc32c
from harness import PATIENCE, TOP, Report

COUNT = 24
HEAD, CHECKSUM, VECTORS = 280, 16, 48  # of a segment: its length, and where fields are


def sum_up(data):
    """One segment: a file has no more."""
    struct.pack_into("<I", data, CHECKSUM, 0)
    struct.pack_into("<I", data, CHECKSUM, crc32c(data))


def go_on(file, code="x"):
    return subprocess.run([TOP / "zeroboot", "exec", "-t", "2", "--session", file, "-c", code], cwd=TOP, capture_output=True,
                          text=True, timeout=PATIENCE)


def damage(r, data):
    """A few bytes, mostly where they mean something to the host."""
    records = HEAD + struct.unpack_from("<I", data, VECTORS)[0]
    for _ in range(r.choice((1, 1, 2, 8))):
        at = r.choice((r.randrange(HEAD), r.randrange(HEAD, records), r.randrange(records, records + 16), r.randrange(len(data))))
        if CHECKSUM <= at < CHECKSUM + 4:
            continue
        data[at] = r.choice((data[at] ^ 1 << r.randrange(8), r.randrange(256), 0, 255))


def refused(result, file, data):
    """Said in a line, and nothing was touched."""
    return result.returncode in (1, 2, 125) and result.stdout == "" and \
        result.stderr.count("\n") == 1 and result.stderr.startswith("zeroboot: ") and file.read_bytes() == data


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.getrandbits(32)
    r, report = random.Random(seed), Report("session_damage")
    with tempfile.TemporaryDirectory() as directory:
        good, file = pathlib.Path(directory) / "good", pathlib.Path(directory) / "file"
        made = go_on(good, "x = 42")
        assert made.returncode == 0, made
        whole = good.read_bytes()
        counts, wrong = {"refused": 0, "goes on": 0}, None
        for i in range(count):
            data = bytearray(whole)
            damage(r, data)
            known = i % 4 > 0
            if known:
                sum_up(data)
            file.write_bytes(data)
            result = go_on(file)
            no = refused(result, file, bytes(data))
            counts["refused" if no else "goes on"] += 1
            # What is wrong without its checksum being so is never taken; the rest may be another program.
            if result.returncode < 0 or "runtime error" in result.stderr or not (known or no or data == whole):
                shutil.copy(file, TOP / "build/tests/session_damage.bad")
                wrong = wrong or f"{i}: {result.returncode} {result.stdout[-300:]!r} {result.stderr[-300:]!r}"
        report.line(f"{count} damaged files are refused, or go on as far as they do (seed {seed})", wrong)
        print(f"# {counts}")
        untouched = go_on(good)
        report.line("a good one is good still", None if untouched.stdout == "42\n" else untouched)
    return 1 if report.failed else 0


if __name__ == "__main__":
    os.chdir(TOP)
    sys.exit(main())
