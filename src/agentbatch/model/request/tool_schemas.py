"""Schemas of tools for endpoints that refuse what limits a value. What is left out still holds: a tool checks what it
is given. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from agentbatch.model.reply import ToolSpec

KEPT = frozenset({"type", "description", "properties", "required", "items", "enum", "anyOf"})
"""What every endpoint takes."""

MAX_DEPTH = 20


def plain_tools(tools: Sequence[ToolSpec]) -> list[ToolSpec]:
    """The tools with schemas of nothing but KEPT."""
    return [
        {**tool, "function": {**tool["function"], "parameters": _plain(tool["function"].get("parameters"))}}
        for tool in tools
    ]


def limits_in(tools: Any) -> set[str]:
    """The other words that the schemas of a body's tools have."""
    found: set[str] = set()
    for tool in tools if isinstance(tools, list) else []:
        function = tool.get("function") if isinstance(tool, dict) else None
        if isinstance(function, dict):
            found.update(_limits(function.get("parameters"), 0))
    return found


def _plain(schema: Any, depth: int = 0) -> Any:
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return schema
    kept = {word: value for word, value in schema.items() if word in KEPT}
    for word, inner in kept.items():
        if word == "properties" and isinstance(inner, dict):
            kept[word] = {name: _plain(value, depth + 1) for name, value in inner.items()}
        elif word == "items":
            kept[word] = _plain(inner, depth + 1)
        elif word == "anyOf" and isinstance(inner, list):
            kept[word] = [_plain(value, depth + 1) for value in inner]
    return kept


def _limits(schema: Any, depth: int) -> Iterator[str]:
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return
    yield from schema.keys() - KEPT
    properties, options = schema.get("properties"), schema.get("anyOf")
    for inner in (
        *(properties.values() if isinstance(properties, dict) else ()),
        *(options if isinstance(options, list) else ()),
        schema.get("items"),
    ):
        yield from _limits(inner, depth + 1)
