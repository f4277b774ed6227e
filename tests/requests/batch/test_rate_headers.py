"""What endpoints say of their limits."""

import pytest

from agentbatch.model.limits.server_window import RateLimitInfo
from agentbatch.requests.batch.rate_headers import read_duration, read_rates


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("60ms", 0.06),
        ("6m0s", 360.0),
        ("1h2m3.5s", 3_723.5),
        ("1d", 86_400.0),
        ("12µs", 12e-6),
        ("250us", 250e-6),
        ("0s", 0.0),
        ("0.5", 0.5),
        ("12", 12.0),
    ],
)
def test_forms_of_a_duration(text: str, seconds: float) -> None:
    assert read_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "s", "soon", "nan", "inf", "-inf", "1e999", "-1", "-1s", "1s 2s", "1ms2", "1 s", "1y", "1s,", "--",
        "2026-01-01T00:00:00Z", "1767225600", "32d", "1m" * 30, "9" * 400, "1s" * 100_000,
    ],
)  # fmt: skip
def test_nonsense_is_no_duration(text: str) -> None:
    assert read_duration(text) is None


def headers(what: str, limit: str, remaining: str, reset: str = "") -> dict[str, str]:
    given = {f"x-ratelimit-limit-{what}": limit, f"x-ratelimit-remaining-{what}": remaining}
    return {**given, f"x-ratelimit-reset-{what}": reset} if reset else given


def test_requests_and_tokens_are_read_apart() -> None:
    both = headers("requests", "600", "599", "100ms") | headers("tokens", "60000", "59000.5", "1m")
    assert read_rates(both) == (RateLimitInfo(600.0, 599.0, 0.1), RateLimitInfo(60_000.0, 59_000.5, 60.0))
    assert read_rates(headers("tokens", "60000", "0")) == (None, RateLimitInfo(60_000.0, 0.0, None))


def test_a_reset_that_is_nonsense_leaves_the_limit() -> None:
    assert read_rates(headers("requests", "600", "5", "tomorrow"))[0] == RateLimitInfo(600.0, 5.0, None)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"x-ratelimit-limit-requests": "600"},
        {"x-ratelimit-remaining-requests": "5"},
        headers("requests", "", "5"),
        headers("requests", "many", "5"),
        headers("requests", "600", "nan"),
        headers("requests", "inf", "5"),
        headers("requests", "600, 600;w=60", "5"),
    ],
)
def test_who_tells_half_or_nonsense_tells_nothing(given: dict[str, str]) -> None:
    assert read_rates(given) == (None, None)
