"""Sessions for asyncio."""
from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Dict, Generator, List, Mapping, Optional, Sequence, Type

from .errors import NotFoundError, ZerobootError
from .models import Content, Execution, Result, data_of, result_of
from .protocol import decode
from .session import (FileEntry, SessionInfo, TemplateInfo, entries_of, exec_of, file_of, file_path_of, info_of,
                      infos_of, making_of, path_of, template_of)

if TYPE_CHECKING:
    from .aio import AsyncSandbox, AsyncStream


class AsyncSession:
    """What Session does, awaited. It is made by `async with` or `await`."""

    def __init__(self, sandbox: AsyncSandbox, answer: Any = None, making: Optional[Dict[str, Any]] = None,
                 own: bool = False) -> None:
        """making: the request that makes it, where there is no answer yet."""
        self._sandbox = sandbox
        self._making = making
        self._own = own
        self._info = None if answer is None else info_of(answer)

    @property
    def id(self) -> str:
        return self._made.id

    @property
    def language(self) -> str:
        return self._made.language

    async def run(self, code: str, timeout: int = 30, *, stdin: Optional[Content] = None, args: Sequence[str] = (),
                  env: Optional[Mapping[str, str]] = None, files: Optional[Mapping[str, Content]] = None,
                  outputs: Sequence[str] = (), memory_mb: Optional[int] = None, binary: bool = False,
                  on_timeout: Optional[str] = None) -> Result:
        """As Session.run. A task that is cancelled gives its run up."""
        execution = Execution(code, "", timeout, stdin, args, env, files, outputs, memory_mb, binary)
        body = await self._sandbox._ask("POST", self._path + "/exec", exec_of(execution, on_timeout), execution.seconds)
        return result_of(decode(body), binary)

    def stream(self, code: str, timeout: int = 30, *, stdin: Optional[Content] = None, args: Sequence[str] = (),
               env: Optional[Mapping[str, str]] = None, files: Optional[Mapping[str, Content]] = None,
               outputs: Sequence[str] = (), memory_mb: Optional[int] = None, binary: bool = False,
               on_timeout: Optional[str] = None) -> AsyncStream:
        """As Session.stream."""
        execution = Execution(code, "", timeout, stdin, args, env, files, outputs, memory_mb, binary)
        return self._sandbox._stream(self._path + "/exec", exec_of(execution, on_timeout), execution.seconds, binary)

    async def interrupt(self) -> None:
        """As Session.interrupt."""
        await self._sandbox._ask("POST", self._path + "/interrupt", {})

    async def read_file(self, path: str) -> bytes:
        """As Session.read_file."""
        answer, body = await self._sandbox._ask_answer("GET", file_path_of(self.id, path))
        return file_of(answer, body, path)

    async def write_file(self, path: str, data: Content) -> None:
        """As Session.write_file."""
        await self._sandbox._ask("PUT", file_path_of(self.id, path), data_of(path, data))

    async def delete_file(self, path: str) -> None:
        """As Session.delete_file."""
        await self._sandbox._ask("DELETE", file_path_of(self.id, path))

    async def list_files(self, path: str = "") -> List[FileEntry]:
        """As Session.list_files."""
        answer, body = await self._sandbox._ask_answer("GET", file_path_of(self.id, path))
        return entries_of(answer, body, path)

    async def fork(self, count: int = 1) -> List[AsyncSession]:
        """As Session.fork."""
        answer = decode(await self._sandbox._ask("POST", self._path + "/fork", {"count": count}))
        infos_of(answer)
        return [AsyncSession(self._sandbox, one) for one in answer["sessions"]]

    async def template(self, name: str) -> TemplateInfo:
        """As Session.template."""
        return template_of(decode(await self._sandbox._ask("POST", self._path + "/template", {"name": name})))

    async def info(self) -> SessionInfo:
        return info_of(decode(await self._sandbox._ask("GET", self._path)))

    async def delete(self) -> None:
        """As Session.delete."""
        await self._sandbox._ask("DELETE", self._path)

    async def close(self) -> None:
        """As Session.close."""
        try:
            if self._info:
                await self.delete()
        except NotFoundError:
            pass
        finally:
            if self._own:
                await self._sandbox.close()

    def __await__(self) -> Generator[Any, None, AsyncSession]:
        return self._make().__await__()

    async def __aenter__(self) -> AsyncSession:
        return await self._make()

    async def __aexit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncSession {self.id} of {self.language}>" if self._info else "<AsyncSession that is not made yet>"

    async def _make(self) -> AsyncSession:
        if self._info:
            return self
        try:
            self._info = info_of(decode(await self._sandbox._ask("POST", "/v1/sessions", self._making)))
        finally:
            if self._own and not self._info:
                await self._sandbox.close()
        return self

    @property
    def _made(self) -> SessionInfo:
        if not self._info:
            raise ZerobootError("the session is not made yet: await it, or use `async with`")
        return self._info

    @property
    def _path(self) -> str:
        return path_of(self.id)


class _Maker:
    def __init__(self, sandbox: AsyncSandbox, own: bool) -> None:
        self._sandbox = sandbox
        self._own = own

    def __call__(self, language: str = "python", *, idle_seconds: int = 600, on_timeout: Optional[str] = None,
                 env: Optional[Mapping[str, str]] = None,
                 files: Optional[Mapping[str, Content]] = None) -> AsyncSession:
        """As Sandbox.session; to be awaited, or for `async with`."""
        return AsyncSession(self._sandbox, making=making_of(language, idle_seconds, on_timeout, env, files),
                            own=self._own)


class AsyncSessionMethod:
    """AsyncSandbox.session: as SessionMethod."""

    def __get__(self, sandbox: Optional[AsyncSandbox], kind: Type[AsyncSandbox]) -> _Maker:
        return _Maker(kind() if sandbox is None else sandbox, sandbox is None)
