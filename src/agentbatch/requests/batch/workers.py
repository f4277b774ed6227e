"""The tasks of one pass: which of them a stop leaves alone, and when all have ended."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

Phase = Literal["idle", "in call", "uninterruptible"]
"""What a worker is doing, as far as a stop cares."""


class Workers:
    """One event loop only. A worker that raises ends the pass, whenever it was added."""

    def __init__(self) -> None:
        self._phases: dict[asyncio.Task[Any], Phase] = {}
        self._over = asyncio.Event()
        self.running = 0

    def add(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        task.add_done_callback(self._ended)
        self._phases[task] = "idle"
        self.running += 1

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self.running -= 1
        if not self.running or (not task.cancelled() and task.exception() is not None):
            self._over.set()

    def in_call(self) -> AbstractContextManager[None]:
        """Around a call: only a stop that cuts calls off ends it."""
        return self._in_phase("in call")

    def uninterruptible(self) -> AbstractContextManager[None]:
        """Around recording and handing out an answer: no stop cuts it off."""
        return self._in_phase("uninterruptible")

    @contextmanager
    def _in_phase(self, phase: Phase) -> Iterator[None]:
        task = asyncio.current_task()
        assert task is not None
        self._phases[task] = phase
        try:
            yield
        finally:
            self._phases[task] = "idle"

    def stop(self, *, now: bool) -> None:
        """End those that have no call under way, or, `now`, those with one too."""
        for task, phase in self._phases.items():
            if phase == "idle" or (now and phase == "in call"):
                task.cancel()

    async def ended(self) -> None:
        """Until all have ended, or one broke. Raises what that one raised."""
        await self._over.wait()
        for task in self._phases:
            if task.done() and not task.cancelled():
                task.result()

    async def cancel(self) -> None:
        """End them all, whatever they do."""
        for task in self._phases:
            task.cancel()
        await asyncio.gather(*self._phases, return_exceptions=True)
