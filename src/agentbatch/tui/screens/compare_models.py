"""What the tokens of a run, or of one task, would cost on other models."""

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Footer, Static

from agentbatch.runs.state.bills import Bill, total_usage
from agentbatch.text import clip, counted, tokens
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.model_bars import ORDERS, Order, comparison_lines
from agentbatch.tui.lines.render import Line, text_lines
from agentbatch.tui.lines.usage_rows import plain
from agentbatch.tui.reading.prices import PriceReading
from agentbatch.tui.reading.view import RunView
from agentbatch.tui.screens.sized import SizedScreen, TooSmall
from agentbatch.tui.widgets.radio_row import RadioRow
from agentbatch.tui.widgets.transcript.block import BlockWidget

RUN = "whole run"

NOTE = (
    "List prices for the same numbers of tokens; another model would need more or fewer of them. "
    "Your own prices.toml wins over the built-in prices."
)

LOOK_EVERY = 1.0
"""Seconds between two looks at what has been spent meanwhile."""


class CompareModelsScreen(SizedScreen[None]):
    """Over the run screen, which keeps reading its view."""

    place = "comparison"
    CSS_PATH = "compare_models.tcss"
    BINDINGS = [  # noqa: RUF012 - as Textual has it
        Binding("escape", "leave", "Back", key_display="esc"),
        Binding("m", "leave", "Back", show=False),
        Binding("up", "scroll(-1)", "Up", show=False),
        Binding("down", "scroll(1)", "Down", show=False),
    ]

    def __init__(self, view: RunView, task_id: str | None, *, glyphs: Glyphs) -> None:
        """Opens with the whole run; `task_id`: the chosen task, which can be shown instead."""
        super().__init__()
        self._view = view
        self._task_id = task_id if task_id in view.state.by_id else None
        self._glyphs = glyphs
        self._prices = PriceReading(view)
        self._models = BlockWidget(glyphs)

    def compose(self) -> ComposeResult:
        mark = self._glyphs["marked"]
        yield TooSmall()
        yield Static(id="models-title", markup=False)
        with Horizontal(classes="choices"):
            if self._task_id is not None:
                yield RadioRow((RUN, self._task_word), RUN, mark=mark, id="models-scope")
            yield RadioRow(ORDERS, ORDERS[0], mark=mark, id="models-order")
        with VerticalScroll(id="models-list", can_focus=False):
            yield self._models
        yield Static(NOTE, markup=False, id="models-note")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one("#models-order", RadioRow).focus()
        self._read_prices()
        self.set_interval(LOOK_EVERY, self._draw)

    @property
    def _task_word(self) -> str:
        return f"task {clip(self._task_id or '', 24)}"

    @work
    async def _read_prices(self) -> None:
        self._draw()
        await self._prices.read()
        self._draw()

    @on(RadioRow.Changed)
    def _on_choice(self) -> None:
        self._draw()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        state = self._view.state
        scopes = self.query("#models-scope").results(RadioRow)
        of_task = any(scope.value != RUN for scope in scopes) and self._task_id in state.by_id
        bills = state.by_id[self._task_id].bills if of_task and self._task_id else state.bills
        usage = total_usage(bills)
        share = f" ({usage.cached / usage.input:.0%} cached)" if usage.cached else ""
        words = (
            f"{tokens(usage.input, estimated=usage.estimated)} input tokens{share}, "
            f"{tokens(usage.output, estimated=usage.estimated)} output tokens, {counted(usage.calls, 'call')}"
        )
        self.query_one("#models-title", Static).update(plain(words, self._glyphs))
        self._models.set_lines(self._lines(bills, usage.total))

    def _lines(self, bills: tuple[Bill, ...], used: int) -> list[Line]:
        if not used:
            return [Line("No tokens have been used so far.", "dim")]
        comparison = self._prices.comparison(bills)
        if comparison is None:
            return text_lines(self._prices.problem, "dim")
        order: Order = next(o for o in ORDERS if o == self.query_one("#models-order", RadioRow).value)
        columns = self.query_one("#models-list").scrollable_content_region.width - 2
        return comparison_lines(comparison, max(40, columns), self._glyphs, order)

    def action_scroll(self, way: int) -> None:
        self.query_one("#models-list", VerticalScroll).scroll_relative(y=way, animate=False)

    def action_leave(self) -> None:
        self.dismiss(None)
