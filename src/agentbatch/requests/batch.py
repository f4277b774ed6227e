"""One pass over a batch: requests are taken in, sent as the limits allow, and their results come out as they end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from agentbatch.batch.budget import BudgetExhausted, TaskBudget
from agentbatch.errors import UserError
from agentbatch.model.request import encode_body
from agentbatch.model.tokens import BYTES_PER_TOKEN
from agentbatch.model.usage import Usage
from agentbatch.requests.asker import Asker, Item, expected_tokens
from agentbatch.requests.cache import ResponseCache
from agentbatch.requests.journal import Done, Follower, Journal
from agentbatch.requests.request import BatchRequest
from agentbatch.requests.result import BatchError, BatchResult, renamed, result_of
from agentbatch.requests.stats import BatchStats

Requests = Iterable[BatchRequest] | AsyncIterable[BatchRequest]

ADDED_AT_ONCE = 200
"""Requests that are taken in before the journal is committed, and others get a turn."""


class Stopped(Exception):
    """The batch starts nothing more; a request that was not sent stays pending."""


@dataclass
class Batch:
    """One pass. `results` is its whole life; `stop` ends it early."""

    asker: Asker
    journal: Journal
    concurrency: int
    """Requests that may be under way at once, at most."""
    stats: BatchStats
    version: str = ""
    """Of whatever made the bodies: part of their keys."""
    cache: ResponseCache | None = None
    budget: TaskBudget | None = None
    replay: bool = True
    """Give out what was answered in an earlier session too."""
    on_error: Callable[[BatchResult], None] | None = None
    fallback: Callable[[BatchRequest, BatchError], Any] | None = None
    stopped: str = ""
    """Why nothing more is started, as a sentence; empty while it is."""
    _sending: set["asyncio.Task[Any]"] = field(default_factory=set)
    """Workers with a call under way, or with its answer in hand."""
    _workers: list["asyncio.Task[None]"] = field(default_factory=list)
    _feeder: "asyncio.Task[None] | None" = None

    def stop(self, cause: str, *, now: bool = False) -> None:
        """Start nothing more, and have calls under way end; `now`: cut them off."""
        self.stopped = self.stopped or cause
        if self._feeder is not None:
            self._feeder.cancel()  # it may wait for a worker that is gone
        for worker in self._workers:
            if now or worker not in self._sending:
                worker.cancel()

    async def results(self, requests: Requests) -> AsyncGenerator[BatchResult, None]:
        """Results in the order in which requests end. Raises what reading the requests raises, and OSError when the
        journal cannot be written."""
        self.stats.started_at = self.stats.clock()
        waiting: asyncio.Queue[Item | None] = asyncio.Queue(maxsize=self.concurrency)
        out: asyncio.Queue[BatchResult | None] = asyncio.Queue(maxsize=2 * self.concurrency)
        self._feeder = feeder = asyncio.ensure_future(self._feed(requests, waiting, out))
        self._workers = [asyncio.ensure_future(self._work(waiting, out)) for _ in range(self.concurrency)]
        end = asyncio.ensure_future(self._wait(feeder, waiting, out))
        try:
            while (result := await out.get()) is not None:
                yield result
            await end
        finally:
            self.stats.ended_at = self.stats.clock()
            tasks = [feeder, end, *self._workers]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait(
        self,
        feeder: "asyncio.Task[None]",
        waiting: "asyncio.Queue[Item | None]",
        out: "asyncio.Queue[BatchResult | None]",
    ) -> None:
        """Until all has ended, or something broke; then the results end."""
        try:
            running = {feeder, *self._workers}
            while running:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
                for task in done:
                    if not task.cancelled() and task.exception() is not None:
                        task.result()
        finally:
            await out.put(None)

    # taking in ---------------------------------------------------------------------------------------------------

    async def _feed(
        self,
        requests: Requests,
        waiting: "asyncio.Queue[Item | None]",
        out: "asyncio.Queue[BatchResult | None]",
    ) -> None:
        place = 0
        async for request in each(requests):
            if self.stopped:
                break
            await self._take(place, request, waiting, out)
            place += 1
            if place % ADDED_AT_ONCE == 0:
                self.journal.commit()
                await asyncio.sleep(0)
        self.journal.commit()
        if not self.stopped:
            self.stats.total = place
        for _ in range(self.concurrency):
            await waiting.put(None)

    async def _take(
        self,
        place: int,
        request: BatchRequest,
        waiting: "asyncio.Queue[Item | None]",
        out: "asyncio.Queue[BatchResult | None]",
    ) -> None:
        key = request.key(self.asker.identity, self.version)
        added = self.journal.add(request.id, key, place)
        if added.news == "duplicate":
            raise UserError(f"The id {request.id!r} stands in the batch twice; ids have to be unique.")
        item = Item(place, added.n, request, key)
        if added.state in ("ok", "failed"):
            await self._known(item, added.state == "ok", out)
        elif added.leader is None:
            await waiting.put(item)
        elif self.journal.state(added.leader) in ("ok", "failed"):
            await self._follow(added.leader, [Follower(added.n, request.id, place)], out)

    async def _known(self, item: Item, ok: bool, out: "asyncio.Queue[BatchResult | None]") -> None:
        """It ended in an earlier session."""
        result = result_of(self.journal.answer(item.n) or "{}", item.index, item.request.url)
        if ok:
            self.stats.skipped += 1
        else:
            self.stats.add(result)
        if self.replay:
            await out.put(result)

    # asking ------------------------------------------------------------------------------------------------------

    async def _work(
        self, waiting: "asyncio.Queue[Item | None]", out: "asyncio.Queue[BatchResult | None]"
    ) -> None:
        while not self.stopped:
            item = await waiting.get()
            if item is None:
                return
            await self._one(item, out)

    async def _one(self, item: Item, out: "asyncio.Queue[BatchResult | None]") -> None:
        hit = self.cache.get(item.key) if self.cache is not None else None
        if hit is not None:
            await self._ended(
                item, result_of(renamed(hit, item.request.id), item.index, item.request.url), out
            )
            return
        try:
            result = await self._asked(item)
        except Stopped:
            return
        except BudgetExhausted as exhausted:
            self.stop(exhausted.sentence)
            return
        if result.error is not None and (self.stopped or result.error.kind == "endpoint"):
            # It was no fault of the request's: it stays pending.
            self.stop(result.error.message)
            return
        await self._ended(item, result, out)

    async def _asked(self, item: Item) -> BatchResult:
        @asynccontextmanager
        async def attempt() -> AsyncIterator[None]:
            if self.stopped:
                raise Stopped
            await self.journal.sent(item.n)
            task = asyncio.current_task()
            assert task is not None
            self._sending.add(task)
            try:
                yield
            finally:
                self._sending.discard(task)

        if self.budget is None:
            return await self.asker.ask(item, attempt, self._is_stopped)
        body = item.request.body
        model = str(body.get("model", ""))
        size = len(encode_body(body))
        tokens = expected_tokens(body, size)
        most = Usage(input=size // BYTES_PER_TOKEN, output=tokens - size // BYTES_PER_TOKEN, calls=1)
        held = await self.budget.reserve(model, tokens, self.asker.cost(model, most))
        usage, cost = Usage(), None
        try:
            result = await self.asker.ask(item, attempt, self._is_stopped)
            usage, cost = result.usage, result.cost
            return result
        finally:
            held.settle("coder", usage, cost)

    def _is_stopped(self) -> bool:
        return bool(self.stopped)

    # ending ------------------------------------------------------------------------------------------------------

    async def _ended(self, item: Item, result: BatchResult, out: "asyncio.Queue[BatchResult | None]") -> None:
        task = asyncio.current_task()
        assert task is not None
        self._sending.add(task)  # what has been answered is told, though the batch stops meanwhile
        try:
            await self._record(item, result, out)
        finally:
            self._sending.discard(task)

    async def _record(
        self, item: Item, result: BatchResult, out: "asyncio.Queue[BatchResult | None]"
    ) -> None:
        if result.error is not None and self.fallback is not None:
            result = replace(result, fallback=self.fallback(item.request, result.error))
        line = result.line()
        result = replace(result, told=line)
        followers = await self.journal.finish(item.n, _done(result, line))
        if self.cache is not None and not result.cached:
            self.cache.put(item.key, result, line)
        await self._tell(result, out)
        if followers:
            await self._follow(item.n, followers, out)

    async def _follow(
        self, leader: int, followers: list[Follower], out: "asyncio.Queue[BatchResult | None]"
    ) -> None:
        """Requests that asked the same get the same."""
        answer = self.journal.answer(leader) or "{}"
        for follower in followers:
            line = renamed(answer, follower.id)
            result = result_of(line, follower.place)
            await self.journal.finish(follower.n, _done(result, line))
            await self._tell(result, out)

    async def _tell(self, result: BatchResult, out: "asyncio.Queue[BatchResult | None]") -> None:
        self.stats.add(result)
        if result.error is not None and self.on_error is not None:
            self.on_error(result)
        await out.put(result)


def _done(result: BatchResult, line: str) -> Done:
    reason = result.error.message if result.error is not None else ""
    return Done(result.ok, line, reason, result.usage.input, result.usage.output, result.cost)


async def each(requests: Requests) -> AsyncIterator[BatchRequest]:
    """One after the other, however they come."""
    if isinstance(requests, AsyncIterable):
        async for request in requests:
            yield request
    else:
        for request in requests:
            yield request
