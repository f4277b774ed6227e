"""What a batch of plain requests shows while it runs: a line that is drawn again, lines, records, or nothing."""

import json
import time
from collections.abc import Callable
from typing import Literal

from agentbatch.display.json import launch_record
from agentbatch.display.requests.summary import summary_document, summary_lines
from agentbatch.display.writer import Writer
from agentbatch.requests.report.progress import BatchProgress, progress_line
from agentbatch.requests.run.run_requests import RequestsOutcome
from agentbatch.requests.spec.result import BatchResult
from agentbatch.runs import events as e
from agentbatch.runs.kind import run_header
from agentbatch.runs.log_lines import asleep_text
from agentbatch.runs.state.run_state import RunState
from agentbatch.text import clip, clock_text, fold

DisplayKind = Literal["live", "plain", "json", "none"]

MAX_SHOWN_FAILURES = 10
"""Failures that are shown as they happen; all are listed at the end."""

LINE_EVERY = 10.0
"""Seconds between two lines where nothing can be drawn again."""

COLUMNS = 80
"""Of what goes to a pipe or a file."""


class RequestsDisplay:
    """Progress goes to `err`, the summary and records to `out`."""

    def __init__(
        self,
        name: DisplayKind,
        out: Writer,
        err: Writer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._out = out
        self._err = err
        self._clock = clock
        self._shown = clock()
        self._failures = 0
        self._drawn = False
        self._asleep = ""
        """Until when the batch sleeps; empty: it does not."""

    def on_event(self, event: e.Event, state: RunState) -> None:
        """What the run says of itself, and what happens to the whole of it."""
        match event:
            case e.RunStarted():
                self._begin(event)
            case e.Notice():
                self._say(event.text)
            case e.ConcurrencyChanged():
                self._say(f"{event.max_concurrent} at a time from now on")
            case e.Paused():
                self._say("paused: agentbatch unpause continues it")
            case e.Resumed():
                self._say("resumed")
            case e.QuotaUsedUp():
                self._asleep = f"asleep until {clock_text(event.until, event.ts)} · "
                self._say(asleep_text(event, event.ts))
                self._say(event.cause)
            case e.QuotaReturned():
                self._asleep = ""
                self._say("the quota should be back: going on")

    def _begin(self, info: e.RunStarted) -> None:
        if self._name == "json":
            self._out.line(json.dumps(launch_record(info)))
        for line in run_header(info):
            self._say(line)

    def on_progress(self, progress: BatchProgress) -> None:
        if self._name == "live":
            line = clip(self._asleep + progress_line(progress, detailed=True), self._err.size()[0] - 1)
            self._err.write(f"\r\x1b[K{line}")
            self._err.flush()
            self._drawn = True
        elif self._name == "plain" and self._clock() - self._shown >= LINE_EVERY:
            self._shown = self._clock()
            self._complain(self._asleep + progress_line(progress, detailed=True), 4)

    def on_failure(self, result: BatchResult) -> None:
        self._failures += 1
        if self._failures <= MAX_SHOWN_FAILURES and result.error is not None:
            self._say(f"failed: {clip(result.id, 40)}: {clip(result.error.message, 300)}")
        elif self._failures == MAX_SHOWN_FAILURES + 1:
            self._say("more fail; they are listed at the end")

    def end(
        self, outcome: RequestsOutcome, failed: list[tuple[str, str]], advice: str, *, resume: str
    ) -> None:
        """`failed`: ids and reasons; `resume`: the command that resumes it, if there is more to do."""
        self._clear()
        if self._name == "json":
            document = summary_document(outcome, failed, advice) | {"resume_command": resume or None}
            self._out.line(json.dumps(document))
        elif self._name != "none":
            columns = self._out.size()[0] if self._out.isatty() else COLUMNS
            for line in summary_lines(outcome, failed, advice, columns):
                self._out.line(line)
        if outcome.stopped:
            self._problem(outcome.stopped)
        elif failed and self._name == "none":
            self._problem(f"{outcome.figures.failed:,} of {outcome.figures.total:,} requests failed.")
        if resume and self._name != "json":
            self._err.line(f"Resume with: {resume}")

    def _problem(self, text: str) -> None:
        self._complain(f"agentbatch: {clip(text, 2_000)}", 0)

    def _say(self, text: str) -> None:
        if self._name in ("live", "plain"):
            self._clear()
            self._complain(text, 4)

    def _complain(self, text: str, indent: int) -> None:
        """Folded on a terminal alone: in a file, a path that was cut in two could not be searched for."""
        columns = self._err.size()[0] if self._err.isatty() else 0
        for line in fold(text, columns, indent) if columns else [text]:
            self._err.line(line)

    def _clear(self) -> None:
        if self._drawn:
            self._err.write("\r\x1b[K")
            self._drawn = False


def make_requests_display(name: str, out: Writer, err: Writer, *, quiet: bool, term: str) -> RequestsDisplay:
    """`name`: the display that was asked for; `auto` draws where it can. `term`: what TERM says."""
    display: DisplayKind = "plain"
    if name == "json":
        display = "json"
    elif quiet or name == "none":
        display = "none"
    elif name != "plain" and err.isatty() and term not in ("dumb", "unknown", ""):
        display = "live"
    return RequestsDisplay(display, out, err)
