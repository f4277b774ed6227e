"""Requests go to the provider: packed, paid for by estimate, uploaded, begun."""

from collections.abc import Callable
from dataclasses import dataclass

from agentbatch.model.request import encode_body
from agentbatch.model.tokens import BYTES_PER_TOKEN
from agentbatch.requests.batch.executor import RequestExecutor, expected_tokens
from agentbatch.requests.options import BATCH_DISCOUNT
from agentbatch.requests.provider.ledger import Part, ProviderLedger
from agentbatch.requests.provider.packing import ProviderPacker
from agentbatch.requests.provider.service import ProviderService, ServiceError
from agentbatch.requests.provider.stop import LeftError, ProviderStop
from agentbatch.requests.report.stats import BatchStats
from agentbatch.requests.spec.request import BatchRequest
from agentbatch.text import counted, money
from agentbatch.usage import Usage


@dataclass
class ProviderSender:
    """What is full goes out at once; what does not go out stays open."""

    service: ProviderService
    ledger: ProviderLedger
    packer: ProviderPacker
    executor: RequestExecutor
    stats: BatchStats
    stop: ProviderStop
    tell: Callable[[str], None]
    max_cost: float | None = None
    """US dollars that this pass may take, with what is at the provider already."""

    async def pack(self, n: int, key: str, request: BatchRequest) -> None:
        full = self.packer.add(n, key, request, self._estimate(request))
        if full is not None:
            await self._send(full)

    async def send_rest(self) -> None:
        for part in self.packer.rest():
            await self._send(part)

    def _estimate(self, request: BatchRequest) -> float | None:
        size = len(encode_body(request.body))
        given = size // BYTES_PER_TOKEN
        usage = Usage(input=given, output=expected_tokens(request.body, size) - given, calls=1)
        cost = self.executor.cost(str(request.body.get("model", "")), usage)
        return None if cost is None else cost * BATCH_DISCOUNT

    async def _send(self, part: Part) -> None:
        """Upload it and have it begun; what comes in between leaves its requests open."""
        await self.stop.paused()
        if self.stop.cause or not self._affordable(part):
            return
        try:
            file_id = await self.stop.unless_now(self.service.upload(self.packer.path(part.b)))
            await self.begin(self.ledger.uploaded(part, file_id))
        except LeftError:
            return
        except ServiceError as error:
            self.stop.close(str(error))

    async def begin(self, part: Part) -> None:
        part = self.ledger.created(
            part, await self.stop.unless_now(self.service.create(part.file_id, part.url))
        )
        self.tell(f"{counted(part.requests, 'request')} uploaded: {part.batch_id} ({part.model}, {part.url})")

    def _affordable(self, part: Part) -> bool:
        if self.max_cost is None:
            return True
        estimates = [other.estimate for other in self.ledger.parts() if other.b != part.b]
        known = [cost for cost in (part.estimate, self.stats.cost, *estimates) if cost is not None]
        if len(known) == len(estimates) + 2 and sum(known) <= self.max_cost:
            return True
        about = "an unknown price" if part.estimate is None else f"about {money(part.estimate)}"
        before = sum(known) - (part.estimate or 0.0)
        self.stop.close(
            f"The budget of {money(self.max_cost)} does not hold {counted(part.requests, 'more request')} "
            f"({about}; {money(before)} spent or under way): they were not uploaded."
        )
        return False
