"""What an endpoint says of its limits in the headers of an answer. Pure."""

from collections.abc import Mapping

from agentbatch.model.limits.server_window import RateLimitInfo
from agentbatch.model.refusals.moments import number, read_reset


def read_rates(headers: Mapping[str, str], now: float) -> tuple[RateLimitInfo | None, RateLimitInfo | None]:
    """Of requests and of tokens; None where the endpoint does not say. `now`: epoch seconds, for resets that are
    moments."""
    return _read(headers, "requests", now), _read(headers, "tokens", now)


def _read(headers: Mapping[str, str], what: str, now: float) -> RateLimitInfo | None:
    limit = number(headers.get(f"x-ratelimit-limit-{what}"))
    remaining = number(headers.get(f"x-ratelimit-remaining-{what}"))
    if limit is None or remaining is None:
        return None
    return RateLimitInfo(limit, remaining, read_reset(headers.get(f"x-ratelimit-reset-{what}", ""), now))
