"""The tasks of a batch before it starts, a line each. Ten thousand open at once: only lines in sight are made."""

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from agentbatch.tui.lines.launch import TaskRow, Widths, column_widths, row_cells


class PlanList(ScrollView, can_focus=True):
    """Scrolls; nothing in it is chosen."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"plan-list--notes", "plan-list--prompt"}
    DEFAULT_CSS = """
    PlanList {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        & > .plan-list--notes { color: $text-warning; }
        & > .plan-list--prompt { color: $foreground 70%; }
    }
    PlanList:focus {
        background: $boost;
    }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._rows: Sequence[TaskRow] = ()
        self._widths = Widths(1, 0, 0, 0)

    @property
    def rows(self) -> Sequence[TaskRow]:
        return self._rows

    def show(self, rows: Sequence[TaskRow]) -> None:
        """Instead of those before; the place in the list is kept where it can be."""
        self._rows = rows
        self._measure()
        self.refresh()

    def on_resize(self) -> None:
        self._measure()

    def _measure(self) -> None:
        columns = self.scrollable_content_region.width
        self._widths = column_widths(self._rows, columns)
        self.virtual_size = Size(columns, len(self._rows))

    def render_line(self, y: int) -> Strip:
        columns, place = self.scrollable_content_region.width, self.scroll_offset.y + y
        base = self.rich_style
        if place >= len(self._rows):
            return Strip.blank(columns, base)
        head, notes, prompt = row_cells(self._rows[place], self._widths, columns)
        return Strip(
            [
                Segment(head, base),
                Segment(notes, base + self.get_component_rich_style("plan-list--notes", partial=True)),
                Segment(prompt, base + self.get_component_rich_style("plan-list--prompt", partial=True)),
            ]
        ).adjust_cell_length(columns, base)
