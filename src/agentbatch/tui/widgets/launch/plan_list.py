"""The tasks of a batch before it starts, a line each. Ten thousand open at once: only lines in sight are made."""

from collections.abc import Sequence

from textual.content import Content

from agentbatch.tui.lines.launch import TaskRow, Widths, column_widths, row_cells
from agentbatch.tui.widgets.line_view import LineView


class PlanList(LineView):
    """Scrolls; nothing in it is chosen."""

    DEFAULT_CSS = """
    PlanList {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
    }
    PlanList:focus {
        background: $boost;
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._rows: Sequence[TaskRow] = ()
        self._widths = Widths(1, 0, 0, 0)

    def show(self, rows: Sequence[TaskRow]) -> None:
        """Instead of those before; the place in the list is kept where it can be."""
        self._rows = rows
        self._widths = column_widths(rows, self.columns)
        self.lines_changed()

    def on_resize(self) -> None:
        self._widths = column_widths(self._rows, self.columns)

    def line_count(self) -> int:
        return len(self._rows)

    def line_at(self, place: int) -> Content:
        head, notes, prompt = row_cells(self._rows[place], self._widths, self.columns)
        return Content.assemble(head, (notes, "$text-warning"), (prompt, "$foreground 70%"))
