"""Sessions: programs that stay."""
from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Type
from urllib.parse import quote

from .errors import NotFoundError, ProtocolError, ZerobootError
from .http1 import Answer
from .models import Content, Execution, Result, contents_of, data_of, env_of, result_of
from .protocol import decode

if TYPE_CHECKING:
    from .client import Sandbox, Stream


@dataclass
class FileEntry:
    """One of a directory."""

    name: str
    type: str  # file, directory, link, other
    size: Optional[int] = None  # of a file


@dataclass
class SessionInfo:
    """How a session stands."""

    id: str
    language: str
    state: str  # live: it runs, or has not yet; parked: what it has changed is kept; ended: see reason
    reason: Optional[str] = None  # why it has ended
    memory_mb: float = 0.0  # that are kept of it
    created: str = ""
    last_used: str = ""
    runs: int = 0
    idle_seconds: int = 0  # it is deleted without a request for so long; 0: never
    saved: Optional[bool] = None  # the server's disk has it as it is; None: it has no --state
    warnings: List[str] = field(default_factory=list)


@dataclass
class TemplateInfo:
    """What a session has become: a language of that name."""

    name: str
    language: str  # of the session
    memory_mb: float = 0.0  # that it takes
    created: str = ""
    sessions: int = 0  # that are of it
    saved: Optional[bool] = None  # the server's disk has it; None: it has no --state
    reason: Optional[str] = None  # why nothing can run of it
    warnings: List[str] = field(default_factory=list)


def template_of(answer: Any) -> TemplateInfo:
    try:
        return TemplateInfo(**{name: answer[name] for name in TemplateInfo.__dataclass_fields__ if name in answer})
    except TypeError as e:
        raise ProtocolError(f"not the answer of a template: {e!r}") from e


def templates_of(answer: Any) -> List[TemplateInfo]:
    if not isinstance(answer, dict) or not isinstance(answer.get("templates"), list):
        raise ProtocolError("not the answer of templates")
    return [template_of(one) for one in answer["templates"]]


def template_path_of(name: str) -> str:
    return f"/v1/templates/{quote(name, safe='')}"


def info_of(answer: Any) -> SessionInfo:
    try:
        return SessionInfo(**{name: answer[name] for name in SessionInfo.__dataclass_fields__ if name in answer})
    except TypeError as e:
        raise ProtocolError(f"not the answer of a session: {e!r}") from e


def infos_of(answer: Any) -> List[SessionInfo]:
    if not isinstance(answer, dict) or not isinstance(answer.get("sessions"), list):
        raise ProtocolError("not the answer of sessions")
    return [info_of(one) for one in answer["sessions"]]


def path_of(id: str) -> str:
    return f"/v1/sessions/{quote(id, safe='')}"


def file_path_of(id: str, path: str) -> str:
    return f"{path_of(id)}/files/{quote(path, safe='', errors='surrogateescape')}"


def file_of(answer: Answer, body: bytes, path: str) -> bytes:
    if answer.headers.get("content-type", "").startswith("application/json"):
        raise ZerobootError(f"{path}: a directory: list_files() has what is in it")
    return body


def entries_of(answer: Answer, body: bytes, path: str) -> List[FileEntry]:
    if not answer.headers.get("content-type", "").startswith("application/json"):
        raise ZerobootError(f"{path}: no directory")
    found = decode(body)
    try:
        return [FileEntry(one["name"], one["type"], one.get("size")) for one in found["entries"]]
    except (KeyError, TypeError) as e:
        raise ProtocolError(f"not the answer of a directory: {e!r}") from e


def making_of(language: str, idle_seconds: int, on_timeout: Optional[str], env: Optional[Mapping[str, str]],
              files: Optional[Mapping[str, Content]]) -> Dict[str, Any]:
    """The request that makes one."""
    body: Dict[str, Any] = {"language": language, "idle_seconds": idle_seconds}
    if on_timeout is not None:
        body["on_timeout"] = on_timeout
    if env:
        body["env"] = env_of(env)
    if files:
        body["files"] = contents_of(files)
    return body


def exec_of(execution: Execution, on_timeout: Optional[str]) -> Dict[str, Any]:
    """The request of a run."""
    body = execution.to_json()
    del body["language"]
    if on_timeout is not None:
        body["on_timeout"] = on_timeout
    return body


class Session:
    """A program that stays: what one run has set, imported, opened or written is there for
    the next. `with` deletes it at its end. Runs are one after another; others wait."""

    def __init__(self, sandbox: Sandbox, answer: Any, own: bool = False) -> None:
        """own: the sandbox is the session's, and ends with it."""
        info = info_of(answer)
        self.id = info.id
        self.language = info.language
        self._sandbox = sandbox
        self._own = own

    def run(self, code: str, timeout: int = 30, *, stdin: Optional[Content] = None, args: Sequence[str] = (),
            env: Optional[Mapping[str, str]] = None, files: Optional[Mapping[str, Content]] = None,
            outputs: Sequence[str] = (), memory_mb: Optional[int] = None, binary: bool = False,
            on_timeout: Optional[str] = None) -> Result:
        """As Sandbox.run, in the session; result.result is the value of the last
        expression. on_timeout, if not as the session was made: end, rollback, interrupt."""
        execution = Execution(code, "", timeout, stdin, args, env, files, outputs, memory_mb, binary)
        body = self._sandbox._ask("POST", self._path + "/exec", exec_of(execution, on_timeout), execution.seconds)
        return result_of(decode(body), binary)

    def stream(self, code: str, timeout: int = 30, *, stdin: Optional[Content] = None, args: Sequence[str] = (),
               env: Optional[Mapping[str, str]] = None, files: Optional[Mapping[str, Content]] = None,
               outputs: Sequence[str] = (), memory_mb: Optional[int] = None, binary: bool = False,
               on_timeout: Optional[str] = None) -> Stream:
        """As run, but what the program writes comes while it runs."""
        execution = Execution(code, "", timeout, stdin, args, env, files, outputs, memory_mb, binary)
        return self._sandbox._stream(self._path + "/exec", exec_of(execution, on_timeout), execution.seconds, binary)

    def interrupt(self) -> None:
        """What runs gets SIGINT, as by ^C."""
        self._sandbox._ask("POST", self._path + "/interrupt", {})

    def read_file(self, path: str) -> bytes:
        """Relative to where the program is, or absolute. Waits for what runs."""
        answer, body = self._sandbox._ask_answer("GET", file_path_of(self.id, path))
        return file_of(answer, body, path)

    def write_file(self, path: str, data: Content) -> None:
        """With the directories that it lacks."""
        self._sandbox._ask("PUT", file_path_of(self.id, path), data_of(path, data))

    def delete_file(self, path: str) -> None:
        self._sandbox._ask("DELETE", file_path_of(self.id, path))

    def list_files(self, path: str = "") -> List[FileEntry]:
        """Of a directory, in no order; without a path of that in which the program is."""
        answer, body = self._sandbox._ask_answer("GET", file_path_of(self.id, path))
        return entries_of(answer, body, path)

    def fork(self, count: int = 1) -> List[Session]:
        """So many sessions, at most 100, with all of this one's state, which goes on."""
        answer = decode(self._sandbox._ask("POST", self._path + "/fork", {"count": count}))
        infos_of(answer)
        return [Session(self._sandbox, one) for one in answer["sessions"]]

    def template(self, name: str) -> TemplateInfo:
        """From now on name is a language that starts from this one's state; it goes on."""
        return template_of(decode(self._sandbox._ask("POST", self._path + "/template", {"name": name})))

    def info(self) -> SessionInfo:
        return info_of(decode(self._sandbox._ask("GET", self._path)))

    def delete(self) -> None:
        """What runs of it is cut off."""
        self._sandbox._ask("DELETE", self._path)

    def close(self) -> None:
        """Deletes it, if it is still there."""
        try:
            self.delete()
        except NotFoundError:
            pass
        finally:
            if self._own:
                self._sandbox.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Session {self.id} of {self.language}>"

    @property
    def _path(self) -> str:
        return path_of(self.id)


class _Maker:
    def __init__(self, sandbox: Sandbox, own: bool) -> None:
        self._sandbox = sandbox
        self._own = own

    def __call__(self, language: str = "python", *, idle_seconds: int = 600, on_timeout: Optional[str] = None,
                 env: Optional[Mapping[str, str]] = None, files: Optional[Mapping[str, Content]] = None) -> Session:
        """Makes a session. It is deleted without a request for idle_seconds; 0: never. A
        run that its time cuts off ends it, unless on_timeout is rollback (the session is
        as it was before the run) or interrupt (the run gets SIGINT, as by ^C)."""
        body = making_of(language, idle_seconds, on_timeout, env, files)
        return Session(self._sandbox, decode(self._sandbox._ask("POST", "/v1/sessions", body)), self._own)


class SessionMethod:
    """Sandbox.session: of one that there is, or of the class, which makes one for it."""

    def __get__(self, sandbox: Optional[Sandbox], kind: Type[Sandbox]) -> _Maker:
        return _Maker(kind() if sandbox is None else sandbox, sandbox is None)
