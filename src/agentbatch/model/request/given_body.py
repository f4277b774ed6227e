"""A body that somebody else wrote, in the form that the endpoint takes. Pure.

Only what keeps the question the same is changed: the limit's name, the order of messages, how a schema is asked for.
What would change the answer's meaning (tools, `stop`) stays, and its refusal is the request's own.
"""

from typing import Any

from agentbatch.model.capabilities import LADDER, Capabilities
from agentbatch.model.request.request import Schema, accepted, asking_for

LIMITS = ("max_tokens", "max_completion_tokens")
ALL_LIMITS = (*LIMITS, "max_output_tokens")
"""With that of /v1/responses."""


def fitted(body: dict[str, Any], capabilities: Capabilities, *, in_batch: bool = False) -> dict[str, Any]:
    """The body for these capabilities; the same object where nothing has to change. `in_batch`: of a provider's batch,
    where nothing streams, and where the form of JSON answers stays, since they are checked by this body alone."""
    body = capped(body, capabilities.output_cap)
    changes: dict[str, Any] = {}
    left_out: set[str] = set()
    if "temperature" in body and not capabilities.temperature:
        left_out.add("temperature")
    if _has_messages(body):
        if "parallel_tool_calls" in body and not capabilities.parallel_tool_calls:
            left_out.add("parallel_tool_calls")
        for name in LIMITS:
            if name in body:
                _rename_limit(name, body, capabilities, changes, left_out)
        if capabilities.shapes_history:
            changes["messages"] = accepted(body["messages"], capabilities)
        if "response_format" in body and not in_batch:
            _step_down_format(body, capabilities, changes, left_out)
        if not capabilities.whole and not in_batch:
            changes["stream"] = True
            if capabilities.stream_usage:
                changes["stream_options"] = {"include_usage": True}
    if not changes and not left_out:
        return body
    return {name: value for name, value in body.items() if name not in left_out} | changes


def capped(body: dict[str, Any], cap: int | None) -> dict[str, Any]:
    """The body, of any API, with no limit of output above the endpoint's: a model that can write no more loses
    nothing by it."""
    over = [
        name
        for name in ALL_LIMITS
        if cap is not None and isinstance(body.get(name), int) and body[name] > cap
    ]
    return body | dict.fromkeys(over, cap) if over else body


def _has_messages(body: dict[str, Any]) -> bool:
    """What is in the list has not been checked by anybody."""
    messages = body.get("messages")
    return isinstance(messages, list) and all(isinstance(message, dict) for message in messages)


def _rename_limit(
    name: str, body: dict[str, Any], capabilities: Capabilities, changes: dict[str, Any], left_out: set[str]
) -> None:
    """The newer name was chosen by somebody who knows it: it changes only when it was refused."""
    known = capabilities.output_limits
    if name in known and (name == known[0] or name == "max_completion_tokens"):
        return
    left_out.add(name)
    if known:
        changes[known[0]] = body[name]


def _step_down_format(
    body: dict[str, Any], capabilities: Capabilities, changes: dict[str, Any], left_out: set[str]
) -> None:
    wanted = body["response_format"]
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    form = capabilities.output_form
    if kind not in LADDER or LADDER.index(kind) >= LADDER.index(form):
        return
    schema = _schema(wanted)
    if schema is not None:
        messages = changes.get("messages", body["messages"])
        changes["messages"] = asking_for(schema, messages)
    if form == "json_object":
        changes["response_format"] = {"type": "json_object"}
    else:
        left_out.add("response_format")


def _schema(wanted: dict[str, Any]) -> Schema | None:
    described = wanted.get("json_schema")
    if not isinstance(described, dict) or not isinstance(described.get("schema"), dict):
        return None
    return str(described.get("name") or "answer"), described["schema"]
