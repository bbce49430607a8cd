"""Sandbox: the client that waits."""
from __future__ import annotations

import socket
import ssl
import threading
import time
from types import TracebackType
from typing import Any, Dict, Generator, List, Mapping, Optional, Sequence, Tuple, Type, Union

from .errors import (AnswerTimeoutError, APIError, ConnectError, ConnectionLostError, ProtocolError, UnavailableError,
                     ZerobootError)
from .events import Output, RunReader
from .http1 import Answer
from .models import Content, Execution, Input, Result, result_of
from .session import (Session, SessionInfo, SessionMethod, TemplateInfo, infos_of, path_of, template_path_of,
                      templates_of)
from .protocol import (IDLE_MAX, IDLE_SECONDS, Settings, check, decode, executions_of, health_of, inputs_of, is_stream,
                       results_of)

_READ_SIZE = 1 << 18


class _Connection:
    def __init__(self, settings: Settings) -> None:
        target = settings.target
        self.used = 0.0
        try:
            self.socket: socket.socket = socket.create_connection((target.host, target.port), settings.connect_timeout)
            if settings.tls:
                self.socket = settings.tls.wrap_socket(self.socket, server_hostname=target.host)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as e:
            raise ConnectError(f"{settings.base_url}: {e}") from e

    def usable(self) -> bool:
        """It has waited, not too long, and nothing has come: neither its end."""
        if time.monotonic() - self.used > IDLE_SECONDS:
            return False
        try:
            self.socket.settimeout(0)
            self.socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        return False

    def close(self) -> None:
        self.socket.close()


class _Exchange:
    """A request that is sent, and its answer as it comes."""

    def __init__(self, connection: _Connection, request: bytes, seconds: float, each: bool = False) -> None:
        """each: so long for each part of it, not for all."""
        self.connection = connection
        self.answer = Answer()
        self.seconds = seconds
        self._each = each
        self._deadline = time.monotonic() + seconds
        self._send(request)

    def _late(self) -> AnswerTimeoutError:
        return AnswerTimeoutError(f"no answer in {self.seconds:g} s")

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._late()
        return left

    def _send(self, request: bytes) -> None:
        try:
            self.connection.socket.settimeout(self._left())
            self.connection.socket.sendall(request)
        except socket.timeout as e:
            raise self._late() from e
        except OSError:
            pass  # refused early: there may be an answer that says why

    def read(self) -> bytes:
        """Some of the body; b"" when all of it is there."""
        if self._each:
            self._deadline = time.monotonic() + self.seconds
        while not self.answer.complete:
            try:
                self.connection.socket.settimeout(self._left())
                data = self.connection.socket.recv(_READ_SIZE)
            except socket.timeout as e:
                raise self._late() from e
            except OSError as e:
                raise ConnectionLostError(f"the connection was lost: {e}") from e
            if data:
                found = self.answer.feed(data)
                if found:
                    return found
            elif not self.answer.end():
                raise ConnectionLostError("the connection ended before the answer")
        return b""

    def read_all(self) -> bytes:
        return b"".join(iter(self.read, b""))


class Stream:
    """What a run writes, as it comes: to be iterated over. The run begins with the first
    step; close(), or the end of `with`, ends it."""

    def __init__(self, items: Generator[Union[Output, Result], None, None]) -> None:
        self._items = items
        self._result: Optional[Result] = None

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Output:
        for item in self._items:
            if isinstance(item, Output):
                return item
            self._result = item
        raise StopIteration

    @property
    def result(self) -> Result:
        """How it ended, once all has come: without what was written."""
        if self._result is None:
            raise ZerobootError("the run has not ended")
        return self._result

    def close(self) -> None:
        self._items.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.close()


class Sandbox:
    """Runs code on a zeroboot server, each run in a virtual machine of its own. May be
    used by several threads at once."""

    def __init__(self, api_key: Optional[str] = None, base_url: Optional[str] = None, *, patience: float = 60.0,
                 connect_timeout: float = 10.0, retries: int = 4, max_retry_wait: float = 30.0) -> None:
        """api_key, base_url: else from ZEROBOOT_API_KEY, ZEROBOOT_BASE_URL.
        patience: seconds that an answer may take beyond the run's own time limit.
        retries: how often it is asked again after 429 and 503, where nothing has run;
        not where the server wants a wait of more than max_retry_wait seconds."""
        self._settings = Settings(api_key, base_url, patience, connect_timeout, retries, max_retry_wait)
        self._idle: List[_Connection] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()

    @property
    def base_url(self) -> str:
        return self._settings.base_url

    session = SessionMethod()

    def sessions(self) -> List[SessionInfo]:
        """The key's sessions, the newest first, at most 1,000."""
        return infos_of(decode(self._ask("GET", "/v1/sessions")))

    def get_session(self, id: str) -> Session:
        """One that there is; else NotFoundError."""
        return Session(self, decode(self._ask("GET", path_of(id))))

    def templates(self) -> List[TemplateInfo]:
        """The key's, made of sessions; the newest first."""
        return templates_of(decode(self._ask("GET", "/v1/templates")))

    def delete_template(self, name: str) -> None:
        """What runs of it ends as it would, its sessions go on."""
        self._ask("DELETE", template_path_of(name))

    def run(self, code: str, language: str = "python", timeout: int = 30, *, stdin: Optional[Content] = None,
            args: Sequence[str] = (), env: Optional[Mapping[str, str]] = None,
            files: Optional[Mapping[str, Content]] = None, outputs: Sequence[str] = (),
            memory_mb: Optional[int] = None, binary: bool = False) -> Result:
        """Runs code for at most timeout seconds. files are written before it starts,
        those that match outputs come back. binary: stdout_bytes and stderr_bytes are
        what the program wrote, whatever bytes."""
        execution = Execution(code, language, timeout, stdin, args, env, files, outputs, memory_mb, binary)
        body = self._ask("POST", "/v1/exec", execution.to_json(), execution.seconds)
        return result_of(decode(body), binary)

    def run_batch(self, codes: Sequence[Union[str, Execution]], language: str = "python", timeout: int = 30, *,
                  stdin: Optional[Content] = None, args: Sequence[str] = (), env: Optional[Mapping[str, str]] = None,
                  files: Optional[Mapping[str, Content]] = None, outputs: Sequence[str] = (),
                  memory_mb: Optional[int] = None, binary: bool = False) -> List[Result]:
        """Runs several in parallel; results are in their order. What is not a string
        but an Execution has options of its own."""
        template = Execution("", language, timeout, stdin, args, env, files, outputs, memory_mb, binary)
        executions = executions_of(codes, template)
        seconds = sum(execution.seconds for execution in executions)
        body = self._ask("POST", "/v1/exec/batch", {"executions": [e.to_json() for e in executions]}, seconds)
        return results_of(body, executions)

    def run_inputs(self, code: str, inputs: Sequence[Union[Content, Input]], language: str = "python", timeout: int = 30, *,
                   args: Sequence[str] = (), env: Optional[Mapping[str, str]] = None,
                   files: Optional[Mapping[str, Content]] = None, outputs: Sequence[str] = (),
                   memory_mb: Optional[int] = None, binary: bool = False) -> List[Result]:
        """Runs one program over many inputs, at most 1,000: it begins once, and where it first
        asks for standard input each goes on from there, in parallel. Results are in
        their order, and as if each had been run by itself."""
        execution = Execution(code, language, timeout, None, args, env, files, outputs, memory_mb, binary)
        seconds = execution.seconds * (len(inputs) + 1)
        body = self._ask("POST", "/v1/exec/batch", inputs_of(execution, inputs), seconds)
        return results_of(body, [execution] * len(inputs))

    def stream(self, code: str, language: str = "python", timeout: int = 30, *, stdin: Optional[Content] = None,
               args: Sequence[str] = (), env: Optional[Mapping[str, str]] = None,
               files: Optional[Mapping[str, Content]] = None, outputs: Sequence[str] = (),
               memory_mb: Optional[int] = None, binary: bool = False) -> Stream:
        """As run, but what the program writes comes while it runs."""
        execution = Execution(code, language, timeout, stdin, args, env, files, outputs, memory_mb, binary)
        return self._stream("/v1/exec", execution.to_json(), execution.seconds, binary)

    def health(self) -> Dict[str, Any]:
        """What the server says of itself: status, and the templates there are."""
        answer, body = self._exchange(self._settings.request("GET", "/v1/health"), 0)
        return health_of(answer, body)

    def close(self) -> None:
        """Ends the connections that wait. Runs under way go on; retries end."""
        self._closed.set()
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_closed"):  # else it was never made
            self.close()

    def _take(self) -> _Connection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return _Connection(self._settings)
            if connection.usable():
                return connection
            connection.close()

    def _give_back(self, connection: _Connection) -> None:
        connection.used = time.monotonic()
        with self._lock:
            if not self._closed.is_set() and len(self._idle) < IDLE_MAX:
                self._idle.append(connection)
                return
        connection.close()

    def _exchange(self, request: bytes, seconds: float) -> Tuple[Answer, bytes]:
        connection = self._take()
        kept = False
        try:
            exchange = _Exchange(connection, request, seconds + self._settings.patience)
            body = exchange.read_all()
            kept = exchange.answer.keep
            return exchange.answer, body
        finally:
            if kept:
                self._give_back(connection)
            else:
                connection.close()

    def _stream(self, path: str, body: Dict[str, Any], seconds: float, binary: bool) -> Stream:
        return Stream(self._items(path, body, seconds, binary))

    def _items(self, path: str, body: Dict[str, Any], seconds: float,
               binary: bool) -> Generator[Union[Output, Result], None, None]:
        request = self._settings.request("POST", path, {**body, "stream": True})
        attempt = 0
        while True:
            connection = self._take()
            kept = False
            try:
                exchange = _Exchange(connection, request, seconds + self._settings.patience, each=True)
                part = exchange.read()
                if is_stream(exchange.answer):
                    reader = RunReader(binary)
                    while part:
                        yield from reader.feed(part)
                        part = exchange.read()
                    reader.end()
                    kept = exchange.answer.keep
                    return
                rest = part + exchange.read_all()
                kept = exchange.answer.keep
                check(exchange.answer, rest)
                raise ProtocolError("the answer is no stream")
            except APIError as e:
                wait = self._settings.wait_before(attempt, e)
                if wait is None:
                    raise
            finally:
                if kept:
                    self._give_back(connection)
                else:
                    connection.close()
            if self._closed.wait(wait):
                raise UnavailableError(503, "the client is closed")
            attempt += 1

    def _ask(self, method: str, path: str, body: Any = None, seconds: float = 0) -> bytes:
        return (self._ask_answer(method, path, body, seconds))[1]

    def _ask_answer(self, method: str, path: str, body: Any = None,
                    seconds: float = 0) -> Tuple[Answer, bytes]:
        request = self._settings.request(method, path, body)
        attempt = 0
        while True:
            answer, data = self._exchange(request, seconds)
            try:
                check(answer, data)
                return answer, data
            except APIError as e:
                wait = self._settings.wait_before(attempt, e)
                if wait is None or self._closed.wait(wait):
                    raise
            attempt += 1
