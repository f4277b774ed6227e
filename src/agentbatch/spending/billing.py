"""One role's calls within one task: held back, reserved, told as events and billed, the same whoever makes them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, Protocol, TypeVar

from agentbatch.model.limits.quota import QuotaGate
from agentbatch.model.reply import CallUpdate, ModelError
from agentbatch.runs import events as e
from agentbatch.spending.allowance import Amount
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


class AbandonedError(Exception):
    """Nobody waits for the answer any more. Raised by who makes a call; it is billed as one that was cancelled."""


class AnsweredCall(Protocol):
    """A call that was answered."""

    @property
    def usage(self) -> Usage: ...
    @property
    def latency(self) -> float: ...
    @property
    def attempts(self) -> int: ...
    @property
    def finish_reason(self) -> str: ...


Answered = TypeVar("Answered", bound=AnsweredCall)


class CallRequest(NamedTuple):
    """What a call asks for, before it is made."""

    model: str
    input: Callable[[], int]
    """Its tokens, estimated."""
    output: int | None = None
    """Tokens that its answer may have at most; None: nothing is said."""
    answers: int = 1
    purpose: e.Purpose = "code"


@dataclass
class Billing:
    """One role's in one task. `quota` is that of the endpoint that it calls."""

    role: e.Role
    task_id: str
    emit: Emit
    quota: QuotaGate
    prices: Prices
    pricing_url: str | None
    """The endpoint whose prices hold; None: nothing here has a price (rehearsal)."""
    budget: TaskBudget | None = None
    """None: nothing limits what is spent."""
    own_choice: bool = False
    """The task names this model itself: that there is none is its own fault."""
    stronger: str = ""
    """The model that may take over from this one later in the task; empty: none will."""
    coder: str = ""
    """Who calls, of a coder's calls; empty: `builtin`."""
    next_coder: str = ""
    """Another coder that may take over later in the task; empty: none will."""
    gate: Callable[[QuotaGate], Awaitable[None]] | None = None
    """Passed before each call: what holds a paused task, and one whose endpoint's quota is used up."""

    async def call(self, request: CallRequest, make: "Callable[[Watch], Awaitable[Answered]]") -> Answered:
        """One call, by `make`, whose observer is the watch; raises its ModelError, and what the budget raises when it
        is used up. While the endpoint's quota is used up, it waits, if that is allowed."""
        while True:
            await self._pass()
            try:
                return await self._once(request, make)
            except ModelError as error:
                if error.used_up is None:
                    raise
                if not self.quota.reached(error.used_up):
                    text = self.quota.refusal(error.used_up)
                    raise ModelError("endpoint", text, status=error.status, attempts=error.attempts) from None

    def cost(self, model: str, usage: Usage) -> float | None:
        """US dollars for `usage`; None when the price is unknown."""
        price = self._price(model, usage)
        return None if price is None else price.total

    async def _pass(self) -> None:
        """What holds a call before it begins: a pause, a quota that is used up."""
        if self.quota.used_up is not None:
            wait = max(0.0, self.quota.used_up.until - time.time())
            self.emit(e.RateLimited(task_id=self.task_id, role=self.role, wait=wait, cause=QUOTA))
        if self.gate is not None:
            await self.gate(self.quota)
        else:
            await self.quota.wait()

    async def _once(self, request: CallRequest, make: "Callable[[Watch], Awaitable[Answered]]") -> Answered:
        held = await self._reserved(request)
        billed, beyond = Usage(), 0
        watch = Watch(self.task_id, self.role, self.emit)
        try:
            self.emit(
                e.ModelCallStarted(
                    task_id=self.task_id, role=self.role, model=request.model, purpose=request.purpose
                )
            )
            made = await make(watch)
        except ModelError as error:
            if error.kind == "model":
                error.kind = "request" if self.own_choice else "endpoint"
            billed = watch.lost
            self._finished(
                request,
                billed,
                error=str(error),
                attempts=error.attempts,
                kind=error.kind,
                status=error.status,
            )
            raise
        except (asyncio.CancelledError, AbandonedError):
            billed, beyond = watch.lost, watch.beyond
            if watch.under_way:  # The endpoint bills what it has read and written so far.
                billed += Usage(input=request.input(), output=watch.tokens, calls=1, estimated=True)
            if billed.total:
                self._finished(request, billed, error="Interrupted.")
            raise
        else:
            billed = made.usage + watch.lost
            self._finished(
                request,
                billed,
                latency=made.latency,
                attempts=made.attempts,
                finish_reason=made.finish_reason,
            )
            return made
        finally:
            if held is not None:
                most = billed + Usage(output=beyond)
                held.settle(
                    self.role, billed, self.cost(request.model, billed), self._amount(request.model, most)
                )

    async def _reserved(self, request: CallRequest) -> Reservation | None:
        """Wait for room in the budget for what this call is expected to take; an event when it takes a while."""
        if self.budget is None:
            return None
        output = self.budget.expected_output(self.role) or EXPECTED_OUTPUT
        output = output if request.output is None else min(output, request.output)
        expected = Usage(input=request.input(), output=output * request.answers, calls=1, estimated=True)
        waiting = e.RateLimited(task_id=self.task_id, role=self.role, wait=0.0, cause="budget")
        timer = asyncio.get_running_loop().call_later(SHOWN_WAIT, self.emit, waiting)
        try:
            return await self.budget.reserve(
                request.model, expected.total, self.cost(request.model, expected)
            )
        finally:
            timer.cancel()

    def _amount(self, model: str, usage: Usage) -> Amount:
        return Amount(usage.total, self.cost(model, usage) if usage.total else 0.0)

    def _price(self, model: str, usage: Usage) -> Cost | None:
        if self.pricing_url is None:
            return None
        return self.prices.price(model, usage, datetime.now(UTC), base_url=self.pricing_url)

    def _finished(
        self,
        request: CallRequest,
        usage: Usage,
        *,
        latency: float = 0.0,
        attempts: int = 1,
        finish_reason: str = "",
        error: str = "",
        kind: str = "",
        status: int | None = None,
    ) -> None:
        price = self._price(request.model, usage)
        there = self._price(self.stronger, usage) if self.stronger else None
        self.emit(
            e.ModelCallFinished(
                task_id=self.task_id,
                role=self.role,
                model=request.model,
                purpose=request.purpose,
                usage=usage,
                cost=price.total if price else None,
                cost_input=price.input if price else None,
                cost_output=price.output if price else None,
                stronger=self.stronger,
                stronger_cost=there.total if there else None,
                coder=self.coder,
                next_coder=self.next_coder,
                latency=latency,
                attempts=attempts,
                finish_reason=finish_reason,
                error=error,
                kind=kind,
                status=status,
            )
        )


class Watch:
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
        self.beyond = 0
        """Tokens of output that may have been written for them beyond that, at most."""

    def __call__(self, update: CallUpdate) -> None:
        self.under_way = update.kind in ("sent", "generating")
        self.tokens = update.tokens if update.kind == "generating" else 0
        if update.kind == "lost":
            self.lost += update.usage
            self.beyond += update.beyond
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
