"""Asking what an export is to be and where it goes, and writing it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from agentbatch.config.reports import ReportKind, ReportRequest
from agentbatch.display.reports.exports.export import export_name
from agentbatch.display.reports.material import Material
from agentbatch.errors import UserError
from agentbatch.spending.comparison import compared_models, prices_of_run, started_in
from agentbatch.spending.pricing import ComparisonRow, compare
from agentbatch.tasks.results.records import Records
from agentbatch.tasks.results.sources import Source, file_source, read_results, run_source
from agentbatch.text import clip, harmless
from agentbatch.tui.reading.view import FileView, RunView
from agentbatch.tui.screens.ask import AskScreen, Choice
from agentbatch.tui.screens.closed_once import ClosedOnce

KINDS = (
    Choice("h", "HTML: a page (.html), or a folder of pages", "html"),
    Choice("m", "Markdown: a report to read", "md"),
    Choice("c", "CSV: a row a task, for a spreadsheet", "csv"),
    Choice("j", "JSON: everything, for a program", "json"),
    Choice("u", "JUnit XML, for a CI system", "junit"),
    Choice("a", "ATIF: a folder of trajectories, for Harbor", "atif"),
    Choice("p", "predictions: patches, for SWE-bench", "predictions"),
)
"""All that `agentbatch report` writes."""


class PathScreen(ModalScreen[str], ClosedOnce[str]):
    """Asks for a path; empty for esc."""

    CSS_PATH = "export.tcss"
    BINDINGS = [Binding("escape", "dismiss('')", "Back", show=False)]  # noqa: RUF012 - as Textual has it

    def __init__(self, question: str, path: str) -> None:
        """`question` is harmless; `path` is offered."""
        super().__init__()
        self._question = question
        self._path = path

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(self._question, markup=False)
            yield Input(self._path, id="export-path")
            yield Static("enter writes it, esc goes back", markup=False, id="export-keys")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self.dismiss(event.value.strip())


def source_of(view: RunView) -> Source:
    """What a run screen shows, to export it."""
    if isinstance(view, FileView):
        return file_source(view.path)
    if view.folder is None:
        raise ValueError("a view of neither a file nor a run")
    return run_source(view.folder)


async def ask_and_export(app: App[Any], source: Source, base: Path, now: float) -> None:
    """From a worker. `base`: the folder that a relative path begins in; `now`: epoch seconds."""
    name = clip(source.name, 60)
    kind = await app.push_screen_wait(AskScreen(f"Export {name} as", KINDS, "Back"))
    if not kind:
        return
    chosen = cast(ReportKind, kind)
    offered = export_name(source.name, chosen)
    place = await app.push_screen_wait(PathScreen(f"Write {name} to", offered))
    if not place:
        return
    path = base / Path(place).expanduser()
    overwrite = False
    if _is_there(path, ReportRequest(chosen, place)):
        answer = await app.push_screen_wait(
            AskScreen(f"{clip(place, 120)} exists already.", [Choice("o", "Overwrite it", "yes")], "Back")
        )
        if not answer:
            return
        overwrite = True
    try:
        await asyncio.to_thread(export_source, source, chosen, path, now, overwrite=overwrite)
    except UserError as error:
        app.notify(harmless(str(error)), severity="error", markup=False)
    else:
        app.notify(f"Written: {harmless(str(path))}", markup=False)


def _is_there(path: Path, wanted: ReportRequest) -> bool:
    """Something would be written over."""
    with suppress(OSError, ValueError):  # then it cannot be written either, and that says why
        return path.is_file() or (wanted.folder and path.is_dir() and any(path.iterdir()))
    return False


def export_source(source: Source, kind: ReportKind, path: Path, now: float, *, overwrite: bool) -> None:
    """Raises UserError."""
    from agentbatch.display.reports.report import write_report  # every kind of report

    results = read_results(source)
    end = now if results.condition == "running" else results.last
    state, records = results.state, Records(source.folder)
    rows: Sequence[ComparisonRow] = ()
    with suppress(UserError):  # without its prices nothing can be compared
        prices = prices_of_run(state.info, started_in(source.folder))
        rows = compare(prices, state.usage, compared_models(state.info), datetime.now(UTC))
    write_report(
        ReportRequest(kind, str(path)), Material(state, end, source.name, rows, records), overwrite=overwrite
    )
