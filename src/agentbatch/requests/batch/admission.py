"""How requests come into a pass: one after the other, each answered already, the same as another, or to be sent."""

from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing

from agentbatch.errors import UserError
from agentbatch.requests.batch.executor import Item, RequestExecutor
from agentbatch.requests.batch.result_sink import ResultSink
from agentbatch.requests.journal.journal import Follower
from agentbatch.requests.spec.request import BatchRequest

Requests = Iterable[BatchRequest] | AsyncIterable[BatchRequest]

ADMITTED_AT_ONCE = 200
"""Requests that are admitted before the journal is committed, and others get a turn."""


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


async def admit(
    place: int, request: BatchRequest, executor: RequestExecutor, version: str, sink: ResultSink
) -> Item | None:
    """The request as something to be sent; None where it is answered, or another one asks the same. `place`: where it
    is in the input; `version` is part of its key. Raises UserError for a repeated id, and for a body that is not
    JSON."""
    journal = sink.journal
    key = request.key(executor.identity, version)
    added = journal.add(request.id, key, place)
    if added.news == "duplicate":
        raise UserError(f"The id {request.id!r} stands in the batch twice; ids have to be unique.")
    item = Item(place, added.n, request, key)
    if added.state in ("ok", "failed"):
        await sink.known(item)
        return None
    if added.leader is None:
        return item
    if journal.state(added.leader) in ("ok", "failed"):
        await sink.follow(added.leader, request, [Follower(added.n, request.id, place)])
    return None
