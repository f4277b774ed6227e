"""Model calls: limits, retries, learning and token counting around a single HTTP request."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from agentbatch.config import ApiChoice
from agentbatch.model.answer.answer import Answer, CutError, GarbageError, RefusedError
from agentbatch.model.apis import APIS, AnswerReader, Api, sent
from agentbatch.model.attempts import Attempts
from agentbatch.model.capabilities import ApiName, Capabilities
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures import failure as failures
from agentbatch.model.failures.failure import Failure
from agentbatch.model.http.errors import TransportError
from agentbatch.model.http.transport import HttpAnswer
from agentbatch.model.reply import Message, ModelError, Observer, Reply, ToolSpec
from agentbatch.model.request.history import ITEMS, SOURCE, of_source
from agentbatch.model.request.request import Schema, build_body
from agentbatch.model.responses.body import ENCRYPTED, cache_key
from agentbatch.model.tokens import estimate_messages
from agentbatch.usage import Usage

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
        reasoning_effort: str | None = None,
        api: ApiChoice = "auto",
    ) -> None:
        """`api`: the one to ask by, whatever the endpoint says; auto: that which it is known, or found, to have."""
        self.endpoint = endpoint
        self.model = model
        self.temperature = temperature
        self.seed = seed
        self.max_output_tokens = max_output_tokens
        self.reasoning_effort = reasoning_effort
        self.api = api

    def apis(self, capabilities: Capabilities) -> tuple[ApiName, ...]:
        """Those that may be tried; the first one is in use."""
        return capabilities.apis if self.api == "auto" else (self.api,)

    @property
    def source(self) -> str:
        """Whose words its replies are."""
        return f"{self.model} {urlsplit(self.endpoint.base_url).hostname or ''}"

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[ToolSpec] | None = None,
        schema: Schema | None = None,
        temperature: float | None = None,
        observer: Observer | None = None,
        input_tokens: int | None = None,
    ) -> Reply:
        """The model's reply; `temperature` applies to this call only. Raises ModelError when it failed for good.
        Cancelling it cancels the request at once. `input_tokens`: about those of the messages and tools, where somebody
        keeps count of them."""
        input_tokens = estimate_messages(messages, tools) if input_tokens is None else input_tokens
        call = _Call(self, messages, tools, schema, temperature, observer, input_tokens)
        answer = await call.run()
        usage = answer.usage or await self.endpoint.counter.usage(messages, tools, answer)
        return Reply(
            content=answer.content,
            tool_calls=answer.tool_calls,
            reasoning=answer.reasoning,
            carried=answer.carried,
            finish_reason=answer.finish_reason,
            usage=usage,
            attempts=call.attempts.count,
            latency=call.attempts.latency,
            tool_mode=call.attempts.capabilities.tool_mode,
        )


class _Call:
    """One call in flight: what it asks and how its answer is read."""

    def __init__(
        self,
        client: ModelClient,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] | None,
        schema: Schema | None,
        temperature: float | None,
        observer: Observer | None,
        input_tokens: int,
    ) -> None:
        self.tokens: int | None = None
        """See `Sending`; so are `begun`, `body`, `send` and `lost`."""
        self.begun = False
        self._client = client
        self._endpoint = client.endpoint
        self._messages = messages
        self._tools = tools or None
        self._schema = schema
        self._temperature = client.temperature if temperature is None else temperature
        self._reader: AnswerReader | None = None
        self._input_tokens = input_tokens
        reserved = input_tokens + (client.max_output_tokens or EXPECTED_OUTPUT)
        self.attempts = Attempts(client.endpoint, client.model, reserved, observer)

    async def run(self) -> Answer:
        try:
            answer = await self.attempts.run(self)
        except ModelError as error:
            if not error.written:
                raise
            # Whoever asked makes of it what can be made.
            return Answer(error.written, tool_calls=(), reasoning="", finish_reason="stop", usage=None)
        if ITEMS in answer.carried:
            answer = replace(answer, carried={**answer.carried, SOURCE: self._client.source})
        mode = self.attempts.capabilities.tool_mode
        return self._endpoint.forms.read(answer, self._tools, mode, self._messages)

    def body(self, capabilities: Capabilities) -> dict[str, Any]:
        client = self._client
        apis = client.apis(capabilities)
        responds = apis[0] == "responses"
        if responds:
            capabilities = replace(capabilities, cache_marks="")  # of chat's messages
        body = build_body(
            client.model,
            of_source(self._messages, client.source if responds else ""),
            capabilities,
            tools=self._tools,
            schema=self._schema,
            temperature=self._temperature,
            seed=client.seed,
            max_output_tokens=client.max_output_tokens,
            reasoning_effort=client.reasoning_effort,
            forms=self._endpoint.forms,
        )
        body[APIS] = apis
        if responds and capabilities.encrypted:
            body["include"] = [ENCRYPTED]
        if responds and capabilities.cache_key:
            body["prompt_cache_key"] = cache_key(self._messages)
        return body

    async def send(self, body: dict[str, Any]) -> Answer | Failure:
        api, content = sent(body)
        reader = self._reader = api.stream(self._on_tokens) if body.get("stream") else None
        try:
            outcome = _outcome(await self._endpoint.post(api.path, content, reader), api, reader)
        except (TransportError, CutError, GarbageError, RefusedError) as error:
            return failures.failure_of(error, time.time())
        if isinstance(outcome, Answer) and outcome.usage is not None:
            self.tokens = outcome.usage.total
        return outcome

    def lost(self) -> Usage | None:
        """The provider bills what it has read and written of an answer that broke off."""
        used = self._reader.used() if self._reader is not None else None
        if used is not None and used.estimated:
            used += Usage(input=self._input_tokens)
        return used

    def _on_tokens(self, tokens: int) -> None:
        if self._reader is not None:
            self.attempts.generating(tokens, self._reader.tail)


def _outcome(answer: HttpAnswer, api: Api, reader: AnswerReader | None) -> Answer | Failure:
    if answer.status != 200:
        return failures.http_failure(answer, time.time())
    return api.read(answer.body) if reader is None else reader.answer()
