"""How a pass at the provider's batch service is ended early, or held."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class LeftError(Exception):
    """Somebody wants to be gone at once."""


class ProviderStop:
    """`close`: upload nothing more, wait for what is at work. `leave`: go, and leave it at work; now: cancel it."""

    def __init__(self) -> None:
        self.cause = ""
        """Why nothing more is uploaded, as a sentence; empty while it is."""
        self._leaving = asyncio.Event()
        self._now = asyncio.Event()
        self._going = asyncio.Event()
        self._going.set()

    def close(self, cause: str) -> None:
        self.cause = self.cause or cause

    def leave(self, cause: str, *, now: bool = False) -> None:
        self.close(cause)
        self._going.set()
        self._leaving.set()
        if now:
            self._now.set()

    def pause(self) -> None:
        """Until `go_on`, or until somebody leaves."""
        self._going.clear()

    def go_on(self) -> None:
        """After `pause`."""
        self._going.set()

    @property
    def leaving(self) -> bool:
        return self._leaving.is_set()

    async def paused(self) -> None:
        """Returns when nothing is paused."""
        await self._going.wait()

    async def leaving_within(self, seconds: float) -> bool:
        """Whether somebody wants to go; asked for so long."""
        return await _within(self._leaving, seconds)

    async def now_within(self, seconds: float) -> bool:
        """Whether what is at work is to be cancelled; asked for so long."""
        return await _within(self._now, seconds)

    async def unless_now(self, doing: Awaitable[T]) -> T:
        """Cut off when somebody wants to be gone at once. Raises LeftError then."""
        task, gone = asyncio.ensure_future(doing), asyncio.ensure_future(self._now.wait())
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise LeftError
            return task.result()
        finally:
            for running in (task, gone):
                running.cancel()
            await asyncio.gather(task, gone, return_exceptions=True)


async def _within(event: asyncio.Event, seconds: float) -> bool:
    if event.is_set():
        return True
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
