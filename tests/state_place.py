"""A directory of sessions (--state), servers of it, and what files in it are made of."""
import contextlib
import os
import pathlib
import struct

from crc32c import crc32c
from harness import PATIENCE, TOP, Server, eventually
from sessions import Client, Session

HEAD, VERSION, ABI, SUM, STATE_SUM, SIZE = 512, 8, 12, 16, 20, 24
TEMPLATE_HEAD, BUILD_NS = 4096, 64
UNSAVED = "zeroboot_sessions_unsaved"


def seal(data, start, size):
    """The checksum of a head is right."""
    struct.pack_into("<I", data, start + SUM, 0)
    struct.pack_into("<I", data, start + SUM, crc32c(data[start:start + size]))


def sealed(data):
    """A file with checksums that are right."""
    data = bytearray(data)
    struct.pack_into("<I", data, STATE_SUM, crc32c(data[HEAD:]))
    seal(data, 0, HEAD)
    return bytes(data)


class Place:
    """A directory for sessions, and templates to serve: those of sh alone, which are small, if not told."""

    def __init__(self, top, name, all_languages=False):
        self.state = top / name
        self.templates = TOP / "templates"
        if not all_languages:
            self.templates = top / f"{name}.templates"
            self.templates.mkdir()
            for file in "sh.img", "sh.zbt":
                os.symlink(TOP / "templates" / file, self.templates / file)

    def serve(self, *options, **more):
        return Server("--workers", "1", "--state", self.state, *options, templates=self.templates, **more)

    def file(self, s):
        return self.state / f"{s.id}.zbs"

    def kept(self):
        return sorted(f.name for f in (self.state / "kept").iterdir())


def saved(server):
    eventually(lambda: server.metric(UNSAVED) == 0)


def keepers(server):
    """Their processes: one writes, one reads."""
    return [int(child) for child in server.children()
            if b"\0keep\0" in pathlib.Path(f"/proc/{child}/cmdline").read_bytes()]


def signal_all(processes, number):
    for process in processes:
        os.kill(process, number)


def kill(server):
    server.process.kill()
    server.process.wait(PATIENCE)


def again(server, s):
    return Session(Client(server, s.client.key), s.id)


def make(client, value="1", **what):
    s = client.make(language="sh", **what)
    s.run(f"x={value}")
    return s


def value(s):
    return s.run("echo $x")["stdout"].strip()


def fill_disk(folder):
    """Until its file system has no room left."""
    filler = os.open(folder / "filler", os.O_WRONLY | os.O_CREAT)
    for size in 1 << 20, 4096:
        with contextlib.suppress(OSError):
            while True:
                os.write(filler, bytes(size))
    os.close(filler)
