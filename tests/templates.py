#!/usr/bin/env python3
"""Template files that do not fit: made on another CPU, damaged in any part, of
another version. Such a file is refused with all of what is wrong, and made anew
where its image is there; otherwise health says why it is not."""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys

from harness import PATIENCE, TOP, Report, Server, answers, eventually, post

PLACE = TOP / "build/tests/templates"
WHOLE = TOP / "templates/sh.zbt"
# template.h
HEAD, VERSION, CHECKSUM, FEATURES, PARTS = 4096, 8, 16, 72, 168
STATE, TRAINING, PROGRAM, USED, SUMS, MEMORY, IMAGE = range(7)


def make_table():
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82f63b78 if i & 1 else 0)
        yield i


TABLE = list(make_table())


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    return crc ^ 0xffffffff


assert crc32c(b"123456789") == 0xe3069283


# ---- files ----

def make_place(name):
    shutil.rmtree(PLACE, ignore_errors=True)
    (PLACE / name).mkdir(parents=True)
    path = PLACE / name / "sh.zbt"
    shutil.copy(WHOLE, path)
    return path


def settle(path):
    """Nobody is copying it any more, as its time of change tells."""
    os.utime(path, (1, 1))


def edit_head(path, change):
    with open(path, "r+b") as f:
        head = bytearray(f.read(HEAD))
        change(head)
        head[CHECKSUM:CHECKSUM + 4] = bytes(4)
        struct.pack_into("<I", head, CHECKSUM, crc32c(head))
        f.seek(0)
        f.write(head)
    settle(path)


def part(path, number):
    return struct.unpack_from("<QQ", path.read_bytes()[:HEAD], PARTS + 24 * number)


def flip(path, number, where=0.5):
    """A bit of a part."""
    offset, size = part(path, number)
    with open(path, "r+b") as f:
        f.seek(offset + int(size * where))
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 16]))
    settle(path)


def want_features(head):
    """Two that no CPU has had since 2020: AVX512PF and ER; one without a name here."""
    struct.pack_into("<I", head, FEATURES + 4 * 2, struct.unpack_from("<I", head, FEATURES + 4 * 2)[0] | 3 << 26)
    struct.pack_into("<I", head, FEATURES + 4 * 7, struct.unpack_from("<I", head, FEATURES + 4 * 7)[0] | 1 << 28)


# ---- servers ----

class Early(Server):
    """That is there before its templates are ready."""

    def ready(self):
        super().ready()
        return self.port != 0


def serve(path):
    return Early("--workers", "1", templates=path.parent)


def health(server):
    answer = answers(server.ask(b"GET /health HTTP/1.0\r\n\r\n"))[0]
    return answer.status, json.loads(answer.body)["templates"]["sh"]


def says(server):
    answer = answers(server.ask(post({"code": "echo $((6*7))", "language": "sh"}, extra=b"Connection: close\r\n")))[0]
    return json.loads(answer.body).get("stdout") if answer.status == 200 else answer.status


def made_anew(path, why):
    """The server puts a good one in its place, and serves."""
    before = path.stat().st_ino
    with serve(path) as server:
        said = lambda: [line for line in server.logged().splitlines() if why in line and b"made anew" in line]
        eventually(said)
        assert path.stat().st_ino != before
        eventually(lambda: health(server)[0] == 200)
        assert says(server) == "42\n"
        assert len(said()) == 1, server.logged()
        assert "reason" not in health(server)[1]
    done = subprocess.run([TOP / "zeroboot", "exec", "-l", "sh", "--templates", path.parent], input=b"echo whole",
                          capture_output=True, timeout=PATIENCE)
    assert done.stdout == b"whole\n", done


def not_served(path, why):
    """Nothing to make it of: health and log say why, runs get 503."""
    before = path.stat().st_ino
    with serve(path) as server:
        eventually(lambda: why in health(server)[1].get("reason", ""))
        assert health(server)[0] == 503 and health(server)[1]["ready"] is False
        eventually(lambda: says(server) == 503)
        assert why.encode() in server.logged()
        # A good file is taken at once.
        shutil.copy(WHOLE, f"{path}.new")
        os.rename(f"{path}.new", path)
        eventually(lambda: health(server)[0] == 200)
        assert says(server) == "42\n"
    assert path.stat().st_ino != before


# ---- tests ----

def other_cpu():
    path = make_place("cpu")
    edit_head(path, want_features)
    done = subprocess.run([TOP / "zeroboot", "exec", "-l", "sh", "--templates", path.parent], input=b"echo no",
                          capture_output=True, timeout=PATIENCE)
    lacks = b"this CPU lacks: avx512pf avx512er cpuid.80000001.0.ecx:28"
    assert done.returncode == 1 and lacks + b" (zeroboot doctor " in done.stderr, done
    done = subprocess.run([TOP / "zeroboot", "doctor", "--templates", path.parent], capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0 and b"less  template sh" in done.stdout and lacks in done.stdout, done
    made_anew(path, lacks)
    features = struct.unpack_from("<I", path.read_bytes()[:HEAD], FEATURES + 4 * 2)[0]
    assert features >> 26 & 3 == 0


def seen_features():
    """What is recorded is what programs in a guest see, so it is what they can use."""
    code = ("import re; t = open('/proc/cpuinfo').read(); print(*sorted(set(re.search('flags.*: (.*)', t)[1].split()) &"
            " {'avx', 'avx2', 'bmi2', 'aes', 'avx512f', 'sse4_2'}))")
    done = subprocess.run([TOP / "zeroboot", "exec"], input=code.encode(), capture_output=True, timeout=PATIENCE, cwd=TOP)
    seen = done.stdout.decode().replace("sse4_2", "sse4.2").split()
    info = subprocess.run([TOP / "zeroboot", "template", "info", TOP / "templates/python.zbt"], capture_output=True,
                          timeout=PATIENCE).stdout.decode()
    recorded = next(line for line in info.splitlines() if line.startswith("cpu ")).split()
    for name in "avx avx2 bmi2 aes avx512f sse4.2".split():
        assert (name in seen) == (name in recorded), (name, seen, recorded)


def damaged(number):
    path = make_place("damaged")
    flip(path, number)
    made_anew(path, b"damaged: wrong checksum")


def damaged_image():
    path = make_place("image")
    flip(path, IMAGE)
    not_served(path, "damaged: wrong checksum of its image")


def image_beside():
    path = make_place("beside")
    flip(path, IMAGE, 0.999)
    os.link(TOP / "build/sh.img", path.with_suffix(".img"))
    made_anew(path, b"damaged: wrong checksum of its image")


def other_version():
    path = make_place("version")
    edit_head(path, lambda head: struct.pack_into("<I", head, VERSION, 3))
    not_served(path, "template version 3, this zeroboot reads")
    edit_head(path, lambda head: struct.pack_into("<I", head, VERSION, 3))
    os.link(TOP / "build/sh.img", path.with_suffix(".img"))
    made_anew(path, b"template version 3")


def not_while_it_is_copied():
    """A file that was written just now is left alone: somebody may be at it."""
    path = make_place("copied")
    os.truncate(path, part(path, MEMORY)[0] + 4096)
    os.link(TOP / "build/sh.img", path.with_suffix(".img"))
    before = path.stat().st_ino
    with serve(path) as server:
        eventually(lambda: b"damaged" in server.logged())
        assert path.stat().st_ino == before
        eventually(lambda: path.stat().st_ino != before)
        eventually(lambda: says(server) == "42\n")


def main():
    report = Report("templates")
    report.check("what is recorded of the CPU is what programs see", seen_features)
    report.check("made on another CPU: refused with all that is missing, made anew", other_cpu)
    report.check("damaged in its memory: made anew from the image in it", damaged, MEMORY)
    report.check("damaged in the bits of its pages: the same, when an image lies beside it", damaged_bits)
    report.check("damaged in its image: health says so, and another file is taken", damaged_image)
    report.check("damaged in its image: made anew from the one beside it", image_beside)
    report.check("of another version: the same", other_version)
    report.check("one that was written just now is left alone", not_while_it_is_copied)
    shutil.rmtree(PLACE)
    return 1 if report.failed else 0


def damaged_bits():
    path = make_place("bits")
    flip(path, USED)
    os.link(TOP / "build/sh.img", path.with_suffix(".img"))
    made_anew(path, b"damaged: wrong checksum")


if __name__ == "__main__":
    sys.exit(main())
