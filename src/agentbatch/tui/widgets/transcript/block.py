"""One block of the transcript on the screen: its lines, fitted to the width that there is."""

import re
from collections.abc import Sequence
from pathlib import Path

from textual.content import Content
from textual.geometry import Size
from textual.reactive import Reactive
from textual.widget import Widget

from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.render import Line, laid_out


class BlockWidget(Widget):
    """Shows lines. `place`: of its block in the transcript; -1: it stands for none."""

    DEFAULT_CSS = Path(__file__).with_suffix(".tcss").read_text(encoding="utf-8")

    # Widget has the whole screen laid out again for it; nobody scrolls in a block, and its height was known before.
    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=False)

    def __init__(
        self, glyphs: Glyphs, lines: Sequence[Line] = (), *, place: int = -1, classes: str = ""
    ) -> None:
        super().__init__(classes=classes)
        self.place = place
        self._glyphs = glyphs
        self._lines = tuple(lines)
        self._needle: re.Pattern[str] | None = None
        self._fitted: tuple[int, list[list[Content]]] = (-1, [])
        self.set_class(glyphs.ascii, "-ascii")
        self.display = bool(self._lines)

    def set_lines(self, lines: Sequence[Line], needle: re.Pattern[str] | None = None) -> None:
        """What it shows from now on, with what `needle` finds marked."""
        if self._lines == tuple(lines) and self._needle == needle:
            return
        columns, before = self._fitted
        self._lines, self._needle = tuple(lines), needle
        self._fitted = (-1, [])
        self.display = bool(self._lines)
        # As high as before: the screen need not be laid out again, which costs more than all the rest.
        same = columns == self.size.width and _height(self._rows(columns)) == _height(before) > 0
        self.refresh(layout=not same)

    def row_of(self, line: int) -> int:
        """The row, from its top, where a line begins."""
        return sum(map(len, self._rows(self.size.width)[:line]))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return _height(self._rows(width))

    def render(self) -> Content:
        rows = [row for rows in self._rows(self.size.width) for row in rows]
        return Content("\n").join(rows)

    def _rows(self, columns: int) -> list[list[Content]]:
        if self._fitted[0] != columns:
            rows = [laid_out(line, max(1, columns), self._glyphs, self._needle) for line in self._lines]
            self._fitted = (columns, rows)
        return self._fitted[1]


def _height(rows: Sequence[Sequence[Content]]) -> int:
    """`rows`: by line."""
    return sum(map(len, rows))
