#!/usr/bin/env python3
"""`image build`: tars of every format and maker, gzip; cut, damaged and hostile ones
(container images: containers.py). Images are read by image_file.py and compared with what
was packed; nothing but the image may ever be written."""
import gzip
import io
import os
import pty
import random
import re
import resource
import select
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tarfile
import zlib

import containers
from containers import LAYERS, docker_save
from harness import PATIENCE, TOP, Report, eventually
from image_file import Image, difference, of_directory
from tars import END, ZEROBOOT, changed, contents, directory, hard, member, place, signed, symlink, tar_of


# ---- trees and tars ----

def make_tree(top):
    """Something of each kind that a tar and an image can have."""
    top.mkdir()
    (top / "empty").mkdir()
    (top / "a").write_text("a\n")
    (top / "none").touch()
    (top / "page").write_bytes(os.urandom(4096))
    (top / "more").write_bytes(os.urandom(4097))
    (top / "large").write_bytes(os.urandom(3 << 20))
    (top / "text").write_text("the quick brown fox\n" * 9999)
    deep = top / "d" / "e"
    deep.mkdir(parents=True)
    (deep / ("long-" * 30)).write_text("long\n")
    far = top / ("x" * 90) / ("y" * 90) / ("z" * 90)
    far.mkdir(parents=True)
    (far / "file").write_text("far\n")
    os.link(far / "file", top / "same")
    os.link(far / "file", deep / "again")
    os.symlink("a", top / "link")
    os.symlink("../../" * 5 + "t" * 150, deep / "away")
    os.symlink("nothing", top / "same-link")
    os.link(top / "same-link", top / "link-twice", follow_symlinks=False)
    (top / "ünïcode \n").write_text("name\n")
    os.mkfifo(top / "fifo", 0o600)
    os.mknod(top / "tty", stat.S_IFCHR | 0o620, os.makedev(4, 300))
    os.mknod(top / "disk", stat.S_IFBLK | 0o660, os.makedev(259, 70000))
    holes = top / "holes"
    with open(holes, "wb") as f:
        for at in 1 << 20, 5000000, 7 << 20:
            f.seek(at)
            f.write(b"data")
        f.truncate(9 << 20)
    os.chmod(top / "a", 0o4755)
    os.chmod(top / "empty", 0o1777)
    os.chown(top / "text", 1000, 54321)
    os.utime(top / "text", (1, 1))
    os.utime(top / "page", ns=(0, 1234567890123456789))
    os.utime(top / "none", (0, -12345))


def make_v7_tree(top):
    """What the oldest format can have."""
    top.mkdir()
    (top / "d").mkdir()
    (top / "d" / "file").write_text("text")
    (top / "none").touch()
    os.link(top / "d" / "file", top / "same")
    os.symlink("d/file", top / "link")
    os.utime(top / "none", (5, 5))


def gnu_tar(top, *options):
    return subprocess.run(["tar", "-C", top, "--numeric-owner", *options, "-cf", "-", "."], stdout=subprocess.PIPE, check=True).stdout


def same(image, files, whole_seconds, without=()):
    if whole_seconds:
        files = {p: f._replace(mtime=f.mtime // 10**9 * 10**9) for p, f in files.items()}
    problem = difference(image.files, files, without)
    assert problem is None, problem


def check_tar(tree, files, whole_seconds, without, *options):
    tar = gnu_tar(tree, *options)
    (place.top / "t.tar").write_bytes(tar)
    same(place.good(place.top / "t.tar"), files, whole_seconds, without)
    same(place.good("-", tar), files, whole_seconds, without)


def check_directory(tree, files):
    same(place.good(tree, checksum=True), files, False)


def check_python(tree, files, form):
    """It makes no hard links of links, and rounds times."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as t:
        t.add(tree, ".")
    alone = {p: f._replace(nlink=1, same=p) if f.target else f for p, f in files.items()}
    same(place.good("-", out.getvalue()), alone, True, ("mtime",) if form == tarfile.PAX_FORMAT else ())


def check_busybox(tree, files):
    tar = subprocess.run(["busybox", "tar", "-C", tree, "-cf", "-", "."], stdout=subprocess.PIPE, check=True).stdout
    same(place.good("-", tar), files, True)


# ---- what a hostile or odd tar becomes ----

MEANS = {
    "nothing": (tar_of(), {}),
    "an absolute path is the tree's": (tar_of(member("/f", b"1")), {"/f": b"1"}),
    "empty and . components are nothing": (tar_of(member(".//./a///./f", b"1")), {"/a": None, "/a/f": b"1"}),
    "the root alone": (tar_of(directory("./"), directory("/"), directory(".")), {}),
    "parents that are missing are made": (tar_of(member("a/b/f", b"1")), {"/a": None, "/a/b": None, "/a/b/f": b"1"}),
    "the later of two wins": (tar_of(member("f", b"1" * 5000), member("f", b"22")), {"/f": b"22"}),
    "a file in the place of a directory": (tar_of(member("d/f", b"1"), member("d", b"2")), {"/d": b"2"}),
    "a directory in the place of a file": (tar_of(member("d", b"2"), directory("d"), member("d/f", b"1")), {"/d": None, "/d/f": b"1"}),
    "a directory twice keeps what is in it": (tar_of(member("d/f", b"1"), directory("d")), {"/d": None, "/d/f": b"1"}),
    "a directory in the place of a link": (tar_of(directory("e"), symlink("d", "e"), directory("d"), member("d/f", b"1")),
                                            {"/e": None, "/d": None, "/d/f": b"1"}),
    "a link on the way is followed": (tar_of(directory("e"), symlink("d", "e"), member("d/f", b"1")),
                                       {"/e": None, "/d": b"e", "/e/f": b"1"}),
    "an absolute link is the tree's": (tar_of(directory("etc"), symlink("d", "/etc"), member("d/passwd", b"1")),
                                       {"/etc": None, "/d": b"/etc", "/etc/passwd": b"1"}),
    "a link above the root ends at the root": (tar_of(directory("tmp"), symlink("d", "../../../../tmp"), member("d/f", b"1")),
                                               {"/tmp": None, "/d": b"../../../../tmp", "/tmp/f": b"1"}),
    "a last link is replaced, not followed": (tar_of(member("e", b"1"), symlink("d", "e"), member("d", b"2")),
                                              {"/e": b"1", "/d": b"2"}),
    "a hard link": (tar_of(member("a", b"1"), hard("b", "a")), {"/a": b"1", "/b": b"1"}),
    "a hard link to itself": (tar_of(member("a", b"1"), hard("a", "a"), hard("a", "./a")), {"/a": b"1"}),
    "a hard link over a file": (tar_of(member("a", b"1"), member("b", b"2"), hard("b", "/a")), {"/a": b"1", "/b": b"1"}),
    "a hard link over the directory that it is in": (tar_of(member("d/f", b"1"), hard("d", "d/f")), {"/d": b"1"}),
    "a hard link to a link": (tar_of(symlink("a", "x"), hard("b", "a")), {"/a": b"x", "/b": b"x"}),
    "a hard link through a link": (tar_of(member("d/f", b"1"), symlink("l", "d"), hard("b", "l/f")),
                                   {"/d": None, "/d/f": b"1", "/l": b"d", "/b": b"1"}),
    "a hard link's size is nothing": (tar_of(member("a", b"1"), changed(hard("b", "a"), f124=b"00000000777\0"), member("c", b"3")),
                                      {"/a": b"1", "/b": b"1", "/c": b"3"}),
    "a file whose first name is replaced": (tar_of(member("a", b"1"), hard("b", "a"), member("a", b"2")), {"/a": b"2", "/b": b"1"}),
    "links in a circle": (tar_of(symlink("a", "b"), symlink("b", "a")), {"/a": b"b", "/b": b"a"}),
    "whiteouts are plain files in a root file system": (tar_of(member("a", b"1"), member(".wh.a", b"")), {"/a": b"1", "/.wh.a": b""}),
    "a file's name with a slash behind is a directory": (tar_of(changed(member("d", b""), f0=b"d/")), {"/d": None}),
    "a volume's name": (tar_of(changed(member("label"), f156=b"V"), member("f", b"1")), {"/f": b"1"}),
    "old tars' signed checksums": (
        b"".join((lambda h: h[:148] + b"%06o\0 " % sum((b - 256 if b > 127 else b) for b in h[:148] + b" " * 8 + h[156:512]) + h[156:])(
            changed(member("x"), f0="ü".encode())) for _ in "1") + END, {"/ü": b""}),
    "a magic of nobody": (tar_of(changed(member("f", b"1"), f257=b"nobody12")), {"/f": b"1"}),
    "a name of 100 bytes": (tar_of(member("n" * 100, b"1")), {"/" + "n" * 100: b"1"}),
    "a name of 255 bytes": (tar_of(member("n" * 255, b"1")), {"/" + "n" * 255: b"1"}),
    "star's prefix": (tar_of(changed(member("f", b"1"), f345=b"d" + bytes(130) + b"00000000001 00000000002 ", f508=b"tar\0")),
                      {"/d": None, "/d/f": b"1"}),
    "a pax path": (tar_of(member("short", b"1", pax={"path": "d/real"})), {"/d": None, "/d/real": b"1"}),
    "a global pax header": (tarfile.TarInfo.create_pax_global_header({"comment": "x"}) + tar_of(member("f", b"1")),
                            {"/f": b"1"}),
    "global records hold until others do, and a member's own go first": (
        tarfile.TarInfo.create_pax_global_header({"linkpath": "g1"}) + symlink("a", "x") +
        member("b", kind=tarfile.SYMTYPE, link="x", pax={"linkpath": "own"}) + symlink("c", "x") +
        tarfile.TarInfo.create_pax_global_header({"comment": "x" * 3000}) + symlink("d", "x") +
        tarfile.TarInfo.create_pax_global_header({"linkpath": "g2"}) + symlink("e", "x") + END,
        {"/a": b"g1", "/b": b"own", "/c": b"g1", "/d": b"g1", "/e": b"g2"}),
    "a pax link": (tar_of(member("l", kind=tarfile.SYMTYPE, link="x", pax={"linkpath": "t" * 3000})), {"/l": b"t" * 3000}),
    "a pax size": (tar_of(member("f", pax={"size": "1"}) + b"1" + bytes(511)), {"/f": b"1"}),
    "a GNU directory with its list": (tar_of(changed(member("d", b"Yf\0\0"), f156=b"D"), member("d/f", b"1")), {"/d": None, "/d/f": b"1"}),
    "a contiguous file": (tar_of(changed(member("f", b"1"), f156=b"7")), {"/f": b"1"}),
}

WARNS = {
    "something behind the end": (tar_of(member("f", b"1")) + b"rest", {"/f": b"1"}, "behind the archive's end is ignored"),
    "an unknown type": (tar_of(changed(member("f", b"1"), f156=b"Q")), {"/f": b"1"}, "f: unknown type 'Q'"),
    "an attribute of an unknown kind": (tar_of(member("f", b"1", pax={"SCHILY.xattr.system.posix_acl_access": "x"})), {"/f": b"1"},
                                        "f: the attribute system.posix_acl_access is left out"),
}

REFUSED = {
    "`..`": (tar_of(member("../f", b"1")), "../f: `..` in its path"),
    "`..` inside": (tar_of(member("a/../f", b"1")), "`..` in its path"),
    "`..` at the end": (tar_of(directory("a/..")), "`..` in its path"),
    "`..` in an absolute path": (tar_of(member("/../../etc/passwd", b"1")), "`..` in its path"),
    "`..` in a hard link": (tar_of(member("a"), hard("b", "../a")), "b: `..` in its path"),
    "a hard link to what is missing": (tar_of(hard("b", "a")), "b: what it is a link to is not there"),
    "a hard link to what comes later": (tar_of(hard("b", "a"), member("a")), "b: what it is a link to is not there"),
    "a hard link to a file of the host": (tar_of(hard("b", "/etc/passwd")), "b: what it is a link to is not there"),
    "a hard link to a directory": (tar_of(directory("d"), hard("b", "d")), "b: a hard link to a directory"),
    "a hard link to the root": (tar_of(hard("b", "/")), "b: a hard link to a directory"),
    "a link to nothing": (tar_of(symlink("l", "")), "l: a link to nothing"),
    "through a link to nothing": (tar_of(symlink("d", "gone"), member("d/f")), "d/f: its path is not there"),
    "through a file": (tar_of(member("d"), member("d/f")), "d/f: its path leads through a file"),
    "through a link to a file": (tar_of(member("e"), symlink("d", "e"), member("d/f")), "d/f: its path leads through a file"),
    "through links in a circle": (tar_of(symlink("a", "b"), symlink("b", "a"), member("a/f")), "a/f: its path leads through too many links"),
    "through a link to itself": (tar_of(symlink("a", "a/a"), member("a/f")), "too many links"),
    "the root as a file": (tar_of(changed(member("x", b"1"), f0=b".")), "a file without a name"),
    "the root as a link": (tar_of(symlink("/", "/etc")), "a file without a name"),
    "an empty name": (tar_of(changed(member("x"), f0=b"\0")), "a file without a name"),
    "a name of 256 bytes": (tar_of(member("n" * 256)), "a name longer than 255 bytes"),
    "a path of 4,096 bytes": (tar_of(member("n/" * 2047 + "ab")), "longer than 4095 bytes"),
    "a GNU path of 4,096 bytes": (tar_of(member("n/" * 2047 + "ab", form=tarfile.GNU_FORMAT)), "too long"),
    "too deep": (tar_of(member("d/" * 128 + "f")), "its path is too deep"),
    "a NUL in a path": (tar_of(member("f", pax={"path": "a\0b"})), "a NUL in its name"),
    "a NUL in a link": (tar_of(member("l", kind=tarfile.SYMTYPE, link="x", pax={"linkpath": "a\0b"})), "a NUL in its target"),
    "control characters in a name": (tar_of(member("\x1b[2J\n/../f")), "?[2J?/../f: "),
    "a bad checksum": (member("f", b"1")[:512].replace(b"ustar", b"usttr") + END, "no tar"),
    "a bad checksum later": (member("f") + member("g").replace(b"g", b"h", 1) + END, "f: damaged: no header behind it"),
    "a lone block of zeros": (member("f") + bytes(512) + member("g") + END, "f: damaged: a lone block of zeros behind it"),
    "a size that is no number": (tar_of(changed(member("f"), f124=b"9")), "f: damaged: a bad number"),
    "a negative size": (tar_of(changed(member("f"), f124=b"\xff" * 12)), "f: damaged: a negative size"),
    "a size over all": (tar_of(changed(member("f"), f124=b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7)), "f: too large"),
    "a size beyond 64 bits": (tar_of(changed(member("f"), f124=b"\x80" + b"\x7f" * 11)), "f: damaged: a bad number"),
    "an owner over 32 bits": (tar_of(changed(member("f"), f108=b"\x80\0\0\1\0\0\0\0")), "f: its owner's number is out of range"),
    "a negative owner": (tar_of(changed(member("f"), f108=b"\xff" * 8)), "f: its owner's number is out of range"),
    "a device out of range": (tar_of(member("f", kind=tarfile.CHRTYPE, devmajor=0o7777777, devminor=1)), "f: its device number is out of range"),
    "a part of several volumes": (tar_of(changed(member("f"), f156=b"M")), "several volumes"),
    "an old list of names": (tar_of(changed(member("f"), f156=b"N")), "in an old form"),
    "an endless long name": (tar_of(changed(member("f"), f156=b"L", f124=b"77777777777\0")), "the header behind it is too large"),
    "an endless pax header": (tar_of(changed(member("f"), f156=b"x", f124=b"77777777777\0")), "the header behind it is too large"),
    "an endless global header": (b"".join(tarfile.TarInfo.create_pax_global_header({"comment": "x" * 30000}) for _ in range(5)) + END,
                                 "the header behind it is too large"),
    "a global record that is none, with nothing behind": (changed(member("p", b"0 a=b\n"), f156=b"g") + END, "bad pax record"),
    "a pax size of nothing": (tar_of(member("f", pax={"size": "x"})), "bad pax record"),
    "a pax mtime of nothing": (tar_of(member("f", pax={"mtime": "1.2.3"})), "bad pax record"),
}

for name, records in {"no length": b"a=b\n", "a length of 0": b"0 a=b\n", "a length too small": b"3 a=b\n", "no newline": b"7 a=bcd",
                      "a length too large": b"99 a=b\n", "no key": b"5 =b\n", "no =": b"5 ab\n", "a NUL": b"\0\0\0\0",
                      "a length over all": b"99999999999999999999 a=b\n", "a length in words": b"six a=b\n"}.items():
    REFUSED[f"a pax record with {name}"] = (tar_of(changed(member("p", records), f156=b"x"), member("f")), "bad pax record")


def sparse_pax(pax, data, stored="x"):
    return tar_of(member("GNUSparseFile.0/f", data, pax={"GNU.sparse.name": "f", **pax}))


def pax_1(size, lines, data=b""):
    text = "".join(f"{n}\n" for n in lines).encode()
    text += bytes(-len(text) % 512)
    return sparse_pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(size)}, text + data)


def old_gnu(size, parts, data=b"", more=(), flag=None):
    header = bytearray(member("f", data, form=tarfile.GNU_FORMAT)[:512])
    part = lambda offset, length: b"%011o\0%011o\0" % (offset, length)
    header[156:157] = b"S"
    header[386:386 + 24 * len(parts)] = b"".join(part(*p) for p in parts)
    header[482:483] = b"\1" if more or flag else b"\0"
    header[483:495] = b"%011o\0" % size
    blocks = b"".join((b"".join(part(*p) for p in m)).ljust(504, b"\0") + (b"\1" if i + 1 < len(more) else b"\0").ljust(8, b"\0")
                      for i, m in enumerate(more))
    return signed(header) + blocks + data + bytes(-len(data) % 512) + END


MEANS |= {
    "old GNU sparse": (old_gnu(10, [(2, 3), (10, 0)], b"abc"), {"/f": b"\0\0abc\0\0\0\0\0"}),
    "old GNU sparse, continued": (old_gnu(30, [(0, 1), (2, 1), (4, 1), (6, 1)], b"abcdef", [[(8, 1)], [(20, 1), (30, 0)]]),
                                  {"/f": b"a\0b\0c\0d\0e" + b"\0" * 11 + b"f" + b"\0" * 9}),
    "pax sparse 1.0": (pax_1(10, [2, 1, 2, 10, 0], b"ab"), {"/f": b"\0ab\0\0\0\0\0\0\0"}),
    "pax sparse 1.0, only a hole": (pax_1(5, [1, 5, 0]), {"/f": b"\0" * 5}),
    "pax sparse 0.1": (sparse_pax({"GNU.sparse.size": "6", "GNU.sparse.numblocks": "2", "GNU.sparse.map": "1,2,6,0"}, b"ab"),
                       {"/f": b"\0ab\0\0\0"}),
}

REFUSED |= {
    "a sparse file, parts that overlap": (old_gnu(10, [(2, 3), (4, 3)], b"abcdef"), "f: damaged: a bad map"),
    "a sparse file, parts out of order": (old_gnu(10, [(5, 1), (2, 1)], b"ab"), "f: damaged: a bad map"),
    "a sparse file, a part beyond its size": (old_gnu(10, [(9, 3)], b"abc"), "f: damaged: a bad map"),
    "a sparse file, more parts than content": (old_gnu(10, [(2, 5)], b"abc"), "f: damaged: a bad map"),
    "a sparse file, less parts than content": (old_gnu(10, [(2, 1)], b"abc"), "f: damaged: a bad map"),
    "a sparse file, a negative offset": (changed(old_gnu(10, [(2, 1)], b"a"), f386=b"\xff" * 12), "f: damaged: a bad number"),
    "a sparse file cut in its map": (old_gnu(10, [(2, 1)], b"", flag=True)[:512], "f: cut in its header"),
    "a sparse file, a map of words": (pax_1(10, [1, "x", 1], b"a"), "f: damaged: a bad map"),
    "a sparse file, a map without an end": (pax_1(10, [5, 1, 1], b""), "f: damaged: a bad map"),
    "a sparse file, a map of too many": (pax_1(10, [10**12, 1, 1], b""), "f: damaged: a bad map"),
    "a sparse file of an unknown format": (sparse_pax({"GNU.sparse.major": "2", "GNU.sparse.realsize": "1"}, b""), "f: a sparse file of an unknown format"),
    "a sparse file, a map of one number": (sparse_pax({"GNU.sparse.size": "6", "GNU.sparse.map": "1"}, b"ab"), "bad pax record"),
}


def check_means(data, wanted, warns=None):
    image = place.good("-", data, warns)
    assert contents(image) == wanted, contents(image)


def check_time(pax, wanted):
    image = place.good("-", tar_of(member("f", pax={"mtime": pax})))
    assert image.files[b"/f"].mtime == wanted, image.files[b"/f"]


def check_numbers():
    """Sizes, owners and times that octal has no room for."""
    info = tarfile.TarInfo("f")
    info.uid, info.gid, info.mtime = 4000000000, 3000000, -5
    image = place.good("-", tar_of(info.tobuf(tarfile.GNU_FORMAT)))
    f = image.files[b"/f"]
    assert (f.uid, f.gid, f.mtime) == (4000000000, 3000000, -5 * 10**9), f
    image = place.good("-", tar_of(info.tobuf(tarfile.PAX_FORMAT)))
    f = image.files[b"/f"]
    assert (f.uid, f.gid, f.mtime) == (4000000000, 3000000, -5 * 10**9), f


def check_parents():
    image = place.good("-", tar_of(member("a/f", mtime=77, uid=5)))
    d = image.files[b"/a"]
    assert (d.mode, d.uid, d.mtime) == (0o40755, 0, 77 * 10**9), d


# ---- cut and damaged ----

def small_tar():
    return tar_of(directory("d"), member("d/f", b"x" * 700), member("n" * 200, b"y" * 513, pax={"SCHILY.xattr.user.a": "b"}), symlink("l", "d"))


def check_cut_at_blocks():
    tar = small_tar()
    for at in range(0, len(tar), 512):
        place.refused("-", tar[:at], "cut" if at else "")
        (place.top / "t.tar").write_bytes(tar[:at])
        place.refused(place.top / "t.tar", why="t.tar: ")


def check_cut_anywhere():
    tar = small_tar()
    for at in random.Random(1).sample(range(len(tar)), 60):
        place.refused("-", tar[:at])


def check_cut_gzip():
    tar = gzip.compress(small_tar())
    for at in random.Random(2).sample(range(len(tar)), 60) + list(range(len(tar) - 9, len(tar))):
        place.refused("-", tar[:at])


def check_bits(data):
    """Any flipped bit of a gzip is seen, but in what its header says about itself."""
    for at in random.Random(3).sample(range(10, len(data)), 120):
        bad = bytearray(data)
        bad[at] ^= 1 << at % 8
        code, error = place.build("-", bytes(bad))
        assert code == 1 and error.count("\n") <= 2, (code, error)
        place.empty(0)


def gzip_payload():
    rows = random.Random(4)
    words = [bytes(rows.randrange(97, 123) for _ in range(rows.randrange(2, 9))) for _ in range(500)]
    return b" ".join(rows.choice(words) for _ in range(20000)) + rows.randbytes(70000) + bytes(200000)


def check_gzip(pack):
    tar = tar_of(member("f", gzip_payload()), member("g", b"1"))
    image = place.good("-", pack(tar))
    assert contents(image) == {"/f": gzip_payload(), "/g": b"1"}


def deflated(level=9, strategy=zlib.Z_DEFAULT_STRATEGY, flush=0, header=b"", flags=0):
    def pack(data):
        z = zlib.compressobj(level, zlib.DEFLATED, -15, 8, strategy)
        body, step = b"", flush or len(data)
        for at in range(0, len(data), step):
            body += z.compress(data[at:at + step])
            if flush:
                body += z.flush(zlib.Z_FULL_FLUSH if at % (2 * step) else zlib.Z_SYNC_FLUSH)
        body += z.flush()
        start = b"\x1f\x8b\x08" + bytes([flags]) + bytes(6) + header
        if flags & 2:
            start += struct.pack("<H", zlib.crc32(start) & 0xffff)
        return start + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xffffffff)
    return pack


def members(data):
    """As pigz -i and bgzip: many members, one of them empty."""
    return b"".join(gzip.compress(data[i:i + 30000]) for i in range(0, len(data), 30000)) + gzip.compress(b"") + bytes(1000)


GZIPS = {
    "gzip -1": lambda d: subprocess.run(["gzip", "-1"], input=d, stdout=subprocess.PIPE, check=True).stdout,
    "gzip -9 of a named file": lambda d: subprocess.run(["gzip", "-9", "-N"], input=d, stdout=subprocess.PIPE, check=True).stdout,
    "busybox gzip": lambda d: subprocess.run(["busybox", "gzip"], input=d, stdout=subprocess.PIPE, check=True).stdout,
    "stored blocks": deflated(0), "fixed codes": deflated(6, zlib.Z_FIXED), "codes without matches": deflated(6, zlib.Z_HUFFMAN_ONLY),
    "runs": deflated(6, zlib.Z_RLE), "flushed now and then": deflated(6, flush=1000), "many members": members,
    "all of a header": deflated(6, header=b"\3\0abcname\0comment\0", flags=2 | 4 | 8 | 16),
}

BAD_GZIPS = {
    "a wrong checksum": (lambda d: d[:-8] + bytes(4) + d[-4:], "wrong checksum"),
    "a wrong size": (lambda d: d[:-4] + bytes(4), "wrong checksum"),
    "garbage behind it": (lambda d: d + b"garbage", "garbage behind its end"),
    "half a header behind it": (lambda d: d + b"\x1f\x8b", "cut"),
    "another method": (lambda d: d[:2] + b"\7" + d[3:], "not deflated"),
    "unknown flags": (lambda d: d[:3] + b"\x80" + d[4:], "unknown flags"),
    "an unknown kind of block": (lambda d: d[:10] + b"\7" + d[11:], "unknown kind of block"),
    "no tar in it": (lambda d: gzip.compress(b"no tar" * 1000), "no tar"),
    "gzip in gzip": (lambda d: gzip.compress(d), "no tar"),
}


def check_packed_otherwise():
    for how, magic in ("zstd", b"\x28\xb5\x2f\xfd"), ("xz", b"\xfd7zXZ\0"), ("bzip2", b"BZh9"):
        place.refused("-", magic + bytes(2000), f"packed by {how}, only gzip is unpacked")


# ---- bombs ----

def measured(source, data=None):
    """Exit code, stderr, and the most memory in MiB."""
    script = "import resource,subprocess,sys;r=subprocess.run(sys.argv[1:]).returncode;" \
             "print('peak',resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss//1024);sys.exit(r)"
    done = subprocess.run([sys.executable, "-c", script, ZEROBOOT, "image", "build", "-o", place.image, source], input=data,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)
    return done.returncode, done.stderr.decode(), int(done.stdout.split()[-1])


def check_sparse_bomb():
    for tar in old_gnu(3 << 30, [(3 << 30, 0)]), pax_1(3 << 30, [1, 3 << 30, 0]):
        code, error, peak = measured("-", tar)
        assert code == 0 and peak < 40, (code, error, peak)
        st = os.stat(place.image)
        assert st.st_size > 3 << 30 and st.st_blocks * 512 < 1 << 20, st
        place.empty(1)
    place.refused("-", pax_1(2 << 40, [1, 2 << 40, 0]), "f: too large")
    place.refused("-", pax_1(1 << 39, [1, 1 << 39, 0])[:-1024] * 3 + END, "f: too large")


def check_zero_bomb():
    """Much of zeros in little: nothing of it is written or held."""
    z = zlib.compressobj(9, zlib.DEFLATED, 31)
    size = 1 << 28
    packed = z.compress(changed(member("f"), f124=b"%011o\0" % size))
    for _ in range(size >> 20):
        packed += z.compress(bytes(1 << 20))
    packed += z.compress(END) + z.flush()
    code, error, peak = measured("-", packed)
    assert code == 0 and peak < 40, (code, error, peak)
    assert os.stat(place.image).st_blocks * 512 < 1 << 20
    place.empty(1)


def check_replaced_often():
    """What is replaced is not kept, neither in the image nor on the disk."""
    data = random.Random(5).randbytes(1 << 20)
    image = place.good("-", tar_of(member("keep", data), *[member("f", data)] * 30, member("g", data[::-1])))
    assert image.size < 4 << 20 and image.disk < 4 << 20, (image.size, image.disk)
    assert contents(image) == {"/keep": data, "/f": data, "/g": data[::-1]}


def check_many_files():
    """A hundred thousand files in one directory, twice."""
    header = bytearray(member("d/", form=tarfile.USTAR_FORMAT))
    one = b"".join(changed(header, f2=b"%d" % i) for i in range(100000))
    code, error, peak = measured("-", one + one + END)
    assert code == 0 and peak < 120, (code, error, peak)
    assert len(Image(place.image).files) == 100002
    place.empty(1)


# ---- the disk, signals, the terminal ----

def check_full_disk():
    script = 'mount -t tmpfs -o size=1m tmpfs /mnt && "$0" image build -o /mnt/x.img -; r=$?; ls -A /mnt; exit $r'
    tar = tar_of(member("d/large", os.urandom(4 << 20)))
    done = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", script, ZEROBOOT], input=tar, timeout=PATIENCE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"zeroboot: stdin: d/large: No space left on device\n"), done


def check_file_limit():
    tar = tar_of(member("large", os.urandom(4 << 20)))
    done = subprocess.run(["prlimit", "--fsize=1000000", ZEROBOOT, "image", "build", "-o", place.image, "-"], input=tar,
                          stderr=subprocess.PIPE, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (1, b"zeroboot: stdin: large: File too large\n"), done
    place.empty(0)


def check_signal(number):
    """It comes in the middle of a member, and of a container image."""
    for tar in tar_of(member("f", os.urandom(3 << 20))), docker_save([tar_of(member("f", os.urandom(3 << 20)))]):
        with subprocess.Popen([ZEROBOOT, "image", "build", "-o", place.image, "-"], stdin=subprocess.PIPE) as p:
            p.stdin.write(tar[:2 << 20])
            p.stdin.flush()
            eventually(lambda: os.listdir(place.image.parent))
            p.send_signal(number)
            assert p.wait(PATIENCE) == -number, p.returncode
        place.empty(0)


def check_ignored_signal():
    """As nohup asks for."""
    tar = tar_of(member("f", os.urandom(3 << 20)))
    with subprocess.Popen(["sh", "-c", "trap '' HUP; exec \"$@\"", "sh", ZEROBOOT, "image", "build", "-o", place.image, "-"],
                          stdin=subprocess.PIPE) as p:
        p.stdin.write(tar[:2 << 20])
        p.stdin.flush()
        eventually(lambda: os.listdir(place.image.parent))
        p.send_signal(signal.SIGHUP)
        p.stdin.write(tar[2 << 20:])
        p.stdin.close()
        assert p.wait(PATIENCE) == 0
    place.empty(1)


def check_terminal():
    """Progress is for a terminal, and gone at the end; a tar is not typed."""
    master, slave = pty.openpty()
    with subprocess.Popen([ZEROBOOT, "image", "build", "-o", place.image, "-"], stdin=subprocess.PIPE, stderr=slave) as p:
        p.stdin.write(tar_of(member("f", os.urandom(1 << 20)))[:600000])
        p.stdin.flush()
        assert select.select([master], [], [], PATIENCE)[0]
        assert re.fullmatch(rb"\d+ files, \d+\.\d MiB", os.read(master, 100))
        p.stdin.write(bytes(1 << 20))
        p.stdin.close()
        p.wait(PATIENCE)
    assert p.returncode == 0
    text = os.read(master, 10000)
    assert text.endswith(b"\r\x1b[K"), text
    place.empty(1)
    done = subprocess.run([ZEROBOOT, "image", "build", "-o", place.image, "-"], stdin=slave, stderr=subprocess.PIPE, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (1, b"zeroboot: -: a terminal, not a tar\n"), done
    place.empty(0)


def check_output():
    """What is there stays until the new one is whole; what is no file is not replaced."""
    place.image.write_text("old")
    assert place.build("-", small_tar()[:1024], over=True)[0] == 1 and place.image.read_text() == "old"
    place.empty(1)
    os.mkfifo(place.image)
    code, error = place.build("-", small_tar(), over=True)
    assert code == 1 and error.endswith("x.img: is there and no regular file\n"), error
    place.empty(1)


def check_into_source():
    """The image may be made in the directory that is packed; it is not in itself."""
    tree = place.top / "inside"
    tree.mkdir()
    (tree / "f").write_text("1")
    subprocess.run([ZEROBOOT, "image", "build", "-o", tree / "x.img", tree], check=True, timeout=PATIENCE)
    assert contents(Image(tree / "x.img")) == {"/f": b"1"}
    shutil.rmtree(tree)


def check_long_names():
    """A message has room for what is wrong, whatever the names are."""
    deep = place.top / ("d" * 200) / ("e" * 200)
    deep.mkdir(parents=True)
    tar = deep / ("t" * 200)
    tar.write_bytes(tar_of(member("n" * 200 + "/..")))
    line = place.refused(tar)
    assert "ttt: ..." in line and line.endswith("nnn/..: `..` in its path"), line
    tar.write_bytes(docker_save([tar_of(hard("n" * 250, "a"))]))
    line = place.refused(tar)
    assert "ttt: layer 1: ..." in line and line.endswith("nnn: what it is a link to is not there"), line
    shutil.rmtree(deep.parent)


def check_slow_pipe():
    """Whatever the pieces are, and if the pipe does not wait."""
    tar = gzip.compress(small_tar())
    for blocking in True, False:
        reader, writer = os.pipe()
        os.set_blocking(reader, blocking)
        with subprocess.Popen([ZEROBOOT, "image", "build", "-o", place.image, "-"], stdin=reader) as p:
            os.close(reader)
            for i in range(len(tar)):
                os.write(writer, tar[i:i + 1])
            os.close(writer)
            assert p.wait(PATIENCE) == 0
        place.empty(1)


def check_writes_nothing():
    """As root with a tar that wants to write everywhere: two files are opened for it,
    the image's draft and nothing."""
    tar = place.top / "t.tar"
    tar.write_bytes(tar_of(member("/tmp/zeroboot-was-here", b"1"), symlink("d", "/tmp"), directory("tmp"), member("d/zeroboot-too", b"1"),
                           member("dev", kind=tarfile.CHRTYPE, devmajor=1, devminor=3)))
    log = place.top / "calls"
    # LeakSanitizer would trace the process as well.
    subprocess.run(["strace", "-f", "-o", log, ZEROBOOT, "image", "build", "-o", place.image, tar], check=True, timeout=PATIENCE,
                   env=os.environ | {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"})
    calls = [line.split(None, 1)[1] for line in log.read_text().splitlines()]
    made = [c for c in calls if re.match(r"(creat|mkdir|mknod|link|symlink|rename|unlink|chmod|chown|fork|vfork|clone|execve)|open.*O_CREAT", c)]
    assert len(made) == 3 and made[0].startswith("execve(") and str(place.image) in made[1] and made[2].startswith("rename("), made
    place.empty(1)


# ---- attributes ----

def check_xattrs_of_tar(tree):
    """pax headers' as GNU tar --xattrs and docker have them."""
    capability = bytes.fromhex("0100000200200000000000000000000000000000")
    (tree / "d").mkdir(parents=True)
    (tree / "f").write_text("1")
    for path in tree / "f", tree / "d":
        os.setxattr(path, "user.b", b"\0\xff\n=")
        os.setxattr(path, "user.a", b"")
        os.setxattr(path, "trusted.t", b"x" * 2000)
        os.setxattr(path, "security.capability", capability)
    os.link(tree / "f", tree / "same")
    files = of_directory(tree)
    assert len(files[b"/f"].xattrs) == 4
    same(place.good(tree), files, False)
    tar = gnu_tar(tree, "--xattrs", "--xattrs-include=*", "--format=pax")
    got = place.good("-", tar)
    same(got, files, False)


def check_security_label():
    """A label of this host's policy is nothing that an image has."""
    image = place.good("-", tar_of(member("f", pax={"SCHILY.xattr.security.selinux": "x", "SCHILY.xattr.user.a": "b"})))
    assert image.files[b"/f"].xattrs == {b"user.a": b"b"}


# ---- what hostile ones cost ----

def attributes(count):
    """A directory with so many, time and again."""
    return tar_of(member("d", kind=tarfile.DIRTYPE, pax={f"SCHILY.xattr.user.{i:05}": "" for i in range(count)}) * 100)


def hidden(marker):
    """A layer that says so often that what a directory has from below is not there, and has as much itself."""
    return lambda count: docker_save([LAYERS[0], tar_of(directory("d"), *(member(f"d/{i}") for i in range(count)), member(marker) * count)])


COSTLY = {
    "attributes of a file": (attributes, 1000),
    "opaque directories": (hidden("d/.wh..wh..opq"), 4000),
    "whiteouts of one directory": (hidden(".wh.d"), 4000),
}


def cpu_seconds(data):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    assert place.build("-", data)[0] == 0
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def check_cost(make, count):
    """Four times as much takes four times as long, not sixteen times."""
    some, more, found = make(count), make(4 * count), []
    while not found or found[-1] > 7 and len(found) < 5:
        found.append(cpu_seconds(more) / max(cpu_seconds(some), 0.04))
    assert found[-1] <= 7, found


# ---- in the guest ----

def check_settings():
    """`run` starts what the image says, or what it is told, in the image's place."""
    program = place.top / "shown"
    subprocess.run(["gcc", "-O1", "-static", "-o", program, TOP / "tests" / "shown.c"], check=True)
    layer = tar_of(member("bin/shown", program.read_bytes(), mode=0o755), member("srv/start", b"#! /bin/shown  one two \nrest", mode=0o755),
                   member("srv/plain", b"text"), member("file", pax={"SCHILY.xattr.user.a": "1", "SCHILY.xattr.user.b": "2"}),
                   directory("work/here"))
    usual = ["variable PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "variable HOME=/root", "variable LANG=C.UTF-8"]
    tail = ["attribute user.a=1", "attribute user.b=2", "change 0 0", "after new -1"]

    def run(config, arguments, *wanted, status=0):
        code, error = place.build("-", docker_save([layer], {"config": config}))
        assert code == 0, error
        done = subprocess.run([ZEROBOOT, "run", "-t", "100", place.image, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE)
        assert (done.returncode, done.stdout.decode().splitlines()) == (status, list(wanted)), done
        place.empty(1)

    run({}, ["/bin/shown", "x"], "cwd /", "argument /bin/shown", "argument x", *usual, *tail)
    run({}, ["shown"], "cwd /", "argument /bin/shown", *usual, *tail)
    run({"WorkingDir": "/work/here", "Env": ["A=1", "HOME=/work", "A=2"], "Entrypoint": ["/bin/shown", "e"], "Cmd": ["c", ""]}, [],
        "cwd /work/here", "argument /bin/shown", "argument e", "argument c", "argument ", usual[0], "variable HOME=/work", usual[2], "variable A=2", *tail)
    run({"Cmd": ["shown"], "Env": ["PATH=/nowhere::/bin"]}, [], "cwd /", "argument /bin/shown", "variable PATH=/nowhere::/bin", *usual[1:], *tail)
    run({"Cmd": ["/bin/shown"], "WorkingDir": "/gone"}, ["/bin/shown", "y"], "cwd /", "argument /bin/shown", "argument y", *usual, *tail)
    run({"WorkingDir": "/srv", "Cmd": ["./start", "more"]}, [], "cwd /srv", "argument /bin/shown", "argument one two", "argument /srv/./start",
        "argument more", *usual, *tail)
    run({}, [], f"zeroboot: {place.image}: it does not say what to start: name a program", status=1)
    run({"Cmd": ["nothing"]}, [], f"zeroboot: {place.image}: no program nothing in it", status=127)
    run({}, ["/srv/plain"], f"zeroboot: {place.image}: /srv/plain is no program", status=126)
    run({}, ["/work"], f"zeroboot: {place.image}: /work is no program", status=126)


def check_guest():
    """The tree that a program sees is the same from a directory and from its tar."""
    root = TOP / "build" / "sh-root"
    script = "cd / && find . -xdev -type f ! -path './proc/*' ! -path './dev/*' ! -path './sys/*' | sort | xargs sha256sum | sha256sum;" \
             "find usr etc lib bin app -printf '%p %y %m %U %G %s %l %n\\n' | sort | sha256sum"
    seen = set()
    tar = gnu_tar(root, "--sort=name")
    for source, data in (root, None), ("-", tar), ("-", gzip.compress(tar, 1)):
        code, error = place.build(source, data)
        assert code == 0 and not error, error
        done = subprocess.run([ZEROBOOT, "run", "-t", "100", place.image, "/usr/bin/bash", "-c", script], stdout=subprocess.PIPE, timeout=PATIENCE)
        assert done.returncode == 0 and done.stdout.count(b"\n") == 2, done
        seen.add(done.stdout)
        place.empty(1)
    assert len(seen) == 1, seen


def main():
    report = Report("image")
    check = report.check
    tree, old = place.top / "tree", place.top / "old"
    make_tree(tree)
    make_v7_tree(old)
    files, old_files = of_directory(tree), of_directory(old)
    check("a directory", check_directory, tree, files)
    check("GNU tar, gnu format", check_tar, tree, files, True, (), "--format=gnu")
    check("GNU tar, gnu format, sparse", check_tar, tree, files, True, (), "--format=gnu", "--sparse")
    check("GNU tar, oldgnu format, sparse", check_tar, tree, files, True, (), "--format=oldgnu", "--sparse")
    check("GNU tar, pax format", check_tar, tree, files, False, (), "--format=pax")
    for version in "0.0", "0.1", "1.0":
        check(f"GNU tar, pax format, sparse {version}", check_tar, tree, files, False, (), "--format=pax", "--sparse", f"--sparse-version={version}")
    check("GNU tar, ustar format", check_tar, old, old_files, True, (), "--format=ustar")
    check("GNU tar, v7 format", check_tar, old, old_files, True, (), "--format=v7")
    for form, name in (tarfile.USTAR_FORMAT, "ustar"), (tarfile.GNU_FORMAT, "gnu"), (tarfile.PAX_FORMAT, "pax"):
        check(f"Python's tarfile, {name} format", check_python, old if name == "ustar" else tree, old_files if name == "ustar" else files, form)
    check("busybox tar", check_busybox, old, old_files)
    for name, (data, wanted) in MEANS.items():
        check(name, check_means, data, wanted)
    for name, (data, wanted, warns) in WARNS.items():
        check(f"{name} is said", check_means, data, wanted, warns)
    for name, (data, why) in REFUSED.items():
        check(f"refused: {name}", place.refused, "-", data, why)
    check("an empty file is no tar", place.refused, "-", b"", "no tar")
    for text, wanted in ("1.5", 1500000000), ("-1.5", -1500000000), ("-0.25", -250000000), ("3", 3 * 10**9), ("1.0000000019", 1000000001):
        check(f"a time of {text}", check_time, text, wanted)
    check("large and negative numbers", check_numbers)
    check("parents have their child's time", check_parents)
    check("cut at each block", check_cut_at_blocks)
    check("cut anywhere", check_cut_anywhere)
    for name, pack in GZIPS.items():
        check(f"gzip: {name}", check_gzip, pack)
    small = gzip.compress(small_tar())
    for name, (change, why) in BAD_GZIPS.items():
        check(f"refused: gzip: {name}", place.refused, "-", change(small), why)
    check("gzip: cut anywhere", check_cut_gzip)
    check("gzip: any bit flipped", check_bits, small)
    check("what is packed otherwise is named", check_packed_otherwise)
    check("a sparse bomb costs nothing", check_sparse_bomb)
    check("a bomb of zeros costs time only", check_zero_bomb)
    check("what is replaced is not kept", check_replaced_often)
    check("a hundred thousand files twice", check_many_files)
    check("a full disk", check_full_disk)
    check("a limit of file sizes", check_file_limit)
    for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
        check(f"{number.name} leaves nothing behind", check_signal, number)
    check("a signal that is ignored stays so", check_ignored_signal)
    check("progress on a terminal only", check_terminal)
    check("the output is replaced whole or not at all", check_output)
    check("an image in its own source", check_into_source)
    check("messages about long names", check_long_names)
    check("a pipe that comes byte by byte", check_slow_pipe)
    check("nothing else is written", check_writes_nothing)
    check("extended attributes", check_xattrs_of_tar, place.top / "attributes")
    check("labels of this host's policy are left out", check_security_label)
    for name, (make, count) in COSTLY.items():
        check(f"the time that many take: {name}", check_cost, make, count)
    containers.check_all(check)
    check("run: settings, PATH, scripts, attributes", check_settings)
    check("in the guest it is the same from a directory, a tar and a gzip", check_guest)
    place.close()
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
