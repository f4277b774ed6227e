"""Two runs side by side, as lines of the screen. Pure; the line of a task is made when it is looked at."""

from textual.content import Content

from agentbatch.display.reports.runs.run_comparison import Change, Figures, RunComparison, TaskPair
from agentbatch.display.reports.runs.run_comparison_text import (
    CHANGE_WORDS,
    ONE_LINE,
    SIDE,
    Row,
    changes_text,
    row_cells,
    side_figures,
    side_heads,
    total_rows,
)
from agentbatch.text import pad
from agentbatch.tui.lines.glyphs import COLOURS, Glyphs

_TONES: dict[Change, str] = {
    "better": "bold $text-success",
    "worse": "bold $text-error",
    "same": "",
    "other": "$foreground-muted",
}

_WORD = 12
"""Cells of how a task has changed."""


class ComparisonLines:
    """`columns` cells wide, at least 60. A task takes one line where there is room, else two."""

    def __init__(self, comparison: RunComparison, columns: int, glyphs: Glyphs) -> None:
        self._pairs = comparison.pairs
        self._columns = max(60, columns)
        self._glyphs = glyphs
        self._each = 1 if self._columns >= ONE_LINE else 2
        self._names = self._columns - (2 * SIDE + 4 + _WORD if self._each == 1 else SIDE + 1)
        self._above = self._totals(comparison)

    def __len__(self) -> int:
        return len(self._above) + self._each * len(self._pairs)

    def __getitem__(self, place: int) -> Content:
        if place < len(self._above):
            return self._above[place]
        task, second = divmod(place - len(self._above), self._each)
        pair = self._pairs[task]
        if self._each == 1:
            return self._whole(pair)
        if second:
            return self._second(pair)
        return Content.assemble((pad(pair.id, self._names), "bold"), " ", self._side(pair.first))

    def _totals(self, comparison: RunComparison) -> list[Content]:
        names = row_cells(Row("", *comparison.names, ""), self._columns)
        lines = [Content.styled("".join(names), "bold")]
        for row in total_rows(comparison):
            what, first, second, change = row_cells(row, self._columns)
            lines.append(Content.assemble((what, "$foreground-muted"), first, second, (change, "bold")))
        lines.append(Content(""))
        titles: dict[Change, str] = {
            "better": "Better, completed now",
            "worse": "Worse, not completed any more",
        }
        for change, title in titles.items():
            found, tone = comparison.tasks(change), _TONES[change]
            lines += [Content.styled(text, tone) for text in changes_text(title, found, self._columns)]
        if not comparison.tasks("better") and not comparison.tasks("worse"):
            lines.append(Content("No task got better, and none got worse."))
        lines.append(Content(""))
        if self._pairs:
            heads = side_heads()
            title = pad("task" if self._each == 1 else "task (first, second)", self._names)
            lines.append(
                Content.styled(
                    f"{title} {heads}" + (f"  {heads}" if self._each == 1 else ""), "$foreground-muted"
                )
            )
        return lines

    def _whole(self, pair: TaskPair) -> Content:
        word = (CHANGE_WORDS[pair.change], _TONES[pair.change])
        return Content.assemble(
            pad(pair.id, self._names), " ", self._side(pair.first), "  ", self._side(pair.second), "  ", word
        )

    def _second(self, pair: TaskPair) -> Content:
        word = pad(CHANGE_WORDS[pair.change], self._names - 2)
        return Content.assemble("  ", (word, _TONES[pair.change]), " ", self._side(pair.second))

    def _side(self, figures: Figures | None) -> Content:
        status, rest = side_figures(figures)
        if figures is None or figures.status is None:
            return Content.styled(f"  {status}{rest}", "$foreground-muted")
        sign = self._glyphs[figures.status]
        return Content.assemble((f"{sign} {status}", COLOURS[figures.status]), rest)
