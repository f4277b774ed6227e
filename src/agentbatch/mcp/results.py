"""What a call of a server's tool gave, as the model reads it. Pure: nothing that a server says is trusted."""

import json
from collections.abc import Mapping
from typing import Any

from agentbatch.text import clip, counted, harmless_block
from agentbatch.workspace.workspace import ToolResult

MAX_RESULT = 30_000
"""Characters, as of a command's output: head and tail."""
MAX_PARTS = 500
ASKS = "The tool asks for something that only a person can give."


def tool_result(given: Mapping[str, Any], changes: bool) -> ToolResult:
    """`given`: a `CallToolResult` as it came; `changes`: the tool may have changed something."""
    if given.get("resultType") == "input_required":
        return ToolResult(ASKS, ok=False, changed=changes, note="it asks for a person")
    content = given.get("content")
    parts = content if isinstance(content, list) else []
    texts = [_text(part) for part in parts[:MAX_PARTS] if isinstance(part, Mapping)]
    if len(parts) > MAX_PARTS:
        texts.append(f"[{len(parts) - MAX_PARTS:,} parts more, not shown]")
    text = "\n".join(filter(None, texts))
    structured = given.get("structuredContent")
    if not text.strip() and structured is not None:
        text = _as_json(structured)
    ok = given.get("isError") is not True
    shown = _bounded(harmless_block(_bounded(text, 4 * MAX_RESULT)), MAX_RESULT)
    if not shown.strip():
        shown = "(nothing)" if ok else "The tool failed and says nothing of it."
    return ToolResult(shown, ok=ok, changed=changes, note="" if ok else "the server's tool failed")


def failed(sentence: str) -> ToolResult:
    """A call that has no answer of the server's."""
    return ToolResult(sentence, ok=False, note=clip(sentence, 100))


def _bounded(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    half = most // 2 - 40
    return f"{text[:half]}\n[… {len(text) - 2 * half:,} characters left out …]\n{text[-half:]}"


def _text(part: Mapping[str, Any]) -> str:
    """Of one block of content; what is no text is named."""
    match part.get("type"):
        case "text":
            return _string(part.get("text"))
        case "image" | "audio" as kind:
            return f"[{kind}, {_named(part)}: not shown]"
        case "resource_link":
            return f"[link to {_string(part.get('uri'))[:500]}]"
        case "resource":
            inner = part.get("resource")
            resource = inner if isinstance(inner, Mapping) else {}
            if isinstance(resource.get("text"), str):
                return _string(resource["text"])
            return f"[resource {_string(resource.get('uri'))[:500]}, {_named(resource)}: not shown]"
    return f"[{clip(_string(part.get('type')), 40) or 'something'} that is no text: not shown]"


def _as_json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "[something that is nested too deeply: not shown]"


def _named(part: Mapping[str, Any]) -> str:
    data = part.get("data", part.get("blob"))
    size = counted(len(data) * 3 // 4, "byte") if isinstance(data, str) else "empty"
    return f"{clip(_string(part.get('mimeType')), 60) or 'of no kind'}, {size}"


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
