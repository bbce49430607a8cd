"""What is run, and what came of it."""
from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from .errors import ProtocolError

Content = Union[str, bytes, bytearray, memoryview]

TIMEOUT_MAX = 300  # seconds; the server takes no more


@dataclass
class Usage:
    """What a run took: CPU time of all its processes, the most memory in use."""

    cpu_ms: float = 0.0
    peak_memory_mb: float = 0.0
    system_calls: int = 0


@dataclass
class Result:
    id: str = ""
    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0
    fork_time_ms: float = 0.0
    exec_time_ms: float = 0.0
    total_time_ms: float = 0.0
    status: str = ""  # ok, error, timeout, signal, out_of_memory; failed: see error
    signal: Optional[str] = None
    usage: Usage = field(default_factory=Usage)
    stdout_truncated: bool = False
    stderr_truncated: bool = False
    files: Dict[str, bytes] = field(default_factory=dict)
    warnings: List[str] = field(default_factory=list)
    stdout_bytes: bytes = b""  # exact where the run was asked for with binary=True
    stderr_bytes: bytes = b""
    error: Optional[str] = None  # in a batch: why this one did not run
    result: Optional[str] = None  # in a session: the value of the last expression, as text

    @property
    def ok(self) -> bool:
        """It ran, and its exit code is 0."""
        return self.error is None and self.exit_code == 0


@dataclass
class Execution:
    """One run of a batch that is not like the others."""

    code: str
    language: str = "python"
    timeout: int = 30
    stdin: Optional[Content] = None
    args: Sequence[str] = ()
    env: Optional[Mapping[str, str]] = None
    files: Optional[Mapping[str, Content]] = None
    outputs: Sequence[str] = ()
    memory_mb: Optional[int] = None
    binary: bool = False

    def to_json(self) -> Dict[str, Any]:
        body: Dict[str, Any] = {
            "code": _wanted("code", self.code, str, "a string"),
            "language": _wanted("language", self.language, str, "a string"),
            "timeout_seconds": _wanted("timeout", self.timeout, (int, float), "a number"),
        }
        if self.stdin is not None:
            body["stdin"] = _content("stdin", self.stdin)
        if self.args:
            body["args"] = list_of("args", self.args)
        if self.env:
            body["env"] = env_of(self.env)
        if self.files:
            body["files"] = contents_of(self.files)
        if self.outputs:
            body["outputs"] = list_of("outputs", self.outputs)
        if self.memory_mb is not None:
            body["memory_mb"] = self.memory_mb
        if self.binary:
            body["encoding"] = "base64"
        return body

    @property
    def seconds(self) -> int:
        """It takes no longer than that."""
        return min(self.timeout, TIMEOUT_MAX)


@dataclass
class Input:
    """One of the inputs of a program: standard input, arguments in place of those of all,
    variables and files beside theirs."""

    stdin: Optional[Content] = None
    args: Optional[Sequence[str]] = None
    env: Optional[Mapping[str, str]] = None
    files: Optional[Mapping[str, Content]] = None

    def to_json(self) -> Dict[str, Any]:
        body: Dict[str, Any] = {}
        if self.stdin is not None:
            body["stdin"] = _content("stdin", self.stdin)
        if self.args is not None:
            body["args"] = list_of("args", self.args)
        if self.env:
            body["env"] = env_of(self.env)
        if self.files:
            body["files"] = contents_of(self.files)
        return body


def _wanted(name: str, value: Any, types: Any, what: str) -> Any:
    if not isinstance(value, types):
        raise TypeError(f"{name}: {what} is wanted, not {type(value).__name__}")
    return value


def list_of(name: str, values: Sequence[Any]) -> List[Any]:
    """A string is a sequence, too, of what nobody means."""
    if isinstance(values, (str, bytes, bytearray, memoryview, Mapping)):
        raise TypeError(f"{name}: a list is wanted, not {type(values).__name__}")
    return list(values)


def env_of(env: Mapping[str, str]) -> Dict[str, str]:
    return dict(_wanted("env", env, Mapping, "a dict"))


def data_of(name: str, content: Content) -> bytes:
    """bytes() makes zeros of a number."""
    if isinstance(content, str):
        return content.encode("utf-8", "surrogateescape")
    return bytes(_wanted(name, content, (bytes, bytearray, memoryview), "a string or bytes"))


def _content(name: str, data: Content) -> Any:
    if isinstance(data, str):
        return data
    return {"base64": base64.b64encode(data_of(name, data)).decode("ascii")}


def contents_of(files: Mapping[str, Content]) -> Dict[str, Any]:
    _wanted("files", files, Mapping, "a dict")
    return {path: _content(f"files: {path}", data) for path, data in files.items()}


def bytes_of(content: Any) -> bytes:
    """A content of an answer."""
    if isinstance(content, str):
        return content.encode("utf-8", "surrogatepass")
    return base64.b64decode(content["base64"])


def _output(text: str, binary: bool) -> bytes:
    return base64.b64decode(text) if binary else text.encode("utf-8", "surrogatepass")


def result_of(answer: Any, binary: bool) -> Result:
    """A run's object of an answer."""
    try:
        if "error" in answer:
            return Result(id=answer.get("id", ""), status="failed", exit_code=-1, error=answer["error"])
        out = _output(answer.get("stdout", ""), binary)
        err = _output(answer.get("stderr", ""), binary)
        usage = answer.get("usage", {})
        return Result(
            id=answer["id"],
            stdout=out.decode("utf-8", "replace") if binary else answer.get("stdout", ""),
            stderr=err.decode("utf-8", "replace") if binary else answer.get("stderr", ""),
            exit_code=answer["exit_code"],
            fork_time_ms=answer["fork_time_ms"],
            exec_time_ms=answer["exec_time_ms"],
            total_time_ms=answer["total_time_ms"],
            status=answer.get("status", ""),
            signal=answer.get("signal"),
            usage=Usage(**{name: usage[name] for name in Usage.__dataclass_fields__ if name in usage}),
            stdout_truncated=answer.get("stdout_truncated", False),
            stderr_truncated=answer.get("stderr_truncated", False),
            files={path: bytes_of(content) for path, content in answer.get("files", {}).items()},
            warnings=answer.get("warnings", []),
            stdout_bytes=out,
            stderr_bytes=err,
            result=answer.get("result"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise ProtocolError(f"not the answer of a run: {e!r}") from e
