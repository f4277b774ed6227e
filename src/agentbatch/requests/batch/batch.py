"""One pass over a batch: requests are taken in, sent as the limits allow, and their results come out as they end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from agentbatch.model.request import encode_body
from agentbatch.model.tokens import BYTES_PER_TOKEN
from agentbatch.requests.batch.admission import take_in
from agentbatch.requests.batch.call import Attempt
from agentbatch.requests.batch.executor import Item, RequestExecutor, cost_sum, expected_tokens
from agentbatch.requests.batch.pack_executor import Ended, PackedExecutor
from agentbatch.requests.batch.packer import Pack, Packer
from agentbatch.requests.batch.result_sink import Results, ResultSink
from agentbatch.requests.batch.workers import Workers
from agentbatch.requests.journal.cache import ResponseCache
from agentbatch.requests.journal.journal import Journal
from agentbatch.requests.report.stats import BatchStats
from agentbatch.requests.spec.request import BatchRequest
from agentbatch.requests.spec.result import BatchError, BatchResult
from agentbatch.spending.budget import BudgetExhausted, TaskBudget
from agentbatch.usage import Usage

Requests = Iterable[BatchRequest] | AsyncIterable[BatchRequest]

ADDED_AT_ONCE = 200
"""Requests that are taken in before the journal is committed, and others get a turn."""

PATIENCE = 0.5
"""Seconds that a request waits for others to share a call with, when a worker is free."""

Waiting = asyncio.Queue[Pack | None]
"""What is to be asked; None is its end."""


class Stopped(Exception):
    """The batch starts nothing more; a request that was not sent stays pending."""


@dataclass
class Batch:
    """One pass. `results` is its whole life; `stop` ends it early."""

    asker: RequestExecutor
    journal: Journal
    concurrency: int
    """Requests that may be under way at once, at most."""
    stats: BatchStats
    version: str = ""
    """Of whatever made the bodies: part of their keys."""
    cache: ResponseCache | None = None
    budget: TaskBudget | None = None
    batch_size: int = 1
    """Requests that may share a call, at most."""
    replay: bool = True
    """Give out what was answered in an earlier session too."""
    on_error: Callable[[BatchResult], None] | None = None
    fallback: Callable[[BatchRequest, BatchError], Any] | None = None
    stopped: str = ""
    """Why nothing more is started, as a sentence; empty while it is."""
    _workers: Workers = field(default_factory=Workers)
    _waiting: Waiting | None = None
    _ending: ResultSink | None = None
    _going: asyncio.Event = field(default_factory=asyncio.Event)
    """Not set: nothing more is sent for now."""

    def pause(self) -> None:
        """Send nothing more until `go_on`, no retry either; calls under way end."""
        self._going.clear()
        self.asker.caller.hold()  # for workers that wait for their turn at the limits

    def go_on(self) -> None:
        """After `pause`."""
        self._going.set()
        self.asker.caller.go_on()

    def set_concurrency(self, number: int) -> None:
        """As many workers from now on, at least; how many requests may be under way is for the limits to say."""
        self.concurrency = number
        if self._waiting is not None and self._ending is not None and not self.stopped:
            for _ in range(number + 1 - self._workers.running):  # 1: who takes in
                self._workers.add(self._work(self._waiting, self._ending))

    def stop(self, cause: str, *, now: bool = False) -> None:
        """Start nothing more, and have calls under way end; `now`: cut them off. What has been answered is told."""
        self.stopped = self.stopped or cause
        self._workers.stop(now=now)

    async def results(self, requests: Requests) -> AsyncGenerator[BatchResult, None]:
        """Results in the order in which requests end. Raises what reading the requests raises, and OSError when the
        journal cannot be written."""
        self.stats.started_at = self.stats.clock()
        waiting: Waiting = asyncio.Queue(maxsize=self.concurrency)
        out: Results = asyncio.Queue(maxsize=2 * self.concurrency)
        ending = ResultSink(
            self.journal, self.stats, out, self.cache, self.replay, self.on_error, self.fallback
        )
        self._waiting, self._ending = waiting, ending
        self.go_on()
        self._workers.add(self._feed(requests, waiting, ending))
        for _ in range(self.concurrency):
            self._workers.add(self._work(waiting, ending))
        end = asyncio.ensure_future(self._wait(out))
        try:
            while (result := await out.get()) is not None:
                yield result
            await end
        finally:
            self.stats.ended_at = self.stats.clock()
            end.cancel()
            await self._workers.cancel()
            await asyncio.gather(end, return_exceptions=True)
            ending.count_charged()
            self.go_on()  # others may send to the same endpoint

    async def _wait(self, out: Results) -> None:
        """Until all has ended, or something broke; then the results end."""
        try:
            await self._workers.ended()
        except asyncio.CancelledError:
            raise  # nobody takes results any more, and there may be no room for their end
        except BaseException:
            await out.put(None)
            raise
        await out.put(None)

    # taking in ---------------------------------------------------------------------------------------------------

    async def _feed(self, requests: Requests, waiting: Waiting, ending: ResultSink) -> None:
        place, packer = 0, Packer(self.batch_size)
        flush: asyncio.TimerHandle | None = None

        def go() -> None:
            """A pack does not wait for requests that may come only after its answers."""
            nonlocal flush
            while not waiting.full() and (begun := packer.pop()):
                waiting.put_nowait(begun)
            flush = asyncio.get_running_loop().call_later(PATIENCE, go) if len(packer) else None

        try:
            async with aclosing(each(requests)) as stream:
                async for request in stream:
                    if self.stopped:
                        return
                    with self._workers.uninterruptible():
                        item = await take_in(place, request, self.asker, self.version, ending)
                    if self.stopped:
                        return  # nobody would take it
                    pack = packer.add(item) if item is not None else None
                    if pack is not None:
                        await waiting.put(pack)
                    elif len(packer) and flush is None:
                        flush = asyncio.get_running_loop().call_later(PATIENCE, go)
                    place += 1
                    if place % ADDED_AT_ONCE == 0:
                        self.journal.commit()
                        await asyncio.sleep(0)
        finally:
            if flush is not None:
                flush.cancel()
            self.journal.commit()
        self.stats.total = place
        while (begun := packer.pop()) is not None:
            await waiting.put(begun)
        await waiting.put(None)

    # asking ------------------------------------------------------------------------------------------------------

    async def _work(self, waiting: Waiting, ending: ResultSink) -> None:
        while not self.stopped:
            await self._going.wait()
            pack = await waiting.get()
            if pack is None:
                waiting.put_nowait(None)  # for the next worker; nothing else comes any more, so there is room
                return
            if self.cache is not None:
                with self._workers.uninterruptible():
                    pack = tuple([item for item in pack if not await ending.cached(item)])
            if pack and not self.stopped:
                await self._ask(pack, ending)

    async def _ask(self, pack: Pack, ending: ResultSink) -> None:
        usage, cost = Usage(), 0.0 if self.budget is not None else None

        async def ended(item: Item, result: BatchResult) -> None:
            nonlocal usage, cost
            usage, cost = usage + result.usage, cost_sum(cost, result.cost)
            await self._ended(item, result, ending)

        try:
            if self.budget is None:
                await self._asked(pack, lambda item, result: self._ended(item, result, ending), ending)
                return
            held = await self.budget.reserve(*self._expected(pack))
            try:
                await self._asked(pack, ended, ending)
            finally:
                held.settle("coder", usage, cost)
        except Stopped:
            return
        except BudgetExhausted as exhausted:
            self.stop(exhausted.sentence)

    async def _asked(self, pack: Pack, ended: Ended, ending: ResultSink) -> None:
        if len(pack) == 1:
            asked = self.asker.ask(pack[0], self._attempt(pack), self._is_stopped, ending.charge)
            await ended(pack[0], await asked)
        else:
            await PackedExecutor(self.asker, ending.charge).ask(pack, self._attempt, self._is_stopped, ended)

    def _expected(self, pack: Pack) -> tuple[str, int, float | None]:
        """Model, tokens and cost, as far as one can tell."""
        model = str(pack[0].request.body.get("model", ""))
        given = written = 0
        for item in pack:
            size = len(encode_body(item.request.body))
            given += size // BYTES_PER_TOKEN
            written += expected_tokens(item.request.body, size) - size // BYTES_PER_TOKEN
        return model, given + written, self.asker.cost(model, Usage(input=given, output=written, calls=1))

    def _attempt(self, items: Sequence[Item]) -> Attempt:
        """What surrounds each sending of these."""

        @asynccontextmanager
        async def attempt() -> AsyncIterator[None]:
            if self.stopped:
                raise Stopped
            with self._workers.in_call():  # from here on: what counts as sent is sent
                await self.journal.sent(*[item.n for item in items])
                yield

        return attempt

    def _is_stopped(self) -> bool:
        return bool(self.stopped)

    async def _ended(self, item: Item, result: BatchResult, ending: ResultSink) -> None:
        if result.error is not None and (self.stopped or result.error.kind == "endpoint"):
            # It was no fault of the request's: it stays pending.
            ending.left(item, result)
            self.stop(result.error.message)
            return
        with self._workers.uninterruptible():
            await ending.ended(item, result)


async def each(requests: Requests) -> AsyncGenerator[BatchRequest, None]:
    """One after the other, however they come. An asynchronous generator ends with this one."""
    if isinstance(requests, AsyncGenerator):
        async with aclosing(requests):
            async for request in requests:
                yield request
    elif isinstance(requests, AsyncIterable):
        async for request in requests:
            yield request
    else:
        for request in requests:
            yield request
