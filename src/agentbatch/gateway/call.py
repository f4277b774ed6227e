"""One call of an agent's: sent on in the account's name, its answer handed back as it comes."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agentbatch.gateway.account import Account
from agentbatch.gateway.apis.api import Api, Reader
from agentbatch.gateway.apis.events import Parts
from agentbatch.gateway.pictures import no_text
from agentbatch.model.answer.answer import CutError, GarbageError, RefusedError
from agentbatch.model.attempts import Attempts
from agentbatch.model.capabilities import Capabilities
from agentbatch.model.failures import failure as failures
from agentbatch.model.failures.failure import Failure
from agentbatch.model.http.errors import TransportError
from agentbatch.model.http.transport import HttpAnswer, Received
from agentbatch.model.reply import CallUpdate, Observer
from agentbatch.model.request.request import encode_body
from agentbatch.model.tokens import BYTES_PER_TOKEN
from agentbatch.spending.billing import AbandonedError, CallRequest
from agentbatch.usage import Usage

EXPECTED_OUTPUT = 500
"""Tokens reserved of a limit of tokens for an answer of unknown length."""

MAX_RESERVED = 4_000
"""The same for one that may have more: agents ask for 32,000 and take a few hundred."""

UNSEEN_A_SECOND = 50
"""Tokens that a call which is given up has had written for it, about, in a second in which nothing of them was seen: a
whole answer comes at its end, and models think before they speak. For the bill; a budget is held to MAX_ANSWER."""

MAX_ANSWER = 128_000
"""Tokens that the longest answer has (GPT-5's): what a call that is given up may cost at most, where it asks for no
less. No API tells what it billed then (openai-openapi #539), and some go on writing (vercel/ai #8325, litellm
#36008)."""

SILENT_AT_FIRST = 1.0
"""Seconds that an endpoint takes before it writes."""

PRICED_APART = ("service_tier", "speed", "inference_geo")
"""Fields by which an agent would be served at another price than the one that is counted."""

ELSEWHERE = (
    *("models", "route", "provider", "preset"),
    *("extra_body", "extra_headers", "api_key", "api_base", "base_url", "api_version", "custom_llm_provider"),
    *("user_config", "model_list", "num_retries", "max_retries", "mock_response"),
)
"""Fields by which a router (OpenRouter, LiteLLM) would take another model, another provider or another key, call more
than once, or not at all."""

ELSEWHERE_NAMED = "fallback"
"""And all whose names have this in them: LiteLLM has `fallbacks`, `context_window_fallback_dict`,
`mock_testing_content_policy_fallbacks` and more (docs.litellm.ai/docs/proxy/reliability)."""

MAX_HEADER = 1_000
"""Characters of one of an agent's that is passed on."""

Write = Callable[[bytes], Awaitable[None]]
"""Hands bytes of a stream to the agent; returns when they are taken. Raises AbandonedError."""


@dataclass(frozen=True)
class PassedCall:
    """A call that was answered."""

    usage: Usage
    latency: float
    attempts: int
    finish_reason: str


class Call:
    """One, until it was answered. `write` gets a streamed answer, but for its end (`show`); a document is in `document`
    afterwards."""

    def __init__(
        self,
        api: Api,
        account: Account,
        body: Mapping[str, Any],
        content: bytes,
        headers: Mapping[str, str],
        write: Write,
    ) -> None:
        self.model = account.named(body.get("model"))
        self.begun = False
        """The agent has seen a part of the answer: nothing is sent again."""
        self.tokens: int | None = None
        """See `Sending`; so are `body`, `send` and `lost`."""
        self.document = b""
        """An answer that is no stream."""
        self.refused: HttpAnswer | None = None
        """What the last attempt was answered, if it was refused."""
        self._api = api
        self._account = account
        self._asked = asked_here(body)
        self._headers = passed_on(api.headers, headers)
        self._write = write
        limits = api.limits(body)
        self._longest = (limits.output or MAX_ANSWER) * limits.answers
        self._input = estimate_input(content, body)
        self._most = limits.output * limits.answers if limits.output is not None else None
        self._sent = 0.0
        """When the latest attempt was, on the monotonic clock."""
        self._seen = 0.0
        """When the first part of its answer came; 0: none has come."""
        self.asked = CallRequest(self.model, lambda: self._input, limits.output, limits.answers)
        self._reserved = self._input + min(limits.output or EXPECTED_OUTPUT, MAX_RESERVED) * limits.answers
        self._attempts: Attempts | None = None
        self._observer: Observer | None = None
        self._reader: Reader = api.reader(self._on_tokens)
        self._parts = Parts()
        self._waiting: list[bytes] = []
        """Of the stream, until the agent is given it."""
        self._open = False
        """Something of an answer has come: what came before it may be seen."""
        self._size = 0
        self._told: tuple[Usage | None, str] = (None, "")

    async def make(self, observer: Observer) -> PassedCall:
        """Raises ModelError."""
        self._observer = observer
        attempts = self._attempts = Attempts(self._account.endpoint, self.model, self._reserved, observer)
        await attempts.run(self)
        usage, reason = self._told
        if usage is None:
            used = self._reader.used()
            output = used.output if used is not None else self._size // BYTES_PER_TOKEN
            usage = Usage(input=self._input, output=output, calls=1, estimated=True)
        return PassedCall(usage, attempts.latency, attempts.count, reason)

    def body(self, capabilities: Capabilities) -> dict[str, Any]:
        return self._api.sent({**self._asked, "model": self.model}, capabilities)

    async def send(self, body: dict[str, Any]) -> Failure | None:
        self._reader, self._parts = self._api.reader(self._on_tokens), Parts()
        self._waiting, self._open, self._size, self.refused = [], False, 0, None
        self._sent, self._seen = time.monotonic(), 0.0
        streams = bool(body.get("stream"))
        try:
            answer = await self._account.endpoint.post(
                self._api.path,
                encode_body(body),
                self if streams else None,
                headers=self._headers,
                key_form=self._api.key_form,
                drain=self._drain if streams else None,
            )
            if answer.status != 200:
                self.refused = answer
                return failures.http_failure(answer, time.time())
            await self._end(answer.body)
        except (TransportError, CutError, GarbageError, RefusedError) as error:
            return failures.failure_of(error, time.time())
        except (asyncio.CancelledError, AbandonedError):
            self._tell_known()
            raise
        return None

    def _tell_known(self) -> None:
        """What a call that is given up has used: more is known of it than that it was under way."""
        used = self.lost() or Usage(input=self._input, estimated=True)
        if not self.whole:
            unseen = written_unseen((self._seen or time.monotonic()) - self._sent, self._most)
            used += Usage(output=max(0, unseen - (0 if self._seen else used.output)), estimated=True)
        if self._observer is not None and self._attempts is not None:
            used = used.model_copy(update={"calls": 1})
            beyond = 0 if self.whole else max(0, self._longest - used.output)
            self._observer(CallUpdate("lost", self._attempts.count, usage=used, beyond=beyond))

    def lost(self) -> Usage | None:
        used = self._reader.used()
        if used is not None and used.estimated and not used.input:
            used += Usage(input=self._input)
        return used

    @property
    def whole(self) -> bool:
        return self._reader.whole

    def feed(self, chunk: bytes) -> Received:
        """A chunk of a stream: see BodyReader."""
        part = self._parts.feed(chunk)
        return self._take(part) if part else "nothing"

    def _take(self, part: bytes) -> Received:
        self._size += len(part)
        self._waiting.append(part)
        received = self._reader.feed(part)
        self._open = self._open or received != "nothing"
        self._seen = self._seen or (time.monotonic() if self._open else 0.0)
        return received

    @property
    def said(self) -> bytes:
        """What the endpoint said last and the agent has not seen, without keys: a refusal, where there was one."""
        return self._clean(self.refused.body if self.refused is not None else b"".join(self._waiting))

    async def _drain(self) -> None:
        if not self._reader.whole:
            await self.show()

    async def show(self) -> None:
        """Give the agent what it has not seen of a stream: of a whole one its end, once that is billed. Raises
        AbandonedError."""
        if self._open and self._waiting:
            part = self._api.shown(b"".join(self._waiting), self._asked)
            self._waiting.clear()
            if part:
                self.begun = True
                await self._write(self._clean(part))

    async def _end(self, body: bytes) -> None:
        rest = body or self._parts.end()
        if rest:
            self._take(rest)
        told = self._reader.answer()
        self._told = told.usage, told.finish_reason
        self.tokens = told.usage.total if told.usage is not None else None
        if not self._open:
            self.document = self.said

    def _clean(self, data: bytes) -> bytes:
        """Without keys."""
        text = data.decode("utf-8", "surrogateescape")
        return self._account.endpoint.redact(text).encode("utf-8", "surrogateescape")

    def _on_tokens(self, tokens: int) -> None:
        if self._attempts is not None:
            self._attempts.generating(tokens, self._reader.tail)


def passed_on(names: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Headers of an agent's request for the endpoint: those that its API has, and no others."""
    found = {name: given.get(name, "")[:MAX_HEADER] or usual for name, usual in names.items()}
    return {name: value for name, value in found.items() if value and value.isascii() and value.isprintable()}


def asked_here(body: Mapping[str, Any]) -> dict[str, Any]:
    """A request without what would have it served elsewhere, or at another price."""
    left_out = PRICED_APART + ELSEWHERE
    return {
        name: value for name, value in body.items() if name not in left_out and ELSEWHERE_NAMED not in name
    }


def estimate_input(content: bytes, body: Mapping[str, Any]) -> int:
    """Tokens of a request, about: its bytes, and what was read from them."""
    size, tokens = no_text(body)
    return -(-max(0, len(content) - size) // BYTES_PER_TOKEN) + tokens


def written_unseen(seconds: float, most: int | None) -> int:
    """Tokens of an answer of which nothing has been seen for so long, about; `most`: that were asked for."""
    written = int(max(0.0, seconds - SILENT_AT_FIRST) * UNSEEN_A_SECOND)
    return written if most is None else min(written, most)
