"""Runs the batch of this folder, or goes on with it, and kills itself at a moment:
`killed_at.py MOMENT NUMBER [--apply]`.

The moments are those of tasks with attempts; what was to be stored at one is stored, or is not, as it says.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from agentbatch.api import prepare, run_batch
from agentbatch.config import load_settings
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.store.store import Store
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.run.workspaces.local import local_workspaces
from agentbatch.workspace.workspace import Ending, Order, WorkLeft, Workspaces


def kill() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


class Moment:
    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.left = number
        self.store: Store | None = None

    def comes(self, name: str, *, stored: bool = False) -> None:
        if name != self.name:
            return
        self.left -= 1
        if self.left == 0:
            if stored and self.store is not None:
                self.store.flush()
            kill()

    def on_event(self, event: e.Event, state: RunState) -> None:
        loop = asyncio.get_running_loop()
        match event:
            case e.TaskFinished(status="completed") if "@" in event.task_id:
                self.comes("an attempt's end", stored=True)
            case e.TaskFinished(reason="superseded"):
                self.comes("the end of others", stored=True)
            case e.CheckStarted() if event.task_id in state.tasks:
                loop.call_soon(self.comes, "the choice's checks")
            case e.AttemptChosen():
                self.comes("before the choice is stored")
            case e.TaskFinished() if event.task_id in state.tasks:
                self.comes("after it was left")
                if self.name == "after the end is stored":
                    self.comes("after the end is stored", stored=True)


class Watched:
    """A workspace whose leaving is a moment."""

    def __init__(self, place: Any, order: Order, moment: Moment) -> None:
        self._place, self._order, self._moment = place, order, moment

    def __getattr__(self, name: str) -> Any:
        return getattr(self._place, name)

    async def leave(self, ending: Ending) -> WorkLeft:
        if not ending.resumable:
            self._moment.comes("after the choice is stored")
            if not ending.superseded:
                self._moment.comes("after the others were left")
        return await self._place.leave(ending)  # type: ignore[no-any-return]

    async def close(self) -> tuple[str, ...]:
        closed = await self._place.close()
        if self._moment.store is not None:
            whole = self._order.task_id.partition("@")[0]
            if self._moment.store.state.tasks[whole].finished:
                self._moment.comes("before the transcripts")
        return closed  # type: ignore[no-any-return]


def main() -> None:
    moment = Moment(sys.argv[1], int(sys.argv[2]))
    given = {
        "mode": "parallel", "parallel": 4, "retry_delay": "0.1", "tool_mode": "native",
        "apply": "--apply" in sys.argv, "sandbox": "none",
    }  # fmt: skip
    folder = Path.cwd()
    settings = load_settings(given, os.environ, folder=folder)
    runs = sorted(folder.glob(".agentbatch/runs/*/run.db"))
    resume = RunFolder(runs[0].parent) if runs else None
    prepared = prepare(settings, folder=folder, environ=os.environ, resume=resume)

    def open_workspaces(run: PreparedRun, store: Store) -> Workspaces:
        moment.store = store
        found: Any = local_workspaces(run, store)
        make = found.make
        found.make = lambda order: Watched(make(order), order, moment)
        return found  # type: ignore[no-any-return]

    outcome = asyncio.run(run_batch(prepared, listeners=[moment.on_event], open_workspaces=open_workspaces))
    lines = [f"{one.id} {one.status} {one.reason} {one.error}" for one in outcome.state.by_id.values()]
    sys.stdout.write("\n".join([*outcome.state.notices, *lines]))
    sys.exit(outcome.exit_code)


if __name__ == "__main__":
    main()
