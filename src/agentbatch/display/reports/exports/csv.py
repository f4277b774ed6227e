"""A run as CSV: a row a task. No cell is a formula, whatever a model or a task file put into it."""

import csv
import io
from collections.abc import Iterator

from agentbatch.runs.check_words import counted_checks
from agentbatch.runs.events import attempt_number
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.tasks.bakeoff.bakeoff import BakeOff, bake_off
from agentbatch.text import clip

COLUMNS = (
    "task", "id", "dir", "status", "reason", "iterations", "max_iterations", "seconds", "input_tokens",
    "cached_tokens", "output_tokens", "reasoning_tokens", "calls", "estimated", "cost_usd", "decided_by",
    "checks", "changed_files", "tampering", "missing", "error", "branch",
    "accepted_by", "coder",
)  # fmt: skip

OF_ATTEMPTS = (*COLUMNS, "model", "attempt", "hidden_verify", "solved")
"""Of a comparison of models: a row an attempt. `solved` is empty of one that does not count."""

MAX_CELLS = 2_000
"""Of a text. A spreadsheet takes 32,767 characters a cell, and nobody reads them."""

_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "|", "%")
"""What spreadsheets, or their importers, take for the beginning of a formula or of a command."""


def export_csv(state: RunState, now: float) -> str:
    """Pure. What is unknown is an empty cell. `now`: for tasks that have not ended."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if (compared := bake_off(state)) is not None:
        writer.writerow(OF_ATTEMPTS)
        writer.writerows(_attempt_rows(state, compared, now))
        return out.getvalue()
    writer.writerow(COLUMNS)
    for task in sorted(state.tasks.values(), key=lambda task: task.index):
        writer.writerow(_row(task, now))
    return out.getvalue()


def _attempt_rows(state: RunState, compared: BakeOff, now: float) -> Iterator[list[str]]:
    solved = {one.attempt: one.solved for model in compared.models for one in model.tries}
    for one in sorted(state.attempts.values(), key=lambda one: (one.index, attempt_number(one.id))):
        yield [
            *_row(one, now),
            text_cell(one.model),
            str(attempt_number(one.id)),
            _yes(one.hidden),
            _yes(solved.get(one.id)),
        ]


def _yes(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"


def _row(task: TaskState, now: float) -> list[str]:
    usage, last = task.usage, task.verdicts[-1] if task.verdicts else None
    counts = (usage.input, usage.cached, usage.output, usage.reasoning)
    return [
        str(task.index + 1),
        text_cell(task.id),
        text_cell(task.dir),
        task.status,
        task.reason or "",
        str(task.iteration),
        str(task.max_iterations or ""),
        f"{task.duration(now):.3f}",
        *("" if usage.unknown else str(count) for count in counts),
        str(usage.calls),
        "yes" if usage.estimated else "no",
        "" if task.cost is None else f"{task.cost:.6f}",
        last.decided_by if last else "",
        counted_checks(last.checks) if last else "",
        str(task.changed_files),
        text_cell(" | ".join(task.tampering)),
        text_cell(" | ".join(last.refusals) if last and not last.accepted else ""),
        text_cell(task.error),
        text_cell(task.branch),
        (task.accepted_by or "") if task.status == "completed" else "",
        text_cell(task.coder),
    ]


def text_cell(text: str) -> str:
    """Foreign text as one line that a spreadsheet shows and does not compute: an apostrophe leads what it would."""
    line = clip(text, MAX_CELLS)
    return f"'{line}" if line.startswith(_FORMULA) else line
