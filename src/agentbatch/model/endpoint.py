"""One endpoint: a base URL and a key, shared by all clients on it with its limits and what was learnt of
it."""

import random
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from agentbatch.model.capabilities import Capabilities, ToolMode, first_guess, stepped_down
from agentbatch.model.limits.limits import EndpointLimits
from agentbatch.model.request import NativeOnly, ToolForms
from agentbatch.model.retry import RetryPolicy
from agentbatch.model.tokens import TokenCounter
from agentbatch.model.transport import BodyReader, HttpAnswer, Transport

MIN_POOL = 1_000
"""Connections that are allowed: more requests at once may be wanted later than at first."""


class Endpoint:
    """`async with` it around the calls. `redact` cleans every text that leaves; `on_learnt` gets a sentence
    when the endpoint turns out not to take something, `on_tool_mode` a model, its new tool mode and why.
    `stream`: False asks for answers in one piece. `forms`: how tools are called where the endpoint takes
    no calls of its own; without, tools are native only."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        identity: str = "",
        limits: EndpointLimits,
        retry: RetryPolicy,
        request_timeout: float = 120.0,
        connect_timeout: float = 10.0,
        pool: int = MIN_POOL,
        stream: bool = True,
        redact: Callable[[str], str],
        on_learnt: Callable[[str], None] | None = None,
        on_tool_mode: Callable[[str, ToolMode, str], None] | None = None,
        counter: TokenCounter | None = None,
        forms: ToolForms | None = None,
    ) -> None:
        self.base_url = base_url
        self.identity = identity or base_url
        """What is remembered under: the address, or what a local server serves, whose address changes."""
        self.limits = limits
        self.retry = retry
        self.redact = redact
        self.counter = counter or TokenCounter()
        self.forms = forms or NativeOnly()
        self.rng = random.Random()
        self.api_key = api_key
        self.request_timeout = request_timeout
        self._connect_timeout = connect_timeout
        self._pool = max(pool, limits.max_in_flight or 0)
        self._stream = stream
        self._on_learnt = on_learnt
        self._on_tool_mode = on_tool_mode
        self._capabilities: dict[str, Capabilities] = {}
        self._settled: set[str] = set()
        self._transport: Transport | None = None

    @property
    def host(self) -> str:
        """The host, with its port where it has one; without a user or password of the URL."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2] or self.base_url

    async def __aenter__(self) -> Self:
        self._transport = await Transport.open(
            self.base_url, self.api_key, self.request_timeout, self._connect_timeout, self._pool
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transport is not None:
            await self._transport.close()
            self._transport = None

    async def post(self, path: str, content: bytes, reader: BodyReader | None = None) -> HttpAnswer:
        """One request, one answer of any status, as `Transport.post`. Raises TransportError when none came."""
        if self._transport is None:
            raise RuntimeError("the endpoint is not open: use `async with endpoint`")
        return await self._transport.post(path, content, reader)

    def capabilities(self, model: str) -> Capabilities:
        """What we believe the model to take here."""
        known = self._capabilities.get(model)
        if known is None:
            known = self._capabilities[model] = replace(first_guess(self.base_url), stream=self._stream)
        return known

    def use_tool_mode(self, model: str, mode: ToolMode, *, settled: bool = False) -> None:
        """How this model's tools are called from now on: what a probe found or what is remembered; `settled`: what the
        user says, which only a refusal changes."""
        if settled:
            self._settled.add(model)
        self._capabilities[model] = replace(self.capabilities(model), tool_mode=mode)

    def step_down(self, model: str, failed: ToolMode, why: str) -> bool:
        """Go on with the next simpler way of calling tools than `failed`. False when there is none or the user has
        settled it; true also when another task has stepped down already."""
        before = self.capabilities(model)
        if model in self._settled:
            return False
        if before.tool_mode != failed:
            return True
        after = self._capabilities[model] = stepped_down(before)
        if after.tool_mode == failed:
            return False
        self._tell_tool_mode(model, after.tool_mode, why)
        return True

    def learn(self, model: str, lesson: Capabilities) -> None:
        """Remember it, for all clients on this endpoint."""
        before = self.capabilities(model)
        after = before.merged(lesson)
        self._capabilities[model] = after
        if after.tool_mode != before.tool_mode:
            self._tell_tool_mode(model, after.tool_mode, f"{before.tool_mode} tool calls were refused")
        lost = before.lost(after)
        if lost and self._on_learnt is not None:
            told = f"{self.host} refuses {lost} for model {model}: going on without."
            self._on_learnt(self.redact(told))

    def _tell_tool_mode(self, model: str, mode: ToolMode, why: str) -> None:
        if self._on_tool_mode is not None:
            self._on_tool_mode(model, mode, why)
