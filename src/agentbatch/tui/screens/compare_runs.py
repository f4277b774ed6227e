"""Two runs side by side, as a screen."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual
from textual.widgets import Footer, Static

from agentbatch.display.reports.run_comparison import RunComparison
from agentbatch.tui.lines.compare_runs import ComparisonLines
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.screens.sized import SizedScreen, TooSmall


class ComparisonView(ScrollView, can_focus=True):
    """Draws the lines that are seen: ten thousand tasks take as long as ten."""

    def __init__(self, comparison: RunComparison, glyphs: Glyphs) -> None:
        super().__init__()
        self._comparison = comparison
        self._glyphs = glyphs
        self._lines = ComparisonLines(comparison, 80, glyphs)

    def on_resize(self) -> None:
        width = self.scrollable_content_region.width
        self._lines = ComparisonLines(self._comparison, width - 1, self._glyphs)  # not up to the bar
        self.virtual_size = Size(width, len(self._lines))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, place = self.scrollable_content_region.width, self.scroll_offset.y + y
        if not 0 <= place < len(self._lines):
            return Strip.blank(width, self.rich_style)
        return self._strip(self._lines[place], width)

    def _strip(self, line: Content, width: int) -> Strip:
        strips = Visual.to_strips(self, line, width, 1, self.visual_style, pad=True)
        return strips[0] if strips else Strip.blank(width, self.rich_style)


class CompareRunsScreen(SizedScreen[None]):
    """Opened from the results browser, or by `agentbatch results --compare`."""

    place = "comparison"
    CSS_PATH = "compare_runs.tcss"
    BINDINGS = [Binding("escape", "leave", "Back", key_display="esc")]  # noqa: RUF012 - as Textual has it

    def __init__(self, comparison: RunComparison, *, glyphs: Glyphs) -> None:
        super().__init__()
        self._comparison = comparison
        self._glyphs = glyphs

    def compose(self) -> ComposeResult:
        yield TooSmall()
        yield Static("Two runs side by side; better and worse are said of the second", id="comparison-title")
        yield ComparisonView(self._comparison, self._glyphs)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one(ComparisonView).focus()

    def action_leave(self) -> None:
        if len(self.app.screen_stack) > 2:
            self.dismiss(None)
        else:
            self.app.exit(0)
