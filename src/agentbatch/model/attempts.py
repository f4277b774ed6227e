"""One call's attempts: its turn at the endpoint's limits, retries, lessons. One owner of retries, whoever calls."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from agentbatch.model.capabilities import Capabilities
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.again import AtOnce
from agentbatch.model.failures.failure import Failure, sentence
from agentbatch.model.refusals.excess import NO_EXCESS
from agentbatch.model.refusals.overflow import excess
from agentbatch.model.reply import RETRIED, CallUpdate, ModelError, Observer
from agentbatch.usage import Usage

PROGRESS_AFTER = 1.0
"""Seconds before a call reports that it is generating; most are answered by then."""

PROGRESS_EVERY = 0.5
"""Seconds between two progress reports."""

NO_PATH = "Its address has no path; those of most endpoints end in /v1."
"""Beside a 404."""

Answered = TypeVar("Answered", covariant=True)


class Sending(Protocol[Answered]):
    """What of a call only its caller knows."""

    def body(self, capabilities: Capabilities) -> dict[str, Any]:
        """What is sent to an endpoint that can do this."""
        ...

    async def send(self, body: dict[str, Any]) -> Answered | Failure:
        """One attempt, in its slot."""
        ...

    @property
    def tokens(self) -> int | None:
        """What the attempt that was answered took; None: as many as were reserved."""
        ...

    @property
    def begun(self) -> bool:
        """A part of the answer was handed on: it cannot be asked for again."""
        ...

    def lost(self) -> Usage | None:
        """What of the attempt that has just failed is billed; None: nothing."""
        ...


class Attempts:
    """Of one call. `reserved`: tokens that it is expected to take, for a limit of tokens."""

    def __init__(self, endpoint: Endpoint, model: str, reserved: int, observer: Observer | None) -> None:
        self.count = 0
        self.latency = 0.0
        """Seconds from the first sending to the answer."""
        self.capabilities = endpoint.capabilities(model)
        """Those that the latest attempt was made for."""
        self._endpoint = endpoint
        self._model = model
        self._reserved = reserved
        self._observer = observer
        self._ticket = endpoint.limits.ticket()
        self._retries = 0
        self._first_sent = 0.0
        self._sent = 0.0
        self._next_progress = 0.0

    async def run(self, sending: Sending[Answered]) -> Answered:
        """The answer; raises ModelError when it failed for good."""
        endpoint = self._endpoint
        at_once = AtOnce(endpoint, self._model, sending.body)
        while True:
            self.capabilities = endpoint.capabilities(self._model)
            body = sending.body(self.capabilities)
            async with endpoint.limits.slot(self._reserved, self._on_wait, self._ticket) as slot:
                self._begin()
                key = endpoint.api_key
                outcome = await sending.send(body)
                if not isinstance(outcome, Failure):
                    self.latency = time.monotonic() - self._first_sent
                    used = sending.tokens
                    slot.settle(self._reserved if used is None else used)
                    endpoint.quota.answered()
                    return outcome
                wait = endpoint.failed(slot, outcome, self._retries + 1)
                self._tell_lost(sending.lost())
                # In its slot: who comes next has the new key.
                again = "" if sending.begun else await at_once.reason(outcome, body, self.capabilities, key)
            if again:
                self._notify("retrying", 0.0, f"{again}: {self._sentence(outcome)}", outcome.status)
                continue
            spent = sending.begun or self._retries >= endpoint.retry.max_retries
            if outcome.kind not in RETRIED or spent:
                raise self._error(outcome)
            self._retries += 1
            if outcome.kind == "malformed":
                wait = 0.0  # nothing is wrong with the endpoint
            self._notify("retrying", wait, self._sentence(outcome), outcome.status)
            if outcome.kind != "rate":
                await asyncio.sleep(wait)

    def generating(self, tokens: int, tail: Callable[[], str]) -> None:
        """So many tokens of an answer have arrived, about; `tail` gives the end of what has."""
        now = time.monotonic()
        if self._observer is not None and now >= self._next_progress:
            self._next_progress = now + PROGRESS_EVERY
            self._observer(CallUpdate("generating", self.count, now - self._sent, "", tokens, tail()))

    def _begin(self) -> None:
        used_up = self._endpoint.quota.used_up
        if used_up is not None:
            # Another call has just heard it: this one, which waited for its turn, would too.
            raise ModelError("quota", used_up.words, attempts=self.count, used_up=used_up)
        self.count += 1
        self._notify("sent")
        self._sent = time.monotonic()
        self._next_progress = self._sent + PROGRESS_AFTER
        self._first_sent = self._first_sent or self._sent

    def _tell_lost(self, usage: Usage | None) -> None:
        if usage is not None and self._observer is not None:
            self._observer(CallUpdate("lost", self.count, usage=usage))

    def _sentence(self, failure: Failure, attempts: int | None = None) -> str:
        endpoint = self._endpoint
        text = sentence(failure, endpoint.host, self._model, endpoint.redact, attempts)
        return f"{text} {NO_PATH}" if failure.status == 404 and endpoint.at_root else text

    def _error(self, failure: Failure) -> ModelError:
        text = self._sentence(failure, self.count)
        over = failure.kind == "overflow" and failure.error is not None
        return ModelError(
            failure.kind,
            text,
            status=failure.status,
            attempts=self.count,
            used_up=self._endpoint.used_up(failure, text),
            excess=excess(failure.error.words) if over and failure.error is not None else NO_EXCESS,
            written=failure.error.written if failure.error is not None else "",
        )

    def _on_wait(self, seconds: float, reason: str) -> None:
        self._notify("waiting", seconds, reason)

    def _notify(self, kind: Any, seconds: float = 0.0, reason: str = "", status: int | None = None) -> None:
        if self._observer is not None:
            attempt = self.count + 1 if kind == "waiting" else self.count
            self._observer(CallUpdate(kind, attempt, seconds, reason, status=status))
