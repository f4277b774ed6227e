"""A task's start, or its going on: its place, the directory at its beginning, a coder that knows what it knew."""

import asyncio

from agentbatch.errors import UserError
from agentbatch.tasks.coders.builtin.coder import Coder
from agentbatch.tasks.evaluator.controller import Continue, Done, TaskController
from agentbatch.tasks.evaluator.evaluation import Evaluation
from agentbatch.tasks.evaluator.verdict import Verdict, what_is_missing
from agentbatch.tasks.run.context import RunContext
from agentbatch.tasks.run.isolation import IsolatedWork
from agentbatch.tasks.run.resume.resumed_task import Resumption
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.workspace.files.baseline import Baseline
from agentbatch.workspace.files.protect import Protected
from agentbatch.workspace.files.temp_files import remove_unfinished

GENERATIONS = 1_000_000
"""More than a task's conversations ever have: each time that it begins again, its numbers go on behind these."""


async def set_up(
    context: RunContext,
    isolated: IsolatedWork,
    evaluation: Evaluation,
    resumption: Resumption | None,
    seconds: float,
) -> tuple[Coder, PlannedTask]:
    """The task's coder, and the task with the directory that it works in. `seconds`: what it was at work before.

    Raises UserError, OSError.
    """
    planned = evaluation.planned = await isolated.enter(anew=resumption is None)
    place = isolated.place
    if place is not None and place.fresh and resumption is not None:
        raise UserError(f"The {place.kind} that it was at work in is gone; --retry-failed begins it again.")
    new = not planned.root.exists()
    planned.root.mkdir(parents=True, exist_ok=True)
    known = context.store.state.tasks[planned.id]
    if resumption is not None or known.reruns:
        await asyncio.to_thread(remove_unfinished, planned.root)
    coder = context.make_coder(planned, context.workspace(planned, place))
    folder = context.store.folder.task(planned.id)
    if resumption is not None:
        _recollect(coder, evaluation, resumption, await _beginning(context, planned), seconds)
        return coder, planned
    if not new:
        await evaluation.look()
        evaluation.before = evaluation.after
    patterns = planned.task.protected_paths
    if patterns:
        evaluation.protected = await asyncio.to_thread(Protected.capture, planned.root, patterns)
    evaluation.beginning.save(folder, context.store.redact)
    coder.restore(known.reruns * GENERATIONS)
    return coder, planned


def replay(resumption: Resumption, controller: TaskController, evaluation: Evaluation) -> Continue | Done:
    """Replay finished iterations to the controller; returns its decision after the last of them."""
    decision: Continue | Done = Continue("follow_up")
    for evaluated in resumption.evaluated:
        decision = controller.after_turn(evaluated)
    for event in resumption.verdicts:
        if event.verdict is not None:
            evaluation.missing = tuple(what_is_missing(Verdict.model_validate(event.verdict)))
    return decision


async def _beginning(context: RunContext, planned: PlannedTask) -> Baseline:
    try:
        return await asyncio.to_thread(Baseline.load, context.store.folder.task(planned.id))
    except (OSError, ValueError) as error:
        raise UserError(
            f"It cannot go on, since what its directory was at the beginning is lost: {error} "
            "--retry-failed begins it again."
        ) from None


def _recollect(
    coder: Coder, evaluation: Evaluation, resumption: Resumption, beginning: Baseline, seconds: float
) -> None:
    evaluation.before = evaluation.after = beginning.snapshot
    evaluation.protected = beginning.protected
    coder.restore(resumption.generation, resumption.messages, seconds)
    for trace in resumption.tools:
        coder.note(trace.changed, trace.command, trace.file)
