"""Commands of a task's own around the work: `setup` before its coder begins, `teardown` when the work is judged."""

from typing import Literal

from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.runs.check_words import last_said
from agentbatch.runs.store.store import Store
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.text import clip
from agentbatch.workspace.workspace import CommandResult, Workspace

TAIL_LINES = 60


class SetupFailed(UserError):
    """A command of a task's `setup` has failed: its coder does not begin."""


async def set_up(store: Store, planned: PlannedTask, workspace: Workspace) -> None:
    """Run all of it, until one fails, or takes too long. Raises SetupFailed, UserError, OSError."""
    for command in planned.task.setup:
        failed = await _run("setup", store, planned, workspace, command)
        if failed:
            raise SetupFailed(failed)
    if planned.task.setup:
        store.emit(e.SetUp(task_id=planned.id))
        await store.stored()


async def tear_down(store: Store, planned: PlannedTask, workspace: Workspace) -> list[str]:
    """Run all of it, also where one fails. Returns what has failed, a sentence each. Raises UserError, OSError."""
    ends = [await _run("teardown", store, planned, workspace, one) for one in planned.task.teardown]
    return [text for text in ends if text]


async def _run(
    kind: Literal["setup", "teardown"], store: Store, planned: PlannedTask, workspace: Workspace, command: str
) -> str:
    """How it failed, a sentence; empty: it did not."""
    timeout, shown = planned.task.setup_timeout, store.redact(command)
    store.emit(e.CheckStarted(task_id=planned.id, kind=kind, command=shown))
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
    """`Its setup failed: `npm ci` exited with 1: npm error …`. Pure."""
    end = f"exited with {done.exit_code}"
    if done.timed_out:
        end = f"was not done within {timeout:g} seconds (setup_timeout)"
    elif done.flooded:
        end = "printed far too much"
    elif done.exit_code is None:
        end = "was killed"
    return f"Its {kind} failed: `{clip(command, 200)}` {end}{f': {clip(said, 300)}' if said else ''}."
