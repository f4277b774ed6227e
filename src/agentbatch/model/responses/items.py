"""Output items of /v1/responses: as an answer, and as what a message of the history keeps of them. Pure.

A conversation stays in chat's words, whichever API is asked, so that either can go on with it. Beside the words its
message has the items that they came in: reasoning, which the API wants back as it was, ids, and whatever we do not
know. What a message says (its text, its calls' names and arguments) stands in its own fields alone: tool modes,
compaction and redaction change it there.
"""

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from agentbatch.model.answer.answer import Answer, answer_of
from agentbatch.model.answer.carried import MAX_CARRIED
from agentbatch.model.reply import Message
from agentbatch.model.request.history import ITEMS
from agentbatch.usage import Usage

Item = dict[str, Any]

CALL = "function_call"
SAID_OF_CALL = ("call_id", "name", "arguments")
"""What a call says: the message's `tool_calls` have it."""


def answer_of_items(output: Sequence[Any], reason: str, usage: Usage | None) -> Answer:
    """The answer in these items, which are untrusted; `reason` as `finish_reason`."""
    items = [item for item in output if isinstance(item, dict) and _is_known_or_harmless(item)]
    texts = [part for item in items if item.get("type") == "message" for part in _parts(item)]
    calls = [
        {"id": item.get("call_id"), "function": {"name": item["name"], "arguments": item.get("arguments")}}
        for item in items
        if item.get("type") == CALL
    ]
    answer = answer_of(
        {
            "content": "".join(_text(part, "text") for part in texts),
            "refusal": "".join(_text(part, "refusal") for part in texts),
            "reasoning_content": "".join(_thoughts(items)),
            "tool_calls": calls,
        },
        "" if reason in ("stop", "tool_calls") else reason,  # some streams end without their output
        usage,
    )
    kept = _kept(items[: _place_after(items, len(answer.tool_calls))])
    return replace(answer, carried={ITEMS: kept} if kept else {})


def input_of(message: Message) -> list[Item]:
    """An assistant's message as items: those that it came in, saying what it says now."""
    text, kept = _string(message.get("content")), message.get(ITEMS)
    items = [item for item in kept if isinstance(item, dict)] if isinstance(kept, list) else []
    calls = deque(call for call in message.get("tool_calls") or () if isinstance(call, dict))
    same = text == _said(items)
    words = deque([_words(text)] if text and not same else [])
    found: list[Item] = []
    for item in items:
        kind = item.get("type")
        if kind in ("message", CALL) and words:
            found.append(words.popleft())
        if kind == CALL:
            if calls:
                found.append({**item, **_call(calls.popleft())})
        elif kind != "message" or same:
            found.append(item)
    found += words
    found += [{"type": CALL, **_call(call)} for call in calls]
    while found and found[-1].get("type") == "reasoning":  # "without its required following item": refused
        found.pop()
    return found


def _is_known_or_harmless(item: Item) -> bool:
    """Not a call of a tool that we did not offer, which the API wants an answer to: we have none."""
    kind, name = item.get("type"), item.get("name")
    if kind == CALL:
        return isinstance(name, str) and bool(name.strip())
    return isinstance(kind, str) and "call_id" not in item


def _place_after(items: Sequence[Item], calls: int) -> int:
    """Where the items end that hold so many calls: more are not taken from one answer."""
    places = [place for place, item in enumerate(items) if item.get("type") == CALL]
    return places[calls] if len(places) > calls else len(items)


def _kept(items: Sequence[Item]) -> list[Item]:
    """Each id once: the API refuses a second (agent-framework-go #784). Too much is dropped: the words are enough."""
    found: list[Item] = []
    seen: set[str] = set()
    for item in items:
        left_out = SAID_OF_CALL if item.get("type") == CALL else ()
        if item.get("type") == "message":
            item = {**item, "role": "assistant"}  # whatever a server calls itself
        name = item.get("id")
        if not isinstance(name, str) or name in seen:
            left_out = (*left_out, "id")
        else:
            seen.add(name)
        found.append({key: value for key, value in item.items() if key not in left_out})
    try:
        return found if len(json.dumps(found)) <= MAX_CARRIED else []
    except (ValueError, RecursionError):
        return []


def _said(items: Sequence[Item]) -> str:
    parts = [part for item in items if item.get("type") == "message" for part in _parts(item)]
    return "".join(_text(part, "text") for part in parts) or "".join(_text(part, "refusal") for part in parts)


def _parts(item: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    content = item.get("content")
    if isinstance(content, str):
        yield {"text": content}
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict):
            yield part


def _thoughts(items: Sequence[Item]) -> Iterator[str]:
    """The text itself where a server gives it, else its summary."""
    for item in items:
        if item.get("type") == "reasoning":
            shown = [_text(part, "text") for part in _parts(item)]
            summary = item.get("summary")
            parts = summary if isinstance(summary, list) else ()
            yield "".join(shown) or "\n\n".join(
                _text(part, "text") for part in parts if isinstance(part, dict)
            )


def _words(text: str) -> Item:
    """Content in parts needs an id and a status at strict servers, which only their own items have (openai/codex
    #12669, gpustack #5208, vllm #29175)."""
    return {"type": "message", "role": "assistant", "content": text}


def _call(call: Mapping[str, Any]) -> Item:
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    return {
        "call_id": call.get("id"),
        "name": function.get("name"),
        "arguments": function.get("arguments"),
    }


def _text(part: Mapping[str, Any], name: str) -> str:
    return _string(part.get(name))


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
