"""BatchProcessor: many plain requests, as many at a time as the endpoint takes, each answered once."""

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from agentbatch.batch.budget import RunBudget
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.limits import EndpointLimits
from agentbatch.model.pricing import Prices
from agentbatch.model.retry import RetryPolicy
from agentbatch.model.tokens import BYTES_PER_TOKEN
from agentbatch.model.usage import Usage
from agentbatch.redaction import Redactor
from agentbatch.requests.adaptive import AdaptiveConcurrency
from agentbatch.requests.asker import Asker, cost_of, expected_tokens
from agentbatch.requests.batch import Batch, Requests, each
from agentbatch.requests.cache import ResponseCache
from agentbatch.requests.call import Caller
from agentbatch.requests.defaults import Defaults
from agentbatch.requests.journal import Journal
from agentbatch.requests.progress import BatchProgress, progress_of
from agentbatch.requests.request import BatchRequest, canonical
from agentbatch.requests.result import BatchError, BatchResult
from agentbatch.requests.stats import BatchStats

LARGEST_BATCH_SIZE = 10
"""Requests that may share a call: with more, models lose track."""

TOLD_EVERY = 0.25
"""Seconds between two calls of `on_progress`."""


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
    """In input order; what was not asked any more has an error with the code `stopped`."""
    stats: BatchStats
    stopped: str
    """Why it ended early, as a sentence; empty when it did not."""


class BatchProcessor:
    """Runs batches against one endpoint; `async with` it. See docs/requests.md."""

    def __init__(
        self,
        *,
        model: str = "",
        base_url: str = "",
        api_key: str = "",
        concurrency: int = 10,
        adaptive: bool = True,
        rpm: int | None = None,
        tpm: int | None = None,
        throttle_ms: int = 0,
        batch_size: int = 1,
        retry: RetryPolicy | None = None,
        request_timeout: float = 120.0,
        timeout: float | None = None,
        max_cost: float | None = None,
        system: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        json_schema: Mapping[str, Any] | None = None,
        version: str = "",
        dedupe: bool = True,
        cache: ResponseCache | None = None,
        journal: Path | None = None,
        prices: Prices | None = None,
        on_progress: Callable[[BatchProgress], None] | None = None,
        on_error: Callable[[BatchResult], None] | None = None,
        fallback: Callable[[BatchRequest, BatchError], Any] | None = None,
        endpoint: Endpoint | None = None,
    ) -> None:
        """`base_url` and `api_key` default to OPENAI_BASE_URL and OPENAI_API_KEY. `concurrency` is a ceiling where
        `adaptive`. `request_timeout` counts for each attempt, `timeout` for the whole batch (seconds). `max_cost` in US
        dollars. `batch_size`: short requests that may share a call (docs/requests.md says what that costs in quality).
        `journal`: a file with which a batch goes on where it ended; without it nothing outlives the process.
        Raises ValueError for a concurrency under 1, and for a batch size that is not 1 to 10."""
        if concurrency < 1:
            raise ValueError("concurrency has to be 1 or more")
        if not 1 <= batch_size <= LARGEST_BATCH_SIZE:
            raise ValueError(f"batch_size has to be 1 to {LARGEST_BATCH_SIZE}")
        self.defaults = Defaults(model, system, temperature, max_tokens, json_schema)
        self.stats = BatchStats()
        self.concurrency, self._batch_size = concurrency, batch_size
        self._adaptive = AdaptiveConcurrency(concurrency) if adaptive else None
        self._timeout, self._max_cost = timeout, max_cost
        self._version, self._dedupe, self._cache, self._journal = version, dedupe, cache, journal
        self._prices = prices
        self.on_progress, self._on_error, self._fallback = on_progress, on_error, fallback
        key = api_key or os.environ.get("OPENAI_API_KEY", "")
        self.endpoint = endpoint or Endpoint(
            base_url or os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1"),
            key,
            limits=EndpointLimits(max_in_flight=concurrency, rpm=rpm, tpm=tpm, throttle_ms=throttle_ms),
            retry=retry or RetryPolicy(),
            request_timeout=request_timeout,
            pool=concurrency,
            stream=False,
            redact=Redactor([key] if key else []),
        )
        self._own = endpoint is None
        self._stack = AsyncExitStack()
        self._batch: Batch | None = None

    async def __aenter__(self) -> Self:
        if self._own:
            await self._stack.enter_async_context(self.endpoint)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def run(self, requests: Requests) -> BatchRun:
        """Ask them all; results in input order. A failed request is in the results and stops nothing.

        Raises UserError for requests that cannot be sent (no model, an id twice).
        """
        taken: list[BatchRequest] = []
        results: dict[int, BatchResult] = {}

        async def kept() -> AsyncGenerator[BatchRequest, None]:
            async for request in each(requests):
                taken.append(request)
                yield request

        async with aclosing(self.stream(kept())) as stream:
            async for result in stream:
                results[result.index] = result
        stopped = self.stopped
        for index, request in enumerate(taken):
            if index not in results:
                error = BatchError("stopped", stopped or "It was not asked any more.")
                results[index] = BatchResult(request.id, index, request.url, error=error, cost=0.0)
        return BatchRun([results[index] for index in range(len(taken))], self.stats, stopped)

    async def stream(
        self, requests: Requests, *, replay: bool = True, total: int = 0
    ) -> AsyncGenerator[BatchResult, None]:
        """Results in the order in which they come; holds no more of a batch than is under way. `replay`: those of an
        earlier session too, where there is a journal. `total`: their number, where it is known."""
        with tempfile.TemporaryDirectory(prefix="agentbatch-") as folder:
            journal = Journal(self._journal or Path(folder) / "journal.db", dedupe=self._dedupe)
            self.stats = BatchStats(total=len(requests) if isinstance(requests, list | tuple) else total)
            self._batch = batch = self._new_batch(journal, replay)
            timer = self._timer(batch)
            teller = asyncio.ensure_future(self._tell())
            teller.add_done_callback(lambda task: _stop_if_broken(task, batch))
            try:
                async with aclosing(batch.results(self._prepared(requests))) as results:
                    async for result in results:
                        yield result
                if teller.done():
                    teller.result()  # on_progress raised
            finally:
                teller.cancel()
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
        """Send nothing more until `go_on`; calls under way end."""
        if self._batch is not None:
            self._batch.pause()

    def go_on(self) -> None:
        """After `pause`."""
        if self._batch is not None:
            self._batch.go_on()

    def set_concurrency(self, number: int) -> None:
        """So many requests at once from now on, at most; those under way go on."""
        self.concurrency = number
        if self._adaptive is not None:
            self._adaptive.set_ceiling(number)
        self.endpoint.limits.set_max_in_flight(self._adaptive.value if self._adaptive is not None else number)
        if self._batch is not None:
            self._batch.set_concurrency(number)

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
        count = given = written = 0
        cost: float | None = 0.0
        for request in map(self.defaults.apply, requests):
            size = len(canonical(request.body).encode("utf-8", "replace"))
            most = expected_tokens(request.body, size) - size // BYTES_PER_TOKEN
            count, given, written = count + 1, given + size // BYTES_PER_TOKEN, written + most
            usage = Usage(input=size // BYTES_PER_TOKEN, output=most, calls=1)
            price = cost_of(self._prices, self.endpoint.base_url, str(request.body["model"]), usage)
            cost = None if cost is None or price is None else cost + price
        return Estimate(count, given, written, cost)

    def _asker(self) -> Asker:
        caller = Caller(self.endpoint, self._adaptive)
        return Asker(caller, self.endpoint.base_url, self.endpoint.identity, self._prices)

    def _new_batch(self, journal: Journal, replay: bool) -> Batch:
        budget = RunBudget(self._max_cost).task("requests") if self._max_cost is not None else None
        return Batch(
            self._asker(),
            journal,
            self.concurrency,
            self.stats,
            version=self._version,
            cache=self._cache,
            budget=budget,
            batch_size=self._batch_size,
            replay=replay,
            on_error=self._on_error,
            fallback=self._fallback,
        )

    async def _prepared(self, requests: Requests) -> AsyncGenerator[BatchRequest, None]:
        async for request in each(requests):
            yield self.defaults.apply(request)

    def _timer(self, batch: Batch) -> asyncio.TimerHandle | None:
        if self._timeout is None:
            return None
        cause = f"The batch's time of {self._timeout:g} s is over."
        return asyncio.get_running_loop().call_later(self._timeout, lambda: batch.stop(cause, now=True))

    async def _tell(self) -> None:
        while self.on_progress is not None:
            await asyncio.sleep(TOLD_EVERY)
            self.on_progress(progress_of(self.stats, self.endpoint.limits.active))


def _stop_if_broken(teller: "asyncio.Task[None]", batch: Batch) -> None:
    if not teller.cancelled() and teller.exception() is not None:
        batch.stop("on_progress raised an exception.", now=True)
