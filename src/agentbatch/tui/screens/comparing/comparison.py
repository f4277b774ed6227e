"""What the screens share that compare models: lines that scroll, and the way back to the run."""

from textual.binding import Binding
from textual.containers import VerticalScroll

from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.reading.view import RunView
from agentbatch.tui.screens.sized import SizedScreen
from agentbatch.tui.widgets.transcript.block import BlockWidget


class ComparisonScreen(SizedScreen[None]):
    """Over the run screen, which keeps reading its view. The key that opened it closes it, too."""

    place = "comparison"
    CSS_PATH = "comparison.tcss"
    BINDINGS = [  # noqa: RUF012 - as Textual has it
        Binding("escape", "leave", "Back", key_display="esc"),
        Binding("up", "scroll(-1)", "Up", show=False),
        Binding("down", "scroll(1)", "Down", show=False),
    ]

    def __init__(self, view: RunView, *, glyphs: Glyphs) -> None:
        super().__init__()
        self._view = view
        self._glyphs = glyphs
        self._lines = BlockWidget(glyphs)

    @property
    def _columns(self) -> int:
        """Cells for a line."""
        return self.query_one(".comparison-list").scrollable_content_region.width - 2

    def action_scroll(self, way: int) -> None:
        self.query_one(".comparison-list", VerticalScroll).scroll_relative(y=way, animate=False)

    def action_leave(self) -> None:
        self.dismiss(None)
