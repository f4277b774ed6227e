"""Whether and when a failed call is retried. Pure: no clock, no sleeping."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from random import Random

from agentbatch.model.overflow import is_overflow
from agentbatch.model.reply import ErrorKind
from agentbatch.model.server_error import ServerError

MAX_RETRY_AFTER = 86_400.0
"""Seconds. A server that asks for more than a day is mistaken (often milliseconds in place of seconds): the
value is ignored."""

TRANSIENT_STATUSES = frozenset({408, 409, 425})
"""With all of 5xx: what may succeed a moment later."""

_NO_QUOTA = re.compile(
    r"insufficient[_ ](quota|balance|credits?|funds)|exceeded your current quota|billing[_ ]hard[_ ]limit"
    r"|billing_not_active|check your billing|credit balance is too low|account .{0,30}in arrears"
)
_BAD_KEY = re.compile(r"invalid_api_key|api key not valid|api_key_invalid|incorrect api key|invalid api key")


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long: 3 retries after 5, 10 and 20 s (BatchRunner's schedule), at most a minute
    each."""

    max_retries: int = 3
    delay: float = 5.0
    """Seconds before the first retry, before jitter."""
    factor: float = 2.0
    cap: float = 60.0
    """Seconds. Longest wait of our own; a server's Retry-After may be longer."""

    def backoff(self, attempt: int, rng: Random, at_least: float | None = None) -> float:
        """Seconds to wait after failed attempt `attempt` (from 1): anything up to 5, 10, 20 s (full jitter),
        never under `at_least`, which is the server's Retry-After."""
        exponent = min(max(attempt, 1) - 1, 60)
        ceiling = min(self.delay * self.factor**exponent, max(self.cap, self.delay))
        return max(rng.uniform(0.0, ceiling), at_least or 0.0)


def classify(error: ServerError | None) -> ErrorKind:
    """The retry class of a failure. None: no usable answer (connection, timeout, garbage)."""
    if error is None:
        return "transient"
    status = error.status
    if is_overflow(error):
        return "overflow"
    if status in (401, 402, 403) or (status in (400, 429) and _NO_QUOTA.search(error.words)):
        return "endpoint"
    if status == 400 and _BAD_KEY.search(error.words):
        return "endpoint"
    if status == 429:
        return "rate"
    if status in TRANSIENT_STATUSES or status >= 500 or status < 300:
        return "transient"
    return "request"


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that the server asks us to wait; None when there is no valid value.

    Reads `retry-after-ms`, then `retry-after` as seconds or as an HTTP date. `now` is seconds since the
    epoch; the answer's own Date header is preferred, so that a wrong clock on either side does no harm.
    """
    millis = _number(headers.get("retry-after-ms"))
    if millis is not None:
        return _sane(millis / 1000)
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return _sane(seconds)
    then = _date(value)
    if then is None:
        return None
    sent = _date(headers.get("date"))
    return _sane(max(0.0, then - (now if sent is None else sent)))


def _number(value: str | None) -> float | None:
    try:
        return float(value) if value is not None else None
    except ValueError:
        return None


def _date(value: str | None) -> float | None:
    if not value:
        return None
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None


def _sane(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) and 0 <= seconds <= MAX_RETRY_AFTER else None
