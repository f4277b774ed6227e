"""Where one task works: a machine of the cluster, and another one when that is lost."""

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

from agentbatch.cancellation import to_the_end
from agentbatch.cluster.connection.connection import Connection
from agentbatch.cluster.connection.fitting import asked_of_ray
from agentbatch.cluster.exchange.losses import HeadLost, Lost
from agentbatch.cluster.exchange.terms import BUNDLE, SIDE, SILENCE, Arrival, Lease, Posting
from agentbatch.cluster.exchange.wire import Unreadable, pack, read_error, unpack
from agentbatch.cluster.shapes import STRANGE, checked
from agentbatch.cluster.stations.home import Home
from agentbatch.cluster.stations.waiting import Machines, until_placed
from agentbatch.cluster.travel.side import Side
from agentbatch.cluster.travel.wire import RemoteSide
from agentbatch.errors import UserError
from agentbatch.workspace.workspace import WorkspaceInfo

HAS_ENDED = SILENCE + 5.0
"""Seconds after which a machine that was not heard of has ended what it had to do here."""

MAX_LOSSES = 2
"""Machines that are lost one after another while the same thing is done there: it may be what brings them down."""
MAX_IN_A_ROW = 8
"""Machines that are lost one after another, whatever is done there."""

_leases = count(1)


class Station:
    """`settle` first, `leave` last. What is asked on a lost machine raises Lost; `replace` takes another."""

    def __init__(
        self,
        connection: Connection,
        posting: Posting,
        lease: Lease,
        show: Callable[[str, bool], None],
        tell: Callable[[str], None],
        machines: Machines,
    ) -> None:
        """`posting`: its fence is set anew with every lease. `show`: where the task is now, for a person, and whether
        it waits; `tell`: what that person should know, a sentence."""
        self._connection = connection
        self._posting = posting
        self._wanted = lease
        self._show = show
        self._tell = tell
        self._machines = machines
        self._lease = self._session = self._told_of = 0
        self._questions = count(1)
        self._losses: list[tuple[str, str]] = []
        """Since the latest step that was done: the step, and where and why."""
        self.home: Home | None = None
        """The directory at home; None until it is there."""
        self.side: Side = RemoteSide(partial(self.ask, SIDE))
        """The directory on the node."""
        self.bring_bundle: Callable[[str, Side], Awaitable[None]] | None = None
        """Brings to a node, and the side there, what a worktree is made of; None: none is made."""
        self.at: Arrival | None = None
        self.info: WorkspaceInfo | None = None
        self.generation = 0
        """How many machines there were."""

    @property
    def place(self) -> str:
        return f"node {self.at.address}" if self.at is not None else ""

    async def arrive(self) -> None:
        """Take a machine, as soon as there is one. Raises NoPlace, UserError, OSError."""
        while True:
            try:
                await self._arrive()
                return
            except HeadLost:
                continue
            except Lost as error:
                self._count("a node", error)

    async def _arrive(self) -> None:
        self._lease = next(_leases)
        self._posting = replace(self._posting, fence=time.time_ns())
        name = f"{self._posting.mark}:{self._posting.order.task_id}:{self._posting.fence}"
        asking = asyncio.ensure_future(
            self._connection.request(
                "lease", self._lease, name, options_of(self._wanted), pack(self._posting)
            )
        )

        def show_waiting(words: str) -> None:
            self._show(words, True)

        try:
            arrival = _read(await until_placed(asking, self._wanted, self._machines, show_waiting))
        except BaseException:
            asking.cancel()
            await to_the_end(self._forget())
            raise
        self.at, self._session = checked(Arrival, arrival), self._connection.session
        self.generation += 1
        self._show(self.place, False)

    async def begin(self, home: Home) -> None:
        """The directory is brought, and commands can run in it. Raises Lost, UserError, OSError."""
        ask = partial(self._ask, self.generation)
        self.home, self.side = home, RemoteSide(partial(ask, SIDE))
        if self.bring_bundle is not None:
            await self.bring_bundle(self.place, RemoteSide(partial(ask, BUNDLE)))
            await ask(BUNDLE, "check_out")
        await home.away(self.side)
        if (lost := self.loss()) is not None:
            raise lost
        info = _read(await self._connection.request("begin", self._lease))
        self.info = replace(checked(WorkspaceInfo, info), place=self.place)

    async def settle(self, home: Home) -> None:
        """At the start, and after a loss: a machine with the directory as it is at home. Raises UserError, OSError."""
        while True:
            if self.at is None:
                await self.arrive()
            try:
                await self.begin(home)
                return
            except Lost as error:
                await self._lose(error)

    async def ask(self, target: int, member: str, *given: Any) -> Any:
        """Raises Lost where the machine is lost, now or since the last question; then what was asked may have been
        done. Raises UserError, OSError as the member does."""
        return await self._ask(self.generation, target, member, *given)

    async def _ask(self, generation: int, target: int, member: str, *given: Any) -> Any:
        """As `ask`, of one machine of the task's: what it says when there is another one is not heard."""
        try:
            return await self._answer(generation, target, member, pack(given))
        except Lost as error:
            error.generation = generation
            raise

    async def _answer(self, generation: int, target: int, member: str, question: bytes) -> Any:
        if (lost := self._superseded(generation) or self.loss()) is not None:
            raise lost
        number = next(self._questions)
        asking = asyncio.ensure_future(
            self._connection.request(
                "ask", self._lease, self._posting.fence, number, target, member, question
            )
        )
        try:
            data = await asyncio.shield(asking)
        except asyncio.CancelledError:
            await to_the_end(self._cancel(number, asking))
            raise
        except Lost as error:
            if target not in (SIDE, BUNDLE):
                error.step = f"{member} {hash(question)}"
            raise
        if (lost := self._superseded(generation)) is not None:
            raise lost
        answer = _read(data)
        if target not in (SIDE, BUNDLE):  # a step is done
            self._losses.clear()
        return answer

    def _superseded(self, generation: int) -> Lost | None:
        return Lost("the task has another machine now") if generation != self.generation else None

    async def _cancel(self, number: int, asking: "asyncio.Future[Any]") -> None:
        """Returns when what was asked for has ended there."""
        with suppress(Lost, UserError):
            await self._connection.dismiss("cancel", self._lease, number)
        await asyncio.wait({asking})
        with suppress(Lost, UserError):
            asking.result()

    async def is_private(self) -> bool:
        """What is said to the machines, nobody else hears. Raises Lost."""
        private: bool = await self._connection.request("is_private")
        return private

    def loss(self) -> Lost | None:
        """That the machine is known to be lost; None: it is not."""
        if self._session != self._connection.session:
            return HeadLost("the head of the cluster was lost")
        reason = self._connection.gone.get(self._lease)
        return Lost(reason) if reason else None

    def tell_loss(self, error: Lost) -> None:
        """Safe to repeat."""
        if self._lease != self._told_of and not isinstance(error, HeadLost):
            self._told_of = self._lease
            self._tell(f"{self.place or 'A node'} was lost ({error}); its task goes on elsewhere.")

    async def replace(self, error: Lost) -> None:
        """Another machine, with the directory as it is at home. Raises OSError where machines are lost again and again
        with the same thing; UserError."""
        assert self.home is not None
        place = self.place
        await self._lose(error)
        if self._posting.shared and place:  # cut off, it works on in that very directory
            self._show(f"waiting until {place} has ended what it did", True)
            await asyncio.sleep(HAS_ENDED)
        await self.settle(self.home)

    async def _lose(self, error: Lost) -> None:
        place = self.place
        self.tell_loss(error)
        await to_the_end(self._forget())
        if not isinstance(error, HeadLost):
            self._count(place or "a node", error)

    async def _forget(self) -> None:
        await self._drop(gently=False)

    def _count(self, place: str, error: Lost) -> None:
        self._losses.append((error.step, f"{place}: {error}"))
        same = [text for step, text in self._losses if step and step == error.step]
        if len(same) < MAX_LOSSES and len(self._losses) < MAX_IN_A_ROW:
            return
        texts = same if len(same) >= MAX_LOSSES else [text for _, text in self._losses]
        what = "at the same step, which may be what brings it down" if texts is same else "one after another"
        self._losses.clear()
        raise OSError(errno.EIO, f"The machine was lost {len(texts)} times {what} ({'; '.join(texts)})")

    async def leave(self) -> tuple[str, ...]:
        """Nothing of the task stays there. Returns what could not be removed."""
        data = await self._drop(gently=True)
        try:
            return checked(tuple[str, ...], _read(data)) if data else ()
        except (OSError, UserError, Lost) as error:
            return (str(error),)

    async def _drop(self, *, gently: bool) -> bytes:
        lease, self._lease = self._lease, 0
        self.at = None
        if not lease:
            return b""
        self._connection.gone.pop(lease, None)
        with suppress(Lost, UserError):
            released: bytes = await self._connection.dismiss("release", lease, gently)
            return released
        return b""


def options_of(lease: Lease) -> dict[str, Any]:
    """As Ray takes them. Pure."""
    asked = asked_of_ray(lease)
    others = {name: amount for name, amount in asked.items() if name not in ("CPU", "GPU", "memory")}
    options = {"memory": lease.memory, "num_gpus": asked.get("GPU"), "resources": others}
    return {"num_cpus": lease.cpus, **{name: value for name, value in options.items() if value}}


def _read(data: bytes) -> Any:
    """The value of an answer. Raises what the member has raised."""
    try:
        match unpack(data):
            case ("ok", value):
                return value
            case ("error", error):
                raise read_error(error)
            case ("cancelled", None):  # nobody here has: who has, reads no answer
                raise Lost("it has given up what was asked of it")
    except Unreadable as error:
        raise UserError(f"{STRANGE[:-1]}: {error}") from None
    raise UserError(STRANGE)
