"""What a user's mypy --strict sees."""
from typing import Dict, List, Optional

from zeroboot import AsyncSandbox, AsyncSession, Execution, Result, Sandbox, Session, SessionInfo, TemplateInfo

one: Result = Sandbox("key", "http://127.0.0.1:8080").run("1", "python", 10, files={"a": b""})
some: List[Result] = Sandbox().run_batch(["1", Execution("2", memory_mb=100)])
files: Dict[str, bytes] = one.files
Sandbox().run("1", languages="node")  # type: ignore[call-arg]


for output in Sandbox().stream("1"):
    print(output.text, output.data.hex())


with Sandbox.session("node", on_timeout="rollback") as session:
    value: Optional[str] = session.run("1", timeout=5).result
    forks: List[Session] = session.fork(2)
    made: TemplateInfo = session.template("with-data")
    sizes_of: List[float] = [one.memory_mb for one in Sandbox().templates()]
    Sandbox().delete_template("with-data")
    data: bytes = session.read_file("a") + b"".join(output.data for output in session.stream("1"))
    sizes: List[Optional[int]] = [entry.size for entry in session.list_files()]
    states: List[str] = [info.state for info in Sandbox().sessions()]
    Sandbox().session(languages="node")  # type: ignore[call-arg]


async def awaited() -> List[AsyncSession]:
    async with AsyncSandbox().session() as session:
        one: AsyncSession = await AsyncSandbox.session()
        info: SessionInfo = await one.info()
        print(info.id, (await session.run("1")).result, (await session.template("a")).name)
        return await session.fork()


async def main() -> Result:
    async with AsyncSandbox() as sandbox:
        async for output in sandbox.stream("1"):
            print(output.stream)
        return await sandbox.run("1")
