"""A run's prices, read once, in a thread, when they are asked for first."""

import asyncio
from datetime import UTC, datetime

from agentbatch.errors import UserError
from agentbatch.runs.state.bills import Bill
from agentbatch.spending.comparison import (
    Comparison,
    compare_bills,
    compared_models,
    prices_of_run,
    started_in,
)
from agentbatch.spending.pricing import Prices
from agentbatch.tui.reading.view import RunView

READING = "Reading the prices ..."


class PriceReading:
    """The comparison of bills of one run. `problem` says why there is none."""

    def __init__(self, view: RunView) -> None:
        self._view = view
        self._prices: Prices | None = None
        self._known: tuple[tuple[Bill, ...], Comparison] | None = None
        self.problem = READING

    async def read(self) -> None:
        """Have the prices read. `problem` says what is wrong with them."""
        if self._prices is not None:
            return
        info, folder = self._view.state.info, started_in(self._view.folder)
        try:
            self._prices = await asyncio.to_thread(prices_of_run, info, folder)
        except UserError as error:
            self.problem = f"There is no comparison: {error}"

    def comparison(self, bills: tuple[Bill, ...]) -> Comparison | None:
        """What these bills' tokens would cost elsewhere; None as long as no prices are there. Some 2 ms."""
        if self._prices is None:
            return None
        if self._known is None or self._known[0] is not bills:
            models = compared_models(self._view.state.info)
            self._known = (bills, compare_bills(self._prices, bills, models, datetime.now(UTC)))
        return self._known[1]
