"""A request of chat completions in the words of /v1/responses. Pure.

Nothing is stored at the provider, and no earlier response is named: the conversation is ours, and goes on after a kill,
with another key, or at another endpoint. What the API calls reasoning comes back to it encrypted.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentbatch.model.reply import Message
from agentbatch.model.responses.items import Item, input_of

ENCRYPTED = "reasoning.encrypted_content"
"""Of `include`: reasoning that can be sent back."""

SAME = ("model", "temperature", "parallel_tool_calls", "stream", "include", "prompt_cache_key")
"""Fields that have one meaning in both. The others have none here: `seed`, `stop`, `stream_options`."""

LIMITS = ("max_completion_tokens", "max_tokens")


def responses_body(chat: Mapping[str, Any]) -> dict[str, Any]:
    """What asks the same. `include` stays, which chat has not."""
    messages = list(chat["messages"])
    body: dict[str, Any] = {name: chat[name] for name in SAME if name in chat}
    body["store"] = False
    if messages and messages[0].get("role") in ("system", "developer"):
        body["instructions"] = _text(messages.pop(0).get("content"))
    body["input"] = [item for message in messages for item in _items(message)]
    if "tools" in chat:
        body["tools"] = [_tool(tool) for tool in chat["tools"]]
    if "response_format" in chat:
        body["text"] = {"format": _format(chat["response_format"])}
    if "reasoning_effort" in chat:
        body["reasoning"] = {"effort": chat["reasoning_effort"]}
    for name in LIMITS:
        if name in chat:
            body["max_output_tokens"] = chat[name]
    return body


def cache_key(messages: Sequence[Message]) -> str:
    """The same for all requests of a conversation, which one machine of the provider's then answers: by its first
    prompt, which compaction keeps. Tasks at work side by side begin with the same rules: without a key they meet at
    one machine, and lose each other's caches (developers.openai.com/api/docs/guides/prompt-caching)."""
    first = next((message for message in messages if message.get("role") == "user"), {})
    return hashlib.sha256(_text(first.get("content")).encode("utf-8", "replace")).hexdigest()[:32]


def _items(message: Message) -> Iterator[Item]:
    role, content = message.get("role"), message.get("content")
    if role == "assistant":
        yield from input_of(message)
    elif role == "tool":
        output = _text(content)
        yield {"type": "function_call_output", "call_id": message.get("tool_call_id"), "output": output}
    else:
        yield {"type": "message", "role": role, "content": content}


def _tool(spec: Mapping[str, Any]) -> Item:
    """Without `strict`, the API takes schemas as strict and makes every parameter required."""
    return {"type": "function", "strict": False, **spec["function"]}


def _format(wanted: Mapping[str, Any]) -> Item:
    return {"type": wanted["type"], **wanted.get("json_schema", {})}


def _text(content: Any) -> str:
    parts: Sequence[Any] = content if isinstance(content, list) else [{"text": content or ""}]
    return "".join(str(part.get("text") or "") for part in parts)
