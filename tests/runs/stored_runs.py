"""Runs in a folder, made with the real store: under way, ended, left behind."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder, create_run_folder
from agentbatch.runs.store.store import Store
from agentbatch.usage import Usage
from tests.support.run_events import run_started

NEW_YEAR = datetime(2026, 1, 1)


def begin(
    base: Path, tasks: int = 3, when: datetime = NEW_YEAR, *, keys: Sequence[str] = (), **info: Any
) -> Store:
    """A run of tasks `t0`, `t1`… that nobody has begun; the store has its lock."""
    folder = create_run_folder(base, when)
    store = Store(folder, Redactor(keys))
    store.emit(run_started(tasks, **{"run_id": folder.run_id, "max_concurrent": 2} | info))
    for n in range(tasks):
        store.emit(e.TaskQueued(task_id=f"t{n}", index=n, dir=f"d{n}", first_prompt="p", max_iterations=4))
    store.flush()
    return store


def work(store: Store, task_id: str, cost: float | None = 0.25) -> None:
    """The task is under way: one call has been answered, and a command runs."""
    store.emit(e.TaskStarted(task_id=task_id))
    store.emit(e.IterationStarted(task_id=task_id, iteration=1, prompt="p"))
    store.emit(
        e.ModelCallFinished(
            task_id=task_id,
            role="coder",
            model="m-coder",
            usage=Usage(input=1_000, cached=600, output=50, calls=1),
            cost=cost,
            cost_input=cost,
            cost_output=cost and 0.0,
            latency=1.0,
            attempts=1,
        )
    )
    store.emit(e.ToolCalled(task_id=task_id, call_id="c", tool="bash", summary="make"))
    store.flush()


def end(store: Store, task_id: str, **how: Any) -> None:
    fields = {"task_id": task_id, "status": "completed", "reason": "accepted"} | how
    store.emit(e.TaskFinished.model_validate(fields))


async def finished(base: Path, when: datetime = NEW_YEAR, tasks: int = 1, **info: Any) -> RunFolder:
    """A run whose tasks are all completed."""
    store = begin(base, tasks, when, **info)
    for n in range(tasks):
        work(store, f"t{n}")
        end(store, f"t{n}")
    store.emit(e.RunFinished())
    await store.close()
    return store.folder


async def interrupted(base: Path, when: datetime = NEW_YEAR) -> RunFolder:
    """t0 is completed, t1 failed, t2 was under way and t3 had not begun when somebody stopped the run."""
    store = begin(base, 4, when)
    for name in ("t0", "t1", "t2"):
        work(store, name)
    end(store, "t0")
    end(store, "t1", status="error", reason="blocked", error="no sales.csv")
    for name in ("t2", "t3"):
        end(store, name, status="cancelled", reason="interrupted", resumable=True)
    store.emit(e.RunFinished(interrupted=True))
    await store.close()
    return store.folder


async def left_behind(base: Path, when: datetime = NEW_YEAR) -> RunFolder:
    """t0 is completed, t1 under way, t2 not begun, and no engine is there any more."""
    store = begin(base, 3, when)
    work(store, "t0")
    end(store, "t0")
    work(store, "t1")
    await store.close()
    return store.folder
