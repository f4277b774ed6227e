"""One pass over a batch through the provider's batch service: pack, upload, wait, read."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

from agentbatch.model.endpoint import Endpoint
from agentbatch.model.request.given_body import fitted
from agentbatch.requests.batch.admission import ADMITTED_AT_ONCE, Requests, admit, each
from agentbatch.requests.batch.executor import RequestExecutor
from agentbatch.requests.batch.result_sink import Results, ResultSink, stream_results
from agentbatch.requests.journal.journal import Journal
from agentbatch.requests.options import BatchOptions, ProviderOptions
from agentbatch.requests.provider.collecting import ProviderCollector, second_request
from agentbatch.requests.provider.documents import ProviderState
from agentbatch.requests.provider.ledger import Part, ProviderLedger
from agentbatch.requests.provider.sending import LeftError, ProviderPacker, ProviderSender, ProviderStop
from agentbatch.requests.provider.service import ProviderService, ServiceError
from agentbatch.requests.report.progress import BatchProgress
from agentbatch.requests.report.stats import BatchStats
from agentbatch.requests.spec.request import BatchRequest
from agentbatch.requests.spec.result import BatchResult

CANCEL_WITHIN = 30.0
"""Seconds."""

RESULTS_AHEAD = 200
"""Results that wait for who takes them."""

SLOWER = 1.5
"""Each wait between two looks is so much longer than the one before."""


@dataclass
class ProviderPass:
    """One pass, as `Batch` is one. A stop leaves the provider's batches at work: a later pass with the same journal
    waits for them again. `stop(now=True)` cancels them there."""

    endpoint: Endpoint
    executor: RequestExecutor
    journal: Journal
    options: BatchOptions
    provider: ProviderOptions
    stats: BatchStats
    replay: bool = True
    _stop: ProviderStop = field(default_factory=ProviderStop)
    _states: dict[int, ProviderState] = field(default_factory=dict)
    """The latest of each part that is at work."""
    _before: dict[int, int] = field(default_factory=dict)
    """Requests of a part that had been done there when this pass first looked: no work of this session's."""

    def __post_init__(self) -> None:
        self._ledger = ProviderLedger(self.journal, dedupe=self.options.dedupe)
        folder = self.journal.path.with_name(self.journal.path.stem + "-provider")
        self._packer = ProviderPacker(self._ledger, folder, self.provider)
        self._service = ProviderService(self.endpoint)
        self._sender = ProviderSender(
            self._service,
            self._ledger,
            self._packer,
            self.executor,
            self.stats,
            self._stop,
            self._notify,
            self._fitted,
            self.options.max_cost,
        )
        self._collector = ProviderCollector(self.endpoint, self.journal, self._sender)

    def _fitted(self, request: BatchRequest) -> BatchRequest:
        known = self.endpoint.capabilities(str(request.body.get("model", "")))
        body = fitted(request.body, known, in_batch=True)
        return request if body is request.body else request.model_copy(update={"body": body})

    def pause(self) -> None:
        """Upload nothing, and look at nothing, until `go_on`; the provider keeps working."""
        self._stop.pause()

    def go_on(self) -> None:
        """After `pause`."""
        self._stop.go_on()

    def set_concurrency(self, number: int) -> None:
        """How many requests are under way is for the provider to say."""

    def stop(self, cause: str, *, now: bool = False) -> None:
        """Go away, and leave the batches at work there; `now`: cancel them."""
        self._stop.leave(cause, now=now)

    @property
    def stopped(self) -> str:
        """Why nothing more is uploaded, as a sentence; empty while it is."""
        return self._stop.cause

    def progress(self) -> BatchProgress:
        """With what the provider says of requests whose answers are still there."""
        asked = sum(part.requests for part in self._at_work())
        return provider_progress(self.stats, list(self._states.values()), sum(self._before.values()), asked)

    def _at_work(self) -> list[Part]:
        return [part for part in self._ledger.parts() if part.batch_id]

    # the pass ----------------------------------------------------------------------------------------------------

    async def results(self, requests: Requests) -> AsyncGenerator[BatchResult, None]:
        """Results in the order in which they come. Raises what reading the requests raises, and OSError when a file
        cannot be written."""
        self.stats.started_at = self.stats.clock()
        out: Results = asyncio.Queue(maxsize=RESULTS_AHEAD)
        sink = ResultSink(self.journal, self.stats, out, self.options, self.replay)
        try:
            async with aclosing(stream_results(out, self._work(requests, sink))) as given:
                async for result in given:
                    yield result
        finally:
            self.stats.ended_at = self.stats.clock()
            self._packer.close()

    async def _work(self, requests: Requests, sink: ResultSink) -> None:
        async with self._service:
            self._ledger.forget_unsent()
            await self._feed(requests, sink)
            await self._begin_uploaded()
            await self._follow(sink)
            await self._leave()

    async def _feed(self, requests: Requests, sink: ResultSink) -> None:
        place = 0
        async for request in each(requests):
            if self._stop.leaving:
                break
            await self._take(place, request, sink)
            place += 1
            if place % ADMITTED_AT_ONCE == 0:
                self.journal.commit()
                await asyncio.sleep(0)
        else:
            self.stats.total = place
        self.journal.commit()
        await self._sender.send_rest()

    async def _take(self, place: int, request: BatchRequest, sink: ResultSink) -> None:
        item = await admit(place, request, self.executor, self.options.version, sink)
        if item is None or self._ledger.is_open(item.n, item.key):
            return
        if self.options.cache is None or not await sink.cached(item):
            again = self._ledger.again(item.n, item.key)
            asked = request if again is None else second_request(request, again)
            await self._sender.pack(item.n, item.key, asked)

    async def _begin_uploaded(self) -> None:
        """What an earlier pass had uploaded when it was cut off: it may have begun there, or not."""
        for part in self._ledger.parts():
            if part.batch_id or self._stop.leaving or part.session == self.journal.session:
                continue
            with suppress(LeftError):
                try:
                    found = await self._stop.unless_now(self._service.find(part.file_id))
                except ServiceError as error:
                    self._stop.leave(str(error))
                    return
                await self._begin_again(part, found)

    async def _begin_again(self, part: Part, found: str) -> None:
        if found:
            self._ledger.created(part, found)
            return
        try:
            await self._sender.begin(part)
        except ServiceError as error:
            if error.failure.kind != "request":
                self._stop.leave(str(error))
            else:  # no batch was made of the file, and none can be
                await self._collector.end(part, [], "its file is gone")

    async def _follow(self, sink: ResultSink) -> None:
        """Until nothing is at work there any more, or the pass is to end."""
        wait, silent = self.provider.first_poll, 0
        resumed = any(part.session < self.journal.session for part in self._at_work())
        while self._at_work():
            if await self._stop.leaving_within(0.0 if resumed else wait):
                return
            await self._stop.while_paused()
            wait = wait if resumed else min(wait * SLOWER, self.provider.longest_poll)
            resumed = False
            try:
                for part in self._at_work():
                    if not self._stop.leaving:
                        await self._look(part, sink)
                silent = 0
            except ServiceError as error:
                silent += 1
                if not error.passes or silent >= self.provider.patience:
                    self.stop(str(error))
                elif silent == 1:
                    self._notify(f"{error} Looking again.")

    async def _look(self, part: Part, sink: ResultSink) -> None:
        try:
            state = await self._stop.unless_now(self._service.retrieve(part.batch_id))
        except LeftError:
            return
        except ServiceError as error:
            if error.passes:
                raise
            self._lost(part, error)
            if self.provider.forgets:
                await self._collector.end(part, [], "it is gone")
            return
        before = self._states.get(part.b)
        if before is None and part.session < self.journal.session and not state.ended:
            self._before[part.b] = state.completed + state.failed
        if before is None or before.status != state.status:
            self._notify(f"{part.batch_id}: {state.status.replace('_', ' ')}")
        self._states[part.b] = state
        if state.ended:
            with suppress(LeftError):
                await self._collector.collect(part, state, sink)
                self._states.pop(part.b, None)

    def _lost(self, part: Part, error: ServiceError) -> None:
        """The service does not know it, or not us."""
        if self.provider.forgets:
            return
        own = part.batch_id or part.file_id
        hint = (
            f" Is {own} another account's, or another endpoint's? Nothing was asked again."
            if error.status == 404
            else ""
        )
        self.stop(f"{error}{hint}")

    async def _leave(self) -> None:
        parts = self._at_work()
        if not parts:
            return
        if not await self._stop.now_within(self.provider.grace):
            names = ", ".join(part.batch_id for part in parts[:3]) + (" …" if len(parts) > 3 else "")
            verb = "goes" if len(parts) == 1 else "go"
            self._notify(f"{names} {verb} on at the provider; a resume fetches the answers.")
            return
        for part in parts:
            try:
                async with asyncio.timeout(CANCEL_WITHIN):
                    await self._service.cancel(part.batch_id)
                self._notify(
                    f"{part.batch_id} is cancelled at the provider; a resume reads what it has answered."
                )
            except (ServiceError, TimeoutError) as error:
                self._notify(f"{part.batch_id} could not be cancelled: {error or 'there was no answer'}")

    def _notify(self, text: str) -> None:
        if self.options.on_notice is not None:
            self.options.on_notice(text)


def provider_progress(
    stats: BatchStats, states: Sequence[ProviderState], before: int, asked: int
) -> BatchProgress:
    """`states`: of what is at work there; `before`: done there before this session looked first, which is none
    of its work; `asked`: requests of all that is at work."""
    failed = sum(state.failed for state in states)
    there = sum(state.completed for state in states) + failed
    completed = min(stats.total, stats.done + there) if stats.total else stats.done
    done = max(0, stats.ok + stats.failed + there - before)
    rate = done / stats.elapsed if stats.elapsed > 0 else 0.0
    left = max(0, stats.total - stats.done)
    return BatchProgress(
        total=stats.total,
        completed=completed,
        failed=min(stats.failed + failed, completed),
        elapsed=stats.elapsed,
        eta=(stats.total - completed) / rate if rate and stats.total else None,
        rate=rate,
        tokens=stats.usage.total,
        cost=stats.cost,
        skipped=stats.skipped,
        in_flight=max(0, min(left, asked) - there),
    )
