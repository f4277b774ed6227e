"""The diff of one file, as long as it may be."""

from pathlib import Path

from textual.content import Content

from agentbatch.tui.lines.changed_files import diff_columns, diff_length, diff_line
from agentbatch.tui.widgets.line_view import LineView
from agentbatch.workspace.files.diff.file_diff import FileChange


class DiffView(LineView):
    """Scrolls up and down, and sideways where lines are long."""

    DEFAULT_CSS = Path(__file__).with_suffix(".tcss").read_text(encoding="utf-8")

    def __init__(self) -> None:
        super().__init__()
        self._file: FileChange | None = None
        self._widest = 0

    def set_file(self, file: FileChange | None) -> None:
        """Another one is shown from its beginning; the same one stays where it is."""
        before, self._file = self._file, file
        self._widest = diff_columns(file) if file is not None else 0
        self.lines_changed()
        if before is None or file is None or before.path != file.path:
            self.scroll_to(0, 0, animate=False)

    def line_count(self) -> int:
        return diff_length(self._file) if self._file is not None else 0

    def line_columns(self) -> int:
        return self._widest

    def line_at(self, place: int) -> Content:
        assert self._file is not None  # there are no lines without one
        return diff_line(self._file, place)
