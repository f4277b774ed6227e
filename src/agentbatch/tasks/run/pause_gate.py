"""Tasks held before their next model call: one of them, or all."""

import asyncio


class PauseGate:
    """`wait` holds a task for as long as it, or the whole run, is paused."""

    def __init__(self) -> None:
        self.everything = False
        self.tasks: set[str] = set()
        """Ids of tasks that are paused by themselves."""
        self.waiting: set[str] = set()
        """Ids of tasks that stand still."""
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
        """Returns when the task may go on: the seconds that it was held."""
        if not self.holds(task_id):
            return 0.0
        clock = asyncio.get_running_loop().time
        began = clock()
        self.waiting.add(task_id)
        try:
            while self.holds(task_id):
                await self._changed.wait()
        finally:
            self.waiting.discard(task_id)
        return clock() - began

    def holds(self, task_id: str) -> bool:
        """It may not go on."""
        return self.everything or task_id in self.tasks
