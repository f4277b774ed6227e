"""A long text of which only the lines that are seen are drawn."""

from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual


class LineView(ScrollView, can_focus=True):
    """Its kinds say how many lines there are and what stands in one; call `lines_changed` when that changes."""

    @property
    def columns(self) -> int:
        """Cells that there are for a line."""
        return self.scrollable_content_region.width

    def line_count(self) -> int:
        return 0

    def line_columns(self) -> int:
        """Cells of the longest line; 0: none is longer than there is room."""
        return 0

    def line_at(self, place: int) -> Content:
        raise NotImplementedError

    def lines_changed(self) -> None:
        self.virtual_size = Size(self.line_columns(), self.line_count())
        self.refresh()

    def on_resize(self) -> None:
        self.lines_changed()

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        columns, place = self.columns, top + y
        if not 0 <= place < self.line_count():
            return Strip.blank(columns, self.rich_style)
        line = self.line_at(place)
        wide = max(columns + left, line.cell_length)
        strips = Visual.to_strips(self, line, wide, 1, self.visual_style, pad=True)
        if not strips:
            return Strip.blank(columns, self.rich_style)
        return strips[0].crop(left, left + columns)
