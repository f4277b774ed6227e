"""What a batch is run with: the one place where its knobs are named."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agentbatch.errors import UserError
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.http.access import Access
from agentbatch.requests.journal.cache import ResponseCache
from agentbatch.requests.report.progress import BatchProgress
from agentbatch.requests.spec.request import BatchRequest, response_format
from agentbatch.requests.spec.result import BatchError, BatchResult
from agentbatch.requests.spec.structured import schema_of
from agentbatch.spending.pricing import Prices

MAX_BATCH_SIZE = 10
"""Requests that may share a call: with more, models lose track."""

INSTRUCTS = ("system", "developer")
"""Roles that tell a model how to answer: newer models call the first one by the second name."""

TOKEN_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
"""The names under which requests limit the length of an answer."""

BATCH_DISCOUNT = 0.5
"""Of the price of a plain call: the service takes half (https://platform.openai.com/docs/guides/batch, 50 % off)."""

MAX_REQUESTS = 50_000
"""Requests of one batch, and inputs of one batch of embeddings (same page)."""

MAX_BYTES = 200_000_000
"""Of one batch's file (same page: 200 MB)."""

WINDOW: Literal["24h"] = "24h"
"""In which the service answers; what is left then expires."""


@dataclass(frozen=True)
class ProviderOptions:
    """How the provider's batch service is used; the defaults are for a real one."""

    most_requests: int = MAX_REQUESTS
    most_bytes: int = MAX_BYTES
    first_poll: float = 1.0
    """Seconds before the first look at a batch; each further wait is half as long again."""
    longest_poll: float = 60.0
    """Seconds between two looks, at most."""
    grace: float = 3.0
    """Seconds after a stop in which another one cancels the batches at the provider."""
    patience: int = 60
    """Rounds of looks in a row that may fail, each after all its retries, before the pass gives up waiting."""
    forgets: bool = False
    """The service does not outlive this process (the rehearsal server's): the requests of a batch that it does not know
    are sent again. Anywhere else they may have been paid for, and nothing is sent."""


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """All that can be set of a batch. Raises ValueError for values that are out of range."""

    base_url: str = ""
    """Empty: OPENAI_BASE_URL, else OpenAI's."""
    api_key: str = ""
    """Empty: OPENAI_API_KEY."""
    access: Access = Access()  # noqa: RUF009 (frozen)
    """Headers, certificates, and what renews the key."""
    rpm: int | None = None
    """Requests a minute."""
    tpm: int | None = None
    """Tokens a minute."""
    throttle_ms: int = 0
    """Pause between two starts."""
    retry: RetryPolicy | None = None
    wait_for_quota: float | None = None
    """Seconds that a used-up quota may take to come back; None: an hour."""
    request_timeout: float = 120.0
    """Seconds for each attempt."""

    model: str = ""
    """For requests that name no model; so are the four after it."""
    system: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    """Of an answer."""
    json_schema: Mapping[str, Any] | None = None

    concurrency: int = 10
    """Requests at once: a ceiling where `adaptive`."""
    adaptive: bool = True
    """Find out how many at once the endpoint takes."""
    batch_size: int = 1
    """Short requests that may share a call (docs/requests.md says what that costs in quality)."""
    timeout: float | None = None
    """Seconds for the whole batch."""
    max_cost: float | None = None
    """US dollars."""
    version: str = ""
    """Of whatever made the requests' bodies: part of their keys."""
    dedupe: bool = True
    """Requests that ask the same are paid once."""
    cache: ResponseCache | None = None
    journal: Path | None = None
    """A file from which a batch resumes; without it nothing outlives the process."""
    prices: Prices | None = None
    """None: costs are unknown."""
    provider_batch: bool | ProviderOptions = False
    """Through the provider's batch service, at half price and within a day. Needs a journal, in which batches are found
    again."""

    on_progress: Callable[[BatchProgress], None] | None = None
    on_error: Callable[[BatchResult], None] | None = None
    """Gets each failed request."""
    on_notice: Callable[[str], None] | None = None
    """Gets a sentence when something happens to a batch at the provider, or to the endpoint's quota."""
    fallback: Callable[[BatchRequest, BatchError], Any] | None = None
    """Gives what stands for an answer that did not come."""

    def __post_init__(self) -> None:
        check_concurrency(self.concurrency)
        if not 1 <= self.batch_size <= MAX_BATCH_SIZE:
            raise ValueError(f"batch_size has to be 1 to {MAX_BATCH_SIZE}")
        if self.provider_batch and (self.journal is None or self.batch_size > 1):
            raise ValueError("provider_batch needs a journal, and a batch_size of 1")

    @property
    def provider(self) -> ProviderOptions | None:
        """None: requests are sent one by one."""
        return ProviderOptions() if self.provider_batch is True else self.provider_batch or None

    @property
    def discount(self) -> float:
        """What a call costs of its usual price: 1, or BATCH_DISCOUNT."""
        return BATCH_DISCOUNT if self.provider_batch else 1.0

    def apply(self, request: BatchRequest) -> BatchRequest:
        """The request as it is sent. Raises UserError when there is no model for it, and for what cannot be answered:
        an invalid schema, a stream."""
        body = dict(request.body)
        if body.get("stream"):
            raise UserError(f"The request {request.id!r} asks for a stream: answers of a batch come whole.")
        if not body.get("model"):
            if not self.model:
                raise UserError(f"The request {request.id!r} names no model, and the batch has none either.")
            body["model"] = self.model
        if request.url.endswith("embeddings"):
            return request.model_copy(update={"body": body})
        if self.temperature is not None:
            body.setdefault("temperature", self.temperature)
        if self.max_tokens is not None and not set(TOKEN_LIMITS) & set(body):
            body["max_output_tokens" if request.url.endswith("responses") else "max_tokens"] = self.max_tokens
        messages = body.get("messages")
        if isinstance(messages, list):
            if self.system and not any(isinstance(m, dict) and m.get("role") in INSTRUCTS for m in messages):
                body["messages"] = [{"role": "system", "content": self.system}, *messages]
            if self.json_schema is not None:
                body.setdefault("response_format", response_format(self.json_schema))
            try:
                schema_of(body)
            except UserError as error:
                raise UserError(f"The request {request.id!r}: {error}") from None
        return request.model_copy(update={"body": body})


def check_concurrency(number: int) -> None:
    """Raises ValueError for a number under 1."""
    if number < 1:
        raise ValueError("concurrency has to be 1 or more")
