"""A lease that no machine can take now: what is missing is said, and it is given up after as long as the user says."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import inf
from typing import Any

from agentbatch.cluster.connection.connection import Connection
from agentbatch.cluster.connection.fitting import in_short, unfit
from agentbatch.cluster.exchange.losses import Lost
from agentbatch.cluster.exchange.terms import Lease
from agentbatch.errors import UserError
from agentbatch.workspace.workspace import NoPlace

PATIENCE = 4.0
"""Seconds that a lease may take before the task is said to wait for one."""

LOOK_AGAIN = 10.0
"""Seconds between two looks at which machines there are."""

MAX_WAIT = 1_800.0
"""Seconds that tasks wait, unless the user says how long, for what nobody is known to bring: machines where Ray has no
autoscaler, and a head that is lost. Time to start a machine again; who sleeps finds a run that has ended."""

NO_HEAD = "The head of the cluster does not answer"

UNREACHED = "waiting for the cluster"
"""What a task shows where there is no connection."""


class Machines:
    """Those of a cluster, as all tasks of a run that wait for one see them."""

    def __init__(self, connection: Connection, max_wait: float | None, alarm: Callable[[str], None]) -> None:
        """`max_wait`: seconds that a task may wait for a machine which the cluster does not have; None: MAX_WAIT, or
        for ever where an autoscaler can add machines. `alarm`: what is missing, a sentence, once for all tasks."""
        self._connection = connection
        self._max_wait = max_wait
        self._alarm = alarm
        self._looking: asyncio.Future[Sequence[Mapping[str, float]]] | None = None
        self._looked = 0.0
        self._grows = False
        """Others may join by themselves."""
        self._missing: dict[Lease | None, float] = {}
        """What no machine can take, and since when (time.monotonic); None: the head."""

    @property
    def are_reached(self) -> bool:
        """There is a connection; it takes seconds to have one, and a Ray of one's own longer."""
        return self._connection.session > 0

    async def problem(self, lease: Lease, asking: "asyncio.Future[Any]") -> str:
        """Why no machine that is there could ever take it, without a full stop; empty: one could, or nobody knows."""
        looking = asyncio.ensure_future(self._look())
        while not (looking.done() or asking.done() or self._connection.is_lost):
            await asyncio.wait({asking, looking}, timeout=LOOK_AGAIN, return_when=asyncio.FIRST_COMPLETED)
        if not looking.done():
            looking.cancel()
            return NO_HEAD if self._connection.is_lost else ""
        with suppress(Lost, UserError):
            return unfit(lease, looking.result())
        return ""

    def time_left(self, lease: Lease, problem: str) -> float:
        """Seconds that who asks for it may still wait, with this problem. Raises NoPlace where that is over."""
        if not problem:
            self.found(lease)
            return inf
        if problem != NO_HEAD:
            self._missing.pop(None, None)
        missing = None if problem == NO_HEAD else lease
        allowed = self._max_wait or (inf if missing and self._grows else MAX_WAIT)
        if missing not in self._missing:
            self._missing[missing] = time.monotonic()
            self._alarm(waiting_text(problem, allowed))
        left = self._missing[missing] + allowed - time.monotonic()
        if left <= 0:
            raise NoPlace(ended_text(problem, allowed))
        return left

    def found(self, lease: Lease) -> None:
        """A machine can take it."""
        self._missing.pop(None, None)
        self._missing.pop(lease, None)

    async def _look(self) -> Sequence[Mapping[str, float]]:
        """What each has, by Ray's names. Raises Lost, UserError."""
        if self._looking is None or time.monotonic() - self._looked > LOOK_AGAIN / 2:
            self._looked = time.monotonic()
            self._looking = asyncio.ensure_future(self._ask())
        return await asyncio.shield(self._looking)

    async def _ask(self) -> Sequence[Mapping[str, float]]:
        machines: Sequence[Mapping[str, float]] = await self._connection.request("machines")
        self._grows = await self._connection.request("grows") is True
        return machines


async def until_placed(
    asking: "asyncio.Future[Any]", lease: Lease, machines: Machines, show: Callable[[str], None]
) -> Any:
    """The answer to `asking` for the lease. `show`: what is waited for, in a few words. Raises NoPlace, and what
    `asking` raises."""
    shown = "" if machines.are_reached else UNREACHED
    if shown:
        show(shown)
    done, _ = await asyncio.wait({asking}, timeout=PATIENCE)
    while not done:
        problem = await machines.problem(lease, asking)
        words = waiting_words(lease, problem)
        if words != shown:
            show(words)
            shown = words
        left = min(LOOK_AGAIN, machines.time_left(lease, problem))
        done, _ = await asyncio.wait({asking}, timeout=left)
    placed = await asking
    machines.found(lease)
    return placed


def waiting_words(lease: Lease, problem: str) -> str:
    """What a task waits for. Pure."""
    if problem == NO_HEAD:
        return UNREACHED
    return in_short(lease) if problem else "waiting for a node"


def waiting_text(problem: str, allowed: float) -> str:
    """For who could mend it. `allowed`: seconds. Pure."""
    until = "it is there again" if problem == NO_HEAD else "one joins"
    if allowed == inf:
        return f"{problem}: tasks that need it wait until {until}, for ever (--node-wait says how long)."
    return f"{problem}: tasks that need it wait until {until}, {allowed:,g} seconds at most (--node-wait)."


def ended_text(problem: str, allowed: float) -> str:
    """Why a task does not wait any more. Pure."""
    if problem == NO_HEAD:
        return f"{problem}, and it was not there again within {allowed:,g} seconds."
    return f"{problem}, and none has come within {allowed:,g} seconds. Ask for less, or add one."
