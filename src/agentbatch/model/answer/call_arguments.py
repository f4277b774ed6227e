"""A call's arguments as gateways and servers spoil them, put right where it is certain what they were. Pure."""

import json
import re
from typing import Any

from agentbatch.files import json_object
from agentbatch.patterns import regex

MAX_ENCODED = 4
"""Times that arguments may have been encoded too often: each gateway on the way adds one."""

MAX_REPEATED = 64
"""JSON values behind each other that are read."""

_DECODER = json.JSONDecoder(strict=False)
"""Takes line breaks inside of strings as they are: parsers of servers put them there (vLLM, mlx)."""

_FENCED = regex(r"\s*```(?:json)?[ \t]*\n(.*)\n[ \t]*```\s*", re.DOTALL)

_BLANK = regex(r"\s*")

_MARK = regex(r"\s*(?:</?[\w|:-]{1,40}>\s*)*")
"""What ends a call in a chat template, left behind by a parser: `</tool_call>`, `<|call|>`, `<|im_end|>`."""


def call_arguments(raw: str) -> str:
    """The arguments as a JSON object's text; as they came, where they are none or it is not certain which."""
    if json_object(raw) is not None:
        return raw
    text = _decoded(raw)
    if text is None:
        return raw
    fenced = _FENCED.fullmatch(text)
    found = _one_object(fenced[1] if fenced else text)
    return raw if found is None else json.dumps(found, ensure_ascii=False)


def _decoded(raw: str) -> str | None:
    """What was encoded twice or more, as the text that it stands for."""
    inner: Any = raw
    for _ in range(MAX_ENCODED):
        if not isinstance(inner, str) or not inner.lstrip().startswith('"'):
            break
        try:
            inner = json.loads(inner)
        except (ValueError, RecursionError):
            return None
    return inner if isinstance(inner, str) else None


def _one_object(text: str) -> dict[str, Any] | None:
    """The object in it, where there is but one: some begin with an empty one (Bedrock, openai-agents-js #712), some
    send all of it again at the end (gateways to Anthropic and Gemini, mudler/cogito #66)."""
    found: dict[str, Any] | None = None
    at = _end(_BLANK, text, 0)
    for _ in range(MAX_REPEATED):
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            return None
        if not isinstance(value, dict) or (found and value and value != found):
            return None
        found = found or value
        at = _end(_MARK, text, at)
        if at == len(text):
            return found
    return None


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()
