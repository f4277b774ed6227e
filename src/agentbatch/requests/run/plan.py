"""What a batch of plain requests would do and take, before anything is sent."""

from dataclasses import dataclass, field

from agentbatch.model.request.request import encode_body
from agentbatch.requests.batch.executor import cost_of, expected_usage
from agentbatch.requests.options import BATCH_DISCOUNT, TOKEN_LIMITS
from agentbatch.requests.run.prepare import PreparedRequests
from agentbatch.requests.spec.input_file import read_requests
from agentbatch.usage import Usage, sum_or_none


@dataclass
class ModelPart:
    """The requests that go to one model."""

    requests: int = 0
    input: int = 0
    """Tokens, about."""
    most: int = 0
    """Tokens of answers: the most that requests ask for, and `executor.EXPECTED_OUTPUT` where they do not say."""
    unbounded: int = 0
    """Requests that do not say how long an answer may be."""
    least_cost: float | None = None
    most_cost: float | None = None
    """US dollars; None: the price is unknown."""


@dataclass(frozen=True)
class RequestsPlan:
    """By model."""

    prepared: PreparedRequests
    parts: dict[str, ModelPart] = field(default_factory=dict)

    @property
    def total(self) -> ModelPart:
        parts = list(self.parts.values())
        return ModelPart(
            sum(part.requests for part in parts),
            sum(part.input for part in parts),
            sum(part.most for part in parts),
            sum(part.unbounded for part in parts),
            sum_or_none(part.least_cost for part in parts),
            sum_or_none(part.most_cost for part in parts),
        )


def plan(prepared: PreparedRequests) -> RequestsPlan:
    """Reads the input once more; sends nothing."""
    made = RequestsPlan(prepared)
    for request in map(prepared.batch.apply, read_requests(prepared.source)):
        expected = expected_usage(request.body, len(encode_body(request.body)))
        part = made.parts.setdefault(str(request.body["model"]), ModelPart())
        part.requests += 1
        part.input += expected.input
        if not request.url.endswith("embeddings"):  # those have no text
            part.most += expected.output
            part.unbounded += not any(request.body.get(name) for name in TOKEN_LIMITS)
    for model, part in made.parts.items():
        part.least_cost = _cost(prepared, model, part.input, 0, part.requests)
        part.most_cost = _cost(prepared, model, part.input, part.most, part.requests)
    return made


def _cost(prepared: PreparedRequests, model: str, given: int, written: int, calls: int) -> float | None:
    usage = Usage(input=given, output=written, calls=calls)
    cost = cost_of(prepared.batch.prices, prepared.settings.coder_endpoint, model, usage)
    discount = BATCH_DISCOUNT if prepared.options.provider_batch else 1.0
    return None if cost is None else cost * discount
