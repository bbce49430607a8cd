#!/usr/bin/env python3
"""Templates of images that are laid out differently from our own: an interpreter in
/usr/local/bin, as container images have it, several in one image, no numpy. And the
proof: an interpreter that does not do in the guest what it does natively has none."""
import json
import os
import shutil
import subprocess
import sys

from harness import PATIENCE, TOP, Report, Server, answers, eventually, post

PLACE = TOP / "build/tests/layouts"
ROOT = TOP / "build/python-root"
SITE = "usr/local/lib/python3.11/dist-packages"
HELLO = "import sys; print('hello at the start', file=sys.stderr)\n"
ALWAYS_0 = "import os; os._exit = lambda code, leave=os._exit: leave(0)\n"


def make_tree(name):
    """Python as it is and once more in /usr/local, without numpy, and without /app."""
    tree = PLACE / name
    subprocess.run(["cp", "-al", ROOT, tree], check=True)
    (tree / "app").rmdir()
    for package in "python3/dist-packages/numpy", "python3/dist-packages/pandas", "python3.11/dist-packages/numpy":
        shutil.rmtree(tree / "usr/lib" / package, ignore_errors=True)
    (tree / "usr/local/bin").mkdir(parents=True)
    (tree / "usr/local/lib").mkdir()
    for path in "bin/python3", "bin/python3.11", "lib/python3.11":
        subprocess.run(["cp", "-al", tree / "usr" / path, tree / "usr/local" / path], check=True)
    (tree / SITE).mkdir(exist_ok=True)
    return tree


def add_start(tree, code):
    """What Python runs at its start."""
    (tree / SITE / "start.pth").write_text(code)


def make_image(tree):
    image = tree.with_suffix(".img")
    subprocess.run([TOP / "zeroboot", "image", "build", "-o", image, tree], check=True, capture_output=True)
    return image


def build(image, name, *options):
    return subprocess.run([TOP / "zeroboot", "template", "build", "-o", PLACE / name, *options, image], capture_output=True,
                          timeout=PATIENCE)


def run(name, code):
    return subprocess.run([TOP / "zeroboot", "exec", "-l", name, "--templates", PLACE], input=code.encode(),
                          capture_output=True, timeout=PATIENCE)


def right(name, code, stdout, exit_code=0):
    done = run(name, code)
    assert (done.returncode, done.stdout.decode(), done.stderr) == (exit_code, stdout, b""), done


def local(image):
    """The first one in PATH; what it prints at its start is shown, and no run prints it."""
    done = build(image, "python.zbt")
    assert (done.returncode, done.stderr) == (0, b"zeroboot: /usr/local/bin/python3: hello at the start\n"), done
    right("python", "import sys; print(sys.executable, sys.prefix); sys.exit(5)", "/usr/local/bin/python3 /usr/local\n", 5)
    done = run("python", "import numpy")
    assert done.returncode == 1 and b"ModuleNotFoundError: No module named 'numpy'" in done.stderr, done
    code = "import random, os; print(random.random(), os.getcwd())"
    some = {run("python", code).stdout for _ in range(3)}
    assert len(some) == 3 and all(out.endswith(b" /app\n") for out in some), some


def chosen(image):
    done = build(image, "other.zbt", "--program", "/usr/bin/python3.11")
    assert (done.returncode, done.stderr) == (0, b"zeroboot: /usr/bin/python3.11: hello at the start\n"), done
    right("other", "import sys; print(sys.executable); sys.exit(6)", "/usr/bin/python3.11\n", 6)
    done = build(image, "script.zbt", "--program", "/usr/bin/bash")
    assert (done.returncode, done.stderr) == (0, b""), done
    right("script", 'echo "$0"; exit 7', "/app/main.sh\n", 7)


def by_name(image):
    done = build(image, "sh.zbt")
    assert (done.returncode, done.stderr) == (0, b""), done
    right("sh", 'echo "$0"', "/app/main.sh\n")
    done = build(image, "node.zbt")
    assert done.returncode == 1 and done.stderr.endswith(b"/python.img: no node in it, in /usr/local/bin, /usr/bin or /bin\n"), done
    assert not (PLACE / "node.zbt").exists()


    done = build(image, "sh-other.zbt")
    assert (done.returncode, done.stderr) == (0, b""), done
    right("sh-other", 'echo "$0"', "/app/main.sh\n")


MINE = """import atexit, random
own, said = random.Random(), []
atexit.register(lambda: said and print(*said))
"""


def wish(tree, memory, preload):
    wishes = tree / "usr/lib/zeroboot"
    wishes.mkdir(exist_ok=True)
    (wishes / "memory").write_text(memory)
    (wishes / "preload").write_text(preload)
    return make_image(tree)


def wishes(tree):
    (tree / SITE / "mine.py").write_text(MINE)
    image = wish(tree, "130\n", "csv mine\nwave\n")
    done = build(image, "wishes.zbt")
    assert (done.returncode, done.stderr) == (0, b""), done
    info = subprocess.run([TOP / "zeroboot", "template", "info", PLACE / "wishes.zbt"], capture_output=True, text=True)
    assert "130 MiB" in info.stdout, info
    right("wishes", "import sys; print(*sorted({'mine', 'wave', 'cgi'} & set(sys.modules)))", "mine wave\n")
    right("wishes", "import mine; mine.said.append('at the end')", "at the end\n")
    some = {run("wishes", "import mine; print(mine.own.random())").stdout for _ in range(3)}
    assert len(some) == 3, some
    done = build(image, "wishes.zbt", "--memory", "160")
    info = subprocess.run([TOP / "zeroboot", "template", "info", PLACE / "wishes.zbt"], capture_output=True, text=True)
    assert done.returncode == 0 and "160 MiB" in info.stdout, (done, info)


def wishes_refused(tree):
    for memory in "", "many", "31", "3074", "1000000", "-64", "64 MiB":
        image = wish(tree, memory, "")
        done = build(image, "bad.zbt")
        assert done.returncode == 1, (memory, done)
        assert done.stderr.endswith(b"/usr/lib/zeroboot/memory: no number from 32 to 3072\n"), (memory, done)
    done = build(wish(tree, "128", "nothing_there"), "bad.zbt")
    assert done.returncode == 1 and b"ModuleNotFoundError: No module named 'nothing_there'" in done.stderr, done
    assert not (PLACE / "bad.zbt").exists()


def refused(image):
    why = b"not as natively: an exception: exit code 0 instead of 1"
    done = build(image, "wrong.zbt")
    assert done.returncode == 1 and why in done.stderr and not (PLACE / "wrong.zbt").exists(), done
    place = PLACE / "served"
    place.mkdir()
    os.link(image, place / "python.img")
    with Early("--workers", "1", templates=place) as server:
        health = lambda: json.loads(answers(server.ask(b"GET /health HTTP/1.0\r\n\r\n"))[0].body)["templates"]["python"]
        eventually(lambda: why.decode() in health().get("reason", ""))
        asked = post({"code": "print(1)"}, extra=b"Connection: close\r\n")
        eventually(lambda: answers(server.ask(asked))[0].status == 503)
        assert os.listdir(place) == ["python.img"], os.listdir(place)


class Early(Server):
    """That is there before its templates are ready."""

    def ready(self):
        super().ready()
        return self.port != 0


def main():
    report = Report("layouts")
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    tree = make_tree("python")
    add_start(tree, HELLO)
    image = make_image(tree)
    wishing = PLACE / "wishing"
    subprocess.run(["cp", "-al", tree, wishing], check=True)
    (wishing / SITE / "start.pth").unlink()
    (tree / SITE / "start.pth").unlink()
    add_start(tree, ALWAYS_0)
    tree.rename(PLACE / "wrong")
    report.check("Python in /usr/local/bin, without numpy; what it prints at its start is shown", local, image)
    report.check("--program chooses one of several interpreters, with its agent", chosen, image)
    report.check("a template's name does so, too", by_name, image)
    report.check("an image says how much memory its VMs have, and what its template loads", wishes, wishing)
    report.check("what it says is checked", wishes_refused, wishing)
    report.check("one whose exit codes are all 0 is refused, which is said", refused, make_image(PLACE / "wrong"))
    shutil.rmtree(PLACE)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
