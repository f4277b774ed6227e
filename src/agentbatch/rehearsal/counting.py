"""Usage figures of the rehearsal model, and its simulated prefix cache."""

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

BYTES_PER_TOKEN = 4
"""A token is four UTF-8 bytes, rounded up per request: about right for English and code, and the same on every
machine, so that tests and benchmarks can compare figures."""

MAX_CONVERSATIONS = 1024
"""Conversations whose last request is kept for the prefix cache; the least recently used one is dropped first."""

Messages = Sequence[Mapping[str, Any]]


def tokens(size: int) -> int:
    """Tokens of `size` UTF-8 bytes, rounded up."""
    return -(-size // BYTES_PER_TOKEN)


def text_size(text: object) -> int:
    """UTF-8 bytes of a text; 0 for anything else. Lone surrogates, legal in JSON, count, too."""
    if not isinstance(text, str):
        return 0
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def message_size(message: Mapping[str, Any]) -> int:
    """UTF-8 bytes of a message's content: role, text, reasoning, names and arguments of its tool calls."""
    size = text_size(message.get("role")) + text_size(message.get("reasoning_content"))
    content = message.get("content")
    if isinstance(content, list):
        size += sum(text_size(part.get("text")) for part in content if isinstance(part, dict))
    else:
        size += text_size(content)
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        for call in calls:
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict):
                size += text_size(function.get("name")) + text_size(function.get("arguments"))
    return size


class Prompt(NamedTuple):
    """Tokens of a request."""

    total: int
    cached: int
    """The part that a prefix cache would serve: tools and messages equal to an earlier request's."""


class _Seen(NamedTuple):
    tools: object
    messages: Messages
    sizes: list[int]
    """UTF-8 bytes up to and including each message; the first entry is for the tools."""


class PrefixCache:
    """Counts requests' tokens and keeps each conversation's last request, whose prefix is cached.

    Real caches serve whole blocks and expire after minutes; this one is exact to the byte and keeps the last request
    of up to MAX_CONVERSATIONS conversations. Only what is new since the last request is counted again.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[object, _Seen] = OrderedDict()

    def count(self, conversation: object, messages: Messages, tools: object) -> Prompt:
        before = self._seen.pop(conversation, None)
        if before is not None and before.tools == tools:
            common = _common(before.messages, messages)
            sizes = before.sizes[: common + 1]
        else:
            common = 0
            sizes = [text_size(json.dumps(tools, ensure_ascii=False)) if tools else 0]
        cached = sizes[common] if common else 0
        for message in messages[common:]:
            sizes.append(sizes[-1] + message_size(message))
        self._seen[conversation] = _Seen(tools, messages, sizes)
        if len(self._seen) > MAX_CONVERSATIONS:
            self._seen.popitem(last=False)
        return Prompt(total=tokens(sizes[-1]), cached=cached // BYTES_PER_TOKEN)


def _common(before: Messages, now: Messages) -> int:
    """Messages that both requests begin with."""
    count = 0
    for old, new in zip(before, now, strict=False):
        if old != new:
            break
        count += 1
    return count
