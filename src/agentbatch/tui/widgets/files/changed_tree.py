"""The changed files as a tree, through which a cursor goes from file to file."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Click
from textual.geometry import Region
from textual.message import Message

from agentbatch.tui.lines.changed_files import tree_line, tree_of
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.widgets.line_view import LineView
from agentbatch.workspace.files.diff.file_diff import FileChange


class ChangedTree(LineView):
    """Says which file is chosen (Chosen), and when somebody wants to read it (Opened)."""

    DEFAULT_CSS = Path(__file__).with_suffix(".tcss").read_text(encoding="utf-8")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "File above", show=False),
        Binding("down", "move(1)", "File below", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "end(0)", "First file", show=False),
        Binding("end", "end(-1)", "Last file", show=False),
        Binding("enter,right", "open", "To its diff", show=False),
    ]

    class Chosen(Message):
        """The cursor is on another file."""

        def __init__(self, file: FileChange) -> None:
            super().__init__()
            self.file = file

    class Opened(Message):
        """Its diff is to be read."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._tree = tree_of(())
        self._order: list[str] = []
        self.chosen: FileChange | None = None

    def set_files(self, files: Sequence[FileChange]) -> None:
        """Show these from now on; the cursor stays on its file while there is one of that name."""
        before = self.chosen
        self._tree = tree_of(files)
        self._order = list(self._tree.places)
        path = before.path if before is not None and before.path in self._tree.places else ""
        self.chosen = self._file(path or self._order[0]) if self._order else None
        self.lines_changed()
        if self.chosen is not None and self.chosen != before:
            self.post_message(self.Chosen(self.chosen))
        self.call_after_refresh(self._reveal)

    def line_count(self) -> int:
        return len(self._tree.rows)

    def line_at(self, place: int) -> Content:
        row = self._tree.rows[place]
        chosen = self.chosen is not None and row.file is not None and row.file.path == self.chosen.path
        line = tree_line(row, self.columns, self._tree.widths, self._glyphs, chosen=chosen)
        if not chosen:
            return line
        line = line.pad_right(max(0, self.columns - line.cell_length))
        return line.stylize_before("on $primary-muted" if self.has_focus else "on $boost")

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def action_move(self, by: int) -> None:
        if self.chosen is not None:
            self._choose(self._order.index(self.chosen.path) + by)

    def action_page(self, way: int) -> None:
        self.action_move(way * max(1, self.size.height - 1))

    def action_end(self, place: int) -> None:
        self._choose(place % max(1, len(self._order)))

    def action_open(self) -> None:
        if self.chosen is not None:
            self.post_message(self.Opened())

    def on_click(self, event: Click) -> None:
        place = event.y + self.scroll_offset.y
        file = self._tree.rows[place].file if 0 <= place < len(self._tree.rows) else None
        if file is not None:
            self._choose(self._order.index(file.path))

    def _choose(self, place: int) -> None:
        if not self._order:
            return
        path = self._order[max(0, min(place, len(self._order) - 1))]
        if self.chosen is None or path != self.chosen.path:
            self.chosen = self._file(path)
            self.refresh()
            self.post_message(self.Chosen(self.chosen))
        self._reveal()

    def _file(self, path: str) -> FileChange:
        file = self._tree.rows[self._tree.places[path]].file
        assert file is not None  # places has files only
        return file

    def _reveal(self) -> None:
        """Have the chosen file on the screen, and the folder above the first one."""
        if self.chosen is None:
            return
        place = self._tree.places[self.chosen.path]
        top = place - 1 if place and self._tree.rows[place - 1].file is None else place
        self.scroll_to_region(Region(0, top, 1, place - top + 1), animate=False, immediate=True, x_axis=False)
