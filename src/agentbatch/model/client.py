"""Model calls: limits, retries, learning and token counting around a single HTTP request."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from agentbatch.model.answer.answer import Answer, CutError, GarbageError, RefusedError, read_answer
from agentbatch.model.capabilities import Capabilities, ToolMode
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures import failure as failures
from agentbatch.model.failures.again import AtOnce
from agentbatch.model.failures.failure import Failure, sentence
from agentbatch.model.http.errors import TransportError
from agentbatch.model.http.transport import HttpAnswer
from agentbatch.model.limits.limits import Slot
from agentbatch.model.refusals.excess import NO_EXCESS
from agentbatch.model.refusals.overflow import excess
from agentbatch.model.reply import RETRIED, CallUpdate, Message, ModelError, Observer, Reply, ToolSpec
from agentbatch.model.request.request import Schema, build_body, encode_body
from agentbatch.model.stream.stream import StreamedAnswer
from agentbatch.model.tokens import estimate_messages
from agentbatch.usage import Usage

PATH = "/chat/completions"

PROGRESS_AFTER = 1.0
"""Seconds before a call reports that it is generating; most are answered by then."""

PROGRESS_EVERY = 0.5
"""Seconds between two progress reports."""

EXPECTED_OUTPUT = 500
"""Tokens reserved for an answer of unknown length: a tool call or two."""


class ModelClient:
    """One model on one endpoint. Clients are cheap and keep nothing of a call; the endpoint is shared."""

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        *,
        temperature: float | None = None,
        seed: int | None = None,
        max_output_tokens: int | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.model = model
        self.temperature = temperature
        self.seed = seed
        self.max_output_tokens = max_output_tokens

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[ToolSpec] | None = None,
        schema: Schema | None = None,
        temperature: float | None = None,
        observer: Observer | None = None,
    ) -> Reply:
        """The model's reply; `temperature` applies to this call only. Raises ModelError when it failed for good.
        Cancelling it cancels the request at once."""
        call = _Call(self, messages, tools, schema, temperature, observer)
        answer = await call.run()
        usage = answer.usage or await self.endpoint.counter.usage(messages, tools, answer)
        return Reply(
            content=answer.content,
            tool_calls=answer.tool_calls,
            reasoning=answer.reasoning,
            carried=answer.carried,
            finish_reason=answer.finish_reason,
            usage=usage,
            attempts=call.attempts,
            latency=call.latency,
            tool_mode=call.tool_mode,
        )


class _Call:
    """One call in flight: its attempts, retries and lessons."""

    def __init__(
        self,
        client: ModelClient,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] | None,
        schema: Schema | None,
        temperature: float | None,
        observer: Observer | None,
    ) -> None:
        self.attempts = 0
        self.retries = 0
        self.latency = 0.0
        self.tool_mode: ToolMode = "native"
        """Of the latest attempt."""
        self._client = client
        self._endpoint = client.endpoint
        self._messages = messages
        self._tools = tools or None
        self._schema = schema
        self._temperature = client.temperature if temperature is None else temperature
        self._observer = observer
        self._at_once = AtOnce(client.endpoint, client.model, self._body)
        self._ticket = client.endpoint.limits.ticket()
        self._reserved = estimate_messages(messages, tools) + (client.max_output_tokens or EXPECTED_OUTPUT)
        self._first_sent: float | None = None
        self._sent = 0.0
        self._next_progress = 0.0
        self._reader: StreamedAnswer | None = None

    async def run(self) -> Answer:
        while True:
            capabilities = self._endpoint.capabilities(self._client.model)
            self.tool_mode = capabilities.tool_mode
            body = self._body(capabilities)
            async with self._endpoint.limits.slot(self._reserved, self._on_wait, self._ticket) as slot:
                self._refuse_used_up()
                self.attempts += 1
                key = self._endpoint.api_key
                outcome = await self._send(encode_body(body), bool(body.get("stream")))
                if isinstance(outcome, Answer):
                    self._answered(outcome, slot)
                    return self._endpoint.forms.read(
                        outcome, self._tools, capabilities.tool_mode, self._messages
                    )
                wait = self._endpoint.failed(slot, outcome, self.retries + 1)
                self._tell_lost()
                # In its slot: who comes next has the new key.
                again = await self._at_once.reason(outcome, body, capabilities, key)
            if again:
                self._notify("retrying", 0.0, f"{again}: {self._sentence(outcome)}", outcome.status)
                continue
            if outcome.kind == "malformed" and self.retries >= self._endpoint.retry.max_retries:
                return _as_written(outcome, self._error(outcome))
            if outcome.kind not in RETRIED or self.retries >= self._endpoint.retry.max_retries:
                raise self._error(outcome)
            self.retries += 1
            if outcome.kind == "malformed":
                wait = 0.0  # nothing is wrong with the endpoint
            self._notify("retrying", wait, self._sentence(outcome), outcome.status)
            if outcome.kind != "rate":
                await asyncio.sleep(wait)

    def _refuse_used_up(self) -> None:
        """Another call has just heard that the quota is used up: this one, which waited for its turn, would too."""
        used_up = self._endpoint.quota.used_up
        if used_up is not None:
            raise ModelError("quota", used_up.words, attempts=self.attempts, used_up=used_up)

    def _body(self, capabilities: Capabilities) -> dict[str, Any]:
        client = self._client
        return build_body(
            client.model,
            self._messages,
            capabilities,
            tools=self._tools,
            schema=self._schema,
            temperature=self._temperature,
            seed=client.seed,
            max_output_tokens=client.max_output_tokens,
            forms=self._endpoint.forms,
        )

    async def _send(self, content: bytes, streams: bool) -> Answer | Failure:
        self._notify("sent")
        self._sent = time.monotonic()
        self._next_progress = self._sent + PROGRESS_AFTER
        if self._first_sent is None:
            self._first_sent = self._sent
        reader = self._reader = StreamedAnswer(self._on_tokens) if streams else None
        try:
            answer = await self._endpoint.post(PATH, content, reader)
            self.latency = time.monotonic() - self._first_sent
            return _outcome(answer, reader)
        except (TransportError, CutError, GarbageError, RefusedError) as error:
            return failures.failure_of(error, time.time())

    def _answered(self, answer: Answer, slot: Slot) -> None:
        slot.settle(answer.usage.total if answer.usage is not None else self._reserved)
        self._endpoint.quota.answered()

    def _tell_lost(self) -> None:
        """The attempt failed; the provider bills what it has read and written of an answer that broke off."""
        used = self._reader.used() if self._reader is not None else None
        if used is not None and self._observer is not None:
            if used.estimated:
                used += Usage(input=estimate_messages(self._messages, self._tools))
            self._observer(CallUpdate("lost", self.attempts, usage=used))

    def _sentence(self, failure: Failure, attempts: int | None = None) -> str:
        endpoint = self._endpoint
        return sentence(failure, endpoint.host, self._client.model, endpoint.redact, attempts)

    def _error(self, failure: Failure) -> ModelError:
        text = self._sentence(failure, self.attempts)
        over = failure.kind == "overflow" and failure.error is not None
        return ModelError(
            failure.kind,
            text,
            status=failure.status,
            attempts=self.attempts,
            used_up=self._endpoint.used_up(failure, text),
            excess=excess(failure.error.words) if over and failure.error is not None else NO_EXCESS,
        )

    def _on_wait(self, seconds: float, reason: str) -> None:
        self._notify("waiting", seconds, reason)

    def _on_tokens(self, tokens: int) -> None:
        now = time.monotonic()
        if self._observer is not None and now >= self._next_progress:
            self._next_progress = now + PROGRESS_EVERY
            tail = self._reader.tail() if self._reader is not None else ""
            self._observer(CallUpdate("generating", self.attempts, now - self._sent, "", tokens, tail))

    def _notify(self, kind: Any, seconds: float = 0.0, reason: str = "", status: int | None = None) -> None:
        if self._observer is not None:
            attempt = self.attempts + 1 if kind == "waiting" else self.attempts
            self._observer(CallUpdate(kind, attempt, seconds, reason, status=status))


def _as_written(failure: Failure, error: ModelError) -> Answer:
    """What the model wrote instead of a call that could be read, as its answer: whoever asked makes of it what can be
    made. Raises the error where the endpoint kept it to itself."""
    written = failure.error.written if failure.error is not None else ""
    if not written:
        raise error
    return Answer(content=written, tool_calls=(), reasoning="", finish_reason="stop", usage=None)


def _outcome(answer: HttpAnswer, reader: StreamedAnswer | None) -> Answer | Failure:
    if answer.status != 200:
        return failures.http_failure(answer, time.time())
    return read_answer(answer.body) if reader is None else reader.answer()
