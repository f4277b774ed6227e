"""The hands of one task on a node: a workspace of that machine, asked from afar. An actor of Ray's runs this class;
nothing in this file knows it. Answers and questions are bytes, as `wire.py` has them."""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Literal

from agentbatch.cluster.exchange.snapshots import NodeSnapshots
from agentbatch.cluster.exchange.terms import BUNDLE, MAIN, SIDE, SILENCE, Arrival, Checkout, Posting
from agentbatch.cluster.exchange.tunnel import Gate, at_port
from agentbatch.cluster.exchange.wire import pack, pack_error, unpack
from agentbatch.cluster.node.folder import LOCAL, NodeFolder, node_address, own_places, remove_if_last
from agentbatch.cluster.travel.local_side import LocalSide
from agentbatch.cluster.travel.repository import read_bundle
from agentbatch.cluster.travel.wire import ServedSide
from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.workspace.containers.engine import find_engine
from agentbatch.workspace.containers.images.images import AvailableImage, ImageRequest, have_images
from agentbatch.workspace.files.env_files import env_files_in
from agentbatch.workspace.isolation.worktree.git import Git
from agentbatch.workspace.local_workspace import LocalWorkspace, SandboxRules
from agentbatch.workspace.local_workspaces import LocalTaskWorkspace, LocalWorkspaces
from agentbatch.workspace.preparation import SandboxChoice, choose_sandbox
from agentbatch.workspace.programs.local_process import LocalProcess
from agentbatch.workspace.workspace import Image, Order, Program, WorkspaceInfo


class OrphanedError(Exception):
    """Ray on this machine is gone, and this process about to go: nobody knows what became of what was asked."""


class ServedBundle(ServedSide):
    """The folder that a repository arrives in."""


MEMBERS = {
    ServedSide: frozenset({"scan", "missing", "give", "take", "place"}),
    ServedBundle: frozenset({"scan", "missing", "give", "take", "place", "check_out"}),
    LocalWorkspace: frozenset(
        {
            *("call", "run", "open", "snapshot", "fork", "close"),
            *("protect", "restore", "checkpoint", "restore_checkpoint"),
        }
    ),
    Gate: frozenset({"next", "send", "close"}),
    LocalProcess: frozenset({"write", "close_input", "read", "wait", "freeze", "thaw", "stop"}),
}


class Hands:
    """From the arrival of a task to its end. Each answer is `("ok", value)` or `("error", error)`."""

    def __init__(self, posting: bytes) -> None:
        given = unpack(posting)
        assert isinstance(given, Posting)
        self._posting = given
        self._folder = NodeFolder(given.mark, given.order.task_id, given.fence)
        self._things: dict[int, Any] = {}
        self._numbers = count(MAIN + 1)
        self._seen: dict[int, NodeSnapshots] = {}
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._workspaces: LocalWorkspaces | None = None
        self._task: LocalTaskWorkspace | None = None
        self._heard = time.monotonic()
        self._watch: asyncio.Task[None] | None = None
        self._ended = False
        self._ray = os.getppid()

    async def arrive(self) -> bytes:
        """Once: take the task's folder here."""
        return await self._answer(self._arrive)

    async def begin(self) -> bytes:
        """Once, when the directory is there: commands can run in it."""
        return await self._answer(self._begin)

    async def ping(self) -> bool:
        self._heard = time.monotonic()
        return True

    async def ask(self, fence: int, number: int, target: int, member: str, given: bytes) -> bytes:
        """What `member` of the thing with that number answers. `number`: of the question, by which `cancel` means it;
        it may have come before."""
        self._heard = time.monotonic()
        asked = self._asked.setdefault(number, asyncio.get_running_loop().create_future())
        if asked.done():
            return pack(("cancelled", None))
        doing = asyncio.ensure_future(self._answer(lambda: self._ask(fence, target, member, unpack(given))))
        asked.add_done_callback(lambda _: doing.cancel())
        try:
            return await doing
        except asyncio.CancelledError:
            return pack(("cancelled", None))
        finally:
            self._asked.pop(number, None)

    async def cancel(self, number: int) -> None:
        asked = self._asked.setdefault(number, asyncio.get_running_loop().create_future())
        if not asked.done():
            asked.set_result(None)

    async def end(self) -> bytes:
        """What runs here ends, and nothing of the task stays. Safe to repeat."""
        return await self._answer(self._end)

    async def _answer(self, work: Callable[[], Awaitable[Any]]) -> bytes:
        """Raises OrphanedError."""
        try:
            answer = ("ok", await work())
        except (OSError, UserError) as error:
            answer = ("error", pack_error(error))
        if os.getppid() != self._ray:
            # It ends what runs here before this process: that ended by nothing of its own.
            raise OrphanedError("Ray on it has ended")
        return pack(answer)

    @property
    def _root(self) -> Path:
        posting = self._posting
        name = Path(posting.order.directory).name or "root"
        return Path(posting.order.directory) if posting.shared else self._folder.path / "root" / name

    async def _arrive(self) -> Arrival:
        self._watch = asyncio.ensure_future(self._end_when_forgotten())
        await asyncio.to_thread(self._folder.take)
        root = self._root
        if self._posting.checkout is not None:
            self._things[BUNDLE] = self._arriving(self._posting.checkout)
        elif not self._posting.shared:
            root.mkdir(parents=True, exist_ok=True)
            self._things[SIDE] = ServedSide(LocalSide(root.resolve(), self._folder.store))
        elif not root.is_dir():
            raise UserError(
                f"{root} is not there on {_host()}: --cluster-shared is for directories that all nodes have."
            )
        return Arrival(node_address(), _host(), str(root))

    def _arriving(self, checkout: Checkout) -> ServedBundle:
        folder = self._folder.run / "bundles" / checkout.commit
        folder.mkdir(parents=True, exist_ok=True)
        return ServedBundle(LocalSide(folder.resolve(), self._folder.path / "arriving", max_bytes=0))

    async def _check_out(self) -> None:
        """The worktree is made; the task's files come into it then."""
        checkout, run = self._posting.checkout, self._folder.run.resolve()
        if checkout is None or MAIN in self._things:
            return
        repository = run / "repositories" / checkout.commit / checkout.name
        bundle, git = run / "bundles" / checkout.commit, Git(os.environ)
        await asyncio.to_thread(read_bundle, git, bundle, checkout.commit, repository)
        workspace = await self._start(repository / checkout.inside, "worktree", self._posting.order.env)
        await workspace.snapshot()  # as it was made it is no state of the task's
        root = Path(workspace.info.directory)
        kept = [root / ".git", *await asyncio.to_thread(env_files_in, root)]  # git's own, which no task sees
        self._things[SIDE] = ServedSide(LocalSide(root, self._folder.store, kept))

    async def _begin(self) -> WorkspaceInfo:
        if MAIN not in self._things:
            root = self._root
            await self._start(root.resolve(), "none", _contained(self._posting.order.env, root))
        info: WorkspaceInfo = self._things[MAIN].info
        return info

    async def _start(
        self, directory: Path, isolation: Literal["none", "worktree"], env: Mapping[str, str]
    ) -> LocalWorkspace:
        order = self._posting.order
        here = Order(
            order.task_id,
            str(directory),
            isolation,
            env,
            order.tools,
            order.command_timeout,
            limits=order.limits,
            image=order.image,
        )
        rules = await asyncio.to_thread(self._rules)
        self._workspaces = LocalWorkspaces(
            "cluster",
            self._folder.path / LOCAL,
            dict(os.environ),
            rules,
            secret_names=(),
            redact=Redactor([]),
        )
        await self._workspaces.remove_leftovers(())  # of a lease before this, whose process was killed
        self._task = self._workspaces.make(here)
        workspace = self._things[MAIN] = await self._task.start()
        return workspace

    def _rules(self) -> SandboxRules:
        walls, order, environ = self._posting.walls, self._posting.order, os.environ
        choice, engine, had = SandboxChoice("none", None, ""), None, dict[Image, AvailableImage]()
        if order.image is None:
            choice = choose_sandbox(walls.sandbox, environ.get("PATH"))
        else:
            found = find_engine(walls.engine, environ, (os.getuid(), os.getgid()))
            wanted = ImageRequest((order.image,), (order.limits,), walls.network)
            engine, had = have_images(found, wanted, lambda _: None)
        return SandboxRules.of_run(
            choice,
            network=walls.network,
            environ=environ,
            directories=(*map(Path, walls.hidden_dirs), *own_places()),
            runs=self._folder.run.parent,
            env_files=tuple(map(Path, walls.hidden_files)),
            engine=engine,
            images=had,
        )

    async def _ask(self, fence: int, target: int, member: str, given: Any) -> Any:
        if fence != self._posting.fence or self._folder.fenced():
            raise UserError("A later session of this run has this task now.")
        thing = self._things.get(target)
        if thing is None or member not in MEMBERS[type(thing)]:
            raise UserError(f"There is no {member} of {target} here.")
        match thing:
            case LocalWorkspace() if member == "open":
                return await self._open(thing, *_as(Program, given))
            case LocalWorkspace() if member == "fork":
                fork = await thing.fork()
                return self._add(fork), fork.info
            case LocalWorkspace() if member == "snapshot":
                return await self._seen.setdefault(target, NodeSnapshots()).look(thing, *given)
            case ServedBundle() if member == "check_out":
                return await self._check_out()
            case LocalProcess():
                return await getattr(thing, member)(*given), thing.errors
        answer = await getattr(thing, member)(*given)
        if member in ("close", "stop"):
            del self._things[target]
            self._seen.pop(target, None)
        return answer

    async def _open(self, workspace: LocalWorkspace, program: Program) -> tuple[int, int]:
        """The numbers of the program and of its gate to the engine's machine; 0: it has none."""
        if not program.port:
            return self._add(await workspace.open(program)), 0
        gate = Gate()
        try:
            process = await workspace.open(at_port(program, await gate.listen()))
        except BaseException:
            await gate.close()
            raise
        return self._add(process), self._add(gate)

    def _add(self, thing: LocalWorkspace | LocalProcess | Gate) -> int:
        number = next(self._numbers)
        self._things[number] = thing
        return number

    async def _end(self) -> tuple[str, ...]:
        if self._ended:
            return ()
        self._ended = True
        for asked in [*self._asked.values()]:
            if not asked.done():
                asked.set_result(None)
        problems: tuple[str, ...] = ()
        for thing in [*self._things.values()]:
            if isinstance(thing, Gate):
                await thing.close()
        if self._task is not None:
            problems = await self._task.close()
        if self._workspaces is not None:
            await self._workspaces.close()
        await asyncio.to_thread(self._folder.remove)
        return problems

    def _is_forgotten(self) -> bool:
        silent = time.monotonic() - self._heard > SILENCE
        return silent or (not self._ended and self._folder.fenced())  # its own removal of it is no sign

    async def _end_when_forgotten(self) -> None:
        """The engine is gone, or cannot be reached: its next session begins elsewhere."""
        while not self._is_forgotten():  # noqa: ASYNC110 - another process
            await asyncio.sleep(1.0)
        with suppress(OSError, UserError):
            await self._end()
            remove_if_last(self._folder.run)
        os._exit(0)


def _contained(env: Any, root: Path) -> dict[str, str]:
    """A git that finds no repository there must not take one that it may lie in."""
    return {**env, "GIT_CEILING_DIRECTORIES": str(root.parent)}


def _as(kind: type, given: Any) -> Any:
    if len(given) != 1 or not isinstance(given[0], kind):
        raise UserError("That is no question of ours.")
    return given


def _host() -> str:
    return socket.gethostname()
