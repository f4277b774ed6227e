"""The lines of the results browser. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from agentbatch.display.reports.runs.results_list import ListedRun
from agentbatch.display.reports.runs.runs_table import ago
from agentbatch.runs.kind import models_text
from agentbatch.runs.listing import RunCondition
from agentbatch.runs.state.bills import total_cost
from agentbatch.text import UNKNOWN, clip, money, pad, width
from agentbatch.tui.lines.glyphs import Glyphs

NAME_WIDTH = 32
"""Most cells of a name."""

_SIGNS: dict[RunCondition, tuple[str, str]] = {
    "running": ("coding", "$text-primary"),
    "finished": ("completed", "$text-success"),
    "interrupted": ("interrupted", "$text-warning"),
    "died": ("error", "$text-error"),
}
"""The glyph's name and the colour."""

_CONDITION, _BEGUN, _TASKS, _COST = 11, 10, 9, 9


@dataclass(frozen=True)
class Columns:
    """Cells of what differs from list to list and from terminal to terminal."""

    name: int
    models: int


def columns_of(listed: Sequence[ListedRun], room: int) -> Columns:
    """`room`: cells of a line."""
    longest = max((width(clip(one.source.name, NAME_WIDTH)) for one in listed), default=4)
    fixed = 4 + _CONDITION + _BEGUN + _TASKS + _COST + 6
    name = max(8, min(longest, room - fixed))
    return Columns(name, max(0, room - fixed - name))


def head_line(columns: Columns) -> Content:
    cells = (
        " " * 4 + pad("", _CONDITION),
        pad("name", columns.name),
        pad("started", _BEGUN),
        pad("completed", _TASKS, right=True),
        pad("cost", _COST, right=True),
        "",
        clip("models", columns.models),
    )
    return Content.styled(" ".join(cells), "$foreground-muted")


def result_line(one: ListedRun, columns: Columns, now: float, glyphs: Glyphs, *, marked: bool) -> Content:
    """One run or file; what cannot be read says why. `now`: epoch seconds."""
    mark = (f"{glyphs['marked']} ", "bold $text-accent") if marked else "  "
    name = pad(one.source.name, columns.name)
    if one.line is None:
        room = _BEGUN + _TASKS + _COST + columns.models + 4
        sign = (f"{glyphs['error']} {pad('unreadable', _CONDITION)}", "$text-error")
        return Content.assemble(mark, sign, " ", name, " ", (clip(one.brief, room), "$text-error"))
    line = one.line
    glyph, colour = _SIGNS[line.condition]
    if line.condition == "finished" and line.completed < line.total:
        glyph, colour = "error", "$text-warning"  # a tick is for all of them
    return Content.assemble(
        mark,
        (f"{glyphs[glyph]} {pad(line.condition, _CONDITION)}", colour),
        " ",
        (name, "bold" if line.condition == "running" else ""),
        " ",
        pad(ago(now - line.begun) if line.begun else UNKNOWN, _BEGUN),
        " ",
        pad(f"{line.completed:,}/{line.total:,}", _TASKS, right=True),
        " ",
        pad(money(total_cost(line.bills)), _COST, right=True),
        "  ",
        (clip(models_text(line.info), columns.models), "$foreground-muted"),
    )


def empty_text(folder: str) -> str:
    """What to do where there is nothing to look at. `folder` is harmless."""
    return (
        f"There are no runs and no results files in {folder}.\n\n"
        "`agentbatch init` makes a task file, and `agentbatch` starts a run.\n"
        "`agentbatch results FILE` opens a results file that lies elsewhere."
    )
