"""The figures of a batch of requests."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from agentbatch.requests.report.latency import Durations
from agentbatch.requests.spec.answers import was_refused
from agentbatch.requests.spec.result import BatchResult
from agentbatch.text import clip, counted, money
from agentbatch.usage import Usage

MAX_FAILED = 10_000
"""Ids of failed requests that are kept; the journal knows all."""

MAX_FAILED_SHOWN = 20
"""Ids of failed requests that the printed figures have."""


@dataclass
class BatchStats:
    """Counted as results come; its size does not grow with their number, but for the failed ids."""

    total: int = 0
    """Requests of the batch; 0 while unknown."""
    ok: int = 0
    failed: int = 0
    skipped: int = 0
    """Not asked: they ended in an earlier session, with an answer or as failed."""
    cached: int = 0
    """Answered without a call, of those that are ok."""
    withheld: int = 0
    """Answered, of those that are ok, by a refusal of the model's or by nothing that the endpoint's filter let pass."""
    attempts: int = 0
    refused: int = 0
    """Attempts that were answered 429."""
    retries: int = 0
    reasked: int = 0
    """Answers that did not keep to their schema and were asked for again."""
    asked_again: int = 0
    """Requests whose answer was missing in a shared call, or invalid, and that were asked again."""
    usage: Usage = field(default_factory=Usage)
    cost: float | None = 0.0
    """US dollars; None as soon as one price is unknown."""
    latency: Durations = field(default_factory=Durations)
    """Seconds from sending to answer, of answered calls."""
    wait: Durations = field(default_factory=Durations)
    """Seconds in the queue."""
    failures: list[tuple[str, str]] = field(default_factory=list)
    """Ids and reasons, at most MAX_FAILED."""
    started_at: float | None = None
    """By a steady clock; None before it starts."""
    ended_at: float | None = None
    clock: Callable[[], float] = time.monotonic

    def add(self, result: BatchResult) -> None:
        if result.error is None:
            self.ok += 1
            self.cached += result.cached
            self.withheld += result.body is not None and was_refused(result.body)
        else:
            self.failed += 1
            if len(self.failures) < MAX_FAILED:
                self.failures.append((result.id, result.error.message))
        self.attempts += result.attempts
        self.refused += result.refused
        self.retries += max(0, result.attempts - 1 - result.reasked)
        self.reasked += result.reasked
        self.asked_again += result.reasked > 0
        if result.cached or not (result.attempts or result.usage.total):
            return
        self.usage = self.usage + result.usage
        self.cost = None if self.cost is None or result.cost is None else self.cost + result.cost
        self.wait.add(result.wait)
        if result.error is None:
            self.latency.add(result.latency)

    @property
    def done(self) -> int:
        """Requests that have ended, in this session or before."""
        return self.ok + self.failed + self.skipped

    @property
    def elapsed(self) -> float:
        """Seconds of this session."""
        if self.started_at is None:
            return 0.0
        return (self.ended_at if self.ended_at is not None else self.clock()) - self.started_at

    @property
    def rate(self) -> float:
        """Requests that ended a second, in this session."""
        return (self.ok + self.failed) / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds that the rest will take at this rate; None when that cannot be said."""
        if not self.total or not self.rate:
            return None
        return max(0, self.total - self.done) / self.rate

    @property
    def tokens_each(self) -> float:
        """Tokens a request that was paid."""
        return self.usage.total / self.paid if self.paid > 0 else 0.0

    @property
    def paid(self) -> int:
        """Requests that ended in this session and were sent for it."""
        return self.ok + self.failed - self.cached

    @property
    def again_rate(self) -> float:
        """Share of the requests that were sent that had to be asked again; 0 when none was sent."""
        return self.asked_again / self.paid if self.paid > 0 else 0.0

    @property
    def failure_rate(self) -> float:
        """Share of the ended requests that failed; 0 when none has ended."""
        ended = self.ok + self.failed
        return self.failed / ended if ended else 0.0

    @property
    def refusal_rate(self) -> float:
        """Share of the attempts that were answered 429; 0 when there was none."""
        return self.refused / self.attempts if self.attempts else 0.0

    def __str__(self) -> str:
        """The figures for a person, a line each; see `failures` for the reasons."""
        lines = [
            f"{counted(self.total or self.done, 'request')}: {self.ok:,} ok, {self.failed:,} failed, "
            f"{self.skipped:,} skipped",
            f"latency {self.latency}",
            f"queue wait {self.wait}",
            f"{self.rate:.1f} items/s, {self.tokens_each:,.0f} tokens/item",
            f"{self.refusal_rate:.1%} of the calls answered 429, {self.failure_rate:.1%} of the requests failed",
            f"cost {money(self.cost)}",
        ]
        if self.failures:
            shown = ", ".join(clip(request_id, 60) for request_id, _ in self.failures[:MAX_FAILED_SHOWN])
            more = self.failed - min(len(self.failures), MAX_FAILED_SHOWN)
            lines.append(f"failed: {shown}" + (f" and {more:,} more" if more > 0 else ""))
        return "\n".join(lines)
