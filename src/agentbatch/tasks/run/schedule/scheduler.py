"""When tasks start: after what they depend on, so many at once, by priority, never two in one directory. One that waits
for a machine is none of the many."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from agentbatch.tasks.run.schedule.ready_queue import ReadyQueue, order
from agentbatch.tasks.spec.plan import Plan, PlannedTask

Outcome = Literal["completed", "failed", "interrupted"]
"""How a task ended. What depends on it starts, is skipped, or, after an interruption, stays pending."""

_Stage = Literal["pending", "running"] | Outcome


class Scheduler:
    """Runs a plan's tasks through `run_task`, which must not raise. One event loop only."""

    def __init__(
        self,
        plan: Plan,
        run_task: Callable[[PlannedTask], Awaitable[Outcome]],
        *,
        max_concurrent: int,
        rest: float = 0.0,
        skip: Callable[[PlannedTask, str], None] | None = None,
        ended: Mapping[str, bool] | None = None,
    ) -> None:
        """`rest`: seconds between two starts; one by one, between an end and the next start. `skip` is called for each
        task that never starts, and with the id of the dependency that failed or was skipped itself. `ended`: tasks of
        the plan that are over already, and whether they were completed.
        """
        self._run_task = run_task
        self._max_concurrent = max_concurrent
        self._rest = rest
        self._skip = skip
        self._stages: dict[str, _Stage] = {
            task_id: "completed" if completed else "failed" for task_id, completed in (ended or {}).items()
        }
        self._tasks = {task.id: task for task in plan.tasks}
        self._queue = ReadyQueue()
        self._unmet: dict[str, int] = {}
        """How many dependencies a pending task still waits for; absent: it waits for none."""
        self._dependents: dict[str, dict[str, None]] = defaultdict(dict)
        """Who waits for a task that is not completed, in order."""
        self._failed: deque[str] = deque()
        """Tasks whose dependents are still to be skipped: in `run`, when the one who cancelled a task has said so."""
        self._running: dict[str, asyncio.Future[Outcome]] = {}
        self._begun: set[str] = set()
        """Running tasks that have taken their first step: one that is cancelled before it never knows."""
        self._aside: dict[str, tuple[object, ...]] = {}
        """Needs of running tasks that have no machine to work on."""
        self._behind: dict[str, PlannedTask] = {}
        """Tasks that could start, and would only wait beside those."""
        self._next_start = 0.0
        """Not before; in the loop's time."""
        self._broken: BaseException | None = None
        self._wake = asyncio.Event()
        self._paused = False
        self._draining = False
        waiting = [task for task in plan.tasks if task.id not in self._stages]
        self._stages.update((task.id, "pending") for task in waiting)
        for task in waiting:
            self._enqueue(task)

    @property
    def pending(self) -> list[PlannedTask]:
        """Those that have not started and were not skipped, the most urgent first."""
        found = [self._tasks[task_id] for task_id, stage in self._stages.items() if stage == "pending"]
        return sorted(found, key=order)

    @property
    def running(self) -> tuple[PlannedTask, ...]:
        return tuple(self._tasks[task_id] for task_id in self._running)

    def is_at_it(self, task_id: str) -> bool:
        """It runs, or will."""
        return self._stages.get(task_id) in ("pending", "running")

    def set_concurrency(self, number: int) -> None:
        """From now on; when it is lowered, running tasks continue to their ends."""
        if number < 1:
            raise ValueError(f"{number} tasks at the same time: there must be one at least")
        self._max_concurrent = number
        self._wake.set()

    def step_aside(self, task_id: str, *, waits: bool) -> None:
        """A running task waits for a machine, and holds up nobody whose need another one serves; or it has its machine,
        and goes on at once, beside however many there are then."""
        if waits and task_id in self._running:
            self._aside[task_id] = self._tasks[task_id].need
        elif self._aside.pop(task_id, None) is not None:
            for task in self._behind.values():
                self._queue.add(task)
            self._behind.clear()
        self._wake.set()

    def pause(self) -> None:
        """Start nothing until `resume`; `run` does not return meanwhile while a task could start."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._wake.set()

    def drain(self) -> None:
        """Start nothing more; `run` returns when the running tasks have ended."""
        self._draining = True
        self._wake.set()

    def cancel(self) -> None:
        """Drain, and cancel what runs."""
        self.drain()
        for running in self._running.values():
            running.cancel()

    def cancel_task(self, task_id: str) -> Literal["running", "pending", "unknown"]:
        """Cancel one that runs: `run_task` ends it and says how. One that is pending never starts, and what depends on
        it is skipped. `unknown`: it is neither."""
        if self._stages.get(task_id) == "running":
            self._running[task_id].cancel()
            return "running" if task_id in self._begun else "pending"
        if self._stages.get(task_id) != "pending":
            return "unknown"
        self._drop(task_id)
        self._wake.set()
        return "pending"

    def add(self, task: PlannedTask) -> None:
        """Queue a task again. What was skipped because of it stays skipped; what it depends on holds as ever.

        Raises ValueError when it is pending or running.
        """
        if self._stages.get(task.id) in ("pending", "running"):
            raise ValueError(f"the task {task.id} is {self._stages[task.id]}")
        self._tasks[task.id] = task
        self._stages[task.id] = "pending"
        self._enqueue(task)
        self._wake.set()

    async def run(self) -> None:
        """Returns when no task runs and none can start any more, or after `drain` when the running ones have ended."""
        clock = asyncio.get_running_loop().time
        try:
            while True:
                self._wake.clear()
                if self._broken is not None:
                    raise self._broken
                self._skip_dependents()
                task = None if self._draining else self._first()
                if task is None and not self._running:
                    return
                pause: float | None = None
                at_work = len(self._running) - len(self._aside)
                if task is not None and not self._paused and at_work < self._max_concurrent:
                    pause = max(0.0, self._next_start - clock())
                    if pause == 0.0:
                        self._start(task)
                        self._next_start = clock() + self._rest
                        # Let its first request go out before the next task takes the loop's time.
                        await asyncio.sleep(0)
                        continue
                await self._wait(pause)
        finally:
            self.cancel()
            if self._running:
                await asyncio.wait(self._running.values())

    def _enqueue(self, task: PlannedTask) -> None:
        unmet = 0
        for dependency in dict.fromkeys((*task.depends_on, *task.after, *task.behind)):
            stage = self._stages.get(dependency, "completed")
            if stage == "completed" or (stage == "failed" and dependency not in task.depends_on):
                continue
            unmet += 1
            self._dependents[dependency][task.id] = None
            if stage == "failed":
                self._failed.append(dependency)
        if unmet:
            self._unmet[task.id] = unmet
        else:
            self._queue.add(task)

    def _first(self) -> PlannedTask | None:
        """The task to start next; those who would only wait for the same as others do stand behind these."""
        while (task := self._queue.first()) is not None and task.need in self._aside.values():
            self._queue.remove(task.id)
            self._behind[task.id] = task
        return task

    def _start(self, task: PlannedTask) -> None:
        self._queue.start(task)
        self._stages[task.id] = "running"
        running = asyncio.ensure_future(self._begin(task))
        self._running[task.id] = running
        running.add_done_callback(lambda done: self._ended(task, done))

    async def _begin(self, task: PlannedTask) -> Outcome:
        self._begun.add(task.id)
        return await self._run_task(task)

    def _ended(self, task: PlannedTask, done: asyncio.Future[Outcome]) -> None:
        del self._running[task.id]
        self.step_aside(task.id, waits=False)
        self._queue.end(task)
        self._wake.set()
        if self._max_concurrent == 1:  # a rest that lies within the task is none
            self._next_start = asyncio.get_running_loop().time() + self._rest
        begun = task.id in self._begun
        self._begun.discard(task.id)
        if done.cancelled():
            outcome: Outcome = "interrupted" if self._draining else "failed"
        elif (error := done.exception()) is not None:
            self._broken, outcome = error, "failed"
        else:
            outcome = done.result()
        self._stages[task.id] = outcome if begun or outcome != "interrupted" else "pending"
        if outcome == "completed":
            self._release_dependents(task.id)
        elif outcome == "failed":
            self._failed.append(task.id)

    def _release_dependents(self, task_id: str) -> None:
        for dependent in self._dependents.pop(task_id, ()):
            if self._stages[dependent] == "pending":
                self._release(dependent)

    def _release(self, dependent: str) -> None:
        """It waits for one less."""
        self._unmet[dependent] -= 1
        if not self._unmet[dependent]:
            del self._unmet[dependent]
            self._queue.add(self._tasks[dependent])

    def _skip_dependents(self) -> None:
        while self._failed:
            failed = self._failed.popleft()
            if self._stages[failed] != "failed":
                continue  # It has been queued again.
            for dependent in self._dependents.pop(failed, ()):
                if self._stages[dependent] == "pending" and failed not in self._tasks[dependent].depends_on:
                    self._release(dependent)
                elif self._stages[dependent] == "pending":
                    self._drop(dependent)
                    if self._skip is not None:
                        self._skip(self._tasks[dependent], failed)

    def _drop(self, task_id: str) -> None:
        """A pending task will not start, and counts as failed."""
        self._stages[task_id] = "failed"
        self._unmet.pop(task_id, None)
        self._behind.pop(task_id, None)
        if task_id in self._queue:
            self._queue.remove(task_id)
        self._failed.append(task_id)

    async def _wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
