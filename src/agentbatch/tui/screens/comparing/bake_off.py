"""The models that a run compares: what each solved, and which differences that shows."""

import asyncio

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widgets import Footer, Static

from agentbatch.tasks.bakeoff.bakeoff import bake_off
from agentbatch.tui.lines.bake_off import bake_off_lines
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.render import Line
from agentbatch.tui.reading.view import RunView
from agentbatch.tui.screens.comparing.comparison import ComparisonScreen
from agentbatch.tui.screens.sized import TooSmall

LOOK_EVERY = 2.0
"""Seconds between two looks at what has ended meanwhile."""


class BakeOffScreen(ComparisonScreen):
    BINDINGS = [Binding("b", "leave", "Back", show=False)]  # noqa: RUF012 - as Textual has it

    def __init__(self, view: RunView, *, glyphs: Glyphs) -> None:
        super().__init__(view, glyphs=glyphs)
        self._drawn = (-1, -1)
        """The event and the columns of what is shown."""

    def compose(self) -> ComposeResult:
        yield TooSmall()
        yield Static("Compared on the same tasks", markup=False, classes="comparison-title")
        with VerticalScroll(classes="comparison-list", can_focus=False):
            yield self._lines
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self.call_after_refresh(self._draw)
        self.set_interval(LOOK_EVERY, self._draw)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    @work(exclusive=True)
    async def _draw(self) -> None:
        columns = self._columns
        now = (self._view.state.last_seq, columns)
        if now == self._drawn:
            return
        found = bake_off(self._view.state)
        if found is None:
            self._lines.set_lines([Line("This run compares no models; `agentbatch compare` does.", "dim")])
        else:  # intervals of many pairs take a while
            lines = await asyncio.to_thread(bake_off_lines, found, max(50, columns), self._glyphs)
            self._lines.set_lines(lines)
        self._drawn = now
