"""Programs that are talked with, each promise with the sandbox and without."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.workspace.local_workspace import LocalWorkspace
from agentbatch.workspace.sandbox.sandbox import SandboxChoice
from agentbatch.workspace.workspace import Process, Program
from tests.support.workspaces import local_workspace


def program(script: str, *more: str, **given: Mapping[str, bytes]) -> Program:
    return Program(("python3", "-c", script, *more), home="agent", **given)  # type: ignore[arg-type]


async def everything(process: Process) -> bytes:
    parts = []
    while part := await process.read():
        parts.append(part)
    return b"".join(parts)


@pytest.fixture
async def workspace(choice: SandboxChoice, root: Path, tmp_path: Path) -> AsyncIterator[LocalWorkspace]:
    made = local_workspace(root, tmp_path / "run/outputs", choice=choice)
    yield made
    await made.close()


async def test_it_is_talked_with_in_the_directory(workspace: LocalWorkspace, root: Path) -> None:
    script = (
        "import os, sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)\n"
        "print(os.getcwd(), os.environ['HOME'], sys.argv); sys.exit(3)"
    )
    process = await workspace.open(program(script, "-x", "a b"))
    await process.write(b"one\n")
    assert await process.read() == b"ONE\n"
    await process.close_input()
    home = f"{workspace.info.homes}/agent"
    assert (await everything(process)).decode() == f"{root} {home} ['-c', '-x', 'a b']\n"
    assert await process.wait() == 3
    with pytest.raises(BrokenPipeError):
        await process.write(b"more")


async def test_its_home_is_kept_from_one_start_to_the_next(workspace: LocalWorkspace) -> None:
    script = (
        "import os; from pathlib import Path; h = Path.home()\n"
        "print((h / 'a/conf').read_text(), (h / 'mine').exists(), oct((h / 'a/conf').stat().st_mode))\n"
        "(h / 'mine').touch()"
    )
    for existed in (False, True):
        process = await workspace.open(program(script, files={"a/conf": b"told"}))
        assert await everything(process) == f"told {existed} 0o100600\n".encode()
        assert await process.wait() == 0


async def test_errors_are_kept_apart(workspace: LocalWorkspace) -> None:
    process = await workspace.open(program("import sys; sys.stderr.write('\\x1b[31mbad\\n'); print('good')"))
    assert await everything(process) == b"good\n"
    await process.wait()
    await process.stop()
    assert process.errors == "bad\n"


async def test_stopped_it_ends(workspace: LocalWorkspace) -> None:
    process = await workspace.open(program("import time; print(1, flush=True); time.sleep(1000)"))
    assert await process.read() == b"1\n"
    await process.stop()
    await process.stop()
    assert await process.wait() == 137
    assert await process.read() == b""


async def test_what_is_not_there(workspace: LocalWorkspace) -> None:
    with pytest.raises(UserError, match="nothing-of-the-kind is not to be found on PATH"):
        await workspace.open(Program(("nothing-of-the-kind",), home="agent"))
