"""Plain lines: for pipes, logs, dumb terminals, and everyone who likes them."""

from agentbatch.display.summary import Summary
from agentbatch.display.summary_text import render_text
from agentbatch.display.writer import Writer
from agentbatch.store.events import Event
from agentbatch.store.format import fold
from agentbatch.store.lines import line
from agentbatch.store.state import RunState

STAMP_WIDTH = 11
"""Cells of `[HH:MM:SS] `: lines that go on do so under the text."""

SUMMARY_WIDTH = 80
"""Columns of a summary that goes to a pipe or a file."""


class PlainFace:
    """One line an event, folded where it goes to a terminal, whole (for grep) where it does not."""

    def __init__(self, out: Writer, *, verbose: bool) -> None:
        self._out = out
        self._verbose = verbose
        self._terminal = out.isatty()

    def open(self) -> None:
        pass

    def on_event(self, event: Event, state: RunState) -> None:
        for text in line(event, state, self._verbose):
            for part in fold(text, self._out.size()[0], STAMP_WIDTH) if self._terminal else [text]:
                self._out.line(part)

    def close(self, summary: Summary | None) -> None:
        if summary is not None:
            width = self._out.size()[0] if self._terminal else SUMMARY_WIDTH
            for text in ["", *render_text(summary, width)]:
                self._out.line(text)
