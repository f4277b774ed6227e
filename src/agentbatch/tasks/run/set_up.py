"""A task's start, or its going on: its place, the directory at its beginning, a coder that knows what it knew."""

import asyncio

from agentbatch.errors import UserError
from agentbatch.tasks.coders.builtin.coder import Coder
from agentbatch.tasks.evaluator.controller import Continue, Done, TaskController
from agentbatch.tasks.evaluator.evaluation import Evaluation
from agentbatch.tasks.evaluator.verdict import Verdict, what_is_missing
from agentbatch.tasks.run.baseline import Baseline
from agentbatch.tasks.run.context import RunContext
from agentbatch.tasks.run.resume.resumed_task import Resumption
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.workspace.workspace import TaskWorkspace

GENERATIONS = 1_000_000
"""More than a task's conversations ever have: each time that it begins again, its numbers go on behind these."""


async def set_up(
    context: RunContext,
    workspace: TaskWorkspace,
    evaluation: Evaluation,
    resumption: Resumption | None,
    seconds: float,
) -> Coder:
    """The task's coder, and what its evaluations compare with. `seconds`: what it was at work before.

    Raises UserError, OSError.
    """
    planned = evaluation.planned
    coder = context.make_coder(planned, workspace)
    if resumption is not None:
        _recollect(coder, evaluation, resumption, await _beginning(context, planned), seconds)
        return coder
    await evaluation.look(workspace)
    evaluation.before = evaluation.after
    if planned.task.protected_paths:
        evaluation.protected = await workspace.protect(planned.task.protected_paths)
    baseline = Baseline(evaluation.before, evaluation.protected)
    baseline.save(context.store.folder.task(planned.id), context.store.redact)
    coder.restore(context.store.state.tasks[planned.id].reruns * GENERATIONS)
    return coder


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
