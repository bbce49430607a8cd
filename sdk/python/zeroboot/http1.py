"""HTTP/1.1 without a socket: a request's bytes, an answer taken in as it comes."""
from __future__ import annotations

import re
from typing import Dict, List, NamedTuple, Optional
from urllib.parse import urlsplit

from .errors import ProtocolError

HEAD_MAX = 65536  # bytes of a head, or of a chunk's line


class Target(NamedTuple):
    """Where a server is."""

    tls: bool
    host: str
    port: int
    authority: str  # as the Host field has it
    path: str  # before that of an endpoint


def target_of(base_url: str) -> Target:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"base_url: http://HOST[:PORT] or https://HOST[:PORT], not {base_url!r}")
    if re.search(r"[\x00-\x20\x7f-\uffff]", base_url):
        raise ValueError("base_url: a character that no address has")
    tls = parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    authority = parts.netloc.rpartition("@")[2]
    return Target(tls, parts.hostname, port, authority, parts.path.rstrip("/"))


def request_bytes(target: Target, method: str, path: str, fields: Dict[str, str], body: Optional[bytes]) -> bytes:
    lines = [f"{method} {target.path}{path} HTTP/1.1", f"Host: {target.authority}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines) + "\r\n\r\n"
    return head.encode("latin-1") + (body or b"")


class Answer:
    """Is fed what comes, and gives the body's bytes. complete: all of it is there."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Dict[str, str] = {}
        self.has_head = False
        self.complete = False
        self.keep = False  # the connection may be used again
        self._buffer = bytearray()
        self._left: Optional[int] = None  # of the body, or of a chunk; None: up to the end
        self._chunked = False
        self._in_trailer = False

    def feed(self, data: bytes) -> bytes:
        self._buffer += data
        if not self.has_head and not self._take_head():
            return b""
        found: List[bytes] = []
        while not self.complete and self._step(found):
            pass
        if self.complete and self._buffer:
            self.keep = False  # bytes that nobody asked for
        return b"".join(found)

    def end(self) -> bool:
        """The connection is at its end. True: so is the answer."""
        if self.has_head and not self._chunked and self._left is None:
            self.complete = True
        return self.complete

    def _line(self) -> Optional[bytes]:
        at = self._buffer.find(b"\r\n")
        if at < 0:
            if len(self._buffer) > HEAD_MAX:
                raise ProtocolError("an answer with a line that does not end")
            return None
        line = bytes(self._buffer[:at])
        del self._buffer[: at + 2]
        return line

    def _take_head(self) -> bool:
        while True:
            at = self._buffer.find(b"\r\n\r\n")
            if at < 0:
                if len(self._buffer) > HEAD_MAX or not b"HTTP/1.".startswith(bytes(self._buffer[:7])):
                    raise ProtocolError("the answer is not HTTP/1.1")
                return False
            lines = bytes(self._buffer[:at]).decode("latin-1").split("\r\n")
            del self._buffer[: at + 4]
            match = re.match(r"HTTP/1\.([01]) ([1-9]\d\d)(?: |$)", lines[0])
            if not match:
                raise ProtocolError("the answer is not HTTP/1.1")
            if match[2][0] != "1":  # 100 Continue and its like are no answers
                break
        self.status = int(match[2])
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self._take_framing(match[1] == "1")
        return True

    def _take_framing(self, persistent: bool) -> None:
        self.has_head = True
        connection = self.headers.get("connection", "").lower()
        self.keep = "close" not in connection if persistent else "keep-alive" in connection
        length = self.headers.get("content-length")
        self._chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        if self.status in (204, 304):
            self.complete = True
        elif self._chunked:
            self._left = 0
        elif length is None:
            self.keep = False
        elif not re.match(r"\d{1,15}$", length):
            raise ProtocolError(f"a Content-Length of {length[:40]!r}")
        else:
            self._left = int(length)

    def _step(self, found: List[bytes]) -> bool:
        """Takes some of the body; False: more is needed."""
        if self._chunked and self._left == 0:
            return self._take_chunk_line()
        size = len(self._buffer) if self._left is None else min(self._left, len(self._buffer))
        if size:
            found.append(bytes(self._buffer[:size]))
            del self._buffer[:size]
        if self._left is None:
            return False
        self._left -= size
        if self._left:
            return False
        if not self._chunked:
            self.complete = True
        return True

    def _take_chunk_line(self) -> bool:
        line = self._line()
        if line is None:
            return False
        if self._in_trailer:
            self.complete = not line
        elif line:  # the empty one ends the chunk before
            match = re.match(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;|$)", line)
            if not match:
                raise ProtocolError("an answer in chunks that are none")
            self._left = int(match[1], 16)
            self._in_trailer = self._left == 0
        return True
