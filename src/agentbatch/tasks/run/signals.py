"""How a run is to stop, and what is paused: set by the engine and by commands, read by its tasks. Made before both."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from agentbatch.runs.events import Reason


class RunningTask(Protocol):
    """A task under way, as its signals reach it."""

    @property
    def ending(self) -> bool:
        """It is at its end: nothing that is said to it is heard any more."""

    def cancel(self, reason: Reason, text: str) -> None:
        """Its end is asked for, not the run's: when it is cancelled now, it ends for this reason, which never
        continues."""

    def stop_clock(self) -> None:
        """It is paused: its time limit stands still, however long."""

    def start_clock(self) -> None:
        """It continues with the time that it had left."""

    def interrupt(self) -> None:
        """End it at once; a resumption continues it."""


class Quota(Protocol):
    """An endpoint's quota."""

    @property
    def used_up(self) -> object | None:
        """None: calls may go on."""

    async def wait(self) -> None:
        """Until it is back."""


class RunSignals:
    """One run's. `gate` stops paused tasks, `draining` ends tasks after their iteration."""

    def __init__(self, redact: Callable[[str], str] = str) -> None:
        self.stops = 0
        """How often the run was asked to stop: 1 drains, 2 ends it at once."""
        self.error = ""
        """Why the run stops of its own accord, as a sentence; empty: it does not."""
        self.on_drain: Callable[[], None] = lambda: None
        """The engine's: start nothing more."""
        self.on_wait: Callable[[str, bool], None] = lambda _task_id, _waits: None
        """The engine's: a task waits for a machine now, or has one."""
        self.pauses = PauseGate()
        self.held: set[str] = set()
        """Ids of tasks that stand still at the gate, with one call or several at once."""
        self.placeless: set[str] = set()
        """Ids of tasks that wait for a machine of a cluster."""
        self._calls_held: Counter[str] = Counter()
        self.running: dict[str, RunningTask] = {}
        """Tasks under way, by id."""
        self._redact = redact

    @property
    def draining(self) -> bool:
        """The run ends: tasks end after the iteration under way."""
        return self.stops > 0 or bool(self.error)

    @property
    def stop_cause(self) -> str:
        """Why the run stops before its end, as a sentence."""
        return self.error or "The run was interrupted."

    def set_error(self, cause: str) -> bool:
        """True: it is the first one."""
        if self.error:
            return False
        self.error = self._redact(cause)
        return True

    def drain_for(self, cause: str) -> None:
        """Start nothing more for this cause, a sentence; what runs ends after its iteration."""
        if self.set_error(cause):
            self.on_drain()

    def wait_for_place(self, task_id: str, *, waits: bool) -> None:
        """A task has no machine to work on, or has one now; its time limit stands still meanwhile."""
        task = self.running.get(task_id)
        if task is None or waits == (task_id in self.placeless):
            return
        self.on_wait(task_id, waits)
        if waits:
            self.placeless.add(task_id)
            task.stop_clock()
        else:
            self.placeless.discard(task_id)
            task.start_clock()
        if waits and self.draining:
            task.interrupt()

    async def gate(self, task_id: str, quota: Quota) -> None:
        """Stop a task before its next model call while it is paused, or the quota of the call's endpoint is used up;
        its time limit stands still meanwhile."""
        if not self.pauses.holds(task_id) and quota.used_up is None:
            return
        task = self.running.get(task_id)
        if task is None:
            await self._held(task_id, quota)
            return
        if self.draining:  # it would wait for ever, or for hours
            task.interrupt()
        task.stop_clock()
        self.held.add(task_id)
        self._calls_held[task_id] += 1
        try:
            await self._held(task_id, quota)
        finally:
            # Also when it was cancelled: an agent that we did not write gives up a call, and its task goes on.
            self._calls_held[task_id] -= 1
            if not self._calls_held[task_id]:
                del self._calls_held[task_id]
                self.held.discard(task_id)
                task.start_clock()

    async def _held(self, task_id: str, quota: Quota) -> None:
        while self.pauses.holds(task_id) or quota.used_up is not None:
            await self.pauses.wait(task_id)
            await quota.wait()


class PauseGate:
    """`wait` stops a task for as long as it, or the whole run, is paused."""

    def __init__(self) -> None:
        self.everything = False
        self.tasks: set[str] = set()
        """Ids of tasks that are paused by themselves."""
        self._changed = asyncio.Event()

    def pause(self, task_id: str | None) -> None:
        """None: everything."""
        if task_id is None:
            self.everything = True
        else:
            self.tasks.add(task_id)

    def release(self, task_id: str | None) -> None:
        """None: everything, tasks that were paused by themselves too."""
        if task_id is None:
            self.everything = False
            self.tasks.clear()
        else:
            self.tasks.discard(task_id)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def wait(self, task_id: str) -> float:
        """Returns when the task may continue: the seconds that it was paused."""
        if not self.holds(task_id):
            return 0.0
        clock = asyncio.get_running_loop().time
        began = clock()
        while self.holds(task_id):
            await self._changed.wait()
        return clock() - began

    def holds(self, task_id: str) -> bool:
        """It may not continue."""
        return self.everything or task_id in self.tasks
