"""The cost comparison as lines of the screen: a model a line, bars to scale, what was really used marked. Pure."""

import math
from collections.abc import Sequence
from typing import Literal

from agentbatch.display.reports.cost_table import cost_bar, cost_ratio
from agentbatch.spending.comparison import Comparison
from agentbatch.spending.pricing import ComparisonRow
from agentbatch.text import clip, money, pad, width
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.render import Line
from agentbatch.tui.lines.usage_rows import plain, plain_ellipsis

Order = Literal["cheapest", "most expensive", "name"]
ORDERS: tuple[Order, ...] = ("cheapest", "most expensive", "name")

MAX_NAME = 36
MIN_BAR, MAX_BAR = 4, 60
"""Cells."""

USED = " (used)"
ACTUAL = "this is what it cost"

HEADS = ("input", "output", "total")


def ordered(rows: Sequence[ComparisonRow], order: Order) -> list[ComparisonRow]:
    """Unknown prices stand last, whatever the order."""
    if order == "name":
        return sorted(rows, key=lambda row: (row.cost is None, row.model.lower()))
    way = 1 if order == "cheapest" else -1
    return sorted(rows, key=lambda row: math.inf if row.cost is None else way * row.cost)


def comparison_lines(
    comparison: Comparison, columns: int, glyphs: Glyphs, order: Order = "cheapest"
) -> list[Line]:
    """The heads, what it really cost, then the models.

    The ratio is against the actual cost, or against the least cost where the actual one is unknown or nothing.
    """
    rows = ordered(comparison.rows, order)
    names = [row.model + (USED if row.model.lower() in comparison.used else "") for row in rows]
    shown = [(name, *_money(row, glyphs)) for name, row in zip(names, rows, strict=True)]
    actual = (ACTUAL, *_money(comparison.actual, glyphs))
    costs = [row.cost for row in (*rows, comparison.actual) if row.cost]
    base = comparison.actual.cost or min((row.cost for row in rows if row.cost), default=0.0)
    against = "vs actual" if comparison.actual.cost else "vs least"
    ratios = [plain(cost_ratio(row.cost, base), glyphs) for row in rows]
    actual_ratio = plain(cost_ratio(comparison.actual.cost, base), glyphs)
    ratio_cells = max(map(len, (against, actual_ratio, *ratios)))
    widths = [max(map(width, column)) for column in zip(("model", *HEADS), actual, *shown, strict=True)]
    left = columns - 2 - sum(widths[1:]) - ratio_cells - 8
    widths[0] = max(8, min(widths[0], MAX_NAME, left if left < 24 else left - MIN_BAR - 2))
    cells = min(MAX_BAR, left - widths[0] - 2)
    layout = _Layout(widths, ratio_cells, max(costs, default=0.0), cells, glyphs)
    lines = [layout.line("  ", ("model", *HEADS), against, None, "dim")]
    if comparison.actual.cost is not None:
        lines.append(layout.line("= ", actual, actual_ratio, comparison.actual.cost, "bold"))
    for row, texts, words in zip(rows, shown, ratios, strict=True):
        used = row.model.lower() in comparison.used
        mark = f"{glyphs['marked']} " if used else "  "
        lines.append(layout.line(mark, texts, words, row.cost, "bold $text-primary" if used else ""))
    return lines


def _money(row: ComparisonRow, glyphs: Glyphs) -> tuple[str, str, str]:
    first, second, third = (
        plain(money(cost), glyphs) for cost in (row.cost_input, row.cost_output, row.cost)
    )
    return first, second, third


class _Layout:
    """Columns that all lines share."""

    def __init__(
        self, widths: Sequence[int], ratio_cells: int, most_expensive: float, bar_cells: int, glyphs: Glyphs
    ) -> None:
        self._widths = widths
        self._ratio_cells = ratio_cells
        self._highest = most_expensive
        self._bar_cells = bar_cells
        self._glyphs = glyphs

    def line(self, mark: str, texts: Sequence[str], words: str, cost: float | None, style: str) -> Line:
        first = _named(texts[0], self._widths[0])
        rest = [pad(text, cells, right=True) for text, cells in zip(texts[1:], self._widths[1:], strict=True)]
        text = "  ".join([mark + first, *rest, pad(words, self._ratio_cells, right=True)])
        text = plain_ellipsis(text, self._glyphs)
        drawn = self._bar(cost)
        spans = [(0, len(text), style)] if style else []
        if drawn:
            text += "  "
            spans.append((len(text), len(text) + len(drawn), "$accent" if style else "$primary"))
        return Line(text + drawn, "", spans=tuple(spans), end="")

    def _bar(self, cost: float | None) -> str:
        if not self._glyphs.ascii:
            return cost_bar(cost, self._highest, self._bar_cells)
        if not cost or self._bar_cells < MIN_BAR:
            return ""
        return self._glyphs["bar"] * max(1, round(cost / self._highest * self._bar_cells))


def _named(name: str, cells: int) -> str:
    """A name that is too long loses its middle, not the word behind it."""
    if name.endswith(USED) and width(name) > cells:
        return pad(clip(name.removesuffix(USED), max(1, cells - len(USED))) + USED, cells)
    return pad(name, cells)
