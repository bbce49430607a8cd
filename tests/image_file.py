"""Reads an image file as guest/abi.h has it, on its own: what the tests of `image
build` compare with. A file is a row of what lstat and listxattr would say, and its
content's hash; hard links have the same `same`."""
import collections
import hashlib
import mmap
import os
import stat
import struct

HEADER = struct.Struct("<8sIIQQQQQQQQQQQ")
INODE = struct.Struct("<IIIIQQqII")
DIRENT = struct.Struct("<IIHH")
XATTR = struct.Struct("<IIIIHH")

File = collections.namedtuple("File", "mode uid gid nlink size mtime target content rdev xattrs same")


def fnv1a(*parts):
    value = 0xcbf29ce484222325
    for part in parts:
        for byte in part:
            value = (value ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return value


class Image:
    def __init__(self, path, checksum=False):
        self.disk = os.stat(path).st_blocks * 512
        with open(path, "rb") as f:
            self.data = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
        (magic, self.version, inodes, self.size, self.inodes, self.dirents, dirents, self.names, self.names_size,
         self.checksum, self.xattrs, xattrs, self.settings_at, self.settings_size) = HEADER.unpack_from(self.data)
        assert magic == b"ZBIMAGE\n" and self.version == 2 and self.size == len(self.data) and self.size % 4096 == 0
        self.attributes = collections.defaultdict(dict)
        for i in range(xattrs):
            inode, name, value, value_size, name_size, _ = XATTR.unpack_from(self.data, self.xattrs + i * XATTR.size)
            self.attributes[inode][self.name(name, name_size)] = self.name(value, value_size)
        if checksum:
            head = bytearray(self.data[:HEADER.size])
            head[64:72] = bytes(8)
            at = lambda start, size: self.data[start:start + size]
            assert self.checksum == fnv1a(head, at(self.inodes, inodes * INODE.size), at(self.dirents, dirents * DIRENT.size),
                                          at(self.names, self.names_size), at(self.xattrs, xattrs * XATTR.size))
        self.files = {}
        self.extents = {}
        self.walk(0, b"", 0)
        assert len(self.extents) + sum(f.size == 0 for n, f in self.inode_files.items() if stat.S_ISREG(f.mode)) == \
            sum(stat.S_ISREG(f.mode) for f in self.inode_files.values())

    def name(self, at, size):
        assert at + size <= self.names_size
        return self.data[self.names + at:self.names + at + size]

    inode_files = None

    def walk(self, number, path, parent):
        if self.inode_files is None:
            self.inode_files = {}
        mode, uid, gid, nlink, size, data, sec, nsec, up = INODE.unpack_from(self.data, self.inodes + number * INODE.size)
        target = content = rdev = None
        if stat.S_ISREG(mode):
            assert data % 4096 == 0
            content = hashlib.sha256(self.data[data:data + size]).hexdigest()
            end = data + (size + 4095) // 4096 * 4096
            assert not any(self.data[data + size:end]), "not zero behind a file's end"
            if size:
                self.extents[number] = (data, end)
        elif stat.S_ISLNK(mode):
            target = self.name(data, size)
        elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            rdev = data
        file = File(mode, uid, gid, nlink, 0 if stat.S_ISDIR(mode) else size, sec * 10**9 + nsec, target, content, rdev,
                    self.attributes.get(number, {}), number)
        self.files[path or b"/"] = self.inode_files[number] = file
        if not stat.S_ISDIR(mode):
            return
        assert up == parent
        last = b""
        for i in range(size):
            inode, at, length, _ = DIRENT.unpack_from(self.data, self.dirents + (data + i) * DIRENT.size)
            name = self.name(at, length)
            assert name > last and b"/" not in name and name not in (b".", b"..") and b"\0" not in name, name
            last = name
            self.walk(inode, path + b"/" + name, number)

    def contiguous(self):
        """Files follow one another from the first page to the tables."""
        at = 4096
        for start, end in sorted(self.extents.values()):
            assert start == at, (start, at)
            at = end
        assert at == self.inodes

    def settings(self):
        text = self.name(self.settings_at, self.settings_size)
        return [s.decode() for s in text.split(b"\0")[:-1]]


def of_directory(top):
    """The same of a directory of this host."""
    files, numbers = {}, {}
    top = os.fsencode(top)
    places = [top] + [os.path.join(where, n) for where, dirs, names in os.walk(top) for n in dirs + names]
    for path in places:
        st = os.lstat(path)
        kind = st.st_mode
        target = os.readlink(path) if stat.S_ISLNK(kind) else None
        content = hashlib.sha256(open(path, "rb").read()).hexdigest() if stat.S_ISREG(kind) else None
        names = os.listxattr(path, follow_symlinks=False)
        links = 2 + sum(e.is_dir(follow_symlinks=False) for e in os.scandir(path)) if stat.S_ISDIR(kind) else st.st_nlink
        files[path[len(top):] or b"/"] = File(
            kind, st.st_uid, st.st_gid, links, 0 if stat.S_ISDIR(kind) else st.st_size, st.st_mtime_ns, target, content,
            st.st_rdev if stat.S_ISCHR(kind) or stat.S_ISBLK(kind) else None,
            {os.fsencode(n): os.getxattr(path, n, follow_symlinks=False) for n in names},
            numbers.setdefault((st.st_dev, st.st_ino), path))
    return files


def links(files):
    """Which names are one file."""
    groups = collections.defaultdict(set)
    for path, f in files.items():
        groups[f.same].add(path)
    return sorted(sorted(g) for g in groups.values() if len(g) > 1)


def difference(a, b, without=()):
    """The first one between two sets of files, or None. without: fields that need
    not be the same."""
    if a.keys() != b.keys():
        return f"only in one: {sorted(a.keys() ^ b.keys())[:5]}"
    plain = dict.fromkeys(("same", *without))
    for path in sorted(a):
        if a[path]._replace(**plain) != b[path]._replace(**plain):
            return f"{path}: {a[path]} {b[path]}"
    return None if links(a) == links(b) else f"hard links: {links(a)} {links(b)}"
