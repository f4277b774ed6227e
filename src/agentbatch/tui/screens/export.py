"""Asking what an export is to be and where it goes, and writing it."""

import asyncio
from pathlib import Path
from typing import Any, cast

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from agentbatch.display.reports.exports.export import ExportKind, export, export_name, write_export
from agentbatch.errors import UserError
from agentbatch.tasks.results.sources import Source, file_source, read_results, run_source
from agentbatch.text import clip, harmless
from agentbatch.tui.reading.view import FileView, RunView
from agentbatch.tui.screens.ask import AskScreen, Choice
from agentbatch.tui.screens.closed_once import ClosedOnce

KINDS = (
    Choice("m", "Markdown: a report to read", "md"),
    Choice("c", "CSV: a row a task, for a spreadsheet", "csv"),
    Choice("j", "JSON: everything, for a program", "json"),
)


class PathScreen(ClosedOnce[str], ModalScreen[str]):
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
    chosen = cast(ExportKind, kind)
    offered = export_name(source.name, chosen)
    place = await app.push_screen_wait(PathScreen(f"Write {name} to", offered))
    if not place:
        return
    path = base / Path(place).expanduser()
    overwrite = False
    if path.is_file():
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


def export_source(source: Source, kind: ExportKind, path: Path, now: float, *, overwrite: bool) -> None:
    """Raises UserError."""
    results = read_results(source)
    end = now if results.condition == "running" else results.last
    write_export(path, export(kind, results.state, end, source.name), overwrite=overwrite)
