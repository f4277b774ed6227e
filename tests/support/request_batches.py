"""`agentbatch requests run` as a user runs it: its input, a server for it, and what it says."""

import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agentbatch.rehearsal.script import Fault
from agentbatch.rehearsal.server import RehearsalServer
from tests.support import commands
from tests.support.commands import Started
from tests.support.keys import KEY, without_settings
from tests.support.waiting import until


def environ_of(folder: Path, base_url: str | None) -> dict[str, str]:
    """No settings but those of this server; without one, the rehearsal model's."""
    own = {"XDG_CACHE_HOME": str(folder / "cache")}
    if base_url is not None:
        own |= {"OPENAI_API_KEY": KEY, "CODER_ENDPOINT": base_url, "CODER_MODEL": "m-test"}
    return without_settings(folder) | own


def command(*words: str) -> list[str]:
    """A batch in an interpreter of its own."""
    return [sys.executable, "-P", "-m", "agentbatch", "requests", "run", *words]


async def ended(process: Started) -> tuple[int, str, str]:
    """Its exit code, what it says, and what it complains of."""
    out, err = await process.communicate()
    assert b"Traceback" not in err, err.decode()
    return process.returncode or 0, out.decode(), err.decode()


async def said(folder: Path, *words: str, base_url: str | None = None) -> tuple[int, str, str]:
    """Any command of ours, to its end."""
    return await ended(commands.start(*words, cwd=folder, env=environ_of(folder, base_url)))


async def ran(folder: Path, server: RehearsalServer, *words: str) -> tuple[int, str, str]:
    """A batch, to its end."""
    return await said(folder, "requests", "run", *words, base_url=server.base_url)


@asynccontextmanager
async def under_way(
    folder: Path, server: RehearsalServer, *words: str, sent: int = 1
) -> AsyncIterator[Started]:
    """A batch that has sent so many requests; it is killed at the end, if it has not ended."""
    process = commands.start("requests", "run", *words, cwd=folder, env=environ_of(folder, server.base_url))
    try:
        await until(lambda: len(server.requests) >= sent or process.returncode is not None)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def endpoint(faults: Sequence[Fault] = (), **options: Any) -> AsyncIterator[RehearsalServer]:
    async with RehearsalServer(plain=True, key=KEY, faults=faults, **options) as server:
        yield server


def the_run(folder: Path) -> str:
    """The id of the only run of this folder."""
    (path,) = (folder / ".agentbatch" / "runs").iterdir()
    return path.name


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_input(folder: Path, count: int) -> None:
    lines = (json.dumps({"id": f"q{n}", "prompt": f"Say {n}"}) for n in range(count))
    (folder / "in.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
