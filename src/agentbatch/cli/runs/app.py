"""The terminal app, and what it leaves on the terminal afterwards. Textual comes with this module: import it late."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from agentbatch.cli.runs.terminal import check_terminal
from agentbatch.config import Settings, load_settings
from agentbatch.display.reports.run_report import RunReport
from agentbatch.display.reports.runs.run_comparison import RunComparison
from agentbatch.display.reports.status import render_status
from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.listing import open_run as read_run
from agentbatch.tasks.results.sources import find_source
from agentbatch.tui.app import AgentbatchApp
from agentbatch.tui.screens.comparing.compare_runs import CompareRunsScreen
from agentbatch.tui.screens.results import view_of


def open_launch(settings: Settings, words: Sequence[str]) -> int:
    """The launch screen, or the run at once when the mode has been chosen. `words`: the command line."""
    check_terminal("agentbatch --parallel 3")
    app = AgentbatchApp.launching(
        settings, words, ascii_only=settings.ascii, redact=Redactor(settings.secrets)
    )
    code = _run(app)
    if app.engine is not None:
        report = RunReport(read_run(RunFolder(app.engine.run_folder)), time.time(), Path.cwd())
        sys.stdout.write("\n".join(render_status(report, 80)) + "\n")
    return code


def open_run(folder: RunFolder, *, control: bool, ascii_only: bool) -> int:
    """The run screen, over a run that another process works on, or over one that has ended."""
    return _run(AgentbatchApp.watching(folder, control=control, ascii_only=ascii_only, redact=_redactor()))


def open_results(base: Path, source: str | None, *, ascii_only: bool) -> int:
    """The results of this folder to browse, or those of `source`."""
    if source is None:
        return _run(AgentbatchApp(lambda app: app.results_screen(base), ascii_only=ascii_only))
    view = view_of(find_source(base, source))
    return _run(AgentbatchApp(lambda app: app.run_screen(view, control=False), ascii_only=ascii_only))


def open_comparison(comparison: RunComparison, *, ascii_only: bool) -> int:
    """Two runs side by side."""
    return _run(
        AgentbatchApp(lambda app: CompareRunsScreen(comparison, glyphs=app.glyphs), ascii_only=ascii_only)
    )


def _run(app: AgentbatchApp) -> int:
    code = app.run()
    return code if code is not None else app.return_code or 0


def _redactor() -> Redactor:
    """Hides the keys that a run in this folder would have."""
    try:
        return Redactor(load_settings({}, os.environ, None).secrets)
    except UserError:  # wrong settings: nobody runs with them
        return Redactor([])
