"""What an endpoint says of its limits in the headers of an answer. Pure."""

import math
import re
from collections.abc import Mapping

from agentbatch.model.limits.server_window import RateLimitInfo

_PARTS = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|d|h|m|s)")
_SECONDS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}

MAX_RESET = 31 * 86_400.0
"""Seconds; a larger number is a date, or nonsense."""


def read_rates(headers: Mapping[str, str]) -> tuple[RateLimitInfo | None, RateLimitInfo | None]:
    """Of requests and of tokens; None where the endpoint does not say."""
    return _read(headers, "requests"), _read(headers, "tokens")


def _read(headers: Mapping[str, str], what: str) -> RateLimitInfo | None:
    limit = _number(headers.get(f"x-ratelimit-limit-{what}"))
    if limit is None:
        return None
    remaining = _number(headers.get(f"x-ratelimit-remaining-{what}"))
    if remaining is None:
        return None
    return RateLimitInfo(limit, remaining, read_duration(headers.get(f"x-ratelimit-reset-{what}", "")))


def read_duration(text: str) -> float | None:
    """Seconds, of `6m0s`, `1s`, `60ms`, `0.5`; None for anything else."""
    seconds = _number(text)
    if seconds is None:
        parts = _PARTS.findall(text[:40])
        if not parts or "".join(number + unit for number, unit in parts) != text:
            return None
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return seconds if 0 <= seconds <= MAX_RESET else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None
