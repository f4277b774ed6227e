"""A plain request as a span, and what it is measured by. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

from agentbatch.runs import events as e
from agentbatch.runs.telemetry import conventions as names
from agentbatch.runs.telemetry.content import message
from agentbatch.runs.telemetry.span import Measure, Span, Value
from agentbatch.runs.telemetry.spans import Tracing
from agentbatch.usage import Usage

_OPERATIONS = {"/v1/embeddings": "embeddings", "/v1/completions": "text_completion"}


class EndedRequest(NamedTuple):
    """A plain request that was asked and has its outcome."""

    id: str
    url: str
    """As its line has it: `/v1/chat/completions`."""
    usage: Usage
    cost: float | None
    attempts: int
    refused: int
    """Of them, those that were answered 429."""
    latency: float
    """Seconds from the last sending to the answer."""
    status: int | None
    error: str = ""
    """Our class of the failure; empty: it was answered."""
    text: str = ""
    """The answer."""


def request_span(
    tracing: Tracing, info: e.RunStarted, ended: EndedRequest, now: float, *, content: bool
) -> Span:
    """`now`: seconds since the epoch, when it ended."""
    operation = _OPERATIONS.get(ended.url, "chat")
    place = tracing.place_of(f"request {ended.id}")
    parent, links = tracing.above()
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": operation,
        **names.endpoint_attributes(info.coder_endpoint),
        "gen_ai.request.model": info.coder_model,
        **names.usage_attributes(ended.usage),
        "agentbatch.run.id": info.run_id,
        "agentbatch.request.id": ended.id[:200],
        "agentbatch.call.attempts": ended.attempts,
        **({"agentbatch.cost": ended.cost} if ended.cost is not None else {}),
    }
    if content and ended.text:
        attributes["gen_ai.output.messages"] = message("assistant", ended.text)
    error = names.error_type(ended.error, ended.status, ended.error) if ended.error else ""
    if error:
        attributes["error.type"] = error
    name = f"{operation} {info.coder_model}"
    return Span(name, place, parent, now - ended.latency, now, attributes, "client", links, error=error)


def of_request(ended: EndedRequest) -> Iterator[Measure]:
    """What its span does not say."""
    if ended.refused:
        yield Measure("agentbatch.call.refusals", ended.refused, {"gen_ai.agent.name": "request"})
    if ended.attempts > 1:
        yield Measure("agentbatch.call.retries", ended.attempts - 1, {"gen_ai.agent.name": "request"})
