"""A role's model as its agent uses it: every call becomes events, with its usage and its price."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agentbatch.model.capabilities import ToolMode
from agentbatch.model.client import ModelClient
from agentbatch.model.limits.quota import QuotaGate
from agentbatch.model.reply import CallUpdate, Message, ModelError, Reply, ToolSpec
from agentbatch.model.tokens import estimate_messages
from agentbatch.runs import events as e
from agentbatch.spending.budget import Reservation, TaskBudget
from agentbatch.spending.pricing import Cost, Prices
from agentbatch.usage import Usage

Emit = Callable[[e.Event], None]

SHOWN_WAIT = 0.5
"""Seconds. Shorter waits for a limit are not worth a line."""

QUOTA = "quota"
"""Why a call waits."""

EXPECTED_OUTPUT = 1000
"""Tokens held for an answer before the role's first one has come."""

Purpose = e.Purpose


@dataclass
class RoleModel:
    """One role's model within one task."""

    client: ModelClient
    role: e.Role
    task_id: str
    emit: Emit
    prices: Prices
    pricing_url: str | None
    """The endpoint whose prices hold; None: nothing here has a price (rehearsal)."""
    used_mode: ToolMode = "native"
    """The form of the latest reply's calls; other tasks may have stepped down since."""
    budget: TaskBudget | None = None
    """None: nothing limits what is spent."""
    own_choice: bool = False
    """The task names this model itself: that there is none is its own fault."""
    stronger: str = ""
    """The model that may take over from this one later in the task; empty: none will."""
    gate: Callable[[QuotaGate], Awaitable[None]] | None = None
    """Passed before each call: what holds a paused task, and one whose endpoint's quota is used up."""

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        purpose: Purpose,
        tools: Sequence[ToolSpec] | None = None,
        schema: tuple[str, dict[str, Any]] | None = None,
        temperature: float | None = None,
    ) -> Reply:
        """One call, as `ModelClient.complete`; raises its ModelError, and what the budget raises when it is used up.
        While the endpoint's quota is used up, it waits, if that is allowed."""
        quota = self.client.endpoint.quota
        while True:
            await self._pass(quota)
            try:
                return await self._once(messages, purpose, tools, schema, temperature)
            except ModelError as error:
                if error.used_up is None:
                    raise
                if not quota.reached(error.used_up):
                    text = quota.refusal(error.used_up)
                    raise ModelError("endpoint", text, status=error.status, attempts=error.attempts) from None

    async def _pass(self, quota: QuotaGate) -> None:
        """What holds a call before it begins: a pause, a quota that is used up."""
        if quota.used_up is not None:
            wait = max(0.0, quota.used_up.until - time.time())
            self.emit(e.RateLimited(task_id=self.task_id, role=self.role, wait=wait, cause=QUOTA))
        if self.gate is not None:
            await self.gate(quota)
        else:
            await quota.wait()

    async def _once(
        self,
        messages: Sequence[Message],
        purpose: Purpose,
        tools: Sequence[ToolSpec] | None,
        schema: tuple[str, dict[str, Any]] | None,
        temperature: float | None,
    ) -> Reply:
        held = await self._reserved(messages, tools)
        billed = Usage()
        watch = _Watch(self.task_id, self.role, self.emit)
        try:
            self.emit(
                e.ModelCallStarted(
                    task_id=self.task_id, role=self.role, model=self.client.model, purpose=purpose
                )
            )
            reply = await self.client.complete(
                messages, tools=tools, schema=schema, temperature=temperature, observer=watch
            )
        except ModelError as error:
            if error.kind == "model":
                error.kind = "request" if self.own_choice else "endpoint"
            billed = watch.lost
            self._finished(
                purpose,
                usage=billed,
                error=str(error),
                attempts=error.attempts,
                kind=error.kind,
                status=error.status,
            )
            raise
        except asyncio.CancelledError:
            billed = watch.lost
            if watch.under_way:  # The endpoint bills what it has read and written so far.
                billed += Usage(
                    input=estimate_messages(messages, tools), output=watch.tokens, calls=1, estimated=True
                )
            if billed.total:
                self._finished(purpose, usage=billed, error="Interrupted.")
            raise
        else:
            billed = reply.usage + watch.lost
            self.used_mode = reply.tool_mode
            self._finished(
                purpose,
                usage=billed,
                latency=reply.latency,
                attempts=reply.attempts,
                finish_reason=reply.finish_reason,
            )
            return reply
        finally:
            if held is not None:
                held.settle(self.role, billed, self.cost(billed))

    async def _reserved(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] | None
    ) -> Reservation | None:
        """Wait for room in the budget for what this call is expected to take; an event when it takes a while."""
        if self.budget is None:
            return None
        most = self.client.max_output_tokens
        output = self.budget.expected_output(self.role) or EXPECTED_OUTPUT
        expected = Usage(
            input=estimate_messages(messages, tools),
            output=output if most is None else min(output, most),
            calls=1,
            estimated=True,
        )
        waiting = e.RateLimited(task_id=self.task_id, role=self.role, wait=0.0, cause="budget")
        timer = asyncio.get_running_loop().call_later(SHOWN_WAIT, self.emit, waiting)
        try:
            return await self.budget.reserve(self.client.model, expected.total, self.cost(expected))
        finally:
            timer.cancel()

    def step_down(self, why: str) -> bool:
        """Have this model's tools called in a simpler form from now on; false when there is none, or when the user
        has chosen."""
        return self.client.endpoint.step_down(self.client.model, self.used_mode, why)

    @property
    def tool_mode(self) -> ToolMode:
        """The form in which this model's tools are called now."""
        return self.client.endpoint.capabilities(self.client.model).tool_mode

    def cost(self, usage: Usage) -> float | None:
        """US dollars for `usage` at this role's price; None when it is unknown."""
        price = self._price(usage)
        return None if price is None else price.total

    def _price(self, usage: Usage, model: str = "") -> Cost | None:
        if self.pricing_url is None:
            return None
        return self.prices.price(
            model or self.client.model, usage, datetime.now(UTC), base_url=self.pricing_url
        )

    def _finished(
        self,
        purpose: Purpose,
        *,
        usage: Usage | None = None,
        latency: float = 0.0,
        attempts: int = 1,
        finish_reason: str = "",
        error: str = "",
        kind: str = "",
        status: int | None = None,
    ) -> None:
        usage = usage or Usage()
        price = self._price(usage)
        there = self._price(usage, self.stronger) if self.stronger else None
        self.emit(
            e.ModelCallFinished(
                task_id=self.task_id,
                role=self.role,
                model=self.client.model,
                purpose=purpose,
                usage=usage,
                cost=price.total if price else None,
                cost_input=price.input if price else None,
                cost_output=price.output if price else None,
                stronger=self.stronger,
                stronger_cost=there.total if there else None,
                latency=latency,
                attempts=attempts,
                finish_reason=finish_reason,
                error=error,
                kind=kind,
                status=status,
            )
        )


class _Watch:
    """Turns a call's updates into events; the first send after a quiet start needs none."""

    def __init__(self, task_id: str, role: e.Role, emit: Emit) -> None:
        self._task_id = task_id
        self._role = role
        self._emit = emit
        self._held = False
        self.under_way = False
        """A request is out and its answer is not whole."""
        self.tokens = 0
        """Tokens that its answer has so far, about."""
        self.lost = Usage()
        """Of attempts whose answers broke off."""

    def __call__(self, update: CallUpdate) -> None:
        self.under_way = update.kind in ("sent", "generating")
        self.tokens = update.tokens if update.kind == "generating" else 0
        if update.kind == "lost":
            self.lost += update.usage
            return
        if update.kind == "waiting":
            if update.seconds >= SHOWN_WAIT or not update.seconds:  # 0: unknown how long
                self._held = True
                self._emit(
                    e.RateLimited(
                        task_id=self._task_id, role=self._role, wait=update.seconds, cause=update.reason
                    )
                )
        elif update.kind == "retrying":
            self._held = True
            self._emit(
                e.ModelCallRetried(
                    task_id=self._task_id,
                    role=self._role,
                    attempt=update.attempt,
                    wait=update.seconds,
                    error=update.reason,
                    status=update.status,
                )
            )
        elif update.kind == "generating":
            self._emit(
                e.ModelCallProgressed(
                    task_id=self._task_id,
                    role=self._role,
                    tokens=update.tokens,
                    seconds=update.seconds,
                    text=update.text,
                )
            )
        elif self._held:
            self._held = False
            self._emit(e.ModelCallSent(task_id=self._task_id, role=self._role, attempt=update.attempt))
