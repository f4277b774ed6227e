"""The cost comparison: the same tokens on other models, as a text table."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agentbatch.text import UNKNOWN, clip, money, pad, width

if TYPE_CHECKING:
    from agentbatch.spending.pricing import ComparisonRow

NAME_WIDTH = 28
"""Most cells of a model's name."""

BAR_WIDTH = 20
"""Most cells of the longest bar."""


def render_comparison(
    rows: "Sequence[ComparisonRow]", columns: int = 80, actual: float | None = None
) -> list[str]:
    """A line a model, the cheapest first, unknown prices last.

    The ratio compares with `actual`, what the run really cost, or else with the cheapest model that is not
    free. Bars are to scale with the most expensive model.
    """
    if not rows:
        return []
    ordered = sorted(rows, key=lambda row: math.inf if row.cost is None else row.cost)
    costs = [row.cost for row in ordered if row.cost]
    base = actual or min(costs, default=0.0)
    most_expensive = max(costs, default=0.0)
    cells = [(row.model, money(row.cost_input), money(row.cost_output), money(row.cost)) for row in ordered]
    ratios = [cost_ratio(row.cost, base) for row in ordered]
    heads = ("model", "input", "output", "total")
    widths = [max(width(line[place]) for line in [heads, *cells]) for place in range(4)]
    against = "vs actual" if actual else "vs least"
    ratio_width = max(len(against), *map(len, ratios))
    fixed = sum(widths[1:]) + ratio_width + 8
    widths[0] = max(8, min(widths[0], NAME_WIDTH, columns - fixed))
    bar_width = min(BAR_WIDTH, columns - fixed - widths[0] - 2)
    lines = [_line(heads, widths, against, ratio_width)]
    for row, line, ratio in zip(ordered, cells, ratios, strict=True):
        bar = cost_bar(row.cost, most_expensive, bar_width)
        lines.append(_line(line, widths, ratio, ratio_width) + (f"  {bar}" if bar else ""))
    return [clip_right(text, columns) for text in lines]


def _line(cells: Sequence[str], widths: Sequence[int], ratio: str, ratio_width: int) -> str:
    first = pad(cells[0], widths[0])
    rest = [pad(cell, cells_wide, right=True) for cell, cells_wide in zip(cells[1:], widths[1:], strict=True)]
    return "  ".join([first, *rest, pad(ratio, ratio_width, right=True)])


def cost_ratio(cost: float | None, base: float) -> str:
    """How many times `base` it is: `0.26x`, `27x`; `–` where one of them is not known."""
    if cost is None or not base:
        return UNKNOWN
    ratio = cost / base
    return f"{ratio:,.2f}x" if ratio < 10 else f"{ratio:,.0f}x"


def cost_bar(cost: float | None, most_expensive: float, cells: int) -> str:
    """A bar in eighths of a cell; a cost that is not zero shows at least one eighth."""
    if not cost or cells < 4:
        return ""
    eighths = max(1, round(cost / most_expensive * cells * 8))
    return "█" * (eighths // 8) + (" ▏▎▍▌▋▊▉"[eighths % 8] if eighths % 8 else "")


def clip_right(text: str, columns: int) -> str:
    """A finished table line cut to the screen; its spaces are kept, unlike `clip`'s."""
    if width(text) <= columns:
        return text
    kept = text
    while width(kept) > columns - 1:
        kept = kept[:-1]
    return kept + clip("…", 1)
