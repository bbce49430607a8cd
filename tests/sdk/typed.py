"""What a user's mypy --strict sees."""
from typing import Dict, List

from zeroboot import AsyncSandbox, Execution, Result, Sandbox

one: Result = Sandbox("key", "http://127.0.0.1:8080").run("1", "python", 10, files={"a": b""})
some: List[Result] = Sandbox().run_batch(["1", Execution("2", memory_mb=100)])
files: Dict[str, bytes] = one.files
Sandbox().run("1", languages="node")  # type: ignore[call-arg]


for output in Sandbox().stream("1"):
    print(output.text, output.data.hex())


async def main() -> Result:
    async with AsyncSandbox() as sandbox:
        async for output in sandbox.stream("1"):
            print(output.stream)
        return await sandbox.run("1")
