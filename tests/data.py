#!/usr/bin/env python3
"""The data image: what is in it says in a VM what it says natively, figures come back
as files, and what its template has loaded draws no random number twice.

The template is of this test's own: with it in templates/ the other suites' servers
would serve it, too."""
import base64
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib

import parity
from harness import PATIENCE, TOP, Report, Server, answers, post

NAME = "python-data"
PLACE = TOP / "build/tests/data"
BLUE, ORANGE = (0x1f, 0x77, 0xb4), (0xff, 0x7f, 0x0e)
DRAW = "import matplotlib.pyplot as plt\n"


def make_template():
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    os.link(TOP / f"build/{NAME}.img", PLACE / f"{NAME}.img")
    subprocess.run([TOP / "zeroboot", "template", "build", "-o", PLACE / f"{NAME}.zbt", PLACE / f"{NAME}.img"],
                   check=True, timeout=5 * PATIENCE)


def run(server, code, **fields):
    body = {"code": code, "language": NAME, "timeout_seconds": parity.SECONDS, **fields}
    answer = answers(server.ask(post(body, extra=b"Connection: close\r\n")))[0]
    assert answer.status == 200, answer
    return json.loads(answer.body)


def pictures(server, code, **fields):
    """The *.png that it leaves, and what it prints; it must be well."""
    result = run(server, code, outputs=["*.png"], **fields)
    assert (result["exit_code"], result["stderr"]) == (0, ""), result
    files = {name: file if isinstance(file, str) else base64.b64decode(file["base64"])
             for name, file in result["files"].items()}
    return files, result["stdout"]


def paeth(a, b, c):
    return min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]


def unfilter(kind, line, above, size):
    """A row of pixels of size bytes (PNG, 9.2)."""
    for i, byte in enumerate(line):
        a = line[i - size] if i >= size else 0
        c = above[i - size] if i >= size else 0
        line[i] = byte + (0, a, above[i], (a + above[i]) // 2, paeth(a, above[i], c))[kind] & 0xff
    return line


def decode(data):
    """Width, height, and how many pixels have which colour, of a PNG of 8 bits and RGBA."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n", data[:8]
    at, packed = 8, b""
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        chunk = data[at + 8:at + 8 + size]
        assert zlib.crc32(kind + chunk) == struct.unpack_from(">I", data, at + 8 + size)[0], kind
        if kind == b"IHDR":
            width, height, *form = struct.unpack(">IIBBBBB", chunk)
            assert form == [8, 6, 0, 0, 0], form
        elif kind == b"IDAT":
            packed += chunk
        at += 12 + size
    assert kind == b"IEND", kind
    raw, line, colours = zlib.decompress(packed), bytearray(4 * width), {}
    assert len(raw) == height * (4 * width + 1)
    for y in range(height):
        start = y * (4 * width + 1)
        line = unfilter(raw[start], bytearray(raw[start + 1:start + 1 + 4 * width]), line, 4)
        for x in range(0, 4 * width, 4):
            colour = tuple(line[x:x + 3])
            colours[colour] = colours.get(colour, 0) + 1
    return width, height, colours


def shown(server):
    files, out = pictures(server, DRAW + "plt.bar([1, 2], [1, 3])\nplt.show()\nprint(plt.get_fignums())")
    assert list(files) == ["figure-1.png"] and out == "[]\n", (list(files), out)
    width, height, colours = decode(files["figure-1.png"])
    assert (width, height) == (640, 480), (width, height)
    # Two bars of 0.8 of a third or so of the axes, one of them a third as high.
    assert 50000 < colours[BLUE] < 120000 and colours[255, 255, 255] > 150000 and ORANGE not in colours, colours
    (PLACE / "figure-1.png").write_bytes(files["figure-1.png"])


def left_open(server):
    files, _ = pictures(server, DRAW + "plt.plot([1, 2])\nplt.figure(figsize=(2, 1))\nplt.bar([1], [1], color='tab:orange')")
    assert list(files) == ["figure-1.png", "figure-2.png"], list(files)
    assert decode(files["figure-1.png"])[2].get(BLUE) and decode(files["figure-2.png"])[:2] == (200, 100)
    assert decode(files["figure-2.png"])[2].get(ORANGE)
    files, out = pictures(server, DRAW + "plt.plot([1, 2])\nplt.show(block=False)\nplt.pause(0.01)\nplt.title('late')\n"
                          "import os\nprint(os.listdir('.'), plt.get_fignums())")
    assert list(files) == ["figure-1.png"] and out == "['main.py'] [1]\n", (list(files), out)
    result = run(server, DRAW + "plt.plot([1])\nraise SystemExit(3)", outputs=["*.png"])
    assert result["exit_code"] == 3 and list(result["files"]) == ["figure-1.png"], result


def saved(server):
    files, _ = pictures(server, DRAW + "plt.plot([1, 2])\nplt.savefig('mine.png')\nplt.show()\nplt.plot([1])\nplt.close()")
    assert list(files) == ["mine.png"], list(files)
    files, _ = pictures(server, DRAW + "plt.plot([1, 2])\nplt.savefig('mine.png')")
    assert list(files) == ["mine.png"], list(files)


def numbered(server):
    files, out = pictures(server, DRAW + """for n in range(3):
    plt.figure(figsize=(1, n + 1))
    plt.show()
import os
os.makedirs('below')
os.chdir('below')
plt.figure()
plt.show()
print(os.listdir('.'))
os.chdir('..')
""", files={"figure-2.png": "taken"})
    assert out == "['figure-5.png']\n" and files.pop("figure-2.png") == "taken", (out, list(files))
    assert [decode(files[f"figure-{n}.png"])[1] for n in (1, 3, 4)] == [100, 200, 300], list(files)


def forked(server):
    """A child that ends as programs do leaves its parent's figures to it."""
    code = DRAW + "import os, sys\nplt.plot([1])\nif os.fork() == 0: sys.exit()\nprint(os.wait()[1])"
    files, out = pictures(server, code)
    assert list(files) == ["figure-1.png"] and out == "0\n", (list(files), out)


def other_backend(server):
    files, out = pictures(server, "import matplotlib\nmatplotlib.use('agg')\n" + DRAW + "plt.plot([1])\nplt.show()\n"
                          "plt.savefig('a.png')\nprint(plt.get_backend())")
    assert list(files) == ["a.png"] and out == "agg\n", (list(files), out)


def fresh(server):
    code = """import multiprocessing, sympy.core.random, random, numpy
print(multiprocessing.current_process().authkey.hex(), sympy.core.random.rng.random(), random.random(), numpy.random.rand())"""
    some = [run(server, code)["stdout"].split() for _ in range(4)]
    assert all(len(set(column)) == 4 for column in zip(*some)), some


def in_session():
    """Execs, each of whose figures is there when it ends."""
    place = PLACE / "session"
    place.mkdir()

    def execute(code):
        subprocess.run([TOP / "zeroboot", "exec", "-l", NAME, "--templates", PLACE, "--session", "kept", "--output", "*.png",
                        "-c", code], check=True, cwd=place, timeout=2 * PATIENCE, stdin=subprocess.DEVNULL)
        return sorted(path.name for path in place.glob("*.png"))

    assert execute(DRAW + "plt.plot([1, 2])") == ["figure-1.png"]
    assert decode((place / "figure-1.png").read_bytes())[2].get(BLUE)
    assert execute("import os; os.remove('figure-1.png'); plt.figure(figsize=(1, 2)); print(plt.get_fignums())") == [
        "figure-1.png", "figure-2.png"]
    assert decode((place / "figure-2.png").read_bytes())[:2] == (100, 200)


def in_readme(server):
    """The command as it stands there."""
    blocks = (TOP / "README.md").read_text().split("```\n")
    command = next(block for block in blocks if NAME in block and block.startswith("curl"))
    command = command.replace("localhost:8080", f"127.0.0.1:{server.port}")
    subprocess.run(["bash", "-euo", "pipefail", "-c", command], check=True, cwd=PLACE, timeout=PATIENCE)
    assert decode((PLACE / "plot.png").read_bytes())[2].get(BLUE)


def main():
    report = Report("data")
    make_template()
    parity.INTERPRETERS[NAME] = parity.INTERPRETERS["python"]
    with Server("--workers", "1", templates=PLACE) as server:
        report.check("show() makes a picture of what is open", shown, server)
        report.check("figures that are open at the end become pictures", left_open, server)
        report.check("what is saved is not written again, what is closed not at all", saved, server)
        report.check("pictures are counted, and nobody's files are overwritten", numbered, server)
        report.check("a forked child leaves them to its parent", forked, server)
        report.check("another backend does what it does", other_backend, server)
        report.check("what loaded packages drew is fresh in each run", fresh, server)
        report.check("figures of a session's exec are there at its end", in_session)
        report.check("README's command makes a plot", in_readme, server)
        failed = parity.compare_all(server.port, NAME, sys.argv[1:])
    return 1 if report.failed or failed else 0


if __name__ == "__main__":
    sys.exit(main())
