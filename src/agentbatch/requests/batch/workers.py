"""The tasks of one batch: which of them a stop leaves alone, and when all have ended."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

Task = asyncio.Task[None]


class Workers:
    """One event loop only. A worker that raises ends the batch, whenever it was added."""

    def __init__(self) -> None:
        self._tasks: list[Task] = []
        self._running = 0
        self._sending: set[asyncio.Task[Any]] = set()
        self._telling: set[asyncio.Task[Any]] = set()
        self._over = asyncio.Event()

    @property
    def running(self) -> int:
        return self._running

    def add(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)
        self._running += 1

    def _ended(self, task: Task) -> None:
        self._running -= 1
        if not self._running or (not task.cancelled() and task.exception() is not None):
            self._over.set()

    @contextmanager
    def in_call(self) -> Iterator[None]:
        """Around a call: a stop has it end, unless it is one that cuts calls off."""
        with _within(self._sending):
            yield

    @contextmanager
    def uninterruptible(self) -> Iterator[None]:
        """Around what has been answered: no stop cuts off its being recorded and told."""
        with _within(self._telling):
            yield

    def stop(self, *, now: bool) -> None:
        """End those that have no call under way, or, `now`, those with one too."""
        for task in self._tasks:
            if task not in self._telling and (now or task not in self._sending):
                task.cancel()

    async def ended(self) -> None:
        """Until none is left, or one broke. Raises what that one raised."""
        await self._over.wait()
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    async def cancel(self) -> None:
        """End them all, whatever they do."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextmanager
def _within(tasks: set[asyncio.Task[Any]]) -> Iterator[None]:
    task = asyncio.current_task()
    assert task is not None
    tasks.add(task)
    try:
        yield
    finally:
        tasks.discard(task)
