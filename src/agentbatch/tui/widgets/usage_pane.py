"""Tokens and cost of the chosen task or of the whole run, budgets, and the same tokens on other models."""

from collections.abc import Sequence
from pathlib import Path

from textual import on, work
from textual.app import ComposeResult
from textual.containers import VerticalScroll

from agentbatch.runs import events as e
from agentbatch.runs.state.bills import has_roles
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.model_bars import comparison_lines
from agentbatch.tui.lines.render import Line, text_lines
from agentbatch.tui.lines.usage_rows import UsageRow, budget_lines, spent_by_run, spent_by_task, usage_lines
from agentbatch.tui.reading.prices import PriceReading
from agentbatch.tui.reading.view import RunView
from agentbatch.tui.widgets.radio_row import RadioRow
from agentbatch.tui.widgets.transcript.block import BlockWidget

TASK, RUN = "this task", "whole run"

TITLE = "The same tokens on other models"

LOOK_EVERY = 1.0
"""Seconds between two looks at what the other tasks of the run have spent."""


class UsagePane(VerticalScroll):
    """A tab of the run screen. Works only while it is on the screen."""

    DEFAULT_CSS = Path(__file__).with_suffix(".tcss").read_text(encoding="utf-8")

    def __init__(self, *, glyphs: Glyphs | None = None) -> None:
        super().__init__()
        self._glyphs = glyphs or Glyphs()
        self._view: RunView | None = None
        self._task_id: str | None = None
        self._prices: PriceReading | None = None
        self._drawn: tuple[object, ...] = ()
        """What the lines were made of."""
        self._table = BlockWidget(self._glyphs)
        self._budgets = BlockWidget(self._glyphs)
        self._comparison = BlockWidget(self._glyphs, classes="-spaced")

    def compose(self) -> ComposeResult:
        yield RadioRow((TASK, RUN), TASK, mark=self._glyphs["marked"])
        yield self._table
        yield self._budgets
        yield self._comparison

    def on_mount(self) -> None:
        self.set_interval(LOOK_EVERY, self._draw)

    def show(self, view: RunView, task_id: str | None) -> None:
        """Show what this task has used; None: the run."""
        if view is not self._view:
            self._view, self._prices = view, PriceReading(view)
        self._task_id = task_id
        self.query_one(RadioRow).disabled = task_id is None
        self._draw()

    def changed(self, events: Sequence[e.Event]) -> None:
        """Something has come up in the shown task."""
        self._draw()

    def on_show(self) -> None:
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    @on(RadioRow.Changed)
    def _on_scope(self) -> None:
        self._draw()

    @property
    def _of_task(self) -> str | None:
        """The task whose figures are shown; None: the run's are."""
        task_id = self._task_id if self.query_one(RadioRow).value == TASK else None
        return task_id if self._view is not None and task_id in self._view.state.by_id else None

    def _draw(self) -> None:
        """Make the lines, if anything is not as it was and somebody sees them."""
        view = self._view
        if view is None or self._prices is None or not self.is_on_screen:
            return
        task_id, words = self._of_task, has_roles(view.state.bills)
        spent = spent_by_task(view.state, task_id, words) if task_id else spent_by_run(view.state, words)
        columns = self.scrollable_content_region.width - 2
        comparison = self._prices.comparison(spent.bills)
        made_of = (spent, task_id, columns, comparison, self._prices.problem)
        if made_of == self._drawn or columns <= 0:
            return
        self._drawn = made_of
        whose = "task" if task_id else "run"
        self._table.set_lines(usage_lines(spent, columns, self._glyphs))
        self._budgets.set_lines(budget_lines(spent, whose, self._glyphs))
        self._comparison.set_lines(self._models(spent, columns, self._prices))

    def _models(self, spent: UsageRow, columns: int, prices: PriceReading) -> list[Line]:
        if not any(bill.usage.total for bill in spent.bills):
            return []
        comparison = prices.comparison(spent.bills)
        if comparison is None:
            self._read_prices(prices)
            return text_lines(prices.problem, "dim")
        lines = comparison_lines(comparison, columns, self._glyphs)
        return [Line(TITLE, "bold"), *lines]

    @work(exclusive=True, group="prices")
    async def _read_prices(self, prices: PriceReading) -> None:
        await prices.read()
        self._draw()
