"""OpenAI's Responses API: `input` items in, `output` items out. Nothing is stored."""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentbatch.rehearsal.apis.api import Api, Document, ParsedRequest
from agentbatch.rehearsal.counting import BYTES_PER_TOKEN
from agentbatch.rehearsal.faults.refusals import Dialect, Problem, error_body
from agentbatch.rehearsal.plain.answers import parse_plain
from agentbatch.rehearsal.streaming import chunks, encode

CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
"""Items that call a tool, and what they call it with."""
ENCRYPTED = "reasoning.encrypted_content"
"""What `include` asks for, where nothing is stored."""
SEAL = b"rehearsal:"
CUT = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why an answer is incomplete, by why a chat completion ends."""
OUTPUTS = ("function_call_output", "custom_tool_call_output")


def _read(data: bytes) -> ParsedRequest | Problem:
    body = parse_plain(data)
    if isinstance(body, Problem):
        return body
    if body.get("previous_response_id") is not None:
        text = "Previous response cannot be found: this server stores none. Send the whole conversation."
        return Problem(400, text, param="previous_response_id", code="previous_response_not_found")
    given = body.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        text = "Missing required parameter: 'input'."
        return Problem(400, text, param="input", code="missing_required_parameter")
    problem = _unanswered(items) or _strange_reasoning(items)
    if problem is not None:
        return problem
    system = [{"role": "system", "content": body["instructions"]}] if body.get("instructions") else []
    tools = [tool for tool in (_tool(*one) for one in _tools(body)) if tool]
    chat = {"model": body["model"], "messages": system + _messages(items), "stream": body.get("stream")}
    return ParsedRequest(body, chat | ({"tools": tools} if tools else {}))


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _unanswered(items: Sequence[Mapping[str, Any]]) -> Problem | None:
    """The API's own check: each call has an output, each output a call."""
    called = [item.get("call_id") for item in items if item.get("type") in CALLS]
    answered = [item.get("call_id") for item in items if item.get("type") in OUTPUTS]
    for one in called:
        if one not in answered:
            return Problem(400, f"No tool output found for function call {one}.", param="input")
    for one in answered:
        if one not in called:
            text = f"No tool call found for function call output with call_id {one}."
            return Problem(400, text, param="input")
    return None


def _strange_reasoning(items: Sequence[Mapping[str, Any]]) -> Problem | None:
    """The API's own check: reasoning is its own, and stands before what it led to."""
    for place, item in enumerate(items):
        if item.get("type") != "reasoning":
            continue
        following = items[place + 1] if place + 1 < len(items) else {}
        if following.get("type") in (None, *OUTPUTS) or following.get("role") in (
            "user",
            "system",
            "developer",
        ):
            text = f"Item '{item.get('id')}' of type 'reasoning' was provided without its required following item."
            return Problem(400, text, param="input")
        sealed = item.get("encrypted_content")
        if sealed is not None and not _opened(sealed):
            text = f"The encrypted content for item {item.get('id')} could not be verified."
            return Problem(400, text, param="input", code="invalid_encrypted_content")
    return None


def _sealed(text: str) -> str:
    return base64.urlsafe_b64encode(SEAL + text.encode("utf-8", "replace")).decode()


def _opened(sealed: object) -> bool:
    try:
        return base64.urlsafe_b64decode(str(sealed).encode()).startswith(SEAL)
    except (ValueError, binascii.Error):
        return False


def _messages(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Items as messages: the calls of one answer are one message's, with the text before them."""
    messages: list[dict[str, Any]] = []
    for item in items:
        kind = item.get("type", "message")
        last = messages[-1] if messages else {}
        if kind in CALLS:
            if last.get("role") != "assistant":
                messages.append(last := {"role": "assistant", "content": ""})
            name = _called(item.get("namespace"), item.get("name"))
            function = {"name": name, "arguments": item.get(CALLS[kind], "")}
            call = {"id": item.get("call_id"), "type": "function", "function": function}
            last.setdefault("tool_calls", []).append(call)
        elif kind in OUTPUTS:
            message = {"role": "tool", "tool_call_id": item.get("call_id"), "content": item.get("output")}
            messages.append(message)
        elif kind == "message":
            role = "system" if item.get("role") == "developer" else item.get("role")
            messages.append({"role": role, "content": item.get("content")})
    return messages


def _tools(body: Document) -> Iterator[tuple[str, object]]:
    """Each with its namespace; Codex has one for each server of tools."""
    for tool in _listed(body.get("tools")):
        match tool:
            case {"type": "namespace", "name": str(space), "tools": list(inner)}:
                yield from ((space, one) for one in inner)
            case _:
                yield "", tool


def _called(space: object, name: object) -> object:
    """A tool's name in a script: `mcp__notes__add` is `add` in `mcp__notes`."""
    return f"{space}__{name}" if space else name


def _tool(space: str, tool: object) -> dict[str, Any] | None:
    match tool:
        case {"type": "function", "name": str(name), **rest}:
            said = {"description": rest.get("description"), "parameters": rest.get("parameters")}
            return {"type": "function", "function": {"name": _called(space, name), **said}}
        case {"type": "custom", "name": str(name), **rest}:
            return {"type": "custom", "custom": {"name": name, "description": rest.get("description")}}
    return None


def _whole(completion: Document, asked: ParsedRequest) -> dict[str, Any]:
    choice = completion["choices"][0]
    cut = CUT.get(choice["finish_reason"])
    document = _frame(completion) | {
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": cut} if cut else None,
        "output": list(_output(completion, asked)),
    }
    return document | ({"usage": _usage(completion["usage"])} if "usage" in completion else {})


def _frame(completion: Document) -> dict[str, Any]:
    return {
        "id": _id(completion, "resp"),
        "object": "response",
        "created_at": completion.get("created", 0),
        "model": completion.get("model"),
        "error": None,
    }


def _id(completion: Document, prefix: str) -> str:
    return f"{prefix}_{str(completion['id']).removeprefix('chatcmpl-')}"


def _output(completion: Document, asked: ParsedRequest) -> Iterator[dict[str, Any]]:
    message = completion["choices"][0]["message"]
    freeform = {tool["custom"]["name"] for tool in asked.chat.get("tools", ()) if "custom" in tool}
    if message.get("reasoning_content"):
        summary = [{"type": "summary_text", "text": message["reasoning_content"]}]
        sealed = {"encrypted_content": _sealed(message["reasoning_content"])}
        item = {"id": _id(completion, "rs"), "type": "reasoning", "summary": summary}
        yield item | (sealed if ENCRYPTED in _listed(asked.body.get("include")) else {})
    if message.get("content") or not message.get("tool_calls"):
        part: dict[str, Any] = {
            "type": "output_text",
            "text": message.get("content") or "",
            "annotations": [],
        }
        yield {
            "id": _id(completion, "msg"),
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [part],
        }
    spaces = {
        _called(space, one.get("name")): space
        for space, one in _tools(asked.body)
        if space and isinstance(one, dict)
    }
    for place, call in enumerate(message.get("tool_calls", ())):
        name, words = call["function"]["name"], call["function"]["arguments"]
        kind = "custom_tool_call" if name in freeform else "function_call"
        space = spaces.get(name, "")
        yield {
            "id": _id(completion, "fc") + f"_{place}",
            "type": kind,
            "status": "completed",
            "call_id": call["id"],
            "name": name.removeprefix(f"{space}__"),
            **({"namespace": space} if space else {}),
            CALLS[kind]: words,
        }


def _usage(usage: Document) -> dict[str, Any]:
    """Cached is part of input, reasoning is part of output."""
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": usage["prompt_tokens_details"]["cached_tokens"]},
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": usage["completion_tokens_details"]["reasoning_tokens"]},
        "total_tokens": usage["total_tokens"],
    }


def _events(completion: Document, asked: ParsedRequest, *, usage: bool, tokens: int) -> Iterator[bytes]:
    whole = _whole(completion, asked)
    if not usage:
        whole.pop("usage", None)
    begun = _frame(completion) | {"status": "in_progress", "output": []}
    said = [("response.created", {"response": begun}), ("response.in_progress", {"response": begun})]
    for index, item in enumerate(whole["output"]):
        said += _item_events(index, item, tokens * BYTES_PER_TOKEN)
    said.append((f"response.{whole['status']}", {"response": whole}))
    for number, (kind, fields) in enumerate(said):
        yield _event(kind, fields | {"sequence_number": number})


def _item_events(index: int, item: dict[str, Any], size: int) -> list[tuple[str, dict[str, Any]]]:
    """How one output item is streamed."""
    at = {"output_index": index, "item_id": item["id"]}
    empty: dict[str, Any]
    if item["type"] == "message":
        (part,) = item["content"]
        place = at | {"content_index": 0}
        empty, kind, name, text = {"content": []}, "response.output_text", "text", part["text"]
        before = [("response.content_part.added", place | {"part": part | {"text": ""}})]
        after = [("response.content_part.done", place | {"part": part})]
    elif item["type"] == "reasoning":
        (part,) = item["summary"]
        place = at | {"summary_index": 0}
        empty, kind, name, text = {"summary": []}, "response.reasoning_summary_text", "text", part["text"]
        before = [("response.reasoning_summary_part.added", place | {"part": part | {"text": ""}})]
        after = [("response.reasoning_summary_part.done", place | {"part": part})]
    else:
        name = CALLS[item["type"]]
        place, empty, text = at, {name: ""}, item[name]
        kind = f"response.{item['type']}_{name}"
        before, after = [], []
    begun = item | empty | ({"status": "in_progress"} if "status" in item else {})
    return [
        ("response.output_item.added", {"output_index": index, "item": begun}),
        *before,
        *((f"{kind}.delta", place | {"delta": chunk}) for chunk in chunks(text, size)),
        (f"{kind}.done", place | {name: text}),
        *after,
        ("response.output_item.done", {"output_index": index, "item": item}),
    ]


def _event(kind: str, fields: Document) -> bytes:
    return f"event: {kind}\ndata: ".encode() + encode({"type": kind, **fields}) + b"\n\n"


def _fallen(problem: Problem, _: Dialect) -> dict[str, Any]:
    error = {"code": problem.code or "server_error", "message": problem.message}
    return {"id": "resp_rehearsal", "object": "response", "status": "failed", "error": error, "output": []}


def _failure(problem: Problem, dialect: Dialect) -> bytes:
    return _event("response.failed", {"response": _fallen(problem, dialect), "sequence_number": 0})


RESPONSES = Api(_read, _whole, _events, 4, b"", error_body, _fallen, _failure)
