"""The workspaces of a run whose tasks work on machines of a cluster. At home each has its directory as ever, isolated
where that is asked for; commands and tools run on a node."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from agentbatch.cancellation import to_the_end
from agentbatch.cluster.connection.connection import Connection
from agentbatch.cluster.exchange.losses import Lost
from agentbatch.cluster.exchange.terms import Posting, Walls, lease_of
from agentbatch.cluster.remote.repositories import Repositories
from agentbatch.cluster.remote.workspace import ClusterWorkspace
from agentbatch.cluster.stations.home import AwayMark, Home, MovedHome, SharedHome
from agentbatch.cluster.stations.station import Station
from agentbatch.cluster.stations.waiting import Machines
from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.workspace.files.env_files import env_files_in
from agentbatch.workspace.files.removal import remove_tree
from agentbatch.workspace.sandbox.toolchains import programs_inside
from agentbatch.workspace.watch.git_control import read_only_in
from agentbatch.workspace.workspace import Ending, Order, RecalledSetup, TaskWorkspace, WorkLeft, Workspaces

STORE, AWAY = "contents", "away"
"""In the run's folder for travelling: contents, and the marks of tasks whose work is not at home."""

OPEN = (
    "This Ray asks for no token: a command of a task can reach it, and run anything on its machines and, by them, on "
    "this one, whatever the sandbox. Start it with RAY_AUTH_MODE=token, or run with --no-network."
)


@dataclass(frozen=True)
class ClusterTerms:
    """What holds for all tasks of a run."""

    mark: str
    """Of the run, the same in all its sessions."""
    store: Path
    """A folder of the run's, for contents on their way, and for what says that a task's work is away."""
    walls: Walls
    shared: bool
    """Nodes have the engine's directories: nothing moves."""
    cpus: float
    """Of a node, for a task that says nothing."""
    max_wait: float | None
    """As Machines takes it."""
    secret_names: Collection[str]
    """Variables that no command gets."""
    hidden_files: Sequence[Path]
    """Env files and what else no task may read: no node gets them."""
    programs: Mapping[str, str]
    """Variables for programs that we run ourselves."""
    path: str
    """PATH of the engine's machine: what it leads to in a directory, nobody may change."""
    resources: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By task."""


class ClusterWorkspaces:
    """See `Workspaces` for the protocol."""

    def __init__(
        self,
        inner: Workspaces,
        connection: Connection,
        terms: ClusterTerms,
        redact: Redactor,
        show: Callable[[str, str, bool], None],
        tell: Callable[[str, str], None],
        alarm: Callable[[str], None],
    ) -> None:
        """`inner`: of the engine's machine. `show`: a task's id, where it is now, for a person, and whether it waits
        for a machine; `tell`: its id and what that person should know; `alarm`: what that person should come for."""
        self._inner = inner
        self.connection = connection
        self.terms = terms
        self.repositories = Repositories(terms.programs, terms.store / STORE / "bundles")
        self.machines = Machines(connection, terms.max_wait, alarm)
        self.redact = redact
        self.show = show
        self.tell = tell
        self._warned = False

    def warn(self, task_id: str) -> None:
        """Once, of what no sandbox on the machines can hold."""
        if self.connection.open_to_all and self.terms.walls.network and not self._warned:
            self._warned = True
            self.tell(task_id, OPEN)

    def make(self, order: Order) -> "ClusterTaskWorkspace":
        return ClusterTaskWorkspace(self, order, self._inner.make(replace(order, image=None)))

    async def remove_leftovers(self, ended: Sequence[str]) -> None:
        await self._inner.remove_leftovers(ended)
        with suppress(Lost):
            await self.connection.request("end_others", f"{self.terms.mark}:")

    async def clear(self) -> None:
        """Nothing of the run stays on any machine."""
        with suppress(Lost, UserError):
            await self.connection.dismiss("clear", self.terms.mark)

    async def close(self) -> None:
        await self.clear()
        await self.connection.close()
        with suppress(OSError):  # it is in the run's folder, which says itself when it is too large
            await asyncio.to_thread(remove_tree, self.terms.store / STORE)
        await self._inner.close()


class ClusterTaskWorkspace:
    """See `TaskWorkspace` for the protocol."""

    def __init__(self, run: ClusterWorkspaces, order: Order, inner: TaskWorkspace) -> None:
        self._run = run
        self._order = order
        self._inner = inner
        self._station: Station | None = None
        self._workspace: ClusterWorkspace | None = None

    async def start(self) -> ClusterWorkspace:
        run, order, terms = self._run, self._order, self._run.terms
        lease = lease_of(order.limits, terms.cpus, terms.resources.get(order.task_id, {}))
        env = {name: value for name, value in order.env.items() if name not in terms.secret_names}
        if any(run.redact(value) != value for value in env.values()):
            raise UserError("Its env holds a key of yours, and no node gets one.")
        inner = await self._inner.start()
        directory = inner.info.directory
        posting = Posting(
            terms.mark, 0, replace(order, directory=directory, env=env), terms.walls, terms.shared
        )
        bundle = None
        if order.isolation == "worktree" and not terms.shared:
            bundle = await run.repositories.of(Path(directory))
            posting = replace(posting, checkout=bundle.checkout)
        station = self._station = Station(
            run.connection,
            posting,
            lease,
            partial(run.show, order.task_id),
            lambda text: run.tell(order.task_id, text),
            run.machines,
        )
        root, told = Path(directory), partial(run.tell, order.task_id)
        kept_out: list[Path] = []
        if bundle is not None:
            station.bring_bundle = partial(run.repositories.bring, bundle)
        home: Home = SharedHome()
        if not terms.shared:
            kept_out, guarded = await asyncio.to_thread(self._look, root)
            home = MovedHome(root, terms.store / STORE, kept_out, guarded, told)
        station.home = home
        if order.at_work:
            await station.settle(home)
        run.warn(order.task_id)
        names = [path.relative_to(root).as_posix() for path in kept_out if path.is_relative_to(root)]
        for name in names:
            if name in order.include:
                told(
                    f"Task {order.task_id}: include: {name} is an env file, and no machine of a cluster gets one."
                )
        away = AwayMark(terms.store / AWAY / order.task_id)
        self._workspace = ClusterWorkspace(station, inner, run.redact, away, names, at_work=order.at_work)
        return self._workspace

    def _look(self, root: Path) -> tuple[list[Path], list[Path]]:
        """What of the directory no node gets, and what does not come back from one. Slow on a large one."""
        kept_out = [*self._run.terms.hidden_files, *env_files_in(root)]
        if self._order.isolation == "worktree":  # it means a repository of this machine
            kept_out.append(root / ".git")
        return kept_out, [*read_only_in(root), *programs_inside(root, self._run.terms.path)]

    async def recall_setup(self) -> RecalledSetup:
        asked = self._order.setup_cache is not None
        return RecalledSetup(notice="setup_cache is not used on the machines of a cluster." if asked else "")

    async def keep_setup(self) -> str:
        return ""

    async def leave(self, ending: Ending) -> WorkLeft:
        notices: tuple[str, ...] = ()
        if self._workspace is not None:
            try:
                await self._workspace.come_home()
            except (OSError, UserError) as error:
                notices = (str(error),)
        left = await self._inner.leave(ending)
        return replace(left, notices=(*notices, *left.notices))

    async def close(self) -> tuple[str, ...]:
        problems: tuple[str, ...] = ()
        station, self._station = self._station, None
        if station is not None:

            async def leave() -> None:
                nonlocal problems
                problems = await station.leave()

            await to_the_end(leave())
        return (*problems, *await self._inner.close())
