"""What the launch screen says of a batch: its tasks, what is to be known before it starts, what it takes. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agentbatch.config import BUILTIN, Settings, options
from agentbatch.runs.kind import NO_EVALUATOR, REHEARSAL
from agentbatch.runs.listing import RunCondition
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.spec.plan import Plan, PlannedTask
from agentbatch.text import (
    UNKNOWN,
    clip,
    counted,
    first_line,
    harmless,
    list_names,
    money,
    pad,
    tokens,
    width,
)

LABELS = {
    "mode": "mode",
    "parallel": "at a time",
    "max_iterations": "iterations",
    "coder_name": "coder",
    "coder_model": "its model",
    "coder_endpoint": "coder at",
    "evaluation_model": "evaluator",
    "evaluation_base_url": "evaluator at",
}
"""What stands before each field."""

MAX_LINES = 8
"""Lines of a problem: the rest of a longer output is in the terminal's own command."""


class TaskRow(NamedTuple):
    """A task in the list. Everything harmless."""

    number: int
    name: str
    dir: str
    notes: str
    prompt: str


class Widths(NamedTuple):
    """Cells of a list's columns."""

    number: int
    name: int
    dir: int
    notes: int


@dataclass(frozen=True)
class Least:
    """The least that a batch takes."""

    tokens: int
    """In, of both roles, estimated."""
    cost: float | None
    """US dollars; None: no price is known."""


@dataclass(frozen=True)
class Earlier:
    """The newest run of this task file."""

    run_id: str
    condition: RunCondition
    left: int
    """Tasks that a resumption would run."""
    total: int
    can_resume: bool


def task_rows(plan: Plan, missing: Collection[str]) -> list[TaskRow]:
    """A row a task, in order. `missing`: ids of tasks whose directory will be made."""
    sharing = {task_id for group in plan.shared for task_id in group}
    return [
        TaskRow(
            task.index + 1,
            clip(task.id, 60),
            clip(task.shown_dir, 60),
            _notes(task, task.id in missing, task.id in sharing),
            clip(first_line(task.task.first_prompt), 300),
        )
        for task in plan.tasks
    ]


def _notes(task: PlannedTask, missing: bool, sharing: bool) -> str:
    notes = []
    if missing:
        notes.append("new dir")
    if sharing:
        notes.append("shared dir")
    if task.isolation != "none":
        notes.append(f"in a {task.isolation}")
    if task.depends_on:
        more = f" +{len(task.depends_on) - 1}" if len(task.depends_on) > 1 else ""
        notes.append(f"after {clip(task.depends_on[0], 14)}{more}")
    return ", ".join(notes)


def column_widths(rows: Sequence[TaskRow], columns: int) -> Widths:
    """The columns' cells, so that about a third of `columns` is left to the prompts, and a sixth at least."""
    return Widths(
        max((len(str(row.number)) for row in rows), default=1),
        _longest((row.name for row in rows), max(12, columns // 5)),
        _longest((row.dir for row in rows), max(10, columns // 6)),
        _longest((row.notes for row in rows), max(14, columns // 5)),
    )


def _longest(texts: Iterable[str], most: int) -> int:
    return min(most, max(map(width, texts), default=0))


def row_cells(row: TaskRow, widths: Widths, columns: int) -> tuple[str, str, str]:
    """The row as three texts that together fill `columns`: what names it, what is to be known of it, its prompt."""
    head = f" {row.number:>{widths.number}}  {pad(row.name, widths.name)}  {pad(row.dir, widths.dir)}  "
    notes = f"{pad(row.notes, widths.notes)}  " if widths.notes else ""
    return head, notes, pad(row.prompt, max(0, columns - width(head) - width(notes)))


def plan_line(prepared: PreparedRun, least: Least | None) -> str:
    """How much there is to do. `least` None: not known yet."""
    plan = prepared.plan
    parts = [counted(len(plan.tasks), "task")]
    most = sum(len(task.attempts) or 1 for task in plan.tasks)
    if most > len(plan.tasks):
        parts[0] += f", up to {most:,} attempts"
    if plan.left_out:
        parts[0] += f" ({len(plan.left_out):,} left out)"
    if prepared.coders != (BUILTIN,):
        parts.append(f"by {list_names(prepared.coders, 4, 40)}")
    if least is None:
        parts.append("estimating")
    elif prepared.rehearsal:
        parts.append("costs nothing")
    else:
        cost = money(least.cost) if least.cost is not None else f"{UNKNOWN} (no price is known)"
        parts.append(f"at least {tokens(least.tokens, estimated=True, narrow=True)} tokens, {cost}")
    parts += [f"sandbox {prepared.sandbox_name}", f"into {prepared.results_file.name}"]
    return harmless(" · ".join(parts))


def notices(prepared: PreparedRun, notes: Sequence[str] = ()) -> list[str]:
    """What should be known before the start, a harmless sentence each; the rehearsal first. `notes`: about settings."""
    words = []
    if prepared.rehearsal:
        words.append(
            prepared.unplayable or f"No key is set ({REHEARSAL}). Only the sample tasks can be run so."
        )
    return [harmless(text) for text in (*words, *notes, *prepared.warnings)]


def earlier_line(earlier: Earlier) -> str:
    """What can be done with the run before this one; empty: nothing."""
    name = clip(earlier.run_id, 60)
    if earlier.condition == "running":
        return f"Run {name} of this task file is under way: `agentbatch attach {name} --control`."
    if not earlier.can_resume:
        return ""
    word = {"died": "died", "finished": "finished"}.get(earlier.condition, "was interrupted")
    return f"Run {name} {word}: {earlier.left:,} of {counted(earlier.total, 'task')} can go on."


def role_note(settings: Settings, field: str) -> str:
    """Why a role's field cannot be changed; empty: it can."""
    coder = field in ("coder_model", "coder_endpoint")
    if not coder and settings.judge == "none":
        return NO_EVALUATOR
    if settings.coder_is_local if coder else settings.evaluator_is_local:
        return f"local: {clip(settings.local or '', 60)}"
    return ""


def problem_lines(problem: str) -> list[str]:
    """A problem as harmless lines. It may be what a process printed."""
    lines = [line for line in map(harmless, problem.splitlines()) if line]
    return lines if len(lines) <= MAX_LINES else [lines[0], UNKNOWN, *lines[2 - MAX_LINES :]]


def wrong_field(problem: str) -> tuple[str, str]:
    """The field of the screen that a problem is about, and the sentence with its label; an empty field: none."""
    for field, label in LABELS.items():
        flag = options()[field].flag or f"--{field}"
        if problem.startswith(f"{flag}: "):
            return field, f"{label}: {problem.removeprefix(f'{flag}: ')}"
    return "", problem
