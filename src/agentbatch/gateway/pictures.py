"""What of a request is no text: its length says little about its tokens. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

PICTURE = 1_500
"""Tokens of a picture, about (Anthropic: up to 1,600; OpenAI: 765 for a megapixel)."""

PAGE = 40_000
"""Bytes of a document or a sound that are counted as one picture."""

HOLDERS = ("messages", "input", "system", "content", "output")
"""Fields in which APIs look for pictures. What else a request holds (tools, arguments of calls) is text to a model,
whatever it looks like."""

CALLS = ("tool_use", "server_tool_use", "function_call", "custom_tool_call", "mcp_call")
"""Parts whose fields are the model's or the agent's own words."""


class NoText(NamedTuple):
    size: int
    """Characters in the request."""
    tokens: int


def no_text(body: Mapping[str, Any]) -> NoText:
    """The pictures, documents and sounds of a request, all together."""
    found = [(len(data), PICTURE * (1 + (len(data) // PAGE if paged else 0))) for data, paged in _parts(body)]
    return NoText(sum(size for size, _ in found), sum(tokens for _, tokens in found))


def _parts(value: object) -> Iterator[tuple[str, bool]]:
    """Each with its data, and whether it can have many pages."""
    if isinstance(value, list):
        for one in value:
            yield from _parts(one)
    elif isinstance(value, Mapping) and value.get("type") not in CALLS:
        if data := _data(value):
            yield data, value.get("type") not in ("image", "image_url", "input_image")
        for name in HOLDERS:
            yield from _parts(value.get(name))


def _data(part: Mapping[str, Any]) -> str:
    """That of one part of a message; empty: it has none, or only names a place where it is."""
    match part.get("type"):
        case "image_url":
            return _embedded(_field(part.get("image_url"), "url"))
        case "input_image":
            return _embedded(part.get("image_url"))
        case "image" | "document":
            source = part.get("source")
            return _text(_field(source, "data")) if _field(source, "type") == "base64" else ""
        case "input_file":
            return _embedded(part.get("file_data"))
        case "file":
            return _embedded(_field(part.get("file"), "file_data"))
        case "input_audio":
            return _text(_field(part.get("input_audio"), "data"))
    return ""


def _field(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, Mapping) else value


def _embedded(value: object) -> str:
    text = _text(value)
    return text if text.startswith("data:") else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
