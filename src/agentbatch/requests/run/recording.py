"""A batch of plain requests as a run of its folder: what its store records while it works."""

import time
from collections.abc import Callable

from agentbatch.requests.journal.reading import SessionUsage
from agentbatch.requests.processor import BatchProcessor
from agentbatch.requests.report.progress import BatchProgress
from agentbatch.requests.spec.result import BatchResult
from agentbatch.runs import events as e
from agentbatch.runs.store.store import Store
from agentbatch.runs.telemetry.requests import EndedRequest
from agentbatch.usage import Usage, sum_or_none

REPORT_EVERY = 1.0
"""Seconds between two events."""

LINE_EVERY = 30.0
"""Seconds between two lines of the log."""


class Recording:
    """Counts what ends, over all sessions, and reports it to the store."""

    def __init__(
        self,
        store: Store,
        processor: BatchProcessor,
        total: int,
        before: SessionUsage,
        ok: int,
        failed: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`before`, `ok`, `failed`: what earlier sessions took, and what came of it."""
        self._store = store
        self._processor = processor
        self._total = total
        self._before = before
        self.ok = ok
        self.failed = failed
        self._clock = clock
        self._reported = self._line = clock()

    def ended(self, *, ok: bool) -> None:
        """A request has its outcome."""
        if ok:
            self.ok += 1
        else:
            self.failed += 1

    def progress(self, progress: BatchProgress) -> None:
        """Report, unless that was just done."""
        now = self._clock()
        if now - self._reported >= REPORT_EVERY:
            line = now - self._line >= LINE_EVERY
            self._reported, self._line = now, now if line else self._line
            self.report(progress.in_flight, progress.eta, worth_a_line=line)

    def report(
        self, in_flight: int = 0, left: float | None = None, *, worth_a_line: bool = False
    ) -> e.RequestsProgressed:
        """Report to the store how far it is, and what it took, over all sessions."""
        stats, before = self._processor.stats, self._before
        earlier = Usage(input=before.input, output=before.output, calls=before.calls)
        event = e.RequestsProgressed(
            total=self._total,
            ok=self.ok,
            failed=self.failed,
            attempts=before.attempts + stats.attempts,
            refused=stats.refused,
            in_flight=in_flight,
            seconds_left=left,
            usage=earlier + stats.usage,
            cost=sum_or_none((before.cost, stats.cost)),
            worth_a_line=worth_a_line,
        )
        self._store.emit(event)
        return event


def as_ended(result: BatchResult) -> EndedRequest:
    """For telemetry."""
    error = result.error
    return EndedRequest(
        result.id,
        result.url,
        result.usage,
        result.cost,
        result.attempts,
        result.refused,
        result.latency,
        result.status_code,
        (error.kind or error.code) if error is not None else "",
        result.text if error is None else "",
    )
