"""A shell for the user in the place of a task of a run, from another process than its engine."""

import asyncio
import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.tasks.run.prepare.images import wanted
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.run.workspaces.local import workspaces_here
from agentbatch.tasks.spec.attempts import with_attempts
from agentbatch.tasks.spec.plan import Plan, PlannedTask
from agentbatch.text import clip
from agentbatch.workspace.images import have_images
from agentbatch.workspace.visiting.visit import ShellEnd, open_shell
from agentbatch.workspace.workspace import Order


async def shell_in(
    prepared: PreparedRun,
    folder: RunFolder,
    state: RunState,
    task_id: str,
    tell: Callable[[str], None],
    begins: Callable[[], None],
) -> ShellEnd:
    """Until it is left. `prepared`: as the run would be resumed; `state`: as it is; `tell`: what is done about an
    image; `begins` is called when it is about to begin. Raises UserError, OSError."""
    planned = next((task for task in with_attempts(prepared.plan).tasks if task.id == task_id), None)
    if planned is None:
        raise UserError(
            f"Task {clip(task_id, 60)} is not in the task file any more, so nobody knows its sandbox."
        )
    if leads_elsewhere(prepared.folder, state.by_id[task_id], planned):
        raise UserError(
            f"The directory of task {clip(task_id, 60)} is a link now, to {clip(str(planned.root), 300)}, or lies "
            "behind one: a task may have put it there. Remove it to go on."
        )
    other = shares_with(prepared.plan, state, planned)
    if other:
        raise UserError(
            f"Task {clip(other, 60)} works in the same directory, or in one above or below it. Pause that too."
        )
    if planned.image is not None and prepared.engine is not None:
        only = replace(prepared, plan=replace(prepared.plan, tasks=(planned,)))
        engine, had = await asyncio.to_thread(have_images, prepared.engine, wanted(only), tell)
        prepared = replace(prepared, engine=engine, images=had)
    # Not the run's: what its engine ends by its mark is not this.
    mark = hashlib.sha256(f"shell {folder.path.resolve()} {task_id}".encode()).hexdigest()[:32]
    workspaces = workspaces_here(prepared, folder, Redactor(prepared.secrets), mark)
    order = Order(
        task_id=planned.id,
        directory=str(planned.root),
        isolation=planned.isolation,
        env=planned.task.env,
        tools=(),
        command_timeout=0.0,
        resume=True,
        include=planned.task.include,
        limits=planned.limits,
        image=planned.image,
    )
    return await open_shell(workspaces, order, folder.task(task_id), prepared.environ, begins)


def leads_elsewhere(base: Path, known: TaskState, planned: PlannedTask) -> bool:
    """A link has come in the way to its directory since the run began; one that was there before is the user's."""
    is_link = planned.root != base.resolve() / os.path.normpath(known.dir)
    return is_link and bool(known.definition) and known.definition != planned.definition


def shares_with(plan: Plan, state: RunState, planned: PlannedTask) -> str:
    """Another task that is at work where a shell in this one's place would be; empty: none is. Pure."""
    if planned.isolation != "none" or state.paused:
        return ""
    beside = {one for group in plan.shared if planned.id in group for one in group} - {planned.id}
    known = [state.by_id[one] for one in sorted(beside) if one in state.by_id]
    at_work = [one.id for one in known if one.started_at and not one.finished and not one.paused]
    return at_work[0] if at_work and not state.finished else ""
