"""Two runs side by side, as text. Pure."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from agentbatch.display.reports.cost_table import clip_right
from agentbatch.display.reports.runs.run_comparison import Change, Figures, RunComparison, TaskPair
from agentbatch.display.signs import SHOWN_SIGNS
from agentbatch.text import UNKNOWN, clip, counted, duration, fold, list_names, money, pad

MAX_NAMED = 20
"""Tasks that a list names."""

CHANGE_WORDS: dict[Change, str] = {"better": "better", "worse": "worse", "same": "", "other": "in one only"}

WHAT, CHANGE = 20, 12
"""Cells of what a row of the totals is about, and of how it has changed."""

FIGURES = (10, 8, 9, 8)
"""Cells of iterations, tokens, cost and time."""

STATUS = 12
SIDE = 2 + STATUS + sum(FIGURES) + len(FIGURES)
"""Cells of a task's figures in one run."""

ONE_LINE = 2 * SIDE + 34
"""Columns from which a task takes one line."""


class Row(NamedTuple):
    """One line of the totals."""

    what: str
    first: str
    second: str
    change: str


def total_rows(comparison: RunComparison) -> list[Row]:
    """What both runs came to; where they differ in their tasks, also what the common ones did."""
    rows = [Row("models", *comparison.models, ""), *_rows(comparison.first, comparison.second, "time")]
    common = comparison.shared[0].tasks
    if common and comparison.tasks("other"):
        rows.append(Row(f"{counted(common, 'task')} in both", "", "", ""))
        rows += [row._replace(what=f"  {row.what}") for row in _rows(*comparison.shared, "work")]
    return rows


def _rows(first: Figures, second: Figures, time: str) -> Iterator[Row]:
    """`time`: how the seconds are called."""
    more = second.completed - first.completed
    points = f"{abs(more):,} {'more' if more > 0 else 'fewer'}" if more else "the same"
    yield Row("completed", f"{first.completed}/{first.tasks}", f"{second.completed}/{second.tasks}", points)
    changed = change_text(first.iterations, second.iterations)
    yield Row("iterations", f"{first.iterations:,}", f"{second.iterations:,}", changed)
    changed = change_text(*(None if one.usage.untold else one.usage.total for one in (first, second)))
    yield Row("tokens", _tokens(first), _tokens(second), changed)
    yield Row("cost", money(first.cost), money(second.cost), change_text(first.cost, second.cost))
    changed = change_text(int(first.seconds), int(second.seconds))  # as they are shown
    yield Row(time, duration(first.seconds), duration(second.seconds), changed)


def _tokens(figures: Figures) -> str:
    return figures.usage.shown(figures.usage.total)


def change_text(first: float | None, second: float | None) -> str:
    """`12 % less`, `3.4 times`, `the same`; `–` when one is unknown, or there is nothing to compare with."""
    if first is None or second is None:
        return UNKNOWN
    if first == second:
        return "the same"
    if first <= 0:
        return UNKNOWN
    ratio = second / first
    if ratio >= 2:
        return f"{ratio:,.1f} times"
    percent = abs(ratio - 1) * 100
    shown = f"{percent:.0f} %" if percent >= 1 else "<1 %"
    if second > 0 and percent > 99.5 and ratio < 1:
        shown = ">99 %"
    return f"{shown} {'more' if ratio > 1 else 'less'}"


def figure_cells(figures: Figures | None) -> tuple[str, str, str, str, str]:
    """Of a task in one run: status, iterations, tokens, cost, time."""
    if figures is None:
        return ("not in it", "", "", "", "")
    return (
        str(figures.status or ""),
        f"{figures.iterations:,}",
        figures.usage.shown(figures.usage.total, narrow=True),
        money(figures.cost),
        duration(figures.seconds),
    )


def changes_text(title: str, pairs: Sequence[TaskPair], columns: int) -> list[str]:
    """The tasks by name, folded; empty when there are none."""
    if not pairs:
        return []
    names = list_names([pair.id for pair in pairs], MAX_NAMED, 60)
    return fold(f"{title} ({len(pairs):,}): {names}", columns, 2)


def render_run_comparison(comparison: RunComparison, columns: int) -> list[str]:
    """Lines of at most `columns` (but at least 72) cells."""
    columns = max(72, columns)
    sections = [
        _totals(comparison, columns),
        [
            *changes_text("Better, completed now", comparison.tasks("better"), columns),
            *changes_text("Worse, not completed any more", comparison.tasks("worse"), columns),
        ],
        _tasks(comparison, columns),
    ]
    return [line for section in sections if section for line in [*section, ""]][:-1]


def _totals(comparison: RunComparison, columns: int) -> list[str]:
    rows = [Row("", *comparison.names, ""), *total_rows(comparison)]
    return ["".join(row_cells(row, columns)).rstrip() for row in rows]


def row_cells(row: Row, columns: int) -> tuple[str, str, str, str]:
    """Filled to their columns."""
    room = min(40, (columns - WHAT - CHANGE - 2) // 2)
    lead = len(row.what) - len(row.what.lstrip())
    what = " " * lead + pad(row.what, WHAT - lead)
    return what, pad(row.first, room) + " ", pad(row.second, room) + " ", clip(row.change, CHANGE)


def _tasks(comparison: RunComparison, columns: int) -> list[str]:
    """A line a task where there is room, else two: the first run's above the second's."""
    if not comparison.pairs:
        return []
    heads = side_heads()
    if columns >= ONE_LINE:
        names = columns - 2 * SIDE - 16
        lines = [f"{pad('Tasks', names)} {heads}  {heads}"]
        for pair in comparison.pairs:
            word = CHANGE_WORDS[pair.change]
            lines.append(f"{pad(pair.id, names)} {_side(pair.first)}  {_side(pair.second)}  {word}")
    else:
        names = columns - SIDE - 1
        lines = [f"{pad('Tasks (first, second run)', names)} {heads}"]
        for pair in comparison.pairs:
            lines.append(f"{pad(pair.id, names)} {_side(pair.first)}")
            lines.append(f"  {pad(CHANGE_WORDS[pair.change], names - 2)} {_side(pair.second)}")
    return [clip_right(line, columns).rstrip() for line in lines]


def side_heads() -> str:
    return _cells("  " + pad("status", STATUS), ("iterations", "tokens", "cost", "time"))


def side_figures(figures: Figures | None) -> tuple[str, str]:
    """A task in one run, filled to its columns: the status, and the rest. A sign of two cells goes before them."""
    status, *rest = figure_cells(figures)
    return pad(status, STATUS), _cells("", rest)


def _side(figures: Figures | None) -> str:
    sign = SHOWN_SIGNS.get(figures.status, " ") if figures is not None and figures.status else " "
    return f"{sign} {''.join(side_figures(figures))}"


def _cells(status: str, rest: Sequence[str]) -> str:
    return " ".join(
        [status, *(pad(cell, wide, right=True) for cell, wide in zip(rest, FIGURES, strict=True))]
    )
