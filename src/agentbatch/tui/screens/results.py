"""The results browser: the runs of a folder and its results files."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Footer, OptionList, Static

from agentbatch.display.reports.runs.results_list import ListedRun, Lister
from agentbatch.display.reports.runs.run_comparison import RunComparison, compare_runs
from agentbatch.errors import UserError
from agentbatch.runs.listing import require_tasks
from agentbatch.tasks.results.reading import read_results_file
from agentbatch.tasks.results.sources import Source, list_sources, read_results
from agentbatch.text import clip, counted
from agentbatch.tui.keys import bindings, keys_of
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.results import columns_of, empty_text, head_line, result_line
from agentbatch.tui.reading.view import FileView, RunView, open_view
from agentbatch.tui.screens.comparing.compare_runs import CompareRunsScreen
from agentbatch.tui.screens.export import ask_and_export
from agentbatch.tui.screens.sized import SizedScreen, TooSmall
from agentbatch.tui.widgets.results_table import ResultsTable

LOOK_EVERY = 2.0
"""Seconds between two looks at the folder."""

MARKS = 2
"""Runs that a comparison takes."""


def view_of(source: Source) -> RunView:
    """To look at it. Raises UserError."""
    if source.folder is not None:
        return open_view(source.folder)
    return FileView(source.path, read_results_file(source.path))


def compared(first: Source, second: Source, now: float) -> RunComparison:
    """The run that began first goes first. Raises UserError."""
    one, other = read_results(first), read_results(second)
    if other.begun < one.begun:
        one, other = other, one
    return compare_runs(one, other, now)


class ResultsScreen(SizedScreen[None]):
    """Opens, compares and exports; changes nothing."""

    place = "results"
    CSS_PATH = "results.tcss"
    BINDINGS = [*bindings(keys_of("results")), Binding("escape", "back", "Back", show=False)]  # noqa: RUF012

    def __init__(
        self,
        base: Path,
        run_screen: Callable[[RunView], Screen[Any]],
        *,
        glyphs: Glyphs,
        now: Callable[[], float],
    ) -> None:
        """`base`: whose runs and files; `run_screen` makes the read-only screen of one; `now` gives epoch seconds."""
        super().__init__()
        self._base = base
        self._run_screen = run_screen
        self._glyphs = glyphs
        self._now = now
        self._lister = Lister()
        self._listed: list[ListedRun] | None = None
        self._marked: list[Source] = []

    def compose(self) -> ComposeResult:
        yield TooSmall()
        yield Static(f"Results in {clip(str(self._base), 300)}", markup=False, id="results-title")
        yield Static("Looking…", markup=False, id="results-head")
        yield ResultsTable()
        yield Static(empty_text(clip(str(self._base), 300)), markup=False, id="results-empty")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self._table.focus()
        self._look()
        self.set_interval(LOOK_EVERY, self._look)

    @property
    def _table(self) -> ResultsTable:
        return self.query_one(ResultsTable)

    # what there is ------------------------------------------------------------------------------------------------

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        if self.app.screen is not self and self._listed is not None:
            return  # nobody sees it
        sources = await asyncio.to_thread(list_sources, self._base)
        self._listed = await asyncio.to_thread(self._lister.look, sources, self._now())
        self._draw()

    @on(ResultsTable.Resized)
    def _draw(self) -> None:
        listed = self._listed
        if listed is None:
            return
        there = {one.source for one in listed if one.line is not None}
        self._marked = [source for source in self._marked if source in there]
        self.set_class(not listed, "empty")
        columns, now = columns_of(listed, self._table.room), self._now()
        self.query_one("#results-head", Static).update(head_line(columns))
        self._table.show_lines(
            [str(one.source.path) for one in listed],
            [
                result_line(one, columns, now, self._glyphs, marked=one.source in self._marked)
                for one in listed
            ],
        )

    @property
    def _chosen(self) -> ListedRun | None:
        place = self._table.highlighted
        return self._listed[place] if self._listed and place is not None else None

    def _readable(self) -> Source | None:
        """The chosen one; where it cannot be read, or has no tasks, says so."""
        chosen = self._chosen
        if chosen is not None and chosen.line is None:
            self.inform(chosen.problem, "error")
            return None
        if chosen is not None and chosen.line is not None:
            try:
                require_tasks(chosen.line.info, chosen.line.run_id)
            except UserError as error:
                self.inform(str(error), "warning")
                return None
        return chosen.source if chosen is not None else None

    # the keys -----------------------------------------------------------------------------------------------------

    @on(OptionList.OptionSelected)
    def action_open(self) -> None:
        source = self._readable()
        if source is not None:
            self._open(source)

    @work(exclusive=True, group="open")
    async def _open(self, source: Source) -> None:
        try:
            # A database is opened where it is read; a large file is read in a thread.
            view = view_of(source) if source.folder is not None else await asyncio.to_thread(view_of, source)
        except UserError as error:
            self.inform(str(error), "error")
            return
        self.app.push_screen(self._run_screen(view))

    def action_mark(self) -> None:
        source = self._readable()
        if source is None:
            return
        if source in self._marked:
            self._marked.remove(source)
        else:
            self._marked = [*self._marked, source][-MARKS:]
        self._draw()

    def action_compare(self) -> None:
        """The two marked ones; of one marked, that and the chosen one."""
        pair = list(self._marked)
        chosen = self._chosen
        if len(pair) == 1 and chosen is not None and chosen.line is not None and chosen.source not in pair:
            pair.append(chosen.source)
        if len(pair) < MARKS:
            marked = counted(len(pair), "run") if pair else "nothing"
            self.inform(f"Mark two runs with space, then compare them; {marked} is marked.", "warning")
            return
        self._compare(*pair)

    @work(exclusive=True, group="open")
    async def _compare(self, first: Source, second: Source) -> None:
        try:
            comparison = await asyncio.to_thread(compared, first, second, self._now())
        except UserError as error:
            self.inform(str(error), "error")
            return
        self.app.push_screen(CompareRunsScreen(comparison, glyphs=self._glyphs))

    def action_export(self) -> None:
        source = self._readable()
        if source is not None:
            self._export(source)

    @work(exclusive=True, group="export")
    async def _export(self, source: Source) -> None:
        await ask_and_export(self.app, source, self._base, self._now())

    def action_refresh(self) -> None:
        self._lister = Lister()
        self._look()

    def action_back(self) -> None:
        """To the screen below, if there is one of ours."""
        if len(self.app.screen_stack) > 2:
            self.dismiss(None)

    def action_leave(self) -> None:
        self.back_or_exit()
