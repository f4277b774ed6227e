"""Commands of a task's own around the work: `setup` before its coder begins, `teardown` when the work is judged."""

from typing import Literal

from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.runs.check_words import last_said
from agentbatch.runs.store.history import TaskHistory
from agentbatch.runs.store.store import Store
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.text import clip
from agentbatch.workspace.workspace import CommandResult, Snapshot, TaskWorkspace, Workspace

TAIL_LINES = 60


class SetupFailed(UserError):
    """A command of a task's `setup` has failed: its coder does not begin."""


def is_set_up(planned: PlannedTask, history: TaskHistory) -> bool:
    """An earlier session has done it in the place that the task has still, though its coder has not begun: a copy and
    a worktree are made anew then. Pure."""
    done = any(isinstance(event, e.SetUp) for event in history.events)
    return done and planned.isolation == "none"


async def set_up(store: Store, planned: PlannedTask, workspace: Workspace, place: TaskWorkspace) -> bool:
    """Run all of it, until one fails, or takes too long; True: it was there, kept of an earlier one. Raises
    SetupFailed, UserError, OSError."""
    recalled = await place.recall_setup()
    _tell(store, planned, recalled.notice)
    if recalled.found:
        return True
    seen: Snapshot | None = None
    for command in planned.task.setup:
        failed = await _run("setup", store, planned, workspace, command)
        if failed:
            raise SetupFailed(failed)
        if workspace.info.place:
            # Brought home, line by line: on another machine the one that was lost with the first is all that is run.
            seen = await workspace.snapshot(seen)
    _tell(store, planned, await place.keep_setup())
    return False


def _tell(store: Store, planned: PlannedTask, text: str) -> None:
    if text:
        store.emit(e.Notice(task_id=planned.id, text=store.redact(f"Task {planned.id}: {text}")))


async def tear_down(store: Store, planned: PlannedTask, workspace: Workspace) -> list[str]:
    """Run all of it, also where one fails. Returns what has failed, a sentence each."""
    try:
        ends = [await _run("teardown", store, planned, workspace, one) for one in planned.task.teardown]
    except (OSError, UserError) as error:
        return [f"Task {planned.id}: its teardown could not be run to its end: {error}"]
    return [f"Task {planned.id}: {text[0].lower()}{text[1:]}" for text in ends if text]


async def _run(
    kind: Literal["setup", "teardown"], store: Store, planned: PlannedTask, workspace: Workspace, command: str
) -> str:
    """How it failed, a sentence; empty: it did not."""
    timeout, shown = planned.task.setup_timeout, store.redact(command)
    store.emit(e.CheckStarted(task_id=planned.id, kind=kind, command=shown))
    await store.stored()  # what runs is known, also after a kill
    done = await workspace.run(command, timeout)
    tail = store.redact(done.tail(TAIL_LINES))
    store.emit(
        e.CheckFinished(
            task_id=planned.id,
            kind=kind,
            command=shown,
            exit_code=done.exit_code,
            tail=tail,
            seconds=done.seconds,
        )
    )
    return "" if done.exit_code == 0 else failure(kind, shown, done, timeout, last_said(tail))


def failure(kind: str, command: str, done: CommandResult, timeout: float, said: str) -> str:
    """What comes last is cut first: `Its setup exited with 1: npm error … (npm ci).` Pure."""
    end = f"exited with {done.exit_code}"
    if done.timed_out:
        end = f"was not done within {timeout:g} s (setup_timeout)"
    elif done.flooded:
        end = "printed far too much"
    elif done.exit_code is None:
        end = "was killed"
    return f"Its {kind} {end}{f': {clip(said, 300)}' if said else ''} ({clip(command, 200)})."
