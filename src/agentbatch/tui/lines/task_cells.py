"""A task as one line of the table: its cells, and how wide they are. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from agentbatch.display.screen import live_step
from agentbatch.runs.events import attempt_number
from agentbatch.runs.listing import ShownStatus
from agentbatch.runs.log_lines import cause_text
from agentbatch.runs.state.acceptance import WORDS
from agentbatch.runs.state.task_state import TaskState
from agentbatch.text import clip, duration, money, pad, width
from agentbatch.tui.lines.glyphs import Glyphs

STATE, NAME, ITERATION, TOKENS, COST, TIME, STEP = range(7)

HEADS = ("state", "task", "iter", "tokens", "cost", "time", "now")

MIN_WIDTHS = (13, 4, 5, 6, 7, 5, 0)
"""Cells that each column has at least."""

GIVE_WAY = (TOKENS, COST, TIME, ITERATION)
"""The columns that go first where there is little room; the first of them goes for what a task does now, too."""

NAME_WIDTH = 28
"""Most cells of a task's id while anything else wants room."""

NAME_KEPT = 12
"""Cells that an id has before figures and what a task does now get any."""

STEP_WIDTH = 14
"""Cells that what a task does now should have before ids get more than NAME_KEPT."""

MIN_STEP = 4
"""Cells; a word in less says nothing."""

ASCII_SIGNS = str.maketrans("–…≈≥·", "-~~>.")
"""Where there is only ASCII."""


class Cells(NamedTuple):
    state: str
    name: str
    iteration: str
    tokens: str
    cost: str
    time: str
    step: str


def cells(task: TaskState, status: ShownStatus, now: float, glyphs: Glyphs) -> Cells:
    """`now`: epoch seconds."""
    begun = task.begun
    usage = task.usage
    # Of a task whose engine is gone, no more is known than when it did its last step.
    until = task.activity.since if status == "interrupted" else now
    return Cells(
        f"{glyphs[status]} {status}",
        _name(task, glyphs),
        f"{task.iteration}/{task.max_iterations}" if begun else "",
        usage.shown(usage.total, narrow=True) if begun else "",
        money(task.cost) if begun else "",
        duration(task.duration(until)) if begun else "",
        _step(task, status, now),
    )


def _name(task: TaskState, glyphs: Glyphs) -> str:
    name = clip(task.id, 80)
    if task.attempt_of:
        name = f"{glyphs['part']} attempt {attempt_number(task.id)} {clip(task.model, 40)}".rstrip()
    return f"{name} ({clip(task.coder, 40)})" if task.other_coders else name


def _step(task: TaskState, status: ShownStatus, now: float) -> str:
    if task.finished:
        if status == "completed":
            return WORDS[task.accepted_by] if task.accepted_by else ""
        return clip(cause_text(task), 200)
    if status in ("queued", "interrupted"):
        return ""
    step = live_step(task.activity, now)
    if task.activity.kind == "tool" and task.activity.detail:
        step = f"{step} {clip(task.activity.detail, 120)}"
    return " · ".join(filter(None, (clip(task.place, 60), step)))


def column_widths(shown: Sequence[Cells], columns: int) -> list[int]:
    """The width of each column for these lines, 0 for one that has no room; together with a space between them they
    take at most `columns` cells."""
    widths = [max([least, *(width(line[place]) for line in shown)]) for place, least in enumerate(MIN_WIDTHS)]
    natural = min(widths[NAME], NAME_WIDTH)
    widths[NAME], widths[STEP] = min(natural, NAME_KEPT), 0
    for place in GIVE_WAY:
        wanted = STEP_WIDTH if place == TOKENS else -1
        if _left(widths, columns) >= wanted:
            break
        widths[place] = 0
    left = _left(widths, columns)
    if left < -1:
        widths[NAME] = max(1, columns - widths[STATE] - 1)
        return widths
    room = left - STEP_WIDTH if left > STEP_WIDTH else left + 1
    widths[NAME] = max(widths[NAME], min(natural, widths[NAME] + room))
    left = _left(widths, columns)
    widths[STEP] = left if left >= MIN_STEP else 0
    return widths


def outgrown(line: Cells, widths: Sequence[int]) -> bool:
    """A figure of the line has become too long for its column."""
    return any(0 < widths[place] < len(line[place]) for place in (ITERATION, TOKENS, COST, TIME))


def _left(widths: Sequence[int], columns: int) -> int:
    """Cells for the last column, its space off."""
    return columns - sum(widths) - sum(1 for wide in widths if wide)


def joined(line: Sequence[str], widths: Sequence[int]) -> str:
    """Cells side by side; figures stand at the right of theirs."""
    return " ".join(
        pad(cell, wide, right=ITERATION <= place <= TIME)
        for place, (cell, wide) in enumerate(zip(line, widths, strict=True))
        if wide
    )
