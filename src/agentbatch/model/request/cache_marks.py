"""`cache_control` marks: where an endpoint is to keep what it has read, for providers that cache only what is marked.

Anthropic's models take them over OpenRouter, LiteLLM and other gateways (openrouter.ai/docs/features/prompt-caching,
docs.litellm.ai/docs/completion/prompt_caching); Anthropic's own OpenAI-compatible endpoint has no prompt caching
(docs.anthropic.com/en/api/openai-sdk), others cache unasked. A mark covers everything before it, tools too. Pure.
"""

from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

Message = dict[str, Any]

CacheMarks = Literal["1h", "5m", ""]
"""How long what is marked is kept: an hour (written at twice the price of input), five minutes (1.25 times); empty: no
marks."""

CACHE_MARKS: tuple[CacheMarks, ...] = ("1h", "5m", "")

PromptCache = Literal["auto", "on", "1h", "off"]
"""The setting; auto: where a model is known to want marks."""

MAX_MARKS = 4
"""Of a request; with more it is refused (docs.anthropic.com/en/docs/build-with-claude/prompt-caching)."""


def marks_for(setting: PromptCache, model: str, base_url: str) -> CacheMarks:
    """The marks that are tried first."""
    if setting == "off":
        return ""
    if setting == "1h":
        return "1h"
    own = (urlsplit(base_url).hostname or "").endswith("anthropic.com")
    return "5m" if setting == "on" or ("claude" in model.lower() and not own) else ""


def marked(messages: Sequence[Message], marks: CacheMarks, *, grows: bool) -> list[Message]:
    """The messages with marks on the last system message and, where the conversation grows, on its last message and on
    the one that was the last in the call before. What comes later finds what was kept then."""
    places = _places(messages, grows=grows) if marks else set()
    control = {"type": "ephemeral", "ttl": "1h"} if marks == "1h" else {"type": "ephemeral"}
    return [
        _with_mark(message, control) if place in places else message for place, message in enumerate(messages)
    ]


def has_marks(messages: Sequence[Message]) -> bool:
    return any("cache_control" in message or _in_parts(message.get("content")) for message in messages)


def _places(messages: Sequence[Message], *, grows: bool) -> set[int]:
    able = [place for place, message in enumerate(messages) if _can_be_marked(message)]
    system = [place for place in able if messages[place].get("role") in ("system", "developer")][-1:]
    talk = [place for place in able if messages[place].get("role") not in ("system", "developer")]
    answers = [place for place, message in enumerate(messages) if message.get("role") == "assistant"]
    before = [place for place in talk if answers and place < answers[-1]][-1:]
    return {*system, *(talk[-1:] if grows else ()), *(before if grows else ())}


def _can_be_marked(message: Message) -> bool:
    """Empty text is refused with a mark. Where somebody has marked a message already, nothing is added."""
    content = message.get("content")
    if isinstance(content, list):
        last = content[-1] if content else None
        return isinstance(last, dict) and bool(last.get("text")) and not _in_parts(content)
    return isinstance(content, str) and bool(content.strip())


def _in_parts(content: Any) -> bool:
    return isinstance(content, list) and any(
        isinstance(part, dict) and "cache_control" in part for part in content
    )


def _with_mark(message: Message, control: dict[str, str]) -> Message:
    """A tool's answer has the mark beside its content, which stays text: many servers take no parts there."""
    if message.get("role") == "tool":
        return {**message, "cache_control": control}
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    return {**message, "content": [*parts[:-1], {**parts[-1], "cache_control": control}]}
