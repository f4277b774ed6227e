"""How far a batch is: what callbacks get, and the loggers of it."""

import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from agentbatch.requests.report.stats import BatchStats
from agentbatch.text import UNKNOWN, duration, money

SHOWN_WAIT = 1.0
"""Seconds. Shorter waits are not worth a word."""

Log = Callable[[str], None]


@dataclass(frozen=True)
class BatchProgress:
    """A moment of a batch."""

    total: int
    """0 while unknown."""
    completed: int
    """Ended, failed ones among them."""
    failed: int
    elapsed: float
    """Seconds."""
    eta: float | None
    """Seconds that it will take yet; None when that cannot be said."""
    rate: float
    """Requests a second."""
    tokens: int
    cost: float | None
    """US dollars; None when a price is unknown."""
    in_flight: int = 0
    skipped: int = 0
    """Of the completed ones, those that ended in an earlier session."""
    held: str = ""
    """What the next request waits for, and how long, about: `tokens/min 0:12`; empty: nothing holds it back."""
    ended: bool = False
    """Nothing more comes: it is done, or was stopped."""

    @property
    def failure_rate(self) -> float:
        """Share of what ended in this session that failed, 0 to 1; 0 when nothing has."""
        ended = self.completed - self.skipped
        return self.failed / ended if ended > 0 else 0.0

    @property
    def share(self) -> float:
        """0 to 1; 0 while the total is unknown."""
        return self.completed / self.total if self.total else 0.0

    def bar(self, cells: int = 20) -> str:
        """`████████░░░░`."""
        full = int(self.share * cells)
        return "█" * full + "░" * (cells - full)


def progress_of(
    stats: BatchStats, in_flight: int = 0, held: tuple[float, str] | None = None
) -> BatchProgress:
    """`held`: seconds that a limit holds the next request back, and which."""
    return BatchProgress(
        total=stats.total,
        completed=stats.done,
        failed=stats.failed,
        elapsed=stats.elapsed,
        eta=stats.left,
        rate=stats.rate,
        tokens=stats.usage.total,
        cost=stats.cost,
        in_flight=in_flight,
        skipped=stats.skipped,
        held=f"{held[1]} {duration(held[0])}" if held is not None and held[0] >= SHOWN_WAIT else "",
        ended=stats.ended_at is not None,
    )


def progress_line(progress: BatchProgress, *, detailed: bool = False) -> str:
    """`[████░░░░] 40/100 40% · 2 failed · 12.5/s · 0:03 · 0:05 left`; of a batch that has ended without the last."""
    total = f"/{progress.total:,} {progress.share:.0%}" if progress.total else ""
    parts = [
        (f"[{progress.bar()}] " if progress.total else "") + f"{progress.completed:,}{total}",
        f"{progress.failed:,} failed",
        f"{progress.rate:.1f}/s",
        duration(progress.elapsed),
    ]
    if not progress.ended:
        parts.append(f"{UNKNOWN if progress.eta is None else duration(progress.eta)} left")
    if progress.held:
        parts.append(f"waiting for {progress.held}")
    if detailed:
        parts += [f"{progress.tokens:,} tokens", money(progress.cost), f"{progress.in_flight} in flight"]
    return " · ".join(parts)


class ProgressLogger:
    """An `on_progress` that writes a line every `interval` seconds, and one at the end."""

    def __init__(
        self,
        interval: float = 5.0,
        *,
        console: bool = True,
        detailed: bool = False,
        log: Log | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`console`: to stderr, else to the logger `agentbatch.requests`; `log` takes the lines instead."""
        self._interval = interval
        self._detailed = detailed
        self._log = log or (_to_stderr if console else logging.getLogger("agentbatch.requests").info)
        self._clock = clock
        self._logged = clock()

    def __call__(self, progress: BatchProgress) -> None:
        now = self._clock()
        if progress.ended or now - self._logged >= self._interval:
            self._logged = now
            self._log(progress_line(progress, detailed=self._detailed))


class ProgressTracker:
    """Counts by hand, for work that is no batch of ours: `completed()`, `failed()`, `progress`."""

    def __init__(
        self,
        total: int,
        on_progress: Callable[[BatchProgress], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stats = BatchStats(total=total, started_at=clock(), clock=clock)
        self._on_progress = on_progress

    def completed(self, number: int = 1) -> None:
        self._count(ok=number)

    def failed(self, number: int = 1) -> None:
        self._count(failed=number)

    @property
    def progress(self) -> BatchProgress:
        return progress_of(self._stats)

    def _count(self, ok: int = 0, failed: int = 0) -> None:
        stats = self._stats
        stats.ok += ok
        stats.failed += failed
        if stats.ended_at is None and 0 < stats.total <= stats.done:
            stats.ended_at = stats.clock()
        if self._on_progress is not None:
            self._on_progress(self.progress)


def _to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
