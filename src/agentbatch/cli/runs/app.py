"""Opening the terminal app, and what it leaves on the terminal when it has gone."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agentbatch.errors import UserError

if TYPE_CHECKING:
    from agentbatch.config import Settings
    from agentbatch.redaction import Redactor
    from agentbatch.runs.folder import RunFolder
    from agentbatch.tui.app import AgentbatchApp


def can_draw() -> bool:
    """Whether this terminal is one for an app: input and output, and a cursor that moves."""
    if "TEXTUAL_DRIVER" in os.environ:  # served in a browser
        return True
    return (
        sys.stdin.isatty()
        and sys.stdout.isatty()
        and os.environ.get("TERM", "dumb") not in ("dumb", "unknown", "")
    )


def check_terminal(instead: str) -> None:
    """Raises UserError, which names a command that does without, where there is no terminal."""
    if not can_draw():
        raise UserError(f"This needs a terminal; without one: {instead}.")


def open_launch(settings: "Settings", words: Sequence[str]) -> int:
    """The launch screen, or the run at once when the mode has been chosen. `words`: the command line."""
    from agentbatch.redaction import Redactor
    from agentbatch.tui.app import AgentbatchApp

    check_terminal("agentbatch --parallel 3")
    app = AgentbatchApp.launching(
        settings, words, ascii_only=settings.ascii, redact=Redactor(settings.secrets)
    )
    code = app.run()
    _tell_end(app)
    return code if code is not None else app.return_code or 0


def open_run(folder: "RunFolder", *, control: bool, ascii_only: bool) -> int:
    """The run screen, over a run that another process works on, or over one that has ended."""
    from agentbatch.tui.app import AgentbatchApp

    app = AgentbatchApp.watching(folder, control=control, ascii_only=ascii_only, redact=_redactor())
    return app.run() or app.return_code or 0


def _redactor() -> "Redactor":
    """Hides the keys that a run in this folder would have."""
    from agentbatch.config import load_settings
    from agentbatch.redaction import Redactor

    try:
        return Redactor(load_settings({}, os.environ, None).secrets)
    except UserError:  # wrong settings: nobody runs with them
        return Redactor([])


def _tell_end(app: "AgentbatchApp") -> None:
    if app.engine is None:
        return
    from agentbatch.display.reports.run_report import RunReport
    from agentbatch.display.reports.status import render_status
    from agentbatch.runs.folder import RunFolder
    from agentbatch.runs.listing import open_run as read_run

    base = Path.cwd()
    report = RunReport(read_run(RunFolder(app.engine.run_folder)), time.time(), base)
    sys.stdout.write("\n".join(render_status(report, 80)) + "\n")
