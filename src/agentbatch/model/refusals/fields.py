"""All that an error's document says, flat: providers and gateways nest errors in each other, also as text."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

MAX_FIELDS = 400
MAX_DEPTH = 10
MAX_TEXT = 16_000
"""Characters of one value."""

FAILED_GENERATION = "failedgeneration"

ECHOES = frozenset(
    {
        "input",
        "inputvalue",
        "messages",
        "prompt",
        "request",
        "requestbody",
        FAILED_GENERATION,
        "flaggedinput",
    }
)
"""Names, as `Field` has them, of what repeats the request or a model's words: pydantic's `input` (vLLM, FastAPI),
Groq's failed_generation, OpenRouter's flagged_input. A coder may have written it: a file with
`"code": "model_not_found"` in it must not stop the run."""


class Field(NamedTuple):
    """One value of the document. `name` is in lower case and without `-` and `_`: `retryDelay` and `retry_delay` are
    one; of a list's entry it is the list's."""

    name: str
    value: str


def fields_of(document: Any) -> tuple[Field, ...]:
    """Names and values at every depth, in the document's order; MAX_FIELDS of them, whatever was sent."""
    found: list[Field] = []
    for field in _walk("", document, 0):
        found.append(field)
        if len(found) >= MAX_FIELDS:
            break
    return tuple(found)


def plain(name: str) -> str:
    """A name as a Field has it."""
    return name.lower().replace("-", "").replace("_", "")


def spoken(document: Any, depth: int = 0) -> Any:
    """The document with nothing in its echoes: what the server says itself."""
    if isinstance(document, dict) and depth <= MAX_DEPTH:
        return {
            name: "" if plain(str(name)[:100]) in ECHOES else spoken(value, depth + 1)
            for name, value in document.items()
        }
    if isinstance(document, list) and depth <= MAX_DEPTH:
        return [spoken(value, depth + 1) for value in document]
    return None if isinstance(document, dict | list) else document


def failed_generation(document: Any, depth: int = 0) -> str:
    """What the model wrote that its endpoint could not read (Groq), outside of every other echo; empty: it keeps it to
    itself."""
    inner = document if isinstance(document, list) else []
    if isinstance(document, dict):
        named = {plain(str(name)[:100]): value for name, value in document.items()}
        if isinstance(text := named.get(FAILED_GENERATION), str) and text.strip():
            return text[:MAX_TEXT]
        inner = [value for name, value in named.items() if name not in ECHOES]
    texts = (failed_generation(value, depth + 1) for value in inner if depth <= MAX_DEPTH)
    return next(filter(None, texts), "")


def inner_document(text: str) -> Any:
    """The object or list whose JSON text a value is, as `spoken`; None for other values."""
    if text.lstrip()[:1] not in ("{", "[") or len(text) > MAX_TEXT:
        return None
    try:
        return spoken(json.loads(text, strict=False))
    except (ValueError, RecursionError):
        return None


def _walk(name: str, value: Any, depth: int) -> Iterator[Field]:
    if depth > MAX_DEPTH:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(plain(str(key)[:100]), inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(name, inner, depth + 1)
    elif isinstance(value, str):
        yield Field(name, value[:MAX_TEXT])
        yield from _walk(name, inner_document(value), depth + 1)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield Field(name, str(value)[:400])
