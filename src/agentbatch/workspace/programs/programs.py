"""The programs that one workspace has open: each in its HOME, inside the walls of the task's commands."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.workspace.programs.finding import find_program
from agentbatch.workspace.programs.homes import make_home
from agentbatch.workspace.programs.local_process import LocalProcess
from agentbatch.workspace.sandbox.mounts import Mount
from agentbatch.workspace.sandbox.sandbox import Sandbox
from agentbatch.workspace.shell.shell import limited
from agentbatch.workspace.workspace import Program


class Programs:
    """Opens them, and ends those that are open."""

    def __init__(
        self,
        root: Path,
        sandbox: Sandbox,
        env: Mapping[str, str],
        homes: Path,
        redact: Redactor,
        directories: Sequence[Path],
    ) -> None:
        """`env`: the task's variables; `homes`: where HOMEs lie; `directories`: of all tasks, where no program is
        taken from."""
        self._root = root
        self._sandbox = sandbox
        self._env = env
        self.homes = homes
        self._redact = redact
        self._directories = (*directories, root)
        self._open: list[LocalProcess] = []

    async def open(self, program: Program) -> LocalProcess:
        """Raises UserError, OSError."""
        self._check(program)
        found = find_program(program.argv[0], self._env.get("PATH", ""), self._directories)
        home = await asyncio.to_thread(make_home, self.homes, program.home, program.files)
        env = {**self._env, **program.env, "HOME": str(home)}
        argv, env = self._sandbox_of(home).wrap(limited([str(found), *program.argv[1:]]), env)
        process = LocalProcess(argv, self._root, env, self._redact)
        self._open.append(process)
        return process

    async def close(self) -> None:
        """End all that were opened."""
        while self._open:
            await self._open[-1].stop()
            self._open.pop()

    def _sandbox_of(self, home: Path) -> Sandbox:
        return replace(self._sandbox, mounts=(*self._sandbox.mounts, Mount("read-write", home)))

    def _check(self, program: Program) -> None:
        given = (*program.argv, *program.env.values(), *map(_text, program.files.values()))
        if any(self._redact(text) != text for text in given):
            raise UserError(
                f"What {program.argv[0]} is started with holds a key of yours; no program gets one. "
                "Let it ask the gateway, which has the key."
            )


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
