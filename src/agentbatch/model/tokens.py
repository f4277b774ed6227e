"""Counts tokens: a fast estimate for reservations, tiktoken where an endpoint sends no usage."""

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from agentbatch.model.answer.answer import Answer
from agentbatch.model.reply import Message, ToolSpec
from agentbatch.model.request.history import ITEMS
from agentbatch.usage import Usage

BYTES_PER_TOKEN = 4
"""UTF-8 bytes of one token: the usual rule for English and code. A CJK character has three bytes, so
counting bytes instead of characters gives it 3/4 of a token, as in current vocabularies."""

SEALED = 5
"""Characters of encrypted reasoning to a token, about: base64 of text."""

PER_MESSAGE = 4
"""Tokens of overhead per message (OpenAI's cookbook: 3 and the role)."""

VOCABULARY = "o200k_base"
"""tiktoken's vocabulary of gpt-4o and later; near enough for other models' text."""

MAX_COUNTED = 400_000
"""Characters. Longer texts are estimated: tiktoken takes seconds for some of them."""

Measure = Callable[[str], int]

log = logging.getLogger(__name__)


def estimate(text: str) -> int:
    """Tokens of a text without a vocabulary: UTF-8 bytes / 4, rounded up."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return -(-size // BYTES_PER_TOKEN)


def estimate_messages(messages: Sequence[Message], tools: Sequence[ToolSpec] | None = None) -> int:
    """Input tokens of these messages and tools: a fast estimate."""
    return measure_messages(messages, tools, estimate)


def measure_messages(messages: Sequence[Message], tools: Sequence[ToolSpec] | None, measure: Measure) -> int:
    total = sum(PER_MESSAGE + measure(_message_text(message)) + _sealed(message) for message in messages)
    return total + (measure(json.dumps(list(tools), ensure_ascii=False)) if tools else 0)


class TokenCounter:
    """Counts with tiktoken once its vocabulary is loaded, else estimates.

    The vocabulary is downloaded at first use, which some networks block silently: it is loaded in a
    daemon thread and waited for once, at most `load_timeout` seconds. A failure is remembered.
    """

    def __init__(self, load: Callable[[], Measure] | None = None, load_timeout: float = 5.0) -> None:
        self._load = load or _load_tiktoken
        self._load_timeout = load_timeout
        self._loading: asyncio.Task[Measure | None] | None = None

    async def usage(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] | None, answer: Answer
    ) -> Usage:
        """The usage of one answered call, marked as estimated."""
        measure = await self._measure()
        texts = [_message_text(message) for message in messages]
        if measure is None or sum(map(len, texts)) + len(answer.content) > MAX_COUNTED:
            return _usage(messages, tools, answer, estimate)
        return await asyncio.to_thread(_usage, messages, tools, answer, measure)

    async def available(self) -> bool:
        """Whether tiktoken is used; False: its vocabulary cannot be loaded and tokens are estimated."""
        return await self._measure() is not None

    async def _measure(self) -> Measure | None:
        if self._loading is None:
            self._loading = asyncio.create_task(self._fetch())
        return await asyncio.shield(self._loading)

    async def _fetch(self) -> Measure | None:
        loop = asyncio.get_running_loop()
        loaded: asyncio.Future[Measure | None] = loop.create_future()

        def set_result(measure: Measure | None) -> None:
            if not loaded.done():
                loaded.set_result(measure)

        def work() -> None:
            try:
                measure: Measure | None = self._load()
            except (OSError, ValueError, ImportError, KeyError) as error:
                log.info("tiktoken's vocabulary is not available (%s): tokens are estimated.", error)
                measure = None
            try:
                loop.call_soon_threadsafe(set_result, measure)
            except RuntimeError:
                log.debug("The event loop ended before tiktoken's vocabulary arrived.")

        # Not a pool thread: those are joined at exit, and a hanging download would keep the process alive.
        threading.Thread(target=work, name="tiktoken", daemon=True).start()
        done, _ = await asyncio.wait([loaded], timeout=self._load_timeout)
        return loaded.result() if done else None


def _usage(
    messages: Sequence[Message], tools: Sequence[ToolSpec] | None, answer: Answer, measure: Measure
) -> Usage:
    called = "".join(call.name + call.arguments for call in answer.tool_calls)
    reasoning = measure(answer.reasoning) if answer.reasoning else 0
    return Usage(
        input=measure_messages(messages, tools, measure),
        output=measure(answer.content + called) + reasoning,
        reasoning=reasoning,
        calls=1,
        estimated=True,
    )


def _message_text(message: Message) -> str:
    content = message.get("content")
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False) if content else ""
    calls = message.get("tool_calls")
    if calls:
        text += json.dumps(calls, ensure_ascii=False)
    return text + str(message.get("reasoning_content") or message.get("reasoning") or "")


def _sealed(message: Message) -> int:
    items = message.get(ITEMS)
    sealed = (item.get("encrypted_content") for item in items or () if isinstance(item, dict))
    return sum(len(text) for text in sealed if isinstance(text, str)) // SEALED


def _load_tiktoken() -> Measure:
    import tiktoken

    encoding = tiktoken.get_encoding(VOCABULARY)

    def measure(text: Any) -> int:
        return len(encoding.encode(text, disallowed_special=()))

    return measure
