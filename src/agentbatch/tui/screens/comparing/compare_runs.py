"""Two runs side by side, as a screen."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.widgets import Footer, Static

from agentbatch.display.reports.runs.run_comparison import RunComparison
from agentbatch.tui.lines.compare_runs import ComparisonLines
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.screens.sized import SizedScreen, TooSmall
from agentbatch.tui.widgets.line_view import LineView


class ComparisonView(LineView):
    """Ten thousand tasks take as long as ten."""

    def __init__(self, comparison: RunComparison, glyphs: Glyphs) -> None:
        super().__init__()
        self._comparison = comparison
        self._glyphs = glyphs
        self._lines = ComparisonLines(comparison, 80, glyphs)

    def on_resize(self) -> None:
        self._lines = ComparisonLines(self._comparison, self.columns - 1, self._glyphs)  # not up to the bar

    def line_count(self) -> int:
        return len(self._lines)

    def line_at(self, place: int) -> Content:
        return self._lines[place]


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
        self.back_or_exit()
