"""AsyncSandbox: the client for asyncio."""
from __future__ import annotations

import asyncio
import socket
import time
from types import TracebackType
from typing import Any, AsyncGenerator, Dict, List, Mapping, Optional, Sequence, Tuple, Type, Union

from .errors import AnswerTimeoutError, APIError, ConnectError, ConnectionLostError, ProtocolError, ZerobootError
from .events import Output, RunReader
from .http1 import Answer
from .models import Content, Execution, Input, Result, result_of
from .aio_session import AsyncSession, AsyncSessionMethod
from .protocol import (IDLE_MAX, IDLE_SECONDS, Settings, check, decode, executions_of, health_of, inputs_of, is_stream,
                       results_of)
from .session import SessionInfo, TemplateInfo, infos_of, path_of, template_path_of, templates_of

_HELD_MAX = 1 << 20  # bytes that nobody has taken yet; the sender waits then


class _Link(asyncio.Protocol):
    """A connection. What has come stays readable after its end: asyncio's own streams
    forget an early answer when the rest of the request cannot be sent."""

    def __init__(self) -> None:
        self.transport: Optional[asyncio.Transport] = None
        self.loop = asyncio.get_event_loop()
        self.used = 0.0
        self.ended = False
        self.lost: Optional[Exception] = None
        self._buffer = bytearray()
        self._paused = False
        self._waiter: Optional[asyncio.Future[None]] = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > _HELD_MAX and self.transport and not self._paused:
            self._paused = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self.ended = True
        self._wake()
        return False

    def connection_lost(self, error: Optional[Exception]) -> None:
        self.transport = None
        self.ended = True
        self.lost = error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def usable(self) -> bool:
        fresh = time.monotonic() - self.used <= IDLE_SECONDS
        return fresh and not self.ended and not self._buffer and self.loop is asyncio.get_event_loop()

    def send(self, data: bytes) -> None:
        if self.transport:
            self.transport.write(data)

    async def receive(self) -> bytes:
        """What has come; b"" at the end."""
        if not self._buffer and not self.ended:
            self._waiter = self.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        data = bytes(self._buffer)
        self._buffer.clear()
        if self._paused and self.transport:
            self._paused = False
            self.transport.resume_reading()
        return data

    def close(self) -> None:
        if self.transport and not self.loop.is_closed():
            self.transport.abort()


class _Exchange:
    """A request that is sent, and its answer as it comes."""

    def __init__(self, link: _Link, request: bytes, seconds: float, each: bool = False) -> None:
        """each: so long for each part of it, not for all."""
        self.link = link
        self.answer = Answer()
        self.seconds = seconds
        self._each = each
        self._deadline = time.monotonic() + seconds
        link.send(request)

    async def read(self) -> bytes:
        """Some of the body; b"" when all of it is there."""
        if self._each:
            self._deadline = time.monotonic() + self.seconds
        while not self.answer.complete:
            left = self._deadline - time.monotonic()
            try:
                data = await asyncio.wait_for(self.link.receive(), max(left, 0))
            except asyncio.TimeoutError as e:
                raise AnswerTimeoutError(f"no answer in {self.seconds:g} s") from e
            if data:
                found = self.answer.feed(data)
                if found:
                    return found
            elif not self.answer.end():
                why = f": {self.link.lost}" if self.link.lost else ""
                raise ConnectionLostError(f"the connection ended before the answer{why}")
        return b""

    async def read_all(self) -> bytes:
        parts: List[bytes] = []
        while True:
            part = await self.read()
            if not part:
                return b"".join(parts)
            parts.append(part)


class AsyncStream:
    """What a run writes, as it comes: for `async for`. The run begins with the first step;
    close(), or the end of `async with`, ends it."""

    def __init__(self, items: AsyncGenerator[Union[Output, Result], None]) -> None:
        self._items = items
        self._result: Optional[Result] = None

    def __aiter__(self) -> AsyncStream:
        return self

    async def __anext__(self) -> Output:
        async for item in self._items:
            if isinstance(item, Output):
                return item
            self._result = item
        raise StopAsyncIteration

    @property
    def result(self) -> Result:
        """How it ended, once all has come: without what was written."""
        if self._result is None:
            raise ZerobootError("the run has not ended")
        return self._result

    async def close(self) -> None:
        await self._items.aclose()

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        await self.close()


class AsyncSandbox:
    """Runs code on a zeroboot server, each run in a virtual machine of its own. What
    Sandbox does, awaited. A task that is cancelled gives its run up."""

    def __init__(self, api_key: Optional[str] = None, base_url: Optional[str] = None, *, patience: float = 60.0,
                 connect_timeout: float = 10.0, retries: int = 4, max_retry_wait: float = 30.0) -> None:
        """As Sandbox's."""
        self._settings = Settings(api_key, base_url, patience, connect_timeout, retries, max_retry_wait)
        self._idle: List[_Link] = []
        self._closed = False

    @property
    def base_url(self) -> str:
        return self._settings.base_url

    session = AsyncSessionMethod()

    async def sessions(self) -> List[SessionInfo]:
        """As Sandbox.sessions."""
        return infos_of(decode(await self._ask("GET", "/v1/sessions")))

    async def get_session(self, id: str) -> AsyncSession:
        """As Sandbox.get_session."""
        return AsyncSession(self, decode(await self._ask("GET", path_of(id))))

    async def templates(self) -> List[TemplateInfo]:
        """As Sandbox.templates."""
        return templates_of(decode(await self._ask("GET", "/v1/templates")))

    async def delete_template(self, name: str) -> None:
        """As Sandbox.delete_template."""
        await self._ask("DELETE", template_path_of(name))

    async def run(self, code: str, language: str = "python", timeout: int = 30, *, stdin: Optional[Content] = None,
                  args: Sequence[str] = (), env: Optional[Mapping[str, str]] = None,
                  files: Optional[Mapping[str, Content]] = None, outputs: Sequence[str] = (),
                  memory_mb: Optional[int] = None, binary: bool = False) -> Result:
        """As Sandbox.run."""
        execution = Execution(code, language, timeout, stdin, args, env, files, outputs, memory_mb, binary)
        body = await self._ask("POST", "/v1/exec", execution.to_json(), execution.seconds)
        return result_of(decode(body), binary)

    async def run_batch(self, codes: Sequence[Union[str, Execution]], language: str = "python", timeout: int = 30, *,
                        stdin: Optional[Content] = None, args: Sequence[str] = (),
                        env: Optional[Mapping[str, str]] = None, files: Optional[Mapping[str, Content]] = None,
                        outputs: Sequence[str] = (), memory_mb: Optional[int] = None,
                        binary: bool = False) -> List[Result]:
        """As Sandbox.run_batch."""
        template = Execution("", language, timeout, stdin, args, env, files, outputs, memory_mb, binary)
        executions = executions_of(codes, template)
        seconds = sum(execution.seconds for execution in executions)
        body = await self._ask("POST", "/v1/exec/batch", {"executions": [e.to_json() for e in executions]}, seconds)
        return results_of(body, executions)

    async def run_inputs(self, code: str, inputs: Sequence[Union[Content, Input]], language: str = "python", timeout: int = 30, *,
                         args: Sequence[str] = (), env: Optional[Mapping[str, str]] = None,
                         files: Optional[Mapping[str, Content]] = None, outputs: Sequence[str] = (),
                         memory_mb: Optional[int] = None, binary: bool = False) -> List[Result]:
        """As Sandbox.run_inputs."""
        execution = Execution(code, language, timeout, None, args, env, files, outputs, memory_mb, binary)
        seconds = execution.seconds * (len(inputs) + 1)
        body = await self._ask("POST", "/v1/exec/batch", inputs_of(execution, inputs), seconds)
        return results_of(body, [execution] * len(inputs))

    def stream(self, code: str, language: str = "python", timeout: int = 30, *, stdin: Optional[Content] = None,
               args: Sequence[str] = (), env: Optional[Mapping[str, str]] = None,
               files: Optional[Mapping[str, Content]] = None, outputs: Sequence[str] = (),
               memory_mb: Optional[int] = None, binary: bool = False) -> AsyncStream:
        """As Sandbox.stream."""
        execution = Execution(code, language, timeout, stdin, args, env, files, outputs, memory_mb, binary)
        return self._stream("/v1/exec", execution.to_json(), execution.seconds, binary)

    async def health(self) -> Dict[str, Any]:
        """As Sandbox.health."""
        answer, body = await self._exchange(self._settings.request("GET", "/v1/health"), 0)
        return health_of(answer, body)

    async def close(self) -> None:
        """Ends the connections that wait."""
        self._closed = True
        idle, self._idle = self._idle, []
        for link in idle:
            link.close()

    async def __aenter__(self) -> AsyncSandbox:
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        await self.close()

    async def _take(self) -> _Link:
        while self._idle:
            link = self._idle.pop()
            if link.usable():
                return link
            link.close()
        target = self._settings.target
        name = target.host if target.tls else None
        connecting = asyncio.get_event_loop().create_connection(
            _Link, target.host, target.port, ssl=self._settings.tls, server_hostname=name)
        try:
            _, made = await asyncio.wait_for(connecting, self._settings.connect_timeout)
        except (OSError, asyncio.TimeoutError) as e:
            raise ConnectError(f"{self._settings.base_url}: {e or 'no connection in time'}") from e
        return made

    def _give_back(self, link: _Link) -> None:
        link.used = time.monotonic()
        if self._closed or len(self._idle) >= IDLE_MAX:
            link.close()
        else:
            self._idle.append(link)

    async def _exchange(self, request: bytes, seconds: float) -> Tuple[Answer, bytes]:
        link = await self._take()
        kept = False
        try:
            exchange = _Exchange(link, request, seconds + self._settings.patience)
            body = await exchange.read_all()
            kept = exchange.answer.keep
            return exchange.answer, body
        finally:
            if kept:
                self._give_back(link)
            else:
                link.close()

    def _stream(self, path: str, body: Dict[str, Any], seconds: float, binary: bool) -> AsyncStream:
        return AsyncStream(self._items(path, body, seconds, binary))

    async def _items(self, path: str, body: Dict[str, Any], seconds: float,
                     binary: bool) -> AsyncGenerator[Union[Output, Result], None]:
        request = self._settings.request("POST", path, {**body, "stream": True})
        attempt = 0
        while True:
            link = await self._take()
            kept = False
            try:
                exchange = _Exchange(link, request, seconds + self._settings.patience, each=True)
                part = await exchange.read()
                if is_stream(exchange.answer):
                    reader = RunReader(binary)
                    while part:
                        for item in reader.feed(part):
                            yield item
                        part = await exchange.read()
                    reader.end()
                    kept = exchange.answer.keep
                    return
                rest = part + await exchange.read_all()
                kept = exchange.answer.keep
                check(exchange.answer, rest)
                raise ProtocolError("the answer is no stream")
            except APIError as e:
                wait = self._settings.wait_before(attempt, e)
                if wait is None or self._closed:
                    raise
            finally:
                if kept:
                    self._give_back(link)
                else:
                    link.close()
            await asyncio.sleep(wait)
            attempt += 1

    async def _ask(self, method: str, path: str, body: Any = None, seconds: float = 0) -> bytes:
        return (await self._ask_answer(method, path, body, seconds))[1]

    async def _ask_answer(self, method: str, path: str, body: Any = None,
                          seconds: float = 0) -> Tuple[Answer, bytes]:
        request = self._settings.request(method, path, body)
        attempt = 0
        while True:
            answer, data = await self._exchange(request, seconds)
            try:
                check(answer, data)
                return answer, data
            except APIError as e:
                wait = self._settings.wait_before(attempt, e)
                if wait is None or self._closed:
                    raise
            await asyncio.sleep(wait)
            attempt += 1
