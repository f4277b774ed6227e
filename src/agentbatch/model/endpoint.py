"""One endpoint: a base URL and a key, with its limits and learned capabilities, shared by all its clients."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Self
from urllib.parse import urlsplit

from agentbatch.errors import UserError
from agentbatch.model.capabilities import Capabilities, ToolMode, stepped_down
from agentbatch.model.failures.failure import Failure
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.http.access import Access
from agentbatch.model.http.transport import NO_HEADERS, BodyReader, Drain, HttpAnswer, KeyForm, Transport
from agentbatch.model.limits.limits import EndpointLimits, Slot
from agentbatch.model.limits.quota import QuotaGate, UsedUp
from agentbatch.model.refusals.hosts import initial_capabilities
from agentbatch.model.reply import RETRIED
from agentbatch.model.request.cache_marks import PromptCache, marks_for
from agentbatch.model.request.request import NativeOnly, ToolForms
from agentbatch.model.tokens import TokenCounter
from agentbatch.redaction import shown_url

MIN_POOL = 1_000
"""Connections in the pool: concurrency may be raised later."""


class Endpoint:
    """`async with` it around the calls. `redact` is applied to every text that leaves; `on_learned` gets a sentence
    when the endpoint turns out not to support something, `on_tool_mode` a model, its new tool mode and why.
    `named_by`: the setting that the base URL comes from, told once when there is no connection.
    `stream`: False requests whole answers. `forms`: how tools are called where the endpoint has no native
    tool calls; without it, tools are native only. `quota`: what waits for its quota; without it, up to an hour."""

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
        prompt_cache: PromptCache = "auto",
        redact: Callable[[str], str],
        on_learned: Callable[[str], None] | None = None,
        on_tool_mode: Callable[[str, ToolMode, str], None] | None = None,
        counter: TokenCounter | None = None,
        forms: ToolForms | None = None,
        quota: QuotaGate | None = None,
        access: Access = Access(),  # noqa: B008 (frozen)
        named_by: str = "",
    ) -> None:
        self.base_url = base_url
        self.identity = identity or base_url
        """Cache key: the base URL, or the model served by a local server (its port changes)."""
        self.limits = limits
        self.retry = retry
        self.redact = redact
        self.counter = counter or TokenCounter()
        self.forms = forms or NativeOnly()
        self.quota = quota or QuotaGate()
        self.rng = random.Random()
        self.api_key = api_key
        """The one in use; empty until it is open where a command prints it."""
        self.access = access
        self._renewing = asyncio.Lock()
        self._named_by = named_by
        self._given_up = ""
        """A refused key for which the command had no other."""
        self.request_timeout = request_timeout
        self._connect_timeout = connect_timeout
        self._pool = max(pool, limits.max_in_flight or 0)
        self._stream = stream
        self._prompt_cache: PromptCache = prompt_cache
        self.on_learned = on_learned
        self._on_tool_mode = on_tool_mode
        self._capabilities: dict[str, Capabilities] = {}
        self._fixed_modes: set[str] = set()
        self._transport: Transport | None = None

    @property
    def host(self) -> str:
        """The host, with its port where it has one; without a user or password of the URL."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2] or self.base_url

    @property
    def at_root(self) -> bool:
        """The address has no path, which few have."""
        return not urlsplit(self.base_url).path.strip("/")

    async def __aenter__(self) -> Self:
        """Raises UserError for a proxy, certificates or a key's command that cannot be used."""
        if self.access.renew is not None and not self.api_key:
            self.api_key = await self.access.renew()
        self._transport = await Transport.open(
            self.base_url, self.api_key, self.request_timeout, self._connect_timeout, self._pool, self.access
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        self.quota.close()
        if self._transport is not None:
            await self._transport.close()
            self._transport = None

    async def post(
        self,
        path: str,
        content: bytes,
        reader: BodyReader | None = None,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        key_form: KeyForm = "bearer",
        drain: Drain | None = None,
    ) -> HttpAnswer:
        """One request, one answer of any status, as `Transport.post`. Raises TransportError when none came."""
        if self._transport is None:
            raise RuntimeError("the endpoint is not open: use `async with endpoint`")
        return await self._transport.post(
            path, content, reader, headers=headers, key_form=key_form, drain=drain
        )

    def failed(self, slot: Slot, failure: Failure, attempt: int) -> float:
        """Tell the limits of an attempt that failed; seconds to wait before a retry. `attempt`: how many were made but
        for those that were sent again at once."""
        self.tell_unreached(failure)
        wait = self.retry.backoff(attempt, self.rng, failure.wait)
        if failure.kind == "rate":
            slot.refused(wait, asked=failure.wait is not None)
        elif failure.kind == "quota":
            slot.refused(0.0)  # when it is back, one call goes first
        elif failure.kind not in RETRIED:
            slot.settle(0)
        return wait

    def tell_unreached(self, failure: Failure) -> None:
        """Which setting has the address, the first time that there is no connection to it."""
        if failure.unreached != "endpoint":
            return
        named_by, self._named_by = self._named_by, ""
        if named_by and self.on_learned is not None:
            self.on_learned(f"The endpoint {shown_url(self.base_url)} cannot be reached; {named_by}.")

    def used_up(self, failure: Failure, text: str) -> UsedUp | None:
        """Until when the quota is, where the failure is one. `text`: the failure as a sentence."""
        if failure.kind != "quota":
            return None
        return UsedUp(self.host, time.time() + (failure.wait or 0.0), text, told=not failure.guessed)

    async def renewed(self, used: str) -> bool:
        """Whether there is another key than the one that was refused: the command is run for all who wait, once."""
        if self.access.renew is None:
            return False
        async with self._renewing:
            if self.api_key != used:
                return True
            if self._given_up == used:
                return False
            try:
                self.api_key = await self.access.renew()
            except UserError as error:
                if self.on_learned is not None:
                    self.on_learned(self.redact(f"{self.host} refuses the key. {error}"))
            if self.api_key == used:
                self._given_up = used
                return False
            if self._transport is not None:
                self._transport.use_key(self.api_key)
            return True

    def capabilities(self, model: str) -> Capabilities:
        """What the model is believed to support here."""
        if model not in self._capabilities:
            marks = marks_for(self._prompt_cache, model, self.base_url)
            self._capabilities[model] = replace(
                initial_capabilities(self.base_url, model), stream=self._stream, cache_marks=marks
            )
        return self._capabilities[model]

    def use_tool_mode(self, model: str, mode: ToolMode, *, fixed: bool = False) -> None:
        """How this model's tools are called from now on: found by a probe, remembered, or (`fixed`) chosen by the user,
        which nothing changes."""
        if fixed:
            self._fixed_modes.add(model)
        self._capabilities[model] = replace(self.capabilities(model), tool_mode=mode)

    def step_down(self, model: str, failed: ToolMode, why: str) -> bool:
        """Continue with the next simpler tool mode than `failed`. False when there is none or the user has chosen
        the mode; true also when another task has stepped down already."""
        before = self.capabilities(model)
        if model in self._fixed_modes:
            return False
        if before.tool_mode != failed:
            return True
        after = self._capabilities[model] = stepped_down(before)
        if after.tool_mode == failed:
            return False
        self._notify_tool_mode(model, after.tool_mode, why)
        return True

    def learn(self, model: str, lesson: Capabilities) -> None:
        """Remember it, for all clients on this endpoint."""
        before = self.capabilities(model)
        after = before.merged(lesson)
        if model in self._fixed_modes:
            after = replace(after, tool_mode=before.tool_mode)
        self._capabilities[model] = after
        if after.tool_mode != before.tool_mode:
            self._notify_tool_mode(model, after.tool_mode, f"{before.tool_mode} tool calls were refused")
        lost = before.lost(after)
        if lost and self.on_learned is not None:
            self.on_learned(self.redact(f"{self.host} refuses {lost} for model {model}: continuing without."))

    def _notify_tool_mode(self, model: str, mode: ToolMode, why: str) -> None:
        if self._on_tool_mode is not None:
            self._on_tool_mode(model, mode, why)
