"""Anthropic's Messages API: content blocks in, content blocks out."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentbatch.rehearsal.apis.api import Api, Document, ParsedRequest
from agentbatch.rehearsal.counting import BYTES_PER_TOKEN
from agentbatch.rehearsal.faults.refusals import Dialect, Problem
from agentbatch.rehearsal.plain.answers import parse_plain
from agentbatch.rehearsal.request import open_calls
from agentbatch.rehearsal.streaming import chunks, encode

KINDS = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""The type of an error by its status; other 4xx are `invalid_request_error`, other 5xx `api_error`."""

STOPS = {"tool_calls": "tool_use", "length": "max_tokens", "stop": "end_turn", "content_filter": "refusal"}


def _read(data: bytes) -> ParsedRequest | Problem:
    body = parse_plain(data)
    if isinstance(body, Problem):
        return body
    given = body.get("messages")
    if not isinstance(given, list) or not given or not all(isinstance(message, dict) for message in given):
        return Problem(400, "messages: Field required")
    messages = [turned for message in given for turned in _messages(message)]
    problem = _unanswered(messages)
    if problem is not None:
        return problem
    system = [{"role": "system", "content": body["system"]}] if body.get("system") else []
    tools = [
        _tool(tool) for tool in body.get("tools") or () if isinstance(tool, dict) and "input_schema" in tool
    ]
    chat = {"model": body["model"], "messages": system + messages, "stream": body.get("stream")}
    return ParsedRequest(body, chat | ({"tools": tools} if tools else {}))


def _unanswered(messages: Sequence[Mapping[str, Any]]) -> Problem | None:
    """The API's own check, in its words."""
    open_ids, stray = open_calls(messages)
    if stray is not None:
        text = "`tool_result` block without a corresponding `tool_use` block in the previous message"
        return Problem(400, f"messages: unexpected {text}: {messages[stray]['tool_call_id']}.")
    if not open_ids:
        return None
    text = "`tool_use` ids were found without `tool_result` blocks immediately after"
    return Problem(400, f"messages: {text}: {', '.join(open_ids)}.")


def _messages(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One message as chat has it: results of tools are messages of their own, before what else is said."""
    content = message.get("content")
    if not isinstance(content, list):
        yield {"role": message.get("role"), "content": content}
        return
    blocks = [block for block in content if isinstance(block, dict)]
    for block in blocks:
        if block.get("type") == "tool_result":
            yield {"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": block.get("content")}
    texts = [{"type": "text", "text": block.get("text")} for block in blocks if block.get("type") == "text"]
    calls = [_call(block) for block in blocks if block.get("type") == "tool_use"]
    if texts or calls or message.get("role") == "assistant":
        yield {"role": message.get("role"), "content": texts} | ({"tool_calls": calls} if calls else {})


def _call(block: Mapping[str, Any]) -> dict[str, Any]:
    arguments = json.dumps(block.get("input"), ensure_ascii=False)
    function = {"name": block.get("name"), "arguments": arguments}
    return {"id": block.get("id"), "type": "function", "function": function}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: tool.get(name) for name in ("name", "description")}
    return {"type": "function", "function": {**said, "parameters": tool["input_schema"]}}


def _whole(completion: Document, asked: ParsedRequest) -> dict[str, Any]:
    choice = completion["choices"][0]
    document = _frame(completion) | {
        "content": list(_blocks(choice["message"])),
        "stop_reason": STOPS.get(choice["finish_reason"], "end_turn"),
    }
    return document | ({"usage": _usage(completion["usage"], asked)} if "usage" in completion else {})


def _frame(completion: Document) -> dict[str, Any]:
    return {
        "id": f"msg_{str(completion['id']).removeprefix('chatcmpl-')}",
        "type": "message",
        "role": "assistant",
        "model": completion.get("model"),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _blocks(message: Document) -> Iterator[dict[str, Any]]:
    if message.get("reasoning_content"):
        yield {"type": "thinking", "thinking": message["reasoning_content"], "signature": "rehearsal"}
    if message.get("content") or not message.get("tool_calls"):
        yield {"type": "text", "text": message.get("content") or ""}
    for call in message.get("tool_calls", ()):
        yield {
            "type": "tool_use",
            "id": call["id"],
            "name": call["function"]["name"],
            "input": _input(call["function"]["arguments"]),
        }


def _input(arguments: str) -> Any:
    """Broken arguments cannot be sent whole: this API has them as an object."""
    try:
        return json.loads(arguments)
    except ValueError:
        return {}


def _usage(usage: Document, asked: ParsedRequest) -> dict[str, Any]:
    """Three kinds of input, apart: what no cache had, what it was given, what it had. Without a `cache_control` in the
    request nothing is cached."""
    total, cached = usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]
    new, given, had = (0, total - cached, cached) if _caches(asked.body) else (total, 0, 0)
    return {
        "input_tokens": new,
        "cache_creation_input_tokens": given,
        "cache_read_input_tokens": had,
        "output_tokens": usage["completion_tokens"],
    }


def _caches(value: object) -> bool:
    if isinstance(value, dict):
        return value.get("cache_control") is not None or any(map(_caches, value.values()))
    return isinstance(value, list) and any(map(_caches, value))


def _events(completion: Document, asked: ParsedRequest, *, usage: bool, tokens: int) -> Iterator[bytes]:
    whole = _whole(completion, asked)
    counted = whole.get("usage") if usage else None
    before = {} if counted is None else {"usage": counted | {"output_tokens": 1}}
    yield _event("message_start", {"message": _frame(completion) | before})
    yield _event("ping", {})
    for index, block in enumerate(whole["content"]):
        call = next((c for c in _calls(completion) if c["id"] == block.get("id")), None)
        words = call["function"]["arguments"] if call else ""
        for kind, fields in _block_events(block, words, tokens * BYTES_PER_TOKEN):
            yield _event(kind, {"index": index, **fields})
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    after = {} if counted is None else {"usage": counted}
    yield _event("message_delta", {"delta": ended, **after})
    yield _event("message_stop", {})


def _calls(completion: Document) -> Sequence[Mapping[str, Any]]:
    calls: Sequence[Mapping[str, Any]] = completion["choices"][0]["message"].get("tool_calls", ())
    return calls


def _block_events(block: dict[str, Any], words: str, size: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """How one block is streamed; `words`: a call's arguments as they are, whole or broken."""
    start = "content_block_start"
    if block["type"] == "tool_use":
        yield start, {"content_block": block | {"input": {}}}
        deltas = [{"type": "input_json_delta", "partial_json": chunk} for chunk in chunks(words, size)]
    elif block["type"] == "thinking":
        yield start, {"content_block": block | {"thinking": "", "signature": ""}}
        deltas = [{"type": "thinking_delta", "thinking": chunk} for chunk in chunks(block["thinking"], size)]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    else:
        yield start, {"content_block": block | {"text": ""}}
        deltas = [{"type": "text_delta", "text": chunk} for chunk in chunks(block["text"], size)]
    for delta in deltas:
        yield "content_block_delta", {"delta": delta}
    yield "content_block_stop", {}


def _event(kind: str, fields: Document) -> bytes:
    return f"event: {kind}\ndata: ".encode() + encode({"type": kind, **fields}) + b"\n\n"


def _error(problem: Problem, _: Dialect = "openai") -> dict[str, Any]:
    usual = "api_error" if problem.status >= 500 else "invalid_request_error"
    error = {"type": KINDS.get(problem.status, usual), "message": problem.message}
    return {"type": "error", "error": error, "request_id": "req_rehearsal"}


def _failure(problem: Problem, dialect: Dialect) -> bytes:
    return _event("error", _error(problem, dialect))


MESSAGES = Api(_read, _whole, _events, 3, b"", _error, _error, _failure)
