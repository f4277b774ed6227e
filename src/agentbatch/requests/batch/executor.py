"""Executing one request: its call, and a second one where the answer does not keep to its schema."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from agentbatch.model.request.request import encode_body
from agentbatch.model.tokens import BYTES_PER_TOKEN, estimate
from agentbatch.redaction import redact_strings
from agentbatch.requests.batch.call import Attempt, Caller, CallOutcome
from agentbatch.requests.options import TOKEN_LIMITS
from agentbatch.requests.spec.answers import text_of
from agentbatch.requests.spec.request import CHAT, BatchRequest
from agentbatch.requests.spec.result import BatchError, BatchResult
from agentbatch.requests.spec.structured import AnswerSchema, complaint, schema_of
from agentbatch.spending.pricing import Prices
from agentbatch.usage import Usage, sum_or_none

EXPECTED_OUTPUT = 500
"""Tokens that are expected of an answer of unknown length."""


@dataclass(frozen=True)
class Item:
    """A request on its way through a batch, with its place in the input."""

    index: int
    n: int
    """Its number in the journal."""
    request: BatchRequest
    key: str = ""


Charge = Callable[[Item, Usage, float | None], None]
"""Gets what a request was charged (tokens, US dollars or None for an unknown price) before it has ended."""


@dataclass(frozen=True)
class RequestExecutor:
    """Sends requests to one endpoint. `prices` None: nothing has a price here."""

    caller: Caller
    base_url: str
    identity: str
    """Of the endpoint, for the keys of requests: its address, or what stands for it."""
    prices: Prices | None
    redact: Callable[[str], str]
    """A key that an answer repeats is not kept."""

    async def execute(
        self, item: Item, attempt: Attempt, stopped: Callable[[], bool], charge: Charge
    ) -> BatchResult:
        """`attempt` and `stopped` as for `Caller.call`. `charge` gets a call that does not end the request."""
        request = item.request
        result = await self._once(item, request, attempt, stopped)
        problem = schema_problem(request, result)
        if not problem:
            return with_data(request, result)
        charge(item, result.usage, result.cost)
        again = request.model_copy(update={"body": asked_again(request.body, result.text, problem)})
        second = await self._once(item, again, attempt, stopped)
        return checked(request, joined(result, second))

    async def _once(
        self, item: Item, request: BatchRequest, attempt: Attempt, stopped: Callable[[], bool]
    ) -> BatchResult:
        content = encode_body(request.body)
        model = str(request.body.get("model", ""))
        outcome = await self.caller.call(
            request.url, request.body, content, expected_usage(request.body, len(content)).total, model=model,
            attempt=attempt, stopped=stopped,
        )  # fmt: skip
        return self.result(item, request, outcome, model)

    def result(self, item: Item, request: BatchRequest, outcome: CallOutcome, model: str) -> BatchResult:
        """The outcome of a call as the result of a request."""
        document, error = outcome.document, outcome.error
        usage = (document.usage if document is not None else None) or Usage()
        if document is not None and document.usage is None:
            sent = len(encode_body(request.body)) // BYTES_PER_TOKEN
            usage = Usage(
                input=sent, output=estimate(text_of(request.url, document.body)), calls=1, estimated=True
            )
        return BatchResult(
            id=request.id,
            index=item.index,
            url=request.url,
            status_code=200 if document is not None else error.status if error is not None else None,
            request_id=outcome.request_id,
            body=redact_strings(document.body if document is not None else outcome.refusal, self.redact),
            error=BatchError(error.code, error.text, error.kind) if error is not None else None,
            usage=usage,
            cost=self.cost(model, usage),
            attempts=outcome.attempts,
            refused=outcome.refused,
            wait=outcome.wait,
            latency=outcome.latency,
        )

    def cost(self, model: str, usage: Usage) -> float | None:
        """US dollars; 0 for nothing, None for an unknown price."""
        return cost_of(self.prices, self.base_url, model, usage)


def _schema(request: BatchRequest, result: BatchResult) -> AnswerSchema | None:
    """What the answer has to keep to, if there is one."""
    return schema_of(request.body) if result.ok and request.url == CHAT else None


def schema_problem(request: BatchRequest, result: BatchResult) -> str:
    """Why the answer does not keep to the request's schema; empty when it does, or there is none."""
    schema = _schema(request, result)
    return complaint(schema, result.text) if schema is not None else ""


def with_data(request: BatchRequest, result: BatchResult) -> BatchResult:
    """With the answer as JSON, where it keeps to a schema."""
    schema = _schema(request, result)
    return result if schema is None else replace(result, data=json.loads(schema.extract(result.text)))


def checked(request: BatchRequest, result: BatchResult) -> BatchResult:
    """`with_data`, or failed: the answer does not keep to the request's schema, and is not asked for again."""
    problem = schema_problem(request, result)
    if not problem:
        return with_data(request, result)
    text = f"The answer does not keep to its schema: {problem}."
    return replace(result, error=BatchError("invalid_answer", text))


def cost_of(prices: Prices | None, base_url: str, model: str, usage: Usage) -> float | None:
    """US dollars at this endpoint; 0 for nothing, None for an unknown price."""
    if not usage.calls:
        return 0.0
    price = prices.price(model, usage, datetime.now(UTC), base_url=base_url) if prices is not None else None
    return None if price is None else price.total


def expected_usage(body: dict[str, Any], size: int) -> Usage:
    """What a request may take: its own size (bytes), and the most that it asks for."""
    most = next((body[name] for name in TOKEN_LIMITS if body.get(name)), 0)
    output = most if isinstance(most, int) and most > 0 else EXPECTED_OUTPUT
    return Usage(input=size // BYTES_PER_TOKEN, output=output, calls=1)


def asked_again(body: dict[str, Any], answer: str, problem: str) -> dict[str, Any]:
    """The body that asks once more after `answer`, of which `problem` says what is wrong: two more messages."""
    messages = [
        *body["messages"],
        {"role": "assistant", "content": answer},
        {
            "role": "user",
            "content": f"That does not keep to the schema: {problem}. "
            "Answer again with the whole JSON, and nothing else.",
        },
    ]
    return {**body, "messages": messages}


def joined(first: BatchResult, second: BatchResult) -> BatchResult:
    """`second`, the later of two calls for a request, with both calls' bill."""
    return replace(
        second,
        usage=first.usage + second.usage,
        cost=sum_or_none((first.cost, second.cost)),
        attempts=first.attempts + second.attempts,
        refused=first.refused + second.refused,
        reasked=first.reasked + second.reasked + 1,
        wait=first.wait,
    )
