"""The workspaces of a run on this machine: made, and what they leave."""

import asyncio
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from agentbatch.workspace.containers.leftovers import remove_containers
from agentbatch.workspace.files.removal import remove_tree
from agentbatch.workspace.isolation.isolation import WORK
from agentbatch.workspace.isolation.worktree.git import end_gits
from agentbatch.workspace.local_run import LocalRun, mark_of
from agentbatch.workspace.local_task_workspace import MAY_GO, SCRATCH, LocalTaskWorkspace
from agentbatch.workspace.programs.homes import HOMES
from agentbatch.workspace.sandbox.limits import remove_groups
from agentbatch.workspace.shell.marks import sweep
from agentbatch.workspace.workspace import Order

__all__ = ["MAY_GO", "SCRATCH", "LocalTaskWorkspace", "LocalWorkspaces", "mark_of"]


class LocalWorkspaces(LocalRun):
    """See `Workspaces` for the protocol."""

    def make(self, order: Order) -> LocalTaskWorkspace:
        return LocalTaskWorkspace(self, order, self.tasks / order.task_id)

    async def remove_leftovers(self, ended: Sequence[str]) -> None:
        await asyncio.to_thread(end_gits, self.mark)
        await asyncio.to_thread(sweep, self.mark)
        await asyncio.to_thread(remove_groups, self.mark)
        await asyncio.to_thread(remove_containers, self.tasks, self.mark, self.own)
        over = frozenset(ended)
        if not self.tasks.is_dir():
            return
        with os.scandir(self.tasks) as entries:
            # A link leads somewhere else: nothing there is ours.
            tasks = sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
        for task in tasks:
            is_over = os.path.basename(task) in over
            for name in (SCRATCH, HOMES) if is_over else (SCRATCH,):
                if os.path.lexists(left := f"{task}/{name}"):
                    await self.disk.run(partial(remove_tree, Path(left)))
            work = f"{task}/{WORK}"
            if os.path.isfile(f"{work}/{MAY_GO}") and is_over and not os.path.islink(work):
                await self.isolation.discard(Path(work))

    async def end_visit(self) -> None:
        """What a person has left running there is ended, where no namespace has done it."""
        await asyncio.to_thread(sweep, self.session)
        await self.close()

    async def close(self) -> None:
        """Nothing outlives the workspaces themselves on this machine."""
        await asyncio.to_thread(self.guard.close)
        await asyncio.to_thread(remove_containers, self.tasks, self.mark, self.own)
