"""When tasks start: so many at once, by priority, never two in one directory, a rest between starts."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence

from agentbatch.batch.plan import Plan, PlannedTask, overlap


def next_ready(
    pending: Sequence[PlannedTask], running: Collection[PlannedTask], group_of: dict[str, int]
) -> PlannedTask | None:
    """The first pending task whose directory no running task shares.

    `group_of` maps a task id to its group of shared directories; tasks outside any group share with nobody.
    """
    busy: dict[int, list[PlannedTask]] = defaultdict(list)
    for task in running:
        if task.id in group_of:
            busy[group_of[task.id]].append(task)
    for task in pending:
        rivals = busy[group_of[task.id]] if task.id in group_of else ()
        if not any(overlap(task.root, rival.root) for rival in rivals):
            return task
    return None


class Scheduler:
    """Runs a plan's tasks through `run_task`, which must not raise."""

    def __init__(
        self,
        plan: Plan,
        run_task: Callable[[PlannedTask], Awaitable[None]],
        *,
        max_concurrent: int,
        rest: float = 0.0,
    ) -> None:
        """`rest`: seconds between two starts."""
        self._run_task = run_task
        self._max_concurrent = max_concurrent
        self._rest = rest
        self._group_of = {task_id: n for n, group in enumerate(plan.shared) for task_id in group}
        self.pending = sorted(plan.tasks, key=lambda task: (-task.task.priority, task.index))
        self._running: dict[asyncio.Task[None], PlannedTask] = {}
        self._wake = asyncio.Event()
        self._draining = False

    def drain(self) -> None:
        """Start nothing more; `run` returns when the running tasks have ended."""
        self._draining = True
        self._wake.set()

    def cancel(self) -> None:
        """Drain, and cancel what runs."""
        self.drain()
        for running in self._running:
            running.cancel()

    async def run(self) -> None:
        """Returns when every task has ended, or after `drain` when the running ones have."""
        next_start = 0.0
        clock = asyncio.get_running_loop().time
        try:
            while (self.pending and not self._draining) or self._running:
                self._wake.clear()
                pause: float | None = None
                if self.pending and not self._draining and len(self._running) < self._max_concurrent:
                    pause = max(0.0, next_start - clock())
                    if pause == 0.0 and self._start_next():
                        next_start = clock() + self._rest
                        # Let its first request go out before the next task takes the loop's time.
                        await asyncio.sleep(0)
                        continue
                await self._wait(pause or None)
        finally:
            self.cancel()
            if self._running:
                await asyncio.wait(self._running)

    def _start_next(self) -> bool:
        task = next_ready(self.pending, self._running.values(), self._group_of)
        if task is None:
            return False
        self.pending.remove(task)
        running = asyncio.ensure_future(self._run_task(task))
        self._running[running] = task
        running.add_done_callback(self._ended)
        return True

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._wake.set()

    async def _wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
