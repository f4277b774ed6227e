"""What a run came to: the figures of the closing summary, folded from its state."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agentbatch.runs.bills import total_cost, total_usage
from agentbatch.runs.events import Role, Status
from agentbatch.runs.log_lines import reason_text
from agentbatch.runs.resume_hint import resume_command, retry_command
from agentbatch.runs.state import RunState, TaskState
from agentbatch.spending.pricing import ComparisonRow
from agentbatch.tasks.results.to_state import has_roles
from agentbatch.text import first_line
from agentbatch.usage import Usage


@dataclass(frozen=True)
class TaskLine:
    """One task in the list."""

    number: int
    """Place in task.json, from 1."""
    id: str
    status: Status
    reason: str
    iterations: int
    max_iterations: int
    """0: an old results file, which does not tell."""
    seconds: float
    usage: Usage
    cost: float | None
    error: str
    tampering: tuple[str, ...]
    finished: bool


@dataclass(frozen=True)
class RoleLine:
    """What one role spent."""

    role: Role
    models: tuple[str, ...]
    usage: Usage
    cost: float | None


@dataclass(frozen=True)
class Cause:
    """Tasks that failed for the same cause."""

    text: str
    """The cause in words, with the first task's error where errors tell causes apart."""
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Summary:
    """A run in figures. `seconds` is wall clock; costs are US dollars, None when a part is unknown."""

    run_id: str
    rehearsal: bool
    judged: bool
    """False: there was no evaluator, each task's own checks decided."""
    total: int
    completed: int
    failed: int
    """Tasks with status `error`."""
    timeout: int
    cancelled: int
    skipped: int
    seconds: float
    usage: Usage
    cost: float | None
    roles: tuple[RoleLine, ...]
    """Empty: an old results file, which does not tell them apart."""
    tasks: tuple[TaskLine, ...]
    causes: tuple[Cause, ...]
    """The most frequent first."""
    warnings: tuple[str, ...]
    comparison: tuple[ComparisonRow, ...]
    results_file: Path
    run_folder: Path | None
    """None: from a results file alone."""
    exit_code: int
    interrupted: bool
    error: str
    """Not empty: why the whole run was stopped."""
    branches: int
    """Tasks whose work is on a git branch of their own."""
    resume_command: str
    """Empty when there is nothing to go on with."""
    retry_command: str
    """Runs what failed again; empty when nothing failed for good."""

    @property
    def unfinished(self) -> int:
        """Tasks that had not ended when the run did."""
        return self.total - self.completed - self.failed - self.timeout - self.cancelled - self.skipped

    @property
    def success_rate(self) -> float:
        """Completed tasks as a part of all, 0 to 1."""
        return self.completed / self.total if self.total else 0.0


def summarise(
    state: RunState,
    comparison: Sequence[ComparisonRow],
    results_file: Path,
    run_folder: Path | None,
    exit_code: int,
) -> Summary:
    """The summary of a run that ended."""
    info, end = state.info, state.finished
    tasks = tuple(_task_line(task) for task in sorted(state.tasks.values(), key=lambda task: task.index))
    judged = info is None or info.judged
    roles: tuple[Role, ...] = ("coder", "evaluator") if judged else ("coder",)
    if not has_roles(state):
        roles = ()
    return Summary(
        run_id=info.run_id if info else run_folder.name if run_folder else "",
        rehearsal=bool(info and info.rehearsal),
        judged=judged,
        total=max(len(tasks), info.total_tasks if info else 0),
        completed=state.count("completed"),
        failed=state.count("error"),
        timeout=state.count("timeout"),
        cancelled=state.count("cancelled"),
        skipped=state.count("skipped"),
        seconds=state.seconds(info.ts if info else 0.0),
        usage=state.usage,
        cost=state.cost,
        roles=tuple(_role_line(state, role) for role in roles),
        tasks=tasks,
        causes=group_causes(tasks),
        warnings=tuple(dict.fromkeys(state.notices)),
        comparison=tuple(comparison),
        results_file=results_file,
        run_folder=run_folder,
        exit_code=exit_code,
        interrupted=bool(end and end.interrupted),
        error=end.error if end else "",
        branches=sum(bool(task.branch) for task in state.tasks.values()),
        resume_command=resume_command(state),
        retry_command=retry_command(state),
    )


def _task_line(task: TaskState) -> TaskLine:
    return TaskLine(
        number=task.index + 1,
        id=task.id,
        status=task.status,
        reason=task.reason or "",
        iterations=task.iteration,
        max_iterations=task.max_iterations,
        seconds=task.duration(task.started_at or 0.0),
        usage=task.usage,
        cost=task.cost,
        error=task.error,
        tampering=tuple(task.tampering),
        finished=task.finished,
    )


def _role_line(state: RunState, role: Role) -> RoleLine:
    models = tuple(dict.fromkeys(bill.model for bill in state.bills if bill.role == role))
    return RoleLine(role, models, total_usage(state.bills, role), total_cost(state.bills, role))


_TOLD_APART_BY_ERROR = frozenset({"", "model_error", "workspace_error", "internal_error"})
"""Reasons with many causes. Of the others, the reason is the cause and the error only the task's detail."""

_VARYING = re.compile(r"\b(?=\w*\d)(?=\w*[^\W\d])\w+|\d{4,}")
"""What differs between two occurrences of one error: words with digits in them (request ids), long numbers.
Short numbers stay: 500 and 503 are two causes."""


def group_causes(tasks: Sequence[TaskLine]) -> tuple[Cause, ...]:
    """Failed tasks by reason, and by error text (without its numbers) where a reason has many causes."""
    texts: dict[tuple[str, str], str] = {}
    numbers: dict[tuple[str, str], list[int]] = {}
    for task in tasks:
        if not task.finished or task.status == "completed":
            continue
        detail = first_line(task.error) if task.reason in _TOLD_APART_BY_ERROR else ""
        key = (task.reason or task.status, _VARYING.sub("#", detail))
        cause = reason_text(task.reason or task.status)
        texts.setdefault(key, f"{cause}: {detail}" if detail else cause)
        numbers.setdefault(key, []).append(task.number)
    causes = [Cause(texts[key], tuple(found)) for key, found in numbers.items()]
    return tuple(sorted(causes, key=lambda cause: -len(cause.numbers)))
