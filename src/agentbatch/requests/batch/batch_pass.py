"""One pass over a batch: requests are admitted, sent as the limits allow, and their results come out as they end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from agentbatch.model.request.request import encode_body
from agentbatch.requests.batch.admission import ADMITTED_AT_ONCE, Requests, admit, each
from agentbatch.requests.batch.call import Attempt
from agentbatch.requests.batch.executor import Item, RequestExecutor, expected_usage
from agentbatch.requests.batch.pack_executor import PackedExecutor
from agentbatch.requests.batch.packing import Pack, Packer
from agentbatch.requests.batch.result_sink import Charges, Results, ResultSink, stream_results
from agentbatch.requests.batch.workers import Workers
from agentbatch.requests.journal.journal import Journal
from agentbatch.requests.options import BatchOptions
from agentbatch.requests.report.stats import BatchStats
from agentbatch.requests.spec.result import BatchError, BatchResult
from agentbatch.spending.budget import BudgetExhausted, RunBudget
from agentbatch.usage import sum_usage

PACK_PATIENCE = 0.5
"""Seconds that a request waits for others to share a call with, when a worker is free."""

Waiting = asyncio.Queue[Pack | None]
"""What is to be sent; None is its end."""


class Stopped(Exception):
    """The pass starts nothing more; a request that was not sent stays pending."""


@dataclass
class BatchPass:
    """One pass. `results` is its whole life; `stop` ends it early."""

    executor: RequestExecutor
    journal: Journal
    options: BatchOptions
    stats: BatchStats
    replay: bool = True
    """Give out what was answered in an earlier session too."""
    stopped: str = ""
    """Why nothing more is started, as a sentence; empty while requests are."""
    _workers: Workers = field(default_factory=Workers)
    _waiting: Waiting | None = None
    _sink: ResultSink | None = None
    _resumed: asyncio.Event = field(default_factory=asyncio.Event)
    """Not set: nothing more is sent for now."""

    def __post_init__(self) -> None:
        self._budget = RunBudget(self.options.max_cost).whole() if self.options.max_cost is not None else None

    def pause(self) -> None:
        """Send nothing more until `go_on`, no retry either; calls under way end."""
        self._resumed.clear()
        self.executor.caller.hold()  # for workers that wait for their turn at the limits

    def go_on(self) -> None:
        """After `pause`."""
        self._resumed.set()
        self.executor.caller.go_on()

    def set_concurrency(self, number: int) -> None:
        """As many workers from now on, at least; how many requests may be under way is for the limits to say."""
        if self._waiting is not None and self._sink is not None and not self.stopped:
            for _ in range(number + 1 - self._workers.running):  # 1: the one that admits requests
                self._workers.add(self._work(self._waiting, self._sink))

    def stop(self, cause: str, *, now: bool = False) -> None:
        """Start nothing more, and let calls under way end; `now`: cut them off. What has been answered is given
        out."""
        self.stopped = self.stopped or cause
        self._workers.stop(now=now)

    async def results(self, requests: Requests) -> AsyncGenerator[BatchResult, None]:
        """Results in the order in which requests end. Raises what reading the requests raises, and OSError when the
        journal cannot be written."""
        self.stats.started_at = self.stats.clock()
        concurrency = self.options.concurrency
        waiting: Waiting = asyncio.Queue(maxsize=concurrency)
        out: Results = asyncio.Queue(maxsize=2 * concurrency)
        sink = ResultSink(self.journal, self.stats, out, self.options, self.replay)
        self._waiting, self._sink = waiting, sink
        self.go_on()
        self._workers.add(self._feed(requests, waiting, sink))
        for _ in range(concurrency):
            self._workers.add(self._work(waiting, sink))
        try:
            async with aclosing(stream_results(out, self._workers.ended())) as given:
                async for result in given:
                    yield result
        finally:
            self.stats.ended_at = self.stats.clock()
            await self._workers.cancel()
            sink.count_charged()
            self.go_on()  # others may send to the same endpoint

    async def _feed(self, requests: Requests, waiting: Waiting, sink: ResultSink) -> None:
        """Admit the requests, and put those that are to be sent into packs."""
        place, packer = 0, Packer(self.options.batch_size)
        flush: asyncio.TimerHandle | None = None

        def go() -> None:
            """A pack does not wait for requests that may come only after its answers."""
            nonlocal flush
            while not waiting.full() and (begun := packer.pop()):
                waiting.put_nowait(begun)
            flush = asyncio.get_running_loop().call_later(PACK_PATIENCE, go) if len(packer) else None

        try:
            async with aclosing(each(requests)) as stream:
                async for request in stream:
                    if self.stopped:
                        return
                    with self._workers.uninterruptible():
                        item = await admit(place, request, self.executor, self.options.version, sink)
                    if self.stopped:
                        return  # no worker would take it
                    pack = packer.add(item) if item is not None else None
                    if pack is not None:
                        await waiting.put(pack)
                    elif len(packer) and flush is None:
                        flush = asyncio.get_running_loop().call_later(PACK_PATIENCE, go)
                    place += 1
                    if place % ADMITTED_AT_ONCE == 0:
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

    async def _work(self, waiting: Waiting, sink: ResultSink) -> None:
        while not self.stopped:
            await self._resumed.wait()
            pack = await waiting.get()
            if pack is None:
                waiting.put_nowait(None)  # nothing else comes any more, so there is room
                return
            if self.options.cache is not None:
                with self._workers.uninterruptible():
                    pack = tuple([item for item in pack if not await sink.cached(item)])
            if pack and not self.stopped:
                await self._send(pack, sink)

    async def _send(self, pack: Pack, sink: ResultSink) -> None:
        packs = PackedExecutor(self.executor, sink.charge)
        try:
            async with (
                self._within_budget(pack) as bill,
                aclosing(packs.execute(pack, self._attempt, lambda: bool(self.stopped))) as results,
            ):
                async for item, result in results:
                    bill.add(result.usage, result.cost)
                    await self._ended(item, result, sink)
        except Stopped:
            return
        except BudgetExhausted as exhausted:
            self.stop(exhausted.sentence)

    @asynccontextmanager
    async def _within_budget(self, pack: Pack) -> AsyncIterator[Charges]:
        """Holds what the pack may cost, and settles what it did. Raises BudgetExhausted."""
        bill = Charges()
        if self._budget is None:
            yield bill
            return
        held = await self._budget.reserve(*self._expected(pack))
        try:
            yield bill
        finally:
            held.settle("request", bill.usage, bill.cost)

    def _expected(self, pack: Pack) -> tuple[str, int, float | None]:
        """Model, tokens and cost, as far as can be known."""
        model = str(pack[0].request.body.get("model", ""))
        bodies = [item.request.body for item in pack]
        expected = sum_usage(expected_usage(body, len(encode_body(body))) for body in bodies)
        one_call = expected.model_copy(update={"calls": 1})
        return model, expected.total, self.executor.cost(model, one_call)

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

    def _for_all(self, item: Item, error: BatchError) -> bool:
        """Every request would fail for it; that there is no such model, where the batch itself names it."""
        return error.kind == "endpoint" or (
            error.kind == "model" and item.request.body.get("model") == self.options.model
        )

    async def _ended(self, item: Item, result: BatchResult, sink: ResultSink) -> None:
        if result.error is not None and (self.stopped or self._for_all(item, result.error)):
            # It was no fault of the request's: it stays pending.
            sink.left(item, result)
            self.stop(result.error.message)
            return
        with self._workers.uninterruptible():
            await sink.ended(item, result)
