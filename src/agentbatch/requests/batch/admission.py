"""Taking a request into a batch: it may be answered already, or be the same as another."""

from agentbatch.errors import UserError
from agentbatch.requests.batch.executor import Item, RequestExecutor
from agentbatch.requests.batch.result_sink import ResultSink
from agentbatch.requests.journal.journal import Follower
from agentbatch.requests.spec.request import BatchRequest


async def take_in(
    place: int, request: BatchRequest, asker: RequestExecutor, version: str, ending: ResultSink
) -> Item | None:
    """The request as something to be asked; None where it is answered, or another asks the same. `place`: where it
    stands in the input; `version` is part of its key. Raises UserError for an id that was there, and for a body that
    is no JSON."""
    journal = ending.journal
    key = request.key(asker.identity, version)
    added = journal.add(request.id, key, place)
    if added.news == "duplicate":
        raise UserError(f"The id {request.id!r} stands in the batch twice; ids have to be unique.")
    item = Item(place, added.n, request, key)
    if added.state in ("ok", "failed"):
        await ending.known(item)
        return None
    if added.leader is None:
        return item
    if journal.state(added.leader) in ("ok", "failed"):
        await ending.follow(added.leader, request, [Follower(added.n, request.id, place)])
    return None
