"""What the tokens of a run, or of one task, would cost on other models."""

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Footer, Static

from agentbatch.runs.state.bills import Bill, total_usage
from agentbatch.text import clip, counted
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.model_bars import ORDERS, Order, comparison_lines
from agentbatch.tui.lines.render import Line, text_lines
from agentbatch.tui.lines.usage_rows import plain
from agentbatch.tui.reading.prices import PriceReading
from agentbatch.tui.reading.view import RunView
from agentbatch.tui.screens.comparing.comparison import ComparisonScreen
from agentbatch.tui.screens.sized import TooSmall
from agentbatch.tui.widgets.radio_row import RadioRow
from agentbatch.usage import Usage

RUN = "whole run"

NOTE = (
    "List prices for the same numbers of tokens; another model would need more or fewer of them. "
    "Your own prices.toml wins over the built-in prices."
)

LOOK_EVERY = 1.0
"""Seconds between two looks at what has been spent meanwhile."""


class CompareModelsScreen(ComparisonScreen):
    BINDINGS = [Binding("m", "leave", "Back", show=False)]  # noqa: RUF012 - as Textual has it

    def __init__(self, view: RunView, task_id: str | None, *, glyphs: Glyphs) -> None:
        """Opens with the whole run; `task_id`: the chosen task, which can be shown instead."""
        super().__init__(view, glyphs=glyphs)
        self._task_id = task_id if task_id in view.state.by_id else None
        self._prices = PriceReading(view)

    def compose(self) -> ComposeResult:
        mark = self._glyphs["marked"]
        yield TooSmall()
        yield Static(id="models-title", classes="comparison-title", markup=False)
        with Horizontal(classes="choices"):
            if self._task_id is not None:
                yield RadioRow((RUN, self._task_word), RUN, mark=mark, id="models-scope")
            yield RadioRow(ORDERS, ORDERS[0], mark=mark, id="models-order")
        with VerticalScroll(classes="comparison-list", can_focus=False):
            yield self._lines
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
            f"{usage.shown(usage.input)} input tokens{share}, "
            f"{usage.shown(usage.output)} output tokens, {counted(usage.calls, 'call')}"
        )
        self.query_one("#models-title", Static).update(plain(words, self._glyphs))
        self._lines.set_lines(self._compared(bills, usage))

    def _compared(self, bills: tuple[Bill, ...], usage: Usage) -> list[Line]:
        if not usage.total:
            untold = "Nobody told how many tokens were used."
            return [Line(untold if usage.unknown else "No tokens have been used so far.", "dim")]
        comparison = self._prices.comparison(bills)
        if comparison is None:
            return text_lines(self._prices.problem, "dim")
        order: Order = next(o for o in ORDERS if o == self.query_one("#models-order", RadioRow).value)
        return comparison_lines(comparison, max(40, self._columns), self._glyphs, order)
