"""How requests end: their results are recorded, kept for others, and told; also to those who asked the same."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agentbatch.requests.asker import Item
from agentbatch.requests.cache import ResponseCache
from agentbatch.requests.journal import Done, Follower, Journal
from agentbatch.requests.request import CHAT, BatchRequest
from agentbatch.requests.result import BatchError, BatchResult, renamed, result_of
from agentbatch.requests.stats import BatchStats
from agentbatch.requests.structured import schema_of

Results = asyncio.Queue[BatchResult | None]
"""What a batch gives out; None is its end."""


@dataclass
class Ending:
    """The way out of a batch."""

    journal: Journal
    stats: BatchStats
    out: Results
    cache: ResponseCache | None = None
    replay: bool = True
    """Give out what was answered in an earlier session too."""
    on_error: Callable[[BatchResult], None] | None = None
    fallback: Callable[[BatchRequest, BatchError], Any] | None = None

    async def ended(self, item: Item, result: BatchResult) -> None:
        """It has its result now."""
        line = result.line()
        followers = await self.journal.finish(item.n, _done(result, line))
        if self.cache is not None and not result.cached:
            self.cache.put(item.key, result, line)
        await self._tell(item.request, replace(result, told=line))
        if followers:
            await self.follow(item.n, item.request, followers)

    async def cached(self, item: Item) -> bool:
        """Whether an earlier batch's answer did for it."""
        line = self.cache.get(item.key) if self.cache is not None else None
        if line is None:
            return False
        await self.ended(item, given(renamed(line, item.request.id), item.index, item.request))
        return True

    async def known(self, item: Item, ok: bool) -> None:
        """It ended in an earlier session."""
        result = given(self.journal.answer(item.n) or "{}", item.index, item.request)
        if ok:
            self.stats.skipped += 1
        else:
            self.stats.add(result)
        if self.replay:
            await self.out.put(self._with_fallback(item.request, result))

    async def follow(self, leader: int, request: BatchRequest, followers: Sequence[Follower]) -> None:
        """Requests that ask the same as `request` get the same as `leader`, which has ended."""
        answer = self.journal.answer(leader) or "{}"
        for follower in followers:
            line = renamed(answer, follower.id)
            same = request.model_copy(update={"id": follower.id})
            result = given(line, follower.place, same)
            await self.journal.finish(follower.n, _done(result, line))
            await self._tell(same, result)

    async def _tell(self, request: BatchRequest, result: BatchResult) -> None:
        result = self._with_fallback(request, result)
        self.stats.add(result)
        if result.error is not None and self.on_error is not None:
            self.on_error(result)
        await self.out.put(result)

    def _with_fallback(self, request: BatchRequest, result: BatchResult) -> BatchResult:
        if result.error is None or self.fallback is None:
            return result
        return replace(result, fallback=self.fallback(request, result.error))


def given(line: str, index: int, request: BatchRequest) -> BatchResult:
    """The result that an output line tells of a request."""
    result = result_of(line, index, request.url)
    schema = schema_of(request.body) if result.ok and request.url == CHAT else None
    return result if schema is None else replace(result, data=json.loads(schema.extract(result.text)))


def _done(result: BatchResult, line: str) -> Done:
    reason = result.error.message if result.error is not None else ""
    return Done(result.ok, line, reason, result.usage.input, result.usage.output, result.cost)
