"""One container: started when it is needed, entered for each command, emptied after it, ended with the task or us."""

import asyncio
import hashlib
import os
import secrets
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from agentbatch.cancellation import to_the_end
from agentbatch.files import PRIVATE
from agentbatch.workspace.containers.command_lines import (
    Inside,
    exec_arguments,
    run_arguments,
    variables_file,
)
from agentbatch.workspace.containers.engine import Engine, last_words, resource_limits
from agentbatch.workspace.containers.inhabitants import (
    end_inhabitants,
    freeze_inhabitants,
    has_first,
    tell_inhabitants,
)
from agentbatch.workspace.containers.mounts import ENVIRONMENTS, HOME, Bind, Folders
from agentbatch.workspace.containers.seccomp_profile import write_profile
from agentbatch.workspace.containers.traces import Device, devices, speaks_by_system_v
from agentbatch.workspace.files.removal import entries_of, open_up, remove_tree
from agentbatch.workspace.sandbox.limits import groups_of, killed_for_memory, told_of_memory

Plan = Callable[[Folders], Sequence[Bind]]
"""What a container sees of this machine. Raises UserError."""

START_TIMEOUT = 120.0
"""Seconds until it waits; it needs half of one, on a machine where a hundred start more."""
ENDED = (
    "[the container ended while this ran: all the memory that it may take was in use, or somebody ended it]"
)
END_TIMEOUT = 20.0
"""Seconds until it is removed, by itself and then by force."""


class Container:
    """`end` is called for every one."""

    def __init__(
        self, engine: Engine, inside: Inside, plan: Plan, folders: Folders, starting: asyncio.Semaphore
    ) -> None:
        """`plan`: what it sees, looked up whenever it starts; `folders`: its own. `starting`: at most so many of a run
        start at the same time."""
        self.engine = engine
        self.inside = inside
        self._plan = plan
        self._binds: Sequence[Bind] = ()
        self._folders = folders
        self.starting = starting
        self._name = ""
        self._client: asyncio.subprocess.Process | None = None
        self._first = 0
        """The number that its first process has on this machine; 0: it is not seen from here."""
        self._devices: frozenset[Device] | None = None
        self._groups: list[Path] = []
        """Control groups that its memory is counted in."""
        self._killed = 0
        """Processes, for want of memory."""

    @property
    def is_up(self) -> bool:
        if self._client is None or self._client.returncode is not None:
            return False
        return not self._first or has_first(self._first, self._name)

    async def enter(self) -> None:
        """Returns when commands can be run in it; where it has ended, since somebody has ended it, it begins again.
        Raises OSError."""
        if self.is_up:
            return
        await self.end()
        async with self.starting:
            try:
                await self._start()
            except BaseException:
                await to_the_end(self.end())
                raise

    def command(
        self,
        env: Mapping[str, str],
        directory: str,
        argv: Sequence[str],
        *,
        talked: bool,
        terminal: bool = False,
    ) -> list[str]:
        """The command line that runs `argv` in it, under `env`, in `directory`. Raises OSError."""
        content = os.fsencode(variables_file({"HOME": HOME, "TMPDIR": "/tmp", **env}))
        name = hashlib.sha256(content).hexdigest()[:32]
        place = self._folders.environments / name
        if not place.exists():
            with open(place, "xb", opener=lambda path, flags: os.open(path, flags, PRIVATE)) as file:
                file.write(content)
        variables = f"{ENVIRONMENTS}/{name}"
        return exec_arguments(
            self.engine,
            self._name,
            self.inside,
            variables,
            directory,
            argv,
            talked=talked,
            terminal=terminal,
        )

    async def leave(self) -> str:
        """What a command has left running is ended, and what it has left outside of the task's directory is gone.
        Returns what was done to it, a sentence; empty: nothing."""
        stood = self.is_up
        killed, self._killed = self._killed, killed_for_memory(self._groups)
        told = told_of_memory(self.inside.limits) if self._killed > killed else ""
        if stood and not (self._first and await asyncio.to_thread(self._is_clean)):
            await self.end()
        if not await asyncio.to_thread(self._empty):
            await self.end()
        return told if stood else ENDED

    @property
    def namespaces(self) -> str:
        """Where this machine has those of its processes; empty: they are not seen from here."""
        return f"/proc/{self._first}/ns" if self._first else ""

    async def freeze(self) -> None:
        """Returns when all that runs in it stands still. Raises OSError."""
        if self._first:
            await asyncio.to_thread(freeze_inhabitants, self._first)
        elif (await asyncio.to_thread(self.engine.ask, "pause", "--", self._name)).exit_code != 0:
            raise OSError("What the program has started does not stand still.")

    async def thaw(self) -> None:
        if self._first:
            await asyncio.to_thread(tell_inhabitants, self._first, signal.SIGCONT)
        else:
            await asyncio.to_thread(self.engine.ask, "unpause", "--", self._name)

    def _is_clean(self) -> bool:
        """Nothing runs in it any more, and it is as it was; otherwise the next command gets another one."""
        if not end_inhabitants(self._first) or self.inside.keeps:
            return False
        if self._devices is None or devices(self._first) != self._devices:
            return False
        return speaks_by_system_v(self._first) is False

    async def end(self) -> None:
        """It and all in it have ended, and nothing is left of it but its folders. Safe to repeat."""
        client, self._client, self._first = self._client, None, 0
        self._groups, self._killed = [], 0
        if client is None:
            return
        if client.stdin is not None:
            client.stdin.close()
        try:
            async with asyncio.timeout(END_TIMEOUT):
                await client.wait()
        except TimeoutError:
            await asyncio.to_thread(self.engine.ask, "kill", "--", self._name)
            await asyncio.to_thread(self.engine.ask, "rm", "--force", "--volumes", "--", self._name)
            with suppress(ProcessLookupError):
                client.kill()
            await client.wait()

    async def _start(self) -> None:
        await asyncio.to_thread(self._make_folders)
        self._name = f"agentbatch-{secrets.token_hex(12)}"
        self._binds = self._plan(self._folders)
        words = run_arguments(
            self.engine, self._name, self.inside, self._binds, resource_limits(), profile=self._profile()
        )
        pipe = subprocess.PIPE
        self._client = client = await asyncio.create_subprocess_exec(
            *words,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=dict(self.engine.env),
            cwd="/",
            start_new_session=True,
        )
        assert client.stdout is not None
        assert client.stderr is not None
        try:
            async with asyncio.timeout(START_TIMEOUT):
                if not await client.stdout.read(1):
                    problem = last_words(await client.stderr.read())
                    raise OSError(f"A container of {self.inside.image} could not be started: {problem}")
        except TimeoutError:
            raise OSError(
                f"A container of {self.inside.image} has not started in {START_TIMEOUT:g} s."
            ) from None
        shown = await asyncio.to_thread(
            self.engine.ask, "inspect", "--type", "container", "--format", "{{.State.Pid}}", "--", self._name
        )
        first = int(shown.output) if shown.output.strip().isdigit() else 0
        self._first = first if has_first(first, self._name) else 0
        self._devices = devices(self._first) if self._first else None
        self._groups = groups_of(self._first) if self._first and self.inside.limits.memory else []

    def _profile(self) -> Path | None:
        if self.engine.profile is None:
            return None
        return write_profile(self.engine.profile, self._folders.profile, network=self.inside.network)

    def _make_folders(self) -> None:
        folders = self._folders
        self._empty()
        for folder in (folders.environments, folders.blank, *folders.emptied):
            folder.mkdir(parents=True, exist_ok=True)
        folders.blank_file.touch()
        folders.home.mkdir(exist_ok=True)

    def _empty(self) -> bool:
        """False: places that others are laid over have been moved, and that is lost."""
        ways = True
        for folder, place in self._folders.emptied.items():
            below = (
                [bind.target for bind in self._binds if bind.target.startswith(f"{place}/")]
                if self.is_up
                else []
            )
            empty_folder(folder, place, below)
            ways = ways and all(os.path.lexists(f"{folder}{one.removeprefix(place)}") for one in below)
        if self._folders.home.parent.is_dir():
            self._folders.home.mkdir(exist_ok=True)
        return ways


def empty_folder(folder: Path, place: str, kept: Sequence[str]) -> None:
    """Remove what is in the folder, which is at `place` inside, but what others are laid over, where it is the way to
    `kept`: without that they would be gone."""
    if not folder.is_dir():
        return
    open_up(folder)
    for entry in entries_of(folder):
        at = f"{place}/{entry.name}"
        if not entry.is_dir(follow_symlinks=False):
            if at not in kept:
                os.unlink(entry.path)
        elif at in kept:
            continue
        elif any(one.startswith(f"{at}/") for one in kept):
            empty_folder(Path(entry.path), at, kept)
        else:
            try:
                os.rmdir(entry.path)
            except OSError:
                remove_tree(Path(entry.path))
