"""What endpoints say of their limits."""

import pytest

from agentbatch.model.limits.server_window import RateLimitInfo
from agentbatch.requests.batch.rate_headers import read_rates

NOW = 1_800_000_000.0


def headers(what: str, limit: str, remaining: str, reset: str = "") -> dict[str, str]:
    given = {f"x-ratelimit-limit-{what}": limit, f"x-ratelimit-remaining-{what}": remaining}
    return {**given, f"x-ratelimit-reset-{what}": reset} if reset else given


def test_requests_and_tokens_are_read_apart() -> None:
    both = headers("requests", "600", "599", "100ms") | headers("tokens", "60000", "59000.5", "1m")
    assert read_rates(both, NOW) == (
        RateLimitInfo(600.0, 599.0, 0.1),
        RateLimitInfo(60_000.0, 59_000.5, 60.0),
    )
    assert read_rates(headers("tokens", "60000", "0"), NOW) == (None, RateLimitInfo(60_000.0, 0.0, None))


def test_a_reset_that_is_nonsense_leaves_the_limit() -> None:
    assert read_rates(headers("requests", "600", "5", "tomorrow"), NOW)[0] == RateLimitInfo(600.0, 5.0, None)


@pytest.mark.parametrize(
    "reset",
    ["90", "90s", "1m30s", "1800000090", "1800000090000", "2027-01-15T08:01:30Z", "Fri Jan 15 08:01:30 2027"],
)
def test_a_reset_in_every_form(reset: str) -> None:
    assert read_rates(headers("tokens", "60000", "0", reset), NOW)[1] == RateLimitInfo(60_000.0, 0.0, 90.0)


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
    assert read_rates(given, NOW) == (None, None)
