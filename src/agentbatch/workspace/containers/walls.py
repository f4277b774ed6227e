"""The walls of tasks that work in containers."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from agentbatch.workspace.containers.command_lines import Inside
from agentbatch.workspace.containers.container import Container, Plan
from agentbatch.workspace.containers.engine import Engine
from agentbatch.workspace.containers.images.filling import fill
from agentbatch.workspace.containers.images.images import AvailableImage
from agentbatch.workspace.containers.mounts import Bind, Folders, plan_binds
from agentbatch.workspace.sandbox.mounts import out_of_reach
from agentbatch.workspace.sandbox.walls import WrappedCommand, check_hidden, known_now
from agentbatch.workspace.workspace import Image, Limits

AT_ONCE = 4
"""Containers of a run that start at the same time: each start keeps two processors busy for half a second."""


class ContainerWalls:
    """See `Walls` for the protocol."""

    def __init__(
        self,
        container: Container,
        directory: str,
        out_of_reach: Sequence[Path],
        plan: Plan,
    ) -> None:
        """`directory`: the task's, inside; `out_of_reach`: what is hidden in it, by its place on this machine; `plan`:
        what every container of the task sees of that."""
        self._container = container
        self._plan = plan
        self.name: str = container.engine.name
        self.network = container.inside.network
        self.directory = directory
        self.outside = Path("/")
        self.out_of_reach = tuple(out_of_reach)
        self._there = known_now(out_of_reach)

    def check(self) -> None:
        check_hidden(self._there)

    async def enter(self) -> None:
        await self._container.enter()

    def wrap(self, argv: Sequence[str], env: Mapping[str, str]) -> WrappedCommand:
        self.check()
        words = self._container.command(env, self.directory, argv, talked=False)
        return WrappedCommand(words, dict(self._container.engine.env))

    def lend(self, argv: Sequence[str], env: Mapping[str, str], *, terminal: bool) -> WrappedCommand:
        self.check()
        words = self._container.command(env, self.directory, argv, talked=True, terminal=terminal)
        return WrappedCommand(words, dict(self._container.engine.env))

    async def leave(self) -> str:
        return await self._container.leave()

    async def close(self) -> None:
        await self._container.end()

    async def has(self, program: str) -> bool:
        """Whether the image has a program of that name, or at that place. Raises OSError."""
        await self._container.enter()
        argv = [self._container.inside.bash, "-c", 'type -P -- "$1"', "bash", program]
        words = self._container.command({}, "/", argv, talked=False)
        engine = self._container.engine
        return (await asyncio.to_thread(engine.ask, *words[len(engine.command()) :])).exit_code == 0

    def beside(self, binds: Sequence[Bind], folder: Path) -> Container:
        """Another container for a program of the task, which sees more than its commands do. `folder`: its own."""
        here = self._container

        def plan(folders: Folders) -> Sequence[Bind]:
            return [*self._plan(folders), *binds]

        return Container(here.engine, here.inside, plan, Folders(folder), here.starting)


@dataclass(frozen=True)
class Containers:
    """What the containers of a run have in common."""

    engine: Engine
    images: Mapping[Image, AvailableImage]
    network: bool
    mark: str
    """Of the run, by which they are found."""
    home: Path
    hidden_dirs: tuple[Path, ...]
    starting: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    def fill(self, image: Image, root: Path, folder: Path, begin: Callable[[Path], None]) -> bool:
        """As `filling.fill`."""
        return fill(self.engine, self.images[image].reference, image.workdir, root, folder, self.mark, begin)

    def identity(self, image: Image) -> str:
        """What it is called by is another image tomorrow; this is that alone. Slow."""
        words = ("image", "inspect", "--format", "{{.Id}}", "--", self.images[image].reference)
        return self.engine.ask(*words).output.strip()

    def path_here(self, image: Image, root: Path, inside: str) -> str:
        """The image's PATH, as far as it leads into the task's directory, with that at its place on this machine."""
        entries = self.images[image].path.split(":")
        return ":".join(
            str(root / Path(entry).relative_to(inside))
            for entry in entries
            if Path(entry).is_relative_to(inside)
        )

    def walls(
        self,
        image: Image,
        limits: Limits,
        folder: Path,
        *,
        root: Path,
        inside: str,
        readable: Sequence[Path],
        hidden_files: Sequence[Path],
        guarded: Sequence[Path],
    ) -> ContainerWalls:
        """`folder`: its own, on this machine. `root` (resolved) is at `inside`. The rest as for `build_sandbox`. Raises
        UserError."""
        had, folders = self.images[image], Folders(folder)
        plan = partial(
            plan_binds,
            root,
            inside,
            home=self.home,
            hidden_dirs=self.hidden_dirs,
            hidden_files=hidden_files,
            readable=readable,
            guarded=guarded,
        )
        made = Inside(had.reference, had.bash, self.network, limits, self.mark, had.keeps)
        hidden = out_of_reach(root, self.home, self.hidden_dirs, hidden_files)
        return ContainerWalls(
            Container(self.engine, made, plan, folders, self.starting), inside, hidden, plan
        )
