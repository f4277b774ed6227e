"""The programs that one workspace has open: each in its HOME, inside the walls of the task's commands."""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.workspace.files.removal import remove_tree
from agentbatch.workspace.programs.credentials import credential_files
from agentbatch.workspace.programs.finding import command_line, find_program, settled_path
from agentbatch.workspace.programs.homes import MAX_SIZE, is_too_large, make_home, toolchain_variables
from agentbatch.workspace.programs.local_process import LocalProcess
from agentbatch.workspace.programs.relay import Relay, interpreter
from agentbatch.workspace.sandbox.mounts import Mount
from agentbatch.workspace.sandbox.sandbox import Sandbox
from agentbatch.workspace.sandbox.walls import Walls
from agentbatch.workspace.shell.guard import Guard
from agentbatch.workspace.shell.processes import until_begun
from agentbatch.workspace.shell.shell import announced
from agentbatch.workspace.workspace import Program

LOOK = 30.0
"""Seconds between looks at how large a HOME is."""
RESTS = 20
"""Each look is followed by so many times what it took: it costs a twentieth of a core at most."""
TOO_LARGE = (
    f"Its HOME took more than {MAX_SIZE >> 30} GiB of the disk, or a million files: it was ended, and begins with an "
    "empty one."
)


class Programs:
    """Opens them, and ends those that are open."""

    def __init__(
        self,
        root: Path,
        sandbox: Walls,
        env: Mapping[str, str],
        homes: Path,
        folder: Path,
        redact: Redactor,
        *,
        user_home: Path,
        directories: Sequence[Path],
        guard: Guard | None,
    ) -> None:
        """`env`: the task's variables; `homes`: where HOMEs lie; `folder`: of what does not outlast the workspace.
        `user_home`: where credentials are; `directories`: of all tasks, where no program is taken from; `guard`: ends
        them where no sandbox does."""
        self.homes = homes
        self._root = root
        self._sandbox = sandbox
        self._given = env
        self._folder = folder
        self._numbers = count(1)
        self._env = {**env, "PATH": settled_path(env.get("PATH", os.defpath))}
        self._redact = redact
        self._user_home = user_home
        self._directories = (*directories, root)
        self._guard = guard
        self._open: list[LocalProcess] = []
        self._watching: dict[LocalProcess, asyncio.Task[None]] = {}

    async def open(self, program: Program) -> LocalProcess:
        """Raises UserError, OSError."""
        self._check(program)
        return await until_begun(lambda: self._open_once(program))

    async def _open_once(self, program: Program) -> LocalProcess:
        logins = credential_files(self._user_home, program.credentials)
        if isinstance(self._sandbox, Sandbox):
            process, home = await self._open_here(self._sandbox, program, logins)
        else:
            process, home = await self._open_inside(self._sandbox, program, logins)
        for over in [one for one in self._open if one.over]:
            self._forget(over)
        self._open.append(process)
        self._watching[process] = asyncio.ensure_future(_watch(home, process))
        try:
            await process.begin()
        except BaseException:
            await process.stop()
            raise
        return process

    async def _open_inside(
        self, walls: Walls, program: Program, logins: Mapping[str, Path]
    ) -> tuple[LocalProcess, Path]:
        from agentbatch.workspace.programs.in_container import open_in_container

        home = await asyncio.to_thread(self._home, program, dict.fromkeys(logins, b""))
        folder = self._folder / f"program-{next(self._numbers)}"
        return await open_in_container(walls, program, self._given, home, logins, self._redact, folder), home

    async def _open_here(
        self, sandbox: Sandbox, program: Program, logins: Mapping[str, Path]
    ) -> tuple[LocalProcess, Path]:
        argv = command_line(program.argv, self._env["PATH"], self._directories)
        walls = sandbox.name != "none"
        # Where it has walls, a login is laid over an empty file; elsewhere a link leads to it.
        laid = {name: b"" if walls else place for name, place in logins.items()}
        home = await asyncio.to_thread(self._home, program, laid)
        env = {
            **toolchain_variables(self._user_home, self._env),
            **self._env,
            **program.env,
            "HOME": str(home),
        }
        relay = Relay(program.port) if program.port and walls and not sandbox.network else None
        argv = announced(argv if relay is None else relay.around(argv))
        argv[0] = str(find_program(argv[0], self._env["PATH"], self._directories))
        guard = None if walls else self._guard
        try:
            with _around(sandbox, home, logins, relay).wrap(argv, env) as wrapped:
                words, env, handles = wrapped
                process = LocalProcess(
                    words, self._root, env, self._redact, relay, passed=handles, guard=guard
                )
            return process, home
        except OSError:
            if relay is not None:
                await relay.close()
            raise

    async def close(self) -> None:
        """End all that were opened."""
        while self._open:
            await self._open[-1].stop()
            self._forget(self._open[-1])

    def _forget(self, process: LocalProcess) -> None:
        self._open.remove(process)
        self._watching.pop(process).cancel()

    def _home(self, program: Program, laid: Mapping[str, bytes | Path]) -> Path:
        """The program's, with its files in it; one that has grown too large is emptied."""
        if is_too_large(self.homes / program.home):
            remove_tree(self.homes / program.home)
        return make_home(self.homes, program.home, {**program.files, **laid})

    def _check(self, program: Program) -> None:
        given = (*program.argv, *program.env.values(), *map(_text, program.files.values()))
        if any(self._redact(text) != text for text in given):
            raise UserError(
                f"What {program.argv[0]} is started with holds a key of yours; no program gets one. "
                "Let it ask the gateway, which has the key."
            )


async def _watch(home: Path, process: LocalProcess) -> None:
    """End it when its HOME has grown too large. The file system has no limit for a folder that we could set."""
    wait = LOOK
    while not process.over:
        await asyncio.sleep(wait)
        begun = time.monotonic()
        if await asyncio.to_thread(is_too_large, home):
            await process.stop(TOO_LARGE)
        wait = max(LOOK, RESTS * (time.monotonic() - begun))


def _around(sandbox: Sandbox, home: Path, logins: Mapping[str, Path], relay: Relay | None) -> Sandbox:
    """The walls of the task's commands, with its HOME in them."""
    mounts = [*sandbox.mounts, Mount("read-write", home)]
    mounts += [Mount("read-write", home / name, str(place)) for name, place in logins.items()]
    python, library = interpreter()
    if relay is not None and sandbox.hides(python):
        mounts.append(Mount("read-only", library))
    return replace(sandbox, mounts=tuple(mounts))


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
