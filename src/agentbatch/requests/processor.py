"""BatchProcessor: many plain requests, as many at a time as the endpoint takes, each answered once."""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

from agentbatch.config.headers import secret_values
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.limits.limits import EndpointLimits
from agentbatch.model.limits.quota import QuotaGate, UsedUp
from agentbatch.redaction import Redactor, secrets_in
from agentbatch.requests.batch.adaptive import AdaptiveConcurrency
from agentbatch.requests.batch.admission import Requests, each
from agentbatch.requests.batch.batch_pass import BatchPass
from agentbatch.requests.batch.call import Caller
from agentbatch.requests.batch.executor import RequestExecutor, cost_of, expected_usage
from agentbatch.requests.journal.journal import Journal
from agentbatch.requests.options import BatchOptions, ProviderOptions, check_concurrency
from agentbatch.requests.provider.ledger import check_none_at_provider
from agentbatch.requests.provider.provider_pass import ProviderPass
from agentbatch.requests.report.progress import BatchProgress, progress_of
from agentbatch.requests.report.stats import BatchStats
from agentbatch.requests.spec.request import BatchRequest
from agentbatch.requests.spec.result import BatchError, BatchResult
from agentbatch.usage import Usage, sum_or_none

PROGRESS_EVERY = 0.25
"""Seconds between two calls of `on_progress`."""


@contextmanager
def _journal_file(given: Path | None) -> Iterator[Path]:
    """`given`, or one that goes away: only that needs a folder, which a killed process leaves behind."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="agentbatch-") as folder:
        yield Path(folder) / "journal.db"


class Estimate(NamedTuple):
    """What a batch may take, before it is sent."""

    requests: int
    input: int
    """Tokens, about."""
    output: int
    """Tokens, at most where requests say so, else what answers have on average."""
    cost: float | None
    """US dollars; None when a price is unknown."""


@dataclass(frozen=True)
class BatchRun:
    """A batch that has ended."""

    results: list[BatchResult]
    """In input order; what was not sent has an error with the code `stopped`, or `batch_timeout`."""
    stats: BatchStats
    stopped: str
    """Why it ended early, as a sentence; empty when it did not."""
    timed_out: bool = False
    """It ended early because the time of the whole batch was over."""


class BatchProcessor:
    """Runs batches against one endpoint; `async with` it. See docs/requests.md."""

    def __init__(
        self, options: BatchOptions | None = None, *, endpoint: Endpoint | None = None, **keywords: Any
    ) -> None:
        """`keywords`: fields of BatchOptions, instead of `options` or over them. `endpoint`: one that somebody else
        opens and closes; what the options say of the endpoint does not count then. Raises ValueError as BatchOptions,
        TypeError for a keyword that it does not have."""
        self.options = options = replace(options or BatchOptions(), **keywords)
        self.on_progress, self.on_notice = options.on_progress, options.on_notice
        self.stats = BatchStats()
        self._adaptive = AdaptiveConcurrency(options.concurrency) if options.adaptive else None
        self.endpoint = endpoint or _endpoint(options)
        self._own = endpoint is None
        self._stack = AsyncExitStack()
        self._batch: BatchPass | ProviderPass | None = None
        self._timed_out = False

    async def __aenter__(self) -> Self:
        if self._own:
            await self._stack.enter_async_context(self.endpoint)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def run(self, requests: Requests) -> BatchRun:
        """Answer them all; results in input order. A failed request is in the results and stops nothing.

        Raises UserError for requests that cannot be sent (no model, a repeated id)."""
        sized = requests if isinstance(requests, list | tuple) else ()
        taken: list[BatchRequest] = []

        async def kept() -> AsyncGenerator[BatchRequest, None]:
            async with aclosing(each(requests)) as given:
                async for request in given:
                    taken.append(request)
                    yield request

        async with aclosing(self.stream(sized or kept())) as stream:
            results = {result.index: result async for result in stream}
        return _whole_run(sized or taken, results, self.stats, self.stopped, timed_out=self._timed_out)

    async def stream(
        self, requests: Requests, *, replay: bool = True, total: int = 0
    ) -> AsyncGenerator[BatchResult, None]:
        """Results in the order in which they come; no more of a batch is in memory than is under way. `replay`: those
        of an earlier session too, where there is a journal. `total`: their number, where it is known."""
        options = self.options
        if options.journal is not None and options.provider is None:
            check_none_at_provider(options.journal)
        with _journal_file(options.journal) as path:
            journal = Journal(path, dedupe=options.dedupe)
            self.stats = BatchStats(total=len(requests) if isinstance(requests, list | tuple) else total)
            self._batch = batch = self._new_batch(journal, replay)
            self._timed_out = False
            timer = self._timer(batch)
            reporter = asyncio.ensure_future(self._report())
            reporter.add_done_callback(lambda task: _stop_if_broken(task, batch))
            try:
                prepared = self._prepared(requests)
                async with aclosing(prepared), aclosing(batch.results(prepared)) as results:
                    async for result in results:
                        yield result
                if reporter.done():
                    reporter.result()  # on_progress raised
            finally:
                reporter.cancel()
                if timer is not None:
                    timer.cancel()
                journal.close()
                if self.on_progress is not None:
                    self.on_progress(progress_of(self.stats))

    def stop(self, cause: str = "It was stopped.", *, now: bool = False) -> None:
        """Start nothing more; calls under way end, or, `now`, are cut off."""
        if self._batch is not None:
            self._batch.stop(cause, now=now)

    def pause(self) -> None:
        """Send nothing more until `go_on`, on the whole endpoint, no retry either; calls under way end."""
        if self._batch is not None:
            self._batch.pause()

    def go_on(self) -> None:
        """After `pause`."""
        if self._batch is not None:
            self._batch.go_on()

    def set_concurrency(self, number: int) -> None:
        """So many requests at once from now on, at most; those under way continue. Raises ValueError for one under
        1."""
        check_concurrency(number)
        self.options = replace(self.options, concurrency=number)
        if self._adaptive is not None:
            self._adaptive.set_ceiling(number)
        self.endpoint.limits.set_max_in_flight(self._adaptive.value if self._adaptive is not None else number)
        if self._batch is not None:
            self._batch.set_concurrency(number)

    @property
    def concurrency(self) -> int:
        """Requests at once, at most."""
        return self.options.concurrency

    @property
    def provider(self) -> ProviderOptions | None:
        """None: requests are sent one by one."""
        return self.options.provider

    @property
    def stopped(self) -> str:
        """Why the latest batch ended early, as a sentence; empty when it did not."""
        return self._batch.stopped if self._batch is not None else ""

    @property
    def peak(self) -> int:
        """The most requests at once that the endpoint took so far."""
        return self._adaptive.peak if self._adaptive is not None else self.concurrency

    def estimate(self, requests: Iterable[BatchRequest]) -> Estimate:
        """What they may take: sends nothing. Raises UserError as `run`."""
        options, total = self.options, Usage()
        cost: float | None = 0.0
        for request in map(options.apply, requests):
            usage = expected_usage(request.body, len(request.text().encode("utf-8", "replace")))
            price = cost_of(options.prices, self.endpoint.base_url, str(request.body["model"]), usage)
            total, cost = total + usage, sum_or_none((cost, price))
        discounted = None if cost is None else cost * options.discount
        return Estimate(total.calls, total.input, total.output, discounted)

    def _new_batch(self, journal: Journal, replay: bool) -> BatchPass | ProviderPass:
        endpoint, options = self.endpoint, replace(self.options, on_notice=self.on_notice)
        endpoint.on_learned = endpoint.on_learned or self._told
        caller = Caller(endpoint, self._adaptive)
        executor = RequestExecutor(
            caller, endpoint.base_url, endpoint.identity, options.prices, endpoint.redact
        )
        if options.provider is not None:
            return ProviderPass(endpoint, executor, journal, options, options.provider, self.stats, replay)
        return BatchPass(executor, journal, options, self.stats, replay)

    def _told(self, sentence: str) -> None:
        if self.on_notice is not None:
            self.on_notice(sentence)

    async def _prepared(self, requests: Requests) -> AsyncGenerator[BatchRequest, None]:
        async with aclosing(each(requests)) as given:
            async for request in given:
                yield self.options.apply(request)

    def _timer(self, batch: BatchPass | ProviderPass) -> asyncio.TimerHandle | None:
        seconds = self.options.timeout
        if seconds is None:
            return None

        def over() -> None:
            self._timed_out = not batch.stopped
            _break_off(batch, f"The batch's time of {seconds:g} s is over.")

        return asyncio.get_running_loop().call_later(seconds, over)

    async def _report(self) -> None:
        while self.on_progress is not None:
            await asyncio.sleep(PROGRESS_EVERY)
            self.on_progress(self._progress())

    def _progress(self) -> BatchProgress:
        if isinstance(self._batch, ProviderPass):
            return self._batch.progress()
        limits = self.endpoint.limits
        return progress_of(self.stats, limits.active, limits.held)


def _endpoint(options: BatchOptions) -> Endpoint:
    key = options.api_key or os.environ.get("OPENAI_API_KEY", "")
    limits = EndpointLimits(options.concurrency, options.rpm, options.tpm, options.throttle_ms)
    url = options.base_url or os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")
    return Endpoint(
        url,
        key,
        limits=limits,
        retry=options.retry or RetryPolicy(),
        request_timeout=options.request_timeout,
        quota=QuotaGate(options.wait_for_quota, partial(_tell_quota, options.on_notice)),
        stream=False,
        redact=Redactor([key, *secrets_in(url), *secret_values(options.access.headers.items())]),
        access=options.access,
    )


def _tell_quota(on_notice: Callable[[str], None] | None, quota: UsedUp, *, back: bool) -> None:
    if on_notice is not None:
        state = "should be back" if back else f"is used up until {quota.when(time.time())}"
        on_notice(f"The quota of {quota.host} {state}.")


def _whole_run(
    requests: Sequence[BatchRequest],
    results: Mapping[int, BatchResult],
    stats: BatchStats,
    stopped: str,
    *,
    timed_out: bool,
) -> BatchRun:
    """`results` by place; each of the requests that has none gets one that says why."""
    error = BatchError("batch_timeout" if timed_out else "stopped", stopped or "It was not asked any more.")
    whole = [
        results.get(index) or BatchResult(request.id, index, request.url, error=error, cost=0.0)
        for index, request in enumerate(requests)
    ]
    return BatchRun(whole, stats, stopped, timed_out)


def _stop_if_broken(reporter: "asyncio.Task[None]", batch: BatchPass | ProviderPass) -> None:
    if not reporter.cancelled() and reporter.exception() is not None:
        _break_off(batch, "on_progress raised an exception.")


def _break_off(batch: BatchPass | ProviderPass, cause: str) -> None:
    """At once; but a provider's batch is cancelled only on request."""
    batch.stop(cause, now=isinstance(batch, BatchPass))
