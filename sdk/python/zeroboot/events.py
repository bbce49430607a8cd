"""An answer that comes while the program runs: server-sent events."""
from __future__ import annotations

import base64
import codecs
import json
from dataclasses import dataclass
from typing import Dict, Iterator, List, Tuple, Union

from .errors import ConnectionLostError, ProtocolError, error_of
from .models import Result, result_of


@dataclass
class Output:
    """Some of what the program has written."""

    stream: str  # stdout or stderr
    text: str
    data: bytes  # exact where the run was asked for with binary=True


class EventParser:
    """Is fed what comes, and gives the events that are whole: name and data (HTML,
    9.2.6)."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("replace").decode
        self._text = ""
        self._name = ""
        self._data: List[str] = []

    def feed(self, data: bytes) -> List[Tuple[str, str]]:
        found: List[Tuple[str, str]] = []
        lines = (self._text + self._decode(data)).split("\n")
        # What ends in CR may go on with LF: a line is whole when that is known.
        self._text = lines.pop()
        for line in lines:
            for part in (line[:-1] if line.endswith("\r") else line).split("\r"):
                self._take_line(part, found)
        return found

    def _take_line(self, line: str, found: List[Tuple[str, str]]) -> None:
        if not line:
            if self._data:
                found.append((self._name or "message", "\n".join(self._data)))
            self._name, self._data = "", []
            return
        name, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)


class RunReader:
    """The same, as what a run has written, and at last its result."""

    def __init__(self, binary: bool) -> None:
        self._binary = binary
        self._parser = EventParser()
        self._ended = False

    def feed(self, data: bytes) -> Iterator[Union[Output, Result]]:
        for name, text in self._parser.feed(data):
            yield from self._item(name, text)

    def end(self) -> None:
        """The answer is at its end."""
        if not self._ended:
            raise ConnectionLostError("the answer ended before the run's result")

    def _item(self, name: str, text: str) -> List[Union[Output, Result]]:
        try:
            value = json.loads(text)
            if name in ("stdout", "stderr"):
                return [self._output(name, value)]
            if name == "error":
                raise error_of(500, str(value["error"]))
        except (ValueError, KeyError, TypeError) as e:
            raise ProtocolError(f"not an event of a run: {text[:100]}") from e
        if name != "result":
            return []
        self._ended = True
        return [result_of(value, self._binary)]

    @staticmethod
    def _output(name: str, value: Dict[str, str]) -> Output:
        if "text" in value:
            return Output(name, value["text"], value["text"].encode("utf-8", "surrogatepass"))
        data = base64.b64decode(value["base64"])
        return Output(name, data.decode("utf-8", "replace"), data)
