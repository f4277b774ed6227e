"""A lease that no machine can take now: what is missing is said, and it is given up after as long as the user says."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
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

COMES = "the task waits until one joins, by an autoscaler or by hand, and others go on. Ask for less, or stop the run."

Machines = Sequence[Mapping[str, float]]
"""What each has, by Ray's names."""


class Look:
    """At the machines of a cluster, once for all that wait."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._looking: asyncio.Future[Machines] | None = None
        self._begun = 0.0

    async def __call__(self) -> Machines:
        """Raises Lost, UserError."""
        if self._looking is None or time.monotonic() - self._begun > LOOK_AGAIN / 2:
            self._begun = time.monotonic()
            self._looking = asyncio.ensure_future(self._connection.request("machines"))
        return await asyncio.shield(self._looking)


async def until_placed(
    asking: "asyncio.Future[Any]",
    lease: Lease,
    look: Look,
    most: float | None,
    show: Callable[[str], None],
    tell: Callable[[str], None],
) -> Any:
    """The answer to `asking` for the lease. `most`: seconds that it may wait for a machine which the cluster does not
    have; None: for ever. `show`: what is waited for, in a few words; `tell`: a sentence. Raises NoPlace, and what
    `asking` raises."""
    done, _ = await asyncio.wait({asking}, timeout=PATIENCE)
    shown = told = ""
    since: float | None = None
    while not done:
        problem = await _problem(asking, lease, look)
        words = in_short(lease) if problem else "waiting for a node"
        if words != shown:
            show(words)
            shown = words
        if problem not in ("", told):
            tell(f"{problem}: {COMES}")
            told = problem
        since = (since or time.monotonic()) if problem else None
        left = LOOK_AGAIN
        if since is not None and most is not None:
            left = min(left, since + most - time.monotonic())
        if left <= 0:
            raise NoPlace(f"{problem}, and none has come within {most:g} seconds. Ask for less, or add one.")
        done, _ = await asyncio.wait({asking}, timeout=left)
    return await asking


async def _problem(asking: "asyncio.Future[Any]", lease: Lease, look: Look) -> str:
    """Why no machine that is there could ever take it; empty: one could, or nobody knows."""
    looking = asyncio.ensure_future(look())
    await asyncio.wait({asking, looking}, return_when=asyncio.FIRST_COMPLETED)
    if not looking.done():
        looking.cancel()
        return ""
    with suppress(Lost, UserError):
        return unfit(lease, looking.result())
    return ""
