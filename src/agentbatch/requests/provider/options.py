"""What the provider's batch service allows and costs, and how it is asked."""

from dataclasses import dataclass
from typing import Literal

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
    """How the service is used; the defaults are for a provider's real one."""

    most_requests: int = MAX_REQUESTS
    most_bytes: int = MAX_BYTES
    first_poll: float = 1.0
    """Seconds before the first look at a batch; each further wait is half as long again."""
    longest_poll: float = 60.0
    """Seconds, at most, between two looks."""
    grace: float = 3.0
    """Seconds after a stop in which another one cancels the batches at the provider."""
    patience: int = 60
    """Rounds of looks in a row without any answer, each with all its retries, before nobody waits any longer."""
    forgets: bool = False
    """The service does not outlive this process (the rehearsal server's): a batch that it does not know is asked
    anew. Anywhere else it may have been paid, and nothing is sent."""
