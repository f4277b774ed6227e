"""The list of runs: a line each, as text and as JSON. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentbatch.display.reports.cost_table import clip_right
from agentbatch.runs.events import RunStarted
from agentbatch.runs.kind import kind_of
from agentbatch.runs.listing import Run, RunCondition
from agentbatch.runs.state.bills import Bill, total_cost
from agentbatch.runs.state.run_state import RunState
from agentbatch.tasks.results.document import cost_document, iso_time
from agentbatch.text import age_text, clip, money, pad, width

MIN_MODELS = 8
"""Cells."""


@dataclass(frozen=True)
class RunLine:
    """What the list says of a run. A run itself has all its tasks in memory, and there may be many runs."""

    run_id: str
    folder: str
    condition: RunCondition
    process: int | None
    begun: float
    """Epoch second; 0 when it has not begun."""
    seconds: float
    """Wall clock of all its sessions."""
    total: int
    """Tasks, or plain requests."""
    completed: int
    bills: tuple[Bill, ...]
    info: RunStarted | None


def run_line(run: Run, now: float) -> RunLine:
    return line_of(
        run.state, run.folder.run_id, run.folder.path, run.condition, run.begun, run.seconds(now), run.process
    )


def line_of(
    state: RunState,
    name: str,
    path: Path,
    condition: RunCondition,
    begun: float,
    seconds: float,
    process: int | None = None,
) -> RunLine:
    """As the fields of RunLine."""
    return RunLine(
        run_id=name,
        folder=str(path.absolute()),
        condition=condition,
        process=process,
        begun=begun,
        seconds=seconds,
        total=state.total,
        completed=kind_of(state.info).counts(state).ok,
        bills=state.bills,
        info=state.info,
    )


@dataclass(frozen=True)
class Unreadable:
    """A folder that should be a run's."""

    run_id: str
    folder: str
    problem: str


def ago(seconds: float) -> str:
    """How long ago in one figure: `3 d ago`, `5 min ago`, `now`."""
    return f"{age_text(seconds)} ago" if seconds >= 60 else "now"


def render_runs(
    runs: Sequence[RunLine],
    unreadable: Sequence[Unreadable],
    now: float,
    columns: int = 80,
    what: str = "run",
) -> list[str]:
    """The runs as they come, then what could not be read. `what` heads the names."""
    columns = max(40, columns)
    lines = []
    if runs:
        heads = (what, "condition", "started", "tasks", "cost", "models")
        cells = [heads, *(_cells(run, now) for run in runs)]
        widths = [max(width(line[place]) for line in cells) for place in range(6)]
        widths[5] = max(MIN_MODELS, columns - sum(widths[:5]) - 5)
        lines = [clip_right(_line(line, widths), columns) for line in cells]
    return lines + [f"{clip(bad.run_id, 60)}: {clip(bad.problem, 1_000)}" for bad in unreadable]


def _cells(run: RunLine, now: float) -> tuple[str, ...]:
    return (
        clip(run.run_id, 30),
        run.condition,
        ago(now - run.begun) if run.begun else "",
        f"{run.completed}/{run.total}",
        money(total_cost(run.bills)),
        clip(kind_of(run.info).models(run.info), 60) if run.info else "",
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """The figures stand at the right of their cells."""
    shown = [
        pad(cell, wide, right=place in (3, 4))
        for place, (cell, wide) in enumerate(zip(cells, widths, strict=True))
    ]
    return " ".join(shown).rstrip()


def runs_document(runs: Sequence[RunLine], unreadable: Sequence[Unreadable]) -> dict[str, Any]:
    """The keys are those of `agentbatch status --json`."""
    return {
        "runs": [_record(run) for run in runs],
        "unreadable": [
            {"run": bad.run_id, "folder": bad.folder, "problem": bad.problem} for bad in unreadable
        ],
    }


def _record(run: RunLine) -> dict[str, Any]:
    has_tasks = kind_of(run.info).has_tasks
    return {
        "kind": run.info.kind if run.info else "tasks",
        "run": run.run_id,
        "folder": run.folder,
        "condition": run.condition,
        "process": run.process,
        "startedAt": iso_time(run.begun) if run.begun else None,
        "seconds": round(run.seconds, 3),
        "tasks": {"total": run.total, "completed": run.completed}
        if has_tasks
        else {"total": 0, "completed": 0},
        "requests": None if has_tasks else {"total": run.total, "ok": run.completed},
        "cost": cost_document(run.bills),
        "coder": run.info.coder if run.info else None,
        "coderModel": run.info.coder_model if run.info else None,
        "evaluatorModel": run.info.evaluator_model if run.info else None,
        "rehearsal": bool(run.info and run.info.rehearsal),
    }
