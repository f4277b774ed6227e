"""A workspace on this machine: a directory, and a shell in it, with bubblewrap or without."""

import asyncio
import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from agentbatch.errors import UserError
from agentbatch.files import real_folder
from agentbatch.redaction import Redactor
from agentbatch.workspace.disk_work import DiskWork
from agentbatch.workspace.files.protect import protect, restore
from agentbatch.workspace.files.removal import remove_tree
from agentbatch.workspace.files.snapshot.contents import Contents
from agentbatch.workspace.files.snapshot.snapshot import snapshot
from agentbatch.workspace.isolation.checkpoint import copy_or_nothing, restore_tree
from agentbatch.workspace.programs.homes import HOMES
from agentbatch.workspace.programs.local_process import LocalProcess
from agentbatch.workspace.programs.programs import Programs
from agentbatch.workspace.sandbox.mounts import covering, named_credentials
from agentbatch.workspace.sandbox.sandbox import Sandbox, SandboxChoice, build_sandbox
from agentbatch.workspace.sandbox.walls import Walls
from agentbatch.workspace.shell.guard import Guard
from agentbatch.workspace.shell.shell import Shell
from agentbatch.workspace.tools.base import Hand, ToolDirectory
from agentbatch.workspace.tools.toolbox import dispatch
from agentbatch.workspace.workspace import (
    Checkpoint,
    CommandResult,
    Image,
    Program,
    Protected,
    Snapshot,
    ToolResult,
    WorkspaceInfo,
)

if TYPE_CHECKING:
    from agentbatch.workspace.containers.engine import Engine
    from agentbatch.workspace.containers.images.images import AvailableImage


@dataclass(frozen=True)
class SandboxRules:
    """What keeps the commands of all tasks of a run inside their directories."""

    choice: SandboxChoice
    network: bool
    home: Path
    hidden_dirs: tuple[Path, ...]
    """The directories of all tasks and the folder of the runs: no task sees another's."""
    hidden_files: tuple[Path, ...]
    """Env files with keys."""
    own_files: tuple[Path, ...] = ()
    """What the next run reads its settings from, files and folders: never brought back from a copy."""
    engine: "Engine | None" = None
    """Of containers; None: no task has an image."""
    images: "Mapping[Image, AvailableImage]" = field(default_factory=dict)
    """All that tasks have, as they were had before the run."""

    @classmethod
    def of_run(
        cls,
        choice: SandboxChoice,
        *,
        network: bool,
        environ: Mapping[str, str],
        directories: Iterable[Path],
        runs: Path,
        env_files: Sequence[Path],
        own_files: Sequence[Path] = (),
        engine: "Engine | None" = None,
        images: "Mapping[Image, AvailableImage] | None" = None,
    ) -> "SandboxRules":
        """`environ`: the user's variables; `directories`: of all tasks; `runs`: the folder of the runs; `env_files`:
        files with keys."""
        home = Path(environ.get("HOME") or Path.home())
        hidden = (*covering(directories), runs)
        files = (*env_files, *named_credentials(environ))
        return cls(choice, network, home, hidden, files, tuple(own_files), engine, dict(images or {}))

    def sandbox(
        self,
        root: Path,
        env: Mapping[str, str],
        readable: Sequence[Path],
        hidden_files: Sequence[Path] = (),
        guarded: Sequence[Path] = (),
    ) -> Sandbox:
        """That of the task in `root`. `readable`, `hidden_files`: what it alone may read, or must not; `guarded`: what
        it must not change in `root`. Raises UserError."""
        return build_sandbox(
            self.choice,
            root=root,
            home=self.home,
            path_variable=env.get("PATH", ""),
            hidden_dirs=self.hidden_dirs,
            hidden_files=(*self.hidden_files, *hidden_files),
            readable=readable,
            network=self.network,
            guarded=guarded,
        )


MakeWalls = Callable[[Path, Mapping[str, str], Path, Path], Walls]
"""Of a copy of a task's directory in another place: that place, the variables of its commands, the folder of their
whole outputs, and a folder of its own."""


class LocalWorkspace:
    """See `Workspace` for the protocol."""

    def __init__(
        self,
        root: Path,
        *,
        rules: SandboxRules,
        sandbox: Walls,
        env: Mapping[str, str],
        outputs: Path,
        scratch: Path,
        hands: Mapping[str, Hand],
        homes: Path,
        redact: Redactor,
        disk: DiskWork,
        contents: Contents,
        begun: Snapshot | None = None,
        touched: bool = False,
        notices: tuple[str, ...] = (),
        guard: Guard | None = None,
        around: MakeWalls | None = None,
    ) -> None:
        """`root` (resolved) exists. `sandbox`: of its commands, `around` makes that of a fork. `env`: all variables of
        its commands; `outputs`: the folder of whole outputs; `scratch`: that of forks and checkpoints, `homes`: of
        HOMEs, each made when it is needed. `begun`: the directory as it was when it was made, before anybody worked in
        it, `touched` where files have come into it since; `notices`: of its making; `guard`: of its run's processes."""
        self._root = root
        self._place = os.path.realpath(root)
        self._rules = rules
        self._sandbox = sandbox
        self._around = around or (lambda root, env, outputs, _: rules.sandbox(root, env, [outputs]))
        self._env = env
        self._scratch = scratch
        self._hands = hands
        self._disk = disk
        self._contents = contents
        self._notices = notices
        self._begun = begun
        self._untouched = not touched
        """Nobody has been there since it was made."""
        self._redact = redact
        self._shell = Shell(root, sandbox, env, outputs, redact, guard)
        self._guard = guard
        self._programs = Programs(
            root,
            sandbox,
            env,
            homes,
            scratch,
            redact,
            user_home=rules.home,
            directories=rules.hidden_dirs,
            guard=guard,
        )
        self._directory = ToolDirectory(
            root, self._shell, outputs, "" if sandbox.directory == str(root) else sandbox.directory
        )
        self._numbers = count(1)
        self._forks: list[LocalWorkspace] = []

    @property
    def info(self) -> WorkspaceInfo:
        return WorkspaceInfo(
            directory=self._sandbox.directory,
            system=f"{platform.system()} {platform.machine()}",
            sandbox=self._sandbox.name,
            network=self._sandbox.network,
            homes=str(self._programs.homes),
            notices=self._notices,
        )

    def touched(self) -> None:
        """Files have come into it since it was made."""
        self._untouched = False

    async def call(self, tool: str, arguments: str | Mapping[str, object]) -> ToolResult:
        self._check()
        self._untouched = False
        return await dispatch(self._hands, tool, arguments, self._directory)

    async def run(self, command: str, timeout: float) -> CommandResult:
        self._check()
        self._untouched = False
        return await self._shell.run(command, timeout)

    async def open(self, program: Program) -> LocalProcess:
        self._check()
        self._untouched = False
        return await self._programs.open(program)

    async def snapshot(self, since: Snapshot | None = None) -> Snapshot:
        self._check()
        begun, self._begun = self._begun, None
        if since is None and begun is not None:
            if self._untouched:
                return begun
            return await snapshot(self._root, begun, self._contents, first=True)
        return await snapshot(self._root, since, self._contents)

    async def protect(self, patterns: Sequence[str]) -> Protected:
        self._check()
        return await asyncio.to_thread(protect, self._root, patterns)

    async def restore(self, protected: Protected) -> list[str]:
        self._check()
        return await asyncio.to_thread(restore, self._root, protected)

    async def checkpoint(self) -> Checkpoint:
        name = f"checkpoint-{next(self._numbers)}"
        await self._copy(self._scratch / name)
        return Checkpoint(name)

    async def restore_checkpoint(self, checkpoint: Checkpoint) -> None:
        kept, stop = self._scratch / checkpoint.name, Event()
        if not kept.is_dir():
            raise UserError(f"There is no {checkpoint.name} of {self._root}.")
        hidden = self._sandbox.out_of_reach
        await self._disk.run(lambda: restore_tree(kept, self._root, hidden, stop), stop)

    async def fork(self) -> "LocalWorkspace":
        folder = self._scratch / f"fork-{next(self._numbers)}"
        root = folder / "files" / (self._root.name or "root")
        await self._copy(root)
        # A git that finds no repository there must not take the user's, in which it may lie.
        env = {**self._env, "GIT_CEILING_DIRECTORIES": str(root.parent)}
        outputs = folder / "outputs"
        fork = LocalWorkspace(
            root,
            rules=self._rules,
            sandbox=self._around(root, env, outputs, folder),
            around=self._around,
            env=env,
            outputs=outputs,
            scratch=folder,
            hands=self._hands,
            homes=folder / HOMES,
            redact=self._redact,
            disk=self._disk,
            contents=self._contents,
            guard=self._guard,
        )
        self._forks.append(fork)
        return fork

    async def close(self) -> tuple[str, ...]:
        """Its scratch folder is all that it has made beside the task's directory; a fork lies in that. HOMEs are its
        maker's, who knows whether the task may be resumed."""
        while self._forks:
            await self._forks.pop().close()
        await self._programs.close()
        await self._sandbox.close()
        try:
            if self._scratch.exists():
                await self._disk.run(lambda: remove_tree(self._scratch))
        except OSError as error:
            return (str(error),)
        return ()

    def _check(self) -> None:
        """Raises UserError where a link has come into the place of the directory or of a folder above it, and where
        something hidden in it has gone."""
        if (real_folder(str(self._root)) or os.path.realpath(self._root)) != self._place:
            raise UserError(
                f"{self._root} became a link, or a folder above it did, while the task worked in it; nothing more is "
                "done there."
            )
        self._sandbox.check()

    async def _copy(self, target: Path) -> None:
        self._check()
        hidden, stop = self._sandbox.out_of_reach, Event()
        await self._disk.run(lambda: copy_or_nothing(self._root, target, hidden, stop), stop)
