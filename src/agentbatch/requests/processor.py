"""BatchProcessor: many plain requests, as many at a time as the endpoint takes, each answered once."""

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any, Self

from agentbatch.model.endpoint import Endpoint
from agentbatch.model.limits.limits import EndpointLimits
from agentbatch.model.retry import RetryPolicy
from agentbatch.model.tokens import BYTES_PER_TOKEN
from agentbatch.redaction import Redactor
from agentbatch.requests.batch.adaptive import AdaptiveConcurrency
from agentbatch.requests.batch.batch import Batch, Requests, each
from agentbatch.requests.batch.call import Caller
from agentbatch.requests.batch.executor import RequestExecutor, cost_of, expected_tokens
from agentbatch.requests.batch_run import BatchRun, Estimate, whole_run
from agentbatch.requests.journal.cache import ResponseCache
from agentbatch.requests.journal.journal import Journal
from agentbatch.requests.provider.batch import ProviderBatch
from agentbatch.requests.provider.ledger import check_none_at_provider
from agentbatch.requests.provider.options import BATCH_DISCOUNT, ProviderOptions
from agentbatch.requests.report.progress import BatchProgress, progress_of
from agentbatch.requests.report.stats import BatchStats
from agentbatch.requests.spec.defaults import Defaults
from agentbatch.requests.spec.request import BatchRequest
from agentbatch.requests.spec.result import BatchError, BatchResult
from agentbatch.spending.budget import RunBudget
from agentbatch.spending.pricing import Prices
from agentbatch.usage import Usage

MAX_BATCH_SIZE = 10
"""Requests that may share a call: with more, models lose track."""

TOLD_EVERY = 0.25
"""Seconds between two calls of `on_progress`."""


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
        provider_batch: bool | ProviderOptions = False,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        """`base_url` and `api_key` default to OPENAI_BASE_URL and OPENAI_API_KEY. `concurrency` is a ceiling where
        `adaptive`. `request_timeout` counts for each attempt, `timeout` for the whole batch (seconds). `max_cost` in US
        dollars. `batch_size`: short requests that may share a call (docs/requests.md says what that costs in quality).
        `journal`: a file with which a batch goes on where it ended; without it nothing outlives the process.
        `provider_batch`: through the provider's batch service, at half price and within a day; it needs a journal,
        in which batches are found again; `on_notice` hears what becomes of them.
        Raises ValueError for a concurrency under 1, and for a batch size that is not 1 to 10."""
        if concurrency < 1:
            raise ValueError("concurrency has to be 1 or more")
        if not 1 <= batch_size <= MAX_BATCH_SIZE:
            raise ValueError(f"batch_size has to be 1 to {MAX_BATCH_SIZE}")
        if provider_batch and (journal is None or batch_size > 1):
            raise ValueError("provider_batch needs a journal, and a batch_size of 1")
        self.provider = ProviderOptions() if provider_batch is True else provider_batch or None
        """None: requests go out one by one."""
        self.on_notice = on_notice
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
            stream=False,
            redact=Redactor([key] if key else []),
        )
        self._own = endpoint is None
        self._stack = AsyncExitStack()
        self._batch: Batch | ProviderBatch | None = None
        self._timed_out = False

    async def __aenter__(self) -> Self:
        if self._own:
            await self._stack.enter_async_context(self.endpoint)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def run(self, requests: Requests) -> BatchRun:
        """Ask them all; results in input order. A failed request is in the results and stops nothing.

        Raises UserError for requests that cannot be sent (no model, an id twice)."""
        sized = requests if isinstance(requests, list | tuple) else ()
        taken: list[BatchRequest] = []

        async def kept() -> AsyncGenerator[BatchRequest, None]:
            async with aclosing(each(requests)) as given:
                async for request in given:
                    taken.append(request)
                    yield request

        async with aclosing(self.stream(sized or kept())) as stream:
            results = {result.index: result async for result in stream}
        return whole_run(sized or taken, results, self.stats, self.stopped, timed_out=self._timed_out)

    async def stream(
        self, requests: Requests, *, replay: bool = True, total: int = 0
    ) -> AsyncGenerator[BatchResult, None]:
        """Results in the order in which they come; holds no more of a batch than is under way. `replay`: those of an
        earlier session too, where there is a journal. `total`: their number, where it is known."""
        if self.provider is None and self._journal is not None:
            check_none_at_provider(self._journal)
        with tempfile.TemporaryDirectory(prefix="agentbatch-") as folder:
            journal = Journal(self._journal or Path(folder) / "journal.db", dedupe=self._dedupe)
            self.stats = BatchStats(total=len(requests) if isinstance(requests, list | tuple) else total)
            self._batch = batch = self._new_batch(journal, replay)
            self._timed_out = False
            timer = self._timer(batch)
            teller = asyncio.ensure_future(self._tell())
            teller.add_done_callback(lambda task: _stop_if_broken(task, batch))
            try:
                prepared = self._prepared(requests)
                async with aclosing(prepared), aclosing(batch.results(prepared)) as results:
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
        """Send nothing more until `go_on`, on the whole endpoint, no retry either; calls under way end."""
        if self._batch is not None:
            self._batch.pause()

    def go_on(self) -> None:
        """After `pause`."""
        if self._batch is not None:
            self._batch.go_on()

    def set_concurrency(self, number: int) -> None:
        """So many requests at once from now on, at most; those under way go on. Raises ValueError for one under 1."""
        if number < 1:
            raise ValueError("concurrency has to be 1 or more")
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
            size = len(request.text().encode("utf-8", "replace"))
            most = expected_tokens(request.body, size) - size // BYTES_PER_TOKEN
            count, given, written = count + 1, given + size // BYTES_PER_TOKEN, written + most
            usage = Usage(input=size // BYTES_PER_TOKEN, output=most, calls=1)
            price = cost_of(self._prices, self.endpoint.base_url, str(request.body["model"]), usage)
            cost = None if cost is None or price is None else cost + price * self._discount
        return Estimate(count, given, written, cost)

    def _asker(self) -> RequestExecutor:
        caller = Caller(self.endpoint, self._adaptive)
        return RequestExecutor(caller, self.endpoint.base_url, self.endpoint.identity, self._prices)

    @property
    def _discount(self) -> float:
        return BATCH_DISCOUNT if self.provider is not None else 1.0

    def _new_batch(self, journal: Journal, replay: bool) -> Batch | ProviderBatch:
        if self.provider is not None:
            return self._new_provider_batch(journal, replay, self.provider)
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

    def _new_provider_batch(self, journal: Journal, replay: bool, options: ProviderOptions) -> ProviderBatch:
        return ProviderBatch(
            self.endpoint,
            self._asker(),
            journal,
            self.stats,
            options,
            version=self._version,
            dedupe=self._dedupe,
            cache=self._cache,
            max_cost=self._max_cost,
            replay=replay,
            on_error=self._on_error,
            fallback=self._fallback,
            on_notice=self.on_notice,
        )

    async def _prepared(self, requests: Requests) -> AsyncGenerator[BatchRequest, None]:
        async with aclosing(each(requests)) as given:
            async for request in given:
                yield self.defaults.apply(request)

    def _timer(self, batch: Batch | ProviderBatch) -> asyncio.TimerHandle | None:
        if self._timeout is None:
            return None

        def over() -> None:
            self._timed_out = not batch.stopped
            _break_off(batch, f"The batch's time of {self._timeout:g} s is over.")

        return asyncio.get_running_loop().call_later(self._timeout, over)

    async def _tell(self) -> None:
        while self.on_progress is not None:
            await asyncio.sleep(TOLD_EVERY)
            self.on_progress(self._progress())

    def _progress(self) -> BatchProgress:
        if isinstance(self._batch, ProviderBatch):
            return self._batch.progress()
        return progress_of(self.stats, self.endpoint.limits.active)


def _stop_if_broken(teller: "asyncio.Task[None]", batch: Batch | ProviderBatch) -> None:
    if not teller.cancelled() and teller.exception() is not None:
        _break_off(batch, "on_progress raised an exception.")


def _break_off(batch: Batch | ProviderBatch, cause: str) -> None:
    """At once, but a provider's batch, which only somebody who asks for it cancels."""
    batch.stop(cause, now=isinstance(batch, Batch))
