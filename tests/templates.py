#!/usr/bin/env python3
"""Templates are caches of images: made where there is none, and anew where one does
not fit: made on another CPU, damaged in any part, of another version, of another
image. Where the image is not there, health says why it is not."""
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys

from crc32c import crc32c
from harness import PATIENCE, TOP, Report, Server, answers, eventually, post, receive, send

PLACE = TOP / "build/tests/templates"
WHOLE, IMAGE = TOP / "templates/sh.zbt", TOP / "build/sh.img"
# template.h
HEAD, VERSION, CHECKSUM, MAKER, FEATURES, PARTS = 4096, 8, 16, 20, 72, 168
STATE, TRAINING, PROGRAM, USED, SUMS, MEMORY = range(6)


# ---- files ----

def make_place(name, image=True):
    """A directory with the template of sh."""
    shutil.rmtree(PLACE / name, ignore_errors=True)
    (PLACE / name).mkdir(parents=True)
    path = PLACE / name / "sh.zbt"
    shutil.copy(WHOLE, path)
    if image:
        add_image(path)
    return path


def add_image(path, image=IMAGE):
    os.link(image, path.with_suffix(".img"))


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


def serve(path, prefix=()):
    return Early("--workers", "1", templates=path.parent, prefix=prefix)


def health(server, name="sh"):
    answer = answers(server.ask(b"GET /health HTTP/1.0\r\n\r\n"))[0]
    return answer.status, json.loads(answer.body)["templates"][name]


def says(server, code="echo $((6*7))", language="sh"):
    answer = answers(server.ask(post({"code": code, "language": language}, extra=b"Connection: close\r\n")))[0]
    return json.loads(answer.body).get("stdout") if answer.status == 200 else answer.status


def lines(server, *words):
    return [line for line in server.logged().splitlines() if all(word in line for word in words)]


def zeroboot(*arguments, code=None):
    return subprocess.run([TOP / "zeroboot", *arguments], input=code, capture_output=True, timeout=PATIENCE)


def run(path, code, language="sh"):
    return zeroboot("exec", "-l", language, "--templates", path.parent, code=code)


def made_anew(path, why):
    """The server puts a good one in its place, and serves."""
    before = path.stat().st_ino
    with serve(path) as server:
        eventually(lambda: lines(server, why, b"made anew"))
        assert says(server) == "42\n"
        eventually(lambda: health(server)[0] == 200 and path.stat().st_ino != before)
        assert len(lines(server, why, b"made anew")) == 1, server.logged()
        assert "reason" not in health(server)[1]
    done = run(path, b"echo whole")
    assert done.stdout == b"whole\n" and not done.stderr, done


def not_served(path, why):
    """Nothing to make it of: health and log say why, runs get 503."""
    before = path.stat().st_ino
    with serve(path) as server:
        eventually(lambda: why in health(server)[1].get("reason", ""))
        assert health(server)[0] == 503 and health(server)[1]["ready"] is False
        eventually(lambda: says(server) == 503)
        assert why.encode() in server.logged() and path.stat().st_ino == before
        # A good image is taken at once.
        os.link(IMAGE, path.with_suffix(".new"))
        os.rename(path.with_suffix(".new"), path.with_suffix(".img"))
        eventually(lambda: health(server)[0] == 200)
        assert says(server) == "42\n"


# ---- tests ----

def other_cpu():
    path = make_place("cpu", image=False)
    edit_head(path, want_features)
    done = run(path, b"echo no")
    lacks = b"this CPU lacks: avx512pf avx512er cpuid.80000001.0.ecx:28"
    assert done.returncode == 1 and lacks + b": an image beside it would make one (zeroboot doctor " in done.stderr, done
    add_image(path)
    done = zeroboot("doctor", "--templates", path.parent)
    assert done.returncode == 0 and b"less  template sh" in done.stdout and lacks in done.stdout, done
    made_anew(path, lacks)
    features = struct.unpack_from("<I", path.read_bytes()[:HEAD], FEATURES + 4 * 2)[0]
    assert features >> 26 & 3 == 0


def anew_by_exec():
    path = make_place("exec")
    edit_head(path, want_features)
    done = run(path, b"echo right")
    assert (done.returncode, done.stdout) == (0, b"right\n") and b"made anew" in done.stderr, done
    done = run(path, b"echo right")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"right\n", b""), done


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
    path = make_place("image", image=False)
    image = path.with_suffix(".img")
    shutil.copy(IMAGE, image)
    with open(image, "r+b") as f:
        f.seek(image.stat().st_size * 3 // 4)
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 16]))
    not_served(path, "damaged: not what ")


def other_version():
    path = make_place("version", image=False)
    edit_head(path, lambda head: struct.pack_into("<I", head, VERSION, 4))
    not_served(path, "template version 4, this zeroboot reads")
    edit_head(path, lambda head: struct.pack_into("<I", head, VERSION, 4))
    made_anew(path, b"template version 4")


def other_maker():
    path = make_place("maker")
    edit_head(path, lambda head: struct.pack_into("<I", head, MAKER, 1))
    made_anew(path, b"made by another zeroboot")


def no_image():
    path = make_place("alone", image=False)
    not_served(path, "no *.img beside it is its image")


def not_while_it_is_copied():
    """A file that was written just now is left alone: somebody may be at it."""
    path = make_place("copied")
    os.truncate(path, part(path, MEMORY)[0] + 4096)
    before = path.stat().st_ino
    with serve(path) as server:
        eventually(lambda: b"damaged" in server.logged())
        assert path.stat().st_ino == before
        eventually(lambda: path.stat().st_ino != before)
        eventually(lambda: says(server) == "42\n")


# ---- images alone ----

def of_an_image():
    """The request waits for the template, which is kept for the next start, and for exec."""
    path = make_place("of-image")
    path.unlink()
    with serve(path) as server:
        assert says(server) == "42\n"
        assert len(lines(server, b"sh: template made of ")) == 1, server.logged()
        eventually(path.exists)
        made = path.stat().st_ino
    with serve(path) as server:
        assert says(server) == "42\n"
        assert not lines(server, b"template made"), server.logged()
    done = run(path, b"exit 7")
    assert done.returncode == 7 and not done.stderr and path.stat().st_ino == made, done
    path.unlink()
    done = run(path, b"echo right; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"right\n", b"") and path.exists(), done


def of_a_packed_one():
    """It is unpacked once for both, and found in the cache by the next start."""
    path = make_place("packed", image=False)
    path.unlink()
    with open(path.with_suffix(".img"), "wb") as f:
        subprocess.run(["gzip", "-1c", IMAGE], check=True, stdout=f)
    for _ in range(2):
        with serve(path) as server:
            assert says(server) == "42\n"
            eventually(path.exists)
    assert len(lines(server, b"template made")) == 0, server.logged()
    done = run(path, b"echo right; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"right\n", b""), done
    edit_head(path, want_features)
    made_anew(path, b"this CPU lacks")


def tree_of_sh(name, change):
    """An image of sh's files, changed."""
    tree, image = PLACE / f"{name}-root", PLACE / f"{name}.img"
    shutil.rmtree(tree, ignore_errors=True)
    subprocess.run(["cp", "-al", TOP / "build/sh-root", tree], check=True)
    change(tree)
    subprocess.run([TOP / "zeroboot", "image", "build", "-o", image, tree], check=True, capture_output=True)
    shutil.rmtree(tree)
    return image


def replace(tree, name, content):
    """A file of a tree of links."""
    (tree / name).unlink(missing_ok=True)
    (tree / name).write_bytes(content)
    (tree / name).chmod(0o755)


def never_ready(tree):
    program = PLACE / "pause"
    subprocess.run(["gcc", "-O1", "-static", "-x", "c", "-o", program, "-"], check=True,
                   input=b"int pause(void); int main(void) { for (;;) pause(); }")
    replace(tree, "usr/bin/bash", program.read_bytes())


def building():
    """As long as the template is being made health says so, and runs wait; they get one of an
    image that comes meanwhile."""
    path = make_place("building")
    path.unlink()
    path.with_suffix(".img").unlink()
    os.link(tree_of_sh("pause", never_ready), path.with_suffix(".img"))
    with serve(path) as server, server.connect() as s:
        eventually(lambda: health(server) == (503, {"ready": False, "memory_mb": 0, "reason": "building"}))
        send(s, post({"code": "echo at last", "language": "sh"}, extra=b"Connection: close\r\n"))
        eventually(lambda: server.metric("zeroboot_queue_depth") == 1)
        assert health(server)[1]["reason"] == "building"
        os.link(IMAGE, PLACE / "new")
        os.rename(PLACE / "new", path.with_suffix(".img"))
        assert json.loads(answers(receive(s))[0].body)["stdout"] == "at last\n"
        eventually(lambda: health(server)[0] == 200)


def other_image():
    """While it serves, and at the next start: what is made of the old image goes."""
    path = make_place("replaced")
    image = tree_of_sh("other", lambda tree: replace(tree, "etc/other", b"of the other\n"))
    os.utime(image, (1, 1))
    code = "cat /etc/other 2>&1; :"
    with serve(path) as server:
        assert "No such file" in says(server, code)
        before = path.stat().st_ino
        os.rename(image, path.with_suffix(".img"))
        eventually(lambda: lines(server, b"made of another image", b"made anew"))
        # Workers that start from now on have it.
        eventually(lambda: kill_workers(server) or says(server, code) == "of the other\n")
        eventually(lambda: path.stat().st_ino != before)
    shutil.copy(WHOLE, path)
    settle(path)
    made_anew(path, b"made of another image")


def kill_workers(server):
    for pid in server.workers():
        os.kill(pid, signal.SIGKILL)


def in_mount(options, path):
    """A command that starts the server where the directory is on a file system of its own."""
    script = 'mount -t tmpfs none "$1" && cp "$2" "$1" && mount -o "remount,$0" "$1" && shift 2 && exec "$@"'
    return ["unshare", "-m", "bash", "-c", script, options, path.parent, IMAGE]


def cannot_be_kept(options, why):
    """A line in the log, and nothing left in the directory."""
    place = PLACE / "mount"
    place.mkdir(exist_ok=True)
    with serve(place / "sh.zbt", prefix=in_mount(options, place / "sh.zbt")) as server:
        assert says(server) == "42\n"
        eventually(lambda: lines(server, b"template not kept, made at each start: ", why))
        assert os.listdir(f"/proc/{server.process.pid}/root{place}") == ["sh.img"]
        assert health(server)[0] == 200 and len(lines(server, b"not kept")) == 1


def shared():
    """Two templates of one image, of which one has its name."""
    path = make_place("shared")
    other = path.with_name("little.zbt")
    done = zeroboot("template", "build", "-o", other, "--program", "/usr/bin/bash", "--memory", "64", IMAGE)
    assert done.returncode == 0 and not done.stderr, done
    with serve(path) as server:
        assert (says(server), says(server, "echo too", "little")) == ("42\n", "too\n")
        assert health(server, "little")[1]["memory_mb"] == 64
    # What was made for it is made anew as it was.
    edit_head(other, want_features)
    done = run(other, b"ulimit -v; free -m | awk '/Mem/ { print ($2 <= 64) }'", "little")
    assert done.stdout.splitlines()[-1] == b"1" and b"made anew" in done.stderr, done


def main():
    report = Report("templates")
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    report.check("what is recorded of the CPU is what programs see", seen_features)
    report.check("made on another CPU: refused with all that is missing, made anew", other_cpu)
    report.check("the same by exec, which says so once", anew_by_exec)
    report.check("damaged in its memory: made anew from its image", damaged, MEMORY)
    report.check("damaged in the bits of its pages: the same", damaged, USED)
    report.check("an image that is damaged: health says so, and another one is taken", damaged_image)
    report.check("of another version: made anew where there is the image", other_version)
    report.check("of another kernel or agent: the same", other_maker)
    report.check("without its image: health says so", no_image)
    report.check("one that was written just now is left alone", not_while_it_is_copied)
    report.check("an image without a template: made at the start, kept, used by the next", of_an_image)
    report.check("one that gzip has packed: the same", of_a_packed_one)
    report.check("health says building, runs wait, and another image is taken at once", building)
    report.check("another image: made anew, while it serves and at the start", other_image)
    report.check("a directory that cannot be written to: said once, served", cannot_be_kept, "ro", b"Read-only")
    report.check("a full disk: the same", cannot_be_kept, "size=60m", b"No space left")
    report.check("templates share an image", shared)
    shutil.rmtree(PLACE)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
