"""Fields of a reply that we do not read: the history takes them back as they came, from one piece or from many.

Gemini 3 refuses a history without the `extra_content` of its calls (openai-python #2758); OpenRouter wants
`reasoning_details` back, LiteLLM `thinking_blocks` and `provider_specific_fields`. Pure.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

from agentbatch.model.request.history import ITEMS, SOURCE

MAX_CARRIED = 1_000_000
"""Characters of JSON in one message. Signatures and encrypted thoughts take up to 100,000; more is dropped."""

READ = frozenset({"role", "content", "tool_calls", "function_call", "refusal", "name", "tool_call_id"})
"""Fields of a message that we read ourselves."""

OUTPUT = frozenset(
    {
        "annotations", "audio", "citations", "context", "images", "logprobs", "prompt_token_ids", "search_results",
        "token_ids",
    }
)  # fmt: skip
"""Fields of answers that no request takes: OpenAI's annotations and audio, OpenRouter's images, Azure's context,
vLLM's token ids."""

OURS = frozenset({ITEMS, SOURCE})
"""Fields that only we give a message: an endpoint that did could have another one take its items for their own."""

READ_OF_CALL = frozenset({"id", "index", "type", "function"})

READ_OF_FUNCTION = frozenset({"name", "arguments", "description", "parameters"})

TEXTS = frozenset({"text", "summary", "thinking", "data", "reasoning", "reasoning_content"})
"""Fields of nested objects that stream piece by piece; others come whole, and the latest counts."""


def carried(message: Mapping[str, Any]) -> dict[str, Any]:
    """What goes back of a message beside what we read. `reasoning_content` wins over a second copy in `reasoning`."""
    found = _rest(message, READ | OUTPUT | OURS)
    if "reasoning_content" in found:
        found.pop("reasoning", None)
    return _bounded(found)


def carried_by_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a tool call; what its function carries is under `function`."""
    found = _rest(call, READ_OF_CALL)
    function = call.get("function")
    inner = _rest(function, READ_OF_FUNCTION) if isinstance(function, dict) else {}
    return _bounded({**found, "function": inner} if inner else found)


def _rest(fields: Mapping[str, Any], read: Collection[str]) -> dict[str, Any]:
    """Empty ones say nothing, and strict endpoints refuse their names."""
    return {name: value for name, value in fields.items() if name not in read and _says_something(value)}


def _says_something(value: Any) -> bool:
    return value is not None and value != "" and value != [] and value != {}


def _bounded(found: dict[str, Any]) -> dict[str, Any]:
    if not found:
        return found
    try:
        return found if len(json.dumps(found)) <= MAX_CARRIED else {}
    except (ValueError, RecursionError):
        return {}


class Pieces:
    """The fields of one message or call as they stream in. Time and memory are linear in what arrives."""

    def __init__(self, read: Collection[str]) -> None:
        self._read = read
        self._fields: dict[str, Any] = {}

    def add(self, delta: Mapping[str, Any]) -> int:
        """Add what a delta has beside what we read; returns the number of characters in it."""
        size = 0
        for name, value in delta.items():
            if name not in self._read and _says_something(value):
                before = self._fields.get(name)
                if before != [value]:  # one that is repeated whole with every chunk
                    self._fields[name], more = _merged(before, value, joins=True)
                    size += more
        return size

    def fields(self) -> dict[str, Any]:
        """All of it so far."""
        return {name: _whole(value) for name, value in self._fields.items()}


class _Texts(list[str]):
    """A text in pieces."""


def _merged(before: Any, piece: Any, *, joins: bool) -> tuple[Any, int]:
    """`before` with the next piece of it, and the characters in that. `joins`: it is a text that comes piece by
    piece. Deep nesting was refused by the JSON parser."""
    if isinstance(piece, str):
        if joins and isinstance(before, _Texts):
            before.append(piece)
            return before, len(piece)
        return _Texts([piece]), len(piece)
    if isinstance(piece, dict):
        return _merged_objects(before if isinstance(before, dict) else {}, piece)
    if isinstance(piece, list):
        return _merged_lists(before if isinstance(before, list) else [], piece)
    return piece, 1


def _merged_objects(before: dict[str, Any], piece: dict[str, Any]) -> tuple[dict[str, Any], int]:
    size = 0
    for name, value in piece.items():
        if _says_something(value) or name not in before:
            before[name], more = _merged(before.get(name), value, joins=name in TEXTS)
            size += more
    return before, size + 1


def _merged_lists(before: list[Any], piece: list[Any]) -> tuple[list[Any], int]:
    size = 0
    for entry in piece:
        if isinstance(entry, dict) and before and _continues(before[-1], entry):
            size += _merged_objects(before[-1], entry)[1]
        else:
            fresh, more = _merged(None, entry, joins=False)
            before.append(fresh)
            size += more
    return before, size


def _continues(last: Any, entry: dict[str, Any]) -> bool:
    """Whether an entry of a list goes on with the one before it: the same kind and number, and that not signed yet."""
    if not isinstance(last, dict):
        return False
    for name in ("type", "index", "id"):
        ours = _whole(last.get(name))
        if entry.get(name) is not None and ours is not None and entry[name] != ours:
            return False
    return not (_says_something(last.get("signature")) and any(entry.get(name) for name in TEXTS))


def _whole(value: Any) -> Any:
    if isinstance(value, _Texts):
        return "".join(value)
    if isinstance(value, dict):
        return {name: _whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return value
