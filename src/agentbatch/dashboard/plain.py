"""A run as pages without scripts, for narrow screens and screen readers: how it stands, its tasks, and one task."""

import html
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from agentbatch.display.reports.run_report import RunReport
from agentbatch.display.reports.status import head_sentences
from agentbatch.display.reports.task_report import render_task
from agentbatch.display.screen import live_step
from agentbatch.display.signs import SHOWN_SIGNS
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.listing import ShownStatus, open_run
from agentbatch.runs.log_lines import failure_text, reason_text
from agentbatch.runs.state.task_state import TaskState
from agentbatch.tasks.results.changes import read_changes
from agentbatch.text import clip, counted, duration, harmless

RELOAD = 15
"""Seconds after which the page of a run under way is asked for again."""

MAX_TASKS = 200
"""Under one heading."""

COLUMNS = 1_000
"""Of a task's text; the browser breaks its lines."""

GROUPS: Sequence[tuple[str, frozenset[ShownStatus]]] = (
    ("Under way", frozenset({"coding", "evaluating"})),
    ("Failed", frozenset({"error", "timeout", "cancelled", "skipped"})),
    ("Not at their end", frozenset({"interrupted", "queued", "paused"})),
    ("Completed", frozenset({"completed"})),
)
"""What a person wants to know first comes first."""

Pages = Callable[[str], str | None]
"""The page for a task's number, or for the whole run where that is empty; None: there is no such task. Raises
UserError."""


def plain_page(folder: RunFolder, number: str = "") -> str | None:
    """As `Pages`; reads the run anew."""
    report = RunReport(open_run(folder, outline=not number), time.time(), Path.cwd())
    if not number:
        return run_page(report)
    task = next((task for task in report.run.state.tasks.values() if str(task.index + 1) == number), None)
    if task is None:
        return None
    place = folder.task(task.id)
    try:
        changes = read_changes(place)[0]
    except FileNotFoundError:  # none are kept of a task that has ended no iteration
        changes = []
    now = report.now if report.run.alive else report.run.last
    return task_page(task, render_task(task, changes, place, now, COLUMNS, alive=report.run.alive))


def run_page(report: RunReport) -> str:
    """Pure."""
    title, *sentences = head_sentences(report)
    tasks = "".join(part for group in GROUPS for part in _group(report, *group))
    facts = "".join(f"<li>{html.escape(text)}</li>" for text in sentences)
    reload = f'<meta http-equiv="refresh" content="{RELOAD}">' if report.run.alive else ""
    told = f"<p>This page is loaded again every {RELOAD} seconds.</p>" if report.run.alive else ""
    return _page(title, f"<ul>{facts}</ul>{tasks}{told}", back='<a href="/#full">Full view</a>', head=reload)


def task_page(task: TaskState, lines: Sequence[str]) -> str:
    """Pure."""
    text = html.escape("\n".join(lines))
    return _page(
        f"Task {task.index + 1}: {clip(task.id, 100)}",
        f"<pre>{text}</pre>",
        back='<a href="/plain">The run</a>',
    )


def _group(report: RunReport, title: str, statuses: frozenset[ShownStatus]) -> Iterator[str]:
    found = [(task, status) for task, status in report.shown if status in statuses]
    if not found:
        return
    yield f'<h2>{title} ({len(found):,})</h2><ul class="tasks">'
    yield from (_task(task, status, report.now) for task, status in found[:MAX_TASKS])
    yield "</ul>"
    if len(found) > MAX_TASKS:
        yield f"<p>… and {len(found) - MAX_TASKS:,} more: agentbatch status --json lists all.</p>"


def _task(task: TaskState, status: ShownStatus, now: float) -> str:
    step = live_step(task.activity, now) if status in ("coding", "evaluating") else ""
    reason = reason_text(task.reason) if task.reason and status not in ("completed", "queued") else ""
    parts = [
        "paused" if task.paused else "",
        counted(task.iteration, "iteration") if task.iteration else "",
        duration(task.duration(now)) if task.begun else "",
        step,
        reason,
        failure_text(task.error),
    ]
    sign = f'<span aria-hidden="true">{SHOWN_SIGNS.get(status, "·")}</span>'
    name = html.escape(clip(task.id, 100))
    detail = html.escape(harmless(", ".join(filter(None, parts))))
    return (
        f'<li class="{status}">{sign} <a href="/plain/{task.index + 1}">{name}</a> <b>{status}</b>'
        f"{f'<br><small>{detail}</small>' if detail else ''}</li>"
    )


def _page(title: str, body: str, *, back: str, head: str = "") -> str:
    shown = html.escape(title)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{head}<title>{shown}</title>'
        '<link rel="icon" href="/static/icon.svg"><link rel="stylesheet" href="/static/plain.css"></head>'
        f"<body><main><h1>{shown}</h1>{body}<nav>{back}</nav></main></body></html>\n"
    )
