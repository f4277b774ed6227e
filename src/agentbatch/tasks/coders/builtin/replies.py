"""What a coder's reply is, and the form in which it may stand in the history."""

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Literal

from agentbatch.model.answer.answer import new_call_id
from agentbatch.model.reply import Reply, ToolCall
from agentbatch.patterns import regex

Kind = Literal["calls", "text", "cut_off", "filtered", "reasoning", "empty"]


def classify(reply: Reply) -> Kind:
    """`cut_off` is text that hit the output limit; calls that did are sorted out one by one, by their JSON. `filtered`
    is what the endpoint withheld, or the beginning of it."""
    if reply.tool_calls:
        return "calls"
    if reply.filtered:
        return "filtered"
    if reply.content.strip():
        return "cut_off" if reply.cut_off else "text"
    if reply.cut_off:
        return "cut_off"
    return "reasoning" if reply.reasoning.strip() else "empty"


_CALL_LIKE = regex(r"^[^\S\n]*(?:```|~~~|\{|\[\{|<\w*(?:tool|function)|FILE:|EDIT:|DONE:)", re.MULTILINE)


def looks_like_call(content: str) -> bool:
    """Whether words alone look like a call in a form that was not understood: code, JSON or a tag stands in them."""
    return _CALL_LIKE.search(content) is not None


def with_usable_ids(calls: tuple[ToolCall, ...], taken: Collection[str]) -> tuple[ToolCall, ...]:
    """Every call with an id of its own: endpoints reject a history with missing or repeated ones."""
    used = set(taken)
    fixed = []
    for call in calls:
        name = call.id
        while not name or name in used:
            name = new_call_id()
        used.add(name)
        fixed.append(call if name == call.id else replace(call, id=name))
    return tuple(fixed)
