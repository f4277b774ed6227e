"""The programs that one workspace has open: each in its HOME, inside the walls of the task's commands."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.workspace.programs.credentials import credential_files
from agentbatch.workspace.programs.finding import command_line, find_program, settled_path
from agentbatch.workspace.programs.guard import Guard
from agentbatch.workspace.programs.homes import make_home, toolchain_variables
from agentbatch.workspace.programs.local_process import LocalProcess
from agentbatch.workspace.programs.relay import Relay, interpreter
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
        *,
        user_home: Path,
        directories: Sequence[Path],
        guard: Guard | None = None,
    ) -> None:
        """`env`: the task's variables; `homes`: where HOMEs lie. `user_home`: where credentials are; `directories`: of
        all tasks, where no program is taken from; `guard`: ends them where no sandbox does."""
        self.homes = homes
        self._root = root
        self._sandbox = sandbox
        self._env = {**env, "PATH": settled_path(env.get("PATH", os.defpath))}
        self._redact = redact
        self._user_home = user_home
        self._directories = (*directories, root)
        self._guard = guard
        self._open: list[LocalProcess] = []

    async def open(self, program: Program) -> LocalProcess:
        """Raises UserError, OSError."""
        self._check(program)
        argv = command_line(program.argv, self._env["PATH"], self._directories)
        logins = credential_files(self._user_home, program.credentials)
        walls = self._sandbox.name != "none"
        # Where it has walls, a login is laid over an empty file; elsewhere a link leads to it.
        laid = {name: b"" if walls else place for name, place in logins.items()}
        home = await asyncio.to_thread(make_home, self.homes, program.home, {**program.files, **laid})
        env = {
            **toolchain_variables(self._user_home, self._env),
            **self._env,
            **program.env,
            "HOME": str(home),
        }
        relay = Relay(program.port) if program.port and walls and not self._sandbox.network else None
        argv = limited(argv if relay is None else relay.around(argv))
        argv[0] = str(find_program(argv[0], self._env["PATH"], self._directories))
        argv, env = self._around(home, logins, relay).wrap(argv, env)
        if self._guard is not None and not walls:
            self._guard.start()
        try:
            process = LocalProcess(argv, self._root, env, self._redact, relay)
        except OSError:
            if relay is not None:
                await relay.close()
            raise
        self._open = [one for one in self._open if not one.over] + [process]
        try:
            await process.begin()
        except BaseException:
            await process.stop()
            raise
        return process

    async def close(self) -> None:
        """End all that were opened."""
        while self._open:
            await self._open[-1].stop()
            self._open.pop()

    def _around(self, home: Path, logins: Mapping[str, Path], relay: Relay | None) -> Sandbox:
        """The walls of the task's commands, with its HOME in them."""
        mounts = [*self._sandbox.mounts, Mount("read-write", home)]
        mounts += [Mount("read-write", home / name, str(place)) for name, place in logins.items()]
        python, library = interpreter()
        if relay is not None and self._sandbox.hides(python):
            mounts.append(Mount("read-only", library))
        return replace(self._sandbox, mounts=tuple(mounts))

    def _check(self, program: Program) -> None:
        given = (*program.argv, *program.env.values(), *map(_text, program.files.values()))
        if any(self._redact(text) != text for text in given):
            raise UserError(
                f"What {program.argv[0]} is started with holds a key of yours; no program gets one. "
                "Let it ask the gateway, which has the key."
            )


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
