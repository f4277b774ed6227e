"""One request on its way: its turn at the limits, its attempts, what came of it."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from agentbatch.files import json_object
from agentbatch.model.answer.answer import CutError, GarbageError, RefusedError
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures import failure as failures
from agentbatch.model.failures.again import AtOnce
from agentbatch.model.failures.failure import Failure, sentence
from agentbatch.model.http.errors import TransportError
from agentbatch.model.http.transport import HttpAnswer
from agentbatch.model.limits.limits import Slot
from agentbatch.model.reply import RETRIED, ErrorKind
from agentbatch.model.request.given_body import fitted
from agentbatch.model.request.request import encode_body
from agentbatch.model.stream.stream import StreamedAnswer
from agentbatch.redaction import redact_strings
from agentbatch.requests.batch.adaptive import AdaptiveConcurrency
from agentbatch.requests.batch.rate_headers import read_rates
from agentbatch.requests.spec.answers import Document, document_or_failure, streamed_or_failure
from agentbatch.requests.spec.request import Url

MAX_REFUSAL_BYTES = 64 * 1024
"""Bytes of an error's document that are kept."""

Attempt = Callable[[], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class CallError:
    """Why a request failed for good."""

    kind: ErrorKind
    text: str
    """One sentence, without keys."""
    status: int | None
    """None: no answer came, or none that could be read."""
    code: str


@dataclass(frozen=True)
class CallOutcome:
    """What came of a request: a document, or an error."""

    document: Document | None
    error: CallError | None
    request_id: str
    attempts: int
    refused: int
    """Attempts that were answered 429."""
    wait: float
    """Seconds from the moment that it could have been sent to its first sending."""
    latency: float
    """Seconds from its last sending to its answer."""
    refusal: dict[str, Any] | None = None
    """The document that came with a status other than 200."""


class Caller:
    """Sends requests to one endpoint, as many at once as its limits and `adaptive` allow."""

    def __init__(self, endpoint: Endpoint, adaptive: AdaptiveConcurrency | None = None) -> None:
        self._endpoint = endpoint
        self._adaptive = adaptive
        if adaptive is not None:
            endpoint.limits.set_max_in_flight(adaptive.value)

    def hold(self) -> None:
        """Send nothing more until `go_on`, retries among it; what is under way ends."""
        self._endpoint.limits.pause()

    def go_on(self) -> None:
        """After `hold`."""
        self._endpoint.limits.resume()

    async def call(
        self,
        url: Url,
        body: dict[str, Any],
        content: bytes,
        tokens: int,
        *,
        model: str,
        attempt: Attempt = nullcontext,
        stopped: Callable[[], bool] = lambda: False,
    ) -> CallOutcome:
        """`content` is the body as it was given, `tokens` what it may take in all (an estimate, for a limit of tokens).
        It is sent in the form that the endpoint takes. `attempt` surrounds each sending: what records it. Where
        `stopped`, a failure is not retried."""
        endpoint = self._endpoint
        ticket = endpoint.limits.ticket()
        began, first_sent = time.monotonic(), 0.0
        attempts = refused = retries = 0
        at_once = AtOnce(endpoint, model, partial(fitted, body))
        while True:
            await endpoint.quota.wait()
            async with endpoint.limits.slot(tokens, None, ticket) as slot:
                if endpoint.quota.used_up is not None:
                    slot.settle(0)
                    continue  # another call has just heard it
                capabilities = endpoint.capabilities(model)
                sending = fitted(body, capabilities)
                if sending is not body:
                    content = encode_body(sending)
                async with attempt():
                    attempts += 1
                    sent = time.monotonic()
                    first_sent = first_sent or sent
                    key = endpoint.api_key
                    answer, outcome = await self._send(url, content, bool(sending.get("stream")))
                    latency = time.monotonic() - sent
                wait = self._settle(slot, outcome, retries, tokens)
                if answer is not None and (isinstance(outcome, Document) or outcome.wait is None):
                    slot.update_from_headers(*read_rates(answer.headers, time.time()))
                again = ""
                if isinstance(outcome, Failure) and not stopped():
                    # In its slot: who comes next has the new key.
                    again = await at_once.reason(outcome, sending, capabilities, key)
            if isinstance(outcome, Document):
                return CallOutcome(
                    outcome, None, self._request_id(answer), attempts, refused, first_sent - began, latency
                )
            refused += outcome.kind in ("rate", "quota")
            if again:
                continue
            used_up = endpoint.used_up(outcome, self._sentence(outcome, model, attempts))
            if used_up is not None and not stopped() and endpoint.quota.reached(used_up):
                continue
            spent = retries >= endpoint.retry.max_retries
            if outcome.kind not in RETRIED or spent or stopped():
                error, refusal = self._error(outcome, model, attempts), self._refusal(answer)
                if used_up is not None:
                    error = replace(error, kind="endpoint", text=endpoint.quota.refusal(used_up))
                wait = first_sent - began
                return CallOutcome(
                    None, error, self._request_id(answer), attempts, refused, wait, latency, refusal
                )
            retries += 1
            if outcome.kind != "rate":
                await asyncio.sleep(wait)

    async def _send(
        self, url: Url, content: bytes, streams: bool
    ) -> tuple[HttpAnswer | None, Document | Failure]:
        answer = None
        reader = StreamedAnswer() if streams else None
        try:
            answer = await self._endpoint.post(url.removeprefix("/v1"), content, reader)
            if answer.status != 200:
                return answer, failures.http_failure(answer, time.time())
            if reader is not None:
                return answer, streamed_or_failure(reader)
            return answer, document_or_failure(url, answer.body)
        except (TransportError, CutError, GarbageError, RefusedError) as error:
            return answer, failures.failure_of(error, time.time())

    def _settle(self, slot: Slot, outcome: Document | Failure, retries: int, tokens: int) -> float:
        """Tell the limits how it went; seconds to wait before a retry."""
        endpoint = self._endpoint
        if isinstance(outcome, Document):
            endpoint.quota.answered()
            if self._adaptive is not None:
                self._adaptive.succeeded(endpoint.limits.active)
                self._adapt()
            slot.settle(outcome.usage.total if outcome.usage is not None else tokens)
            return 0.0
        adaptive = self._adaptive if outcome.kind == "rate" else None
        if adaptive is not None and adaptive.refused(time.monotonic(), outcome.wait):
            self._adapt()
        return endpoint.failed(slot, outcome, retries + 1)

    def _adapt(self) -> None:
        limits = self._endpoint.limits
        if self._adaptive is not None and self._adaptive.value != limits.max_in_flight:
            limits.set_max_in_flight(self._adaptive.value)

    def _sentence(self, failure: Failure, model: str, attempts: int) -> str:
        return sentence(failure, self._endpoint.host, model, self._endpoint.redact, attempts)

    def _error(self, failure: Failure, model: str, attempts: int) -> CallError:
        endpoint, error = self._endpoint, failure.error
        text = self._sentence(failure, model, attempts)
        if error is None:
            return CallError(failure.kind, text, None, "timeout" if failure.silent else "no_answer")
        return CallError(failure.kind, text, error.status, endpoint.redact(error.code or failure.kind)[:64])

    def _refusal(self, answer: HttpAnswer | None) -> dict[str, Any] | None:
        if answer is None or answer.status == 200 or len(answer.body) > MAX_REFUSAL_BYTES:
            return None
        document = json_object(answer.body.decode("utf-8", "replace"))
        return None if document is None else redact_strings(document, self._endpoint.redact)

    def _request_id(self, answer: HttpAnswer | None) -> str:
        return (
            self._endpoint.redact(answer.headers.get("x-request-id", ""))[:200] if answer is not None else ""
        )
