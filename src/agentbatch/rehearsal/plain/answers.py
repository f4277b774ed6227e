"""Answers to plain requests, without a script: short, deterministic, cheap."""

import hashlib
import json
import random
from collections.abc import Mapping
from typing import Any

from agentbatch.rehearsal.faults.refusals import Problem

PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses")

WORDS = (
    "red",
    "kettle",
    "quiet",
    "snow",
    "north",
    "road",
    "geese",
    "wait",
    "spring",
    "hours",
    "bread",
    "window",
)

DIMENSIONS = 8
"""Of an embedding."""

MAX_DEPTH = 12
"""Levels of a schema that are filled."""


def parse_plain(content: bytes) -> dict[str, Any] | Problem:
    """The body of a plain request."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return Problem(400, "We could not parse the JSON body of your request.")
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        return Problem(400, "you must provide a model parameter", param="model")
    return body


def plain_document(
    path: str, body: Mapping[str, Any], number: int, careless: random.Random | None = None
) -> dict[str, Any]:
    """The document that answers `body`; `number` makes its id unique. `careless`: packed items get bad answers."""
    question = repr(body.get("messages") or body.get("input") or body.get("prompt") or "")
    digest = hashlib.sha256(question.encode("utf-8", "replace")).digest()
    prompt_tokens = max(1, len(question) // 4)
    model = body.get("model")
    if path.endswith("embeddings"):
        vector = [byte / 255 for byte in digest[:DIMENSIONS]]
        usage = {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens}
        data = [{"object": "embedding", "index": 0, "embedding": vector}]
        return {"object": "list", "model": model, "data": data, "usage": usage}
    items = packed_items(body)
    text = _text(body, digest) if items is None else _packed(body, items, careless)
    completion_tokens = max(1, len(text) // 4)
    if path.endswith("responses"):
        content = [{"type": "output_text", "text": text}]
        output = [{"type": "message", "role": "assistant", "content": content}]
        counts = {
            "input_tokens": prompt_tokens,
            "output_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        }
        return {"id": f"resp_{number}", "object": "response", "model": model, "status": "completed", "output": output,
                "usage": counts}  # fmt: skip
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
    if path.endswith("chat/completions"):
        choice["message"] = {"role": "assistant", "content": text}
    else:
        choice["text"] = text
    return {"id": f"plain-{number}", "object": "chat.completion", "created": 0, "model": model, "choices": [choice],
            "usage": usage}  # fmt: skip


def _text(body: Mapping[str, Any], digest: bytes) -> str:
    form = body.get("response_format")
    if isinstance(form, dict) and form.get("type") == "json_schema":
        return json.dumps(_filled(_schema(body), digest, 0))
    if isinstance(form, dict) and form.get("type") == "json_object":
        return '{"answer": "' + WORDS[digest[0] % len(WORDS)] + '"}'
    return " ".join(WORDS[byte % len(WORDS)] for byte in digest[:8])


def packed_items(body: Mapping[str, Any]) -> dict[str, str] | None:
    """The items of a packed request: its last message ends in a JSON object of texts by id."""
    messages = body.get("messages")
    content = messages[-1].get("content") if isinstance(messages, list) and messages else None
    if not isinstance(content, str) or not content.endswith("}") or "one JSON object" not in content:
        return None
    try:
        items = json.loads(content[content.index("\n{") :])
    except ValueError:
        return None
    return items if all(isinstance(text, str) for text in items.values()) else None


def item_text(text: str) -> str:
    """The answer to one packed item."""
    digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    return " ".join(WORDS[byte % len(WORDS)] for byte in digest[:4])


def _packed(body: Mapping[str, Any], items: Mapping[str, str], careless: random.Random | None) -> str:
    """The answers by id, as JSON; a careless model omits some, duplicates one, invents one, and shuffles them."""
    schema = _schema(body)
    inner = schema.get("properties", {}) if isinstance(schema, dict) else {}
    pairs: list[tuple[str, Any]] = []
    for name, text in items.items():
        digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
        wanted = inner.get(name) if isinstance(inner, dict) else None
        plain = not isinstance(wanted, dict) or wanted.get("type") == "string"
        pairs.append((name, item_text(text) if plain else _filled(wanted, digest, 0)))
    if careless is not None:
        careless.shuffle(pairs)
        what = careless.randrange(5)
        if what == 0:
            del pairs[(len(pairs) + 1) // 2 :]
        elif what == 1:
            pairs.insert(0, (pairs[-1][0], None))
        elif what == 2:
            pairs.append((pairs[0][0], "a second thought"))
        elif what == 3:
            pairs.insert(1, ("nobody-asked", "an invention"))
    return "{" + ", ".join(f"{json.dumps(name)}: {json.dumps(answer)}" for name, answer in pairs) + "}"


def _schema(body: Mapping[str, Any]) -> Any:
    form = body.get("response_format")
    inner = form.get("json_schema") if isinstance(form, dict) else None
    return inner.get("schema") if isinstance(inner, dict) else None


def _filled(schema: Any, digest: bytes, depth: int) -> Any:
    """A document that matches a simple schema: objects, arrays, strings, numbers, booleans, enums."""
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return WORDS[digest[0] % len(WORDS)]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][digest[depth] % len(schema["enum"])]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties")
        return {
            name: _filled(inner, digest, depth + 1)
            for name, inner in (properties if isinstance(properties, dict) else {}).items()
        }
    if kind == "array":
        return [_filled(schema.get("items"), digest, depth + 1)]
    if kind in ("integer", "number"):
        return int(schema.get("minimum", 1))
    if kind == "boolean":
        return digest[depth] % 2 == 0
    return WORDS[digest[depth] % len(WORDS)]
