"""Tars made by hand, and a place where `image build` makes images of them."""
import os
import pathlib
import shutil
import stat
import subprocess
import tarfile
import tempfile

from harness import PATIENCE, TOP
from image_file import Image

ZEROBOOT = TOP / "zeroboot"


class Place:
    """A directory in which nothing may be but what a test makes and its image."""

    def __init__(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="image."))
        # In memory: each build waits for the disk at its end.
        memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self.image = pathlib.Path(tempfile.mkdtemp(prefix="image.", dir=memory)) / "x.img"

    def build(self, source, data=None, over=False):
        """Exit code and stderr."""
        if not over:
            self.image.unlink(missing_ok=True)
        done = subprocess.run([ZEROBOOT, "image", "build", "-o", self.image, source], stderr=subprocess.PIPE, timeout=PATIENCE,
                              **({"stdin": subprocess.DEVNULL} if data is None else {"input": data}))
        return done.returncode, done.stderr.decode(errors="replace")

    def good(self, source, data=None, warns=None, checksum=False):
        """The image; the only line on stderr has `warns`."""
        code, error = self.build(source, data)
        assert code == 0, (code, error)
        lines = error.splitlines()
        assert len(lines) == (warns is not None), error
        assert warns is None or warns in lines[0], error
        image = Image(self.image, checksum)
        image.contiguous()
        self.empty(1)
        return image

    def refused(self, source, data=None, why=""):
        code, error = self.build(source, data)
        assert code == 1, (code, error, why)
        lines = error.splitlines()
        assert len(lines) == 1 and lines[0].startswith("zeroboot: ") and why in lines[0], (lines, why)
        assert all(c.isprintable() for c in lines[0]), lines
        self.empty(0)
        return lines[0]

    def empty(self, most):
        names = os.listdir(self.image.parent)
        for name in names:
            (self.image.parent / name).unlink()
        assert names == ["x.img"][:most], names

    def close(self):
        shutil.rmtree(self.top)
        shutil.rmtree(self.image.parent)


place = Place()


def member(name="f", data=b"", kind=tarfile.REGTYPE, link="", pax=None, form=tarfile.PAX_FORMAT, **fields):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(data)
    info.pax_headers = pax or {}
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(form, "utf-8", "surrogateescape") + data + bytes(-len(data) % 512)


END = bytes(1024)


def tar_of(*members):
    return b"".join(members) + END


def directory(name, **fields):
    return member(name, kind=tarfile.DIRTYPE, mode=0o755, **fields)


def symlink(name, target):
    return member(name, kind=tarfile.SYMTYPE, link=target)


def hard(name, target):
    return member(name, kind=tarfile.LNKTYPE, link=target)


def signed(header):
    """A header with the right checksum."""
    header = bytearray(header)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def changed(header, **fields):
    """fields: at=bytes, as f100=b"...": the header with them."""
    header = bytearray(header)
    for name, value in fields.items():
        at = int(name[1:])
        header[at:at + len(value)] = value
    return signed(header[:512]) + bytes(header[512:])


def contents(image):
    """Path to content of small files, target of links, None of the rest."""
    found = {}
    for path, f in image.files.items():
        if path == b"/":
            continue
        if stat.S_ISREG(f.mode):
            start = image.extents[f.same][0] if f.size else 0
            found[path.decode()] = bytes(image.data[start:start + f.size])
        else:
            found[path.decode()] = f.target
    return found
