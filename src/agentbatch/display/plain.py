"""Plain lines: for pipes, logs, dumb terminals, and everyone who likes them."""

from agentbatch.display.reports.summary import Summary
from agentbatch.display.reports.summary_text import render_text
from agentbatch.display.writer import Writer
from agentbatch.runs.events import Event, ModelCallProgressed
from agentbatch.runs.log_lines import line
from agentbatch.runs.state.run_state import RunState
from agentbatch.text import fold

STAMP_WIDTH = 11
"""Cells of `[HH:MM:SS] `: folded lines continue under the text."""

PROGRESS_EVERY = 30.0
"""Seconds of a call after which a line says how many tokens have come."""

SUMMARY_WIDTH = 80
"""Columns of a summary that goes to a pipe or a file."""


class PlainDisplay:
    """One line an event, folded where it goes to a terminal, whole (for grep) where it does not."""

    def __init__(self, out: Writer, *, verbose: bool) -> None:
        self._out = out
        self._verbose = verbose
        self._terminal = out.isatty()
        self._reported: dict[str, float] = {}
        """By task, when the progress of a call was last reported."""

    def open(self) -> None:
        pass

    def on_event(self, event: Event, state: RunState) -> None:
        if isinstance(event, ModelCallProgressed) and not self._progress_is_due(event):
            return
        for text in line(event, state, self._verbose):
            for part in fold(text, self._out.size()[0], STAMP_WIDTH) if self._terminal else [text]:
                self._out.line(part)

    def _progress_is_due(self, event: ModelCallProgressed) -> bool:
        """Rarely: lines stay, unlike the table of the rich display."""
        sent = event.ts - event.seconds
        if event.ts - max(sent, self._reported.get(event.task_id, sent)) < PROGRESS_EVERY:
            return False
        self._reported[event.task_id] = event.ts
        return True

    def close(self, summary: Summary | None) -> None:
        if summary is not None:
            width = self._out.size()[0] if self._terminal else SUMMARY_WIDTH
            for text in ["", *render_text(summary, width)]:
                self._out.line(text)
