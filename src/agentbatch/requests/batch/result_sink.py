"""How requests end: their results are recorded, cached, and given out, also to requests that ask the same."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agentbatch.requests.batch.executor import Item, with_data
from agentbatch.requests.journal.journal import Done, Follower, Journal
from agentbatch.requests.options import BatchOptions
from agentbatch.requests.report.stats import BatchStats
from agentbatch.requests.spec.request import BatchRequest
from agentbatch.requests.spec.result import BatchResult, renamed, result_of
from agentbatch.usage import Usage, less, sum_or_none

Results = asyncio.Queue[BatchResult | None]
"""What a batch gives out; None is its end."""


async def stream_results(out: Results, work: Coroutine[Any, Any, None]) -> AsyncGenerator[BatchResult, None]:
    """What `work` puts into `out`, until it has ended; it ends with this. Raises what it raises."""

    async def whole() -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise  # results are not taken any more, and there may be no room for their end
        except BaseException:
            await out.put(None)
            raise
        await out.put(None)

    working = asyncio.ensure_future(whole())
    try:
        while (result := await out.get()) is not None:
            yield result
        await working
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


@dataclass
class Charges:
    """What calls took: those for a pack, or those that the journal has of a request that has not ended."""

    usage: Usage = field(default_factory=Usage)
    cost: float | None = 0.0

    def add(self, usage: Usage, cost: float | None) -> None:
        self.usage, self.cost = self.usage + usage, sum_or_none((self.cost, cost))


@dataclass
class ResultSink:
    """The way out of a batch."""

    journal: Journal
    stats: BatchStats
    out: Results
    options: BatchOptions
    replay: bool = True
    """Give out what was answered in an earlier session too."""
    charged: dict[int, Charges] = field(default_factory=dict)
    """By number; of requests that have not ended."""

    def charge(self, item: Item, usage: Usage, cost: float | None) -> None:
        """A call for it was paid that did not end it: the journal has that at once, for it may never end."""
        if usage.calls or usage.total:
            self.journal.charge(item.n, usage.input, usage.output, cost)
            self.charged.setdefault(item.n, Charges()).add(usage, cost)

    def left(self, item: Item, result: BatchResult) -> None:
        """It stays pending, though `result` was paid."""
        before = self.charged.get(item.n, Charges())
        self.charge(item, result.usage - before.usage, less(result.cost, before.cost))

    def count_charged(self) -> None:
        """The batch is over: what was paid for requests that did not end belongs to its figures."""
        for charged in self.charged.values():
            self.stats.usage = self.stats.usage + charged.usage
            self.stats.cost = sum_or_none((self.stats.cost, charged.cost))
        self.charged.clear()

    async def ended(self, item: Item, result: BatchResult) -> None:
        """It has its result now."""
        line = result.line()
        before = self.charged.pop(item.n, Charges())
        followers = await self.journal.finish(item.n, done_of(result, line, before))
        if self.options.cache is not None and not result.cached:
            self.options.cache.put(item.key, result, line)
        await self._give_out(item.request, replace(result, made_line=line))
        if followers:
            await self.follow(item.n, item.request, followers)

    async def cached(self, item: Item) -> bool:
        """Whether an earlier batch's answer was used for it."""
        line = self.options.cache.get(item.key) if self.options.cache is not None else None
        if line is None:
            return False
        await self.ended(item, result_from(renamed(line, item.request.id), item.index, item.request))
        return True

    async def known(self, item: Item) -> None:
        """It ended in an earlier session."""
        result = result_from(self.journal.answer(item.n) or "{}", item.index, item.request)
        self.stats.skipped += 1  # a failure of then says nothing of how it goes now
        if self.replay:
            await self.out.put(self._with_fallback(item.request, result))

    async def follow(self, leader: int, request: BatchRequest, followers: Sequence[Follower]) -> None:
        """Requests that ask the same as `request` get the same as `leader`, which has ended."""
        answer = self.journal.answer(leader) or "{}"
        for follower in followers:
            line = renamed(answer, follower.id)
            same = request.model_copy(update={"id": follower.id})
            result = result_from(line, follower.place, same)
            await self.journal.finish(follower.n, done_of(result, line))
            await self._give_out(same, result)

    async def _give_out(self, request: BatchRequest, result: BatchResult) -> None:
        result = self._with_fallback(request, result)
        self.stats.add(result)
        if result.error is not None and self.options.on_error is not None:
            self.options.on_error(result)
        await self.out.put(result)

    def _with_fallback(self, request: BatchRequest, result: BatchResult) -> BatchResult:
        if result.error is None or self.options.fallback is None:
            return result
        return replace(result, fallback=self.options.fallback(request, result.error))


def result_from(line: str, index: int, request: BatchRequest) -> BatchResult:
    """The result of a request, read from its output line."""
    return with_data(request, result_of(line, index, request.url))


def done_of(result: BatchResult, line: str, before: Charges | None = None) -> Done:
    """With what is to be added to the charges `before`."""
    before = before or Charges()
    reason = result.error.message if result.error is not None else ""
    rest = result.usage - before.usage
    return Done(result.ok, line, reason, rest.input, rest.output, less(result.cost, before.cost))
