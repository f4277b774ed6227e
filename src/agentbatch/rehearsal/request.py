"""Validates a chat request as every OpenAI-compatible endpoint does."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from agentbatch.rehearsal.faults.refusals import Problem


def parse_request(data: bytes) -> dict[str, Any] | Problem:
    """The request's body with a `model` and a list of message objects, or a 400."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return Problem(400, "We could not parse the JSON body of your request.")
    if not isinstance(body, dict):
        return Problem(400, "The JSON body of your request is not an object.")
    if not isinstance(body.get("model"), str):
        return Problem(400, "you must provide a model parameter")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        message = "Missing required parameter: 'messages'."
        return Problem(400, message, param="messages", code="missing_required_parameter")
    unanswered = _unanswered(messages)
    if unanswered is not None:
        return unanswered
    if body.get("stream_options") is not None and not body.get("stream"):
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        return Problem(400, message, param="stream_options")
    return body


def _unanswered(messages: list[dict[str, Any]]) -> Problem | None:
    """OpenAI's check: each tool call is answered right after it, and only tool calls are."""
    open_ids, stray = open_calls(messages)
    if stray is not None:
        text = (
            "Invalid parameter: messages with role 'tool' must be a response to a preceeding message "
            "with 'tool_calls'."
        )
        return Problem(400, text, param=f"messages[{stray}].role")
    if not open_ids:
        return None
    text = (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
        f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(open_ids)}"
    )
    return Problem(400, text, param="messages")


def open_calls(messages: Sequence[Mapping[str, Any]]) -> tuple[list[str], int | None]:
    """The first calls that are not answered right after them, or the place of an answer to no call before it."""
    open_ids: list[str] = []
    for place, message in enumerate(messages):
        if message.get("role") == "tool":
            call_id = message.get("tool_call_id")
            if call_id not in open_ids:
                return [], place
            open_ids.remove(call_id)
            continue
        if open_ids:
            break
        calls = message.get("tool_calls")
        if isinstance(calls, list):
            open_ids = [str(call.get("id")) for call in calls if isinstance(call, dict)]
    return open_ids, None
