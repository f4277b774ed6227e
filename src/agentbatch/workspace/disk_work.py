"""Slow work on the disk: in threads, a few at a time, and to its end."""

import asyncio
import os
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from agentbatch.cancellation import to_the_end

AT_ONCE = min(8, max(3, os.cpu_count() or 1))
"""Directories of a run that are copied, committed or removed at the same time: the disk is the limit, and other work
needs threads too."""

T = TypeVar("T")


class DiskWork:
    """What a run's workspaces share. Work is done to its end also when cancelled, so that no git is killed while it
    writes to the user's repository; only what looks at `stop` ends in the middle."""

    def __init__(self) -> None:
        self._few = asyncio.Semaphore(AT_ONCE)

    async def run(self, work: Callable[[], T], stop: Event | None = None) -> T:
        async with self._few:
            doing = asyncio.ensure_future(asyncio.to_thread(work))
            try:
                return await asyncio.shield(doing)
            except asyncio.CancelledError:
                if stop is not None:
                    stop.set()
                await to_the_end(_settled(doing))
                raise


async def _settled(doing: "asyncio.Task[T]") -> None:
    await asyncio.wait({doing})
    doing.exception()  # the cancellation is what counts
