"""Several attempts at one task: each is a task of its own in the plan, and the task itself their choice. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from agentbatch.config import Contestant, Isolation
from agentbatch.runs.events import attempt_id
from agentbatch.tasks.spec.plan import Plan, PlannedTask
from agentbatch.tasks.spec.shared_directories import turns
from agentbatch.tasks.spec.task import AttemptSpec, Task

AS_IT_STANDS = AttemptSpec()


def attempts_of(task: Task, default: int) -> tuple[AttemptSpec, ...]:
    """What is special in each; empty: the task is done once, as it stands. `default`: how many, where it does not say
    so itself."""
    specs = task.attempts or (AS_IT_STANDS,) * default
    return () if specs == (AS_IT_STANDS,) else specs


def compared_attempts(compared: Sequence[Contestant], each: int) -> tuple[AttemptSpec, ...]:
    """The first of everyone before the second of any: what a comparison has when it is stopped is even."""
    return tuple(
        AttemptSpec(coder=one.coder or None, coder_model=one.model or None, seed=number)
        for number in range(1, each + 1)
        for one in compared
    )


def isolation_of(isolation: Isolation, attempts: tuple[AttemptSpec, ...]) -> Isolation:
    """Attempts never share a directory."""
    return "copy" if attempts and isolation == "none" else isolation


def with_attempts(plan: Plan) -> Plan:
    """The plan with each task's attempts behind it, and whose turn comes first where they share a directory."""
    first = turns(plan.tasks, plan.shared)
    tasks = (
        [replace(task, behind=tuple(first.get(task.id, ()))) for task in plan.tasks] if first else plan.tasks
    )
    return replace(plan, tasks=tuple(one for task in tasks for one in _expanded(task)))


def _expanded(task: PlannedTask) -> Iterator[PlannedTask]:
    if not task.attempts:
        yield task
        return
    ids = tuple(attempt_id(task.id, number) for number, _ in enumerate(task.attempts, 1))
    yield replace(task, after=ids)
    for number, (name, spec) in enumerate(zip(ids, task.attempts, strict=True), 1):
        given = {
            "coder": spec.coder or task.task.coder,
            "coder_model": spec.coder_model or task.task.coder_model,
            "evaluator_model": spec.evaluator_model or task.task.evaluator_model,
        }
        yield replace(
            task,
            id=name,
            task=task.task.model_copy(update=given),
            coder=spec.coder or task.coder,
            escalate=task.escalate if spec.escalate is None else spec.escalate,
            attempts=(),
            attempt=spec if spec.seed is not None else spec.model_copy(update={"seed": number}),
            attempt_of=task.id,
        )
