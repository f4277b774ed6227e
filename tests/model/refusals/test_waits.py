import json
from email.utils import formatdate
from typing import Any

import pytest

from agentbatch.model.failures.failure import Failure, http_failure
from agentbatch.model.http.transport import HttpAnswer
from agentbatch.model.refusals.waits import wait_in_words

NOW = 1_800_000_000.0
"""Friday, 15 January 2027, 08:00:00 GMT."""

HOUR, DAY = 3_600.0, 86_400.0


def refusal(document: Any, status: int = 429, headers: dict[str, str] | None = None) -> Failure:
    return http_failure(HttpAnswer(status, headers or {}, json.dumps(document).encode()), NOW)


def google(*details: dict[str, Any], message: str = "You exceeded your current quota.") -> dict[str, Any]:
    return {
        "error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": list(details)}
    }


def openai(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


SOON = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}
A_MINUTE = {
    "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "quotaValue": "15"}]
}
A_DAY = {
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "250"}]
}


@pytest.mark.parametrize(
    ("document", "seconds"),
    [
        (google(A_MINUTE, SOON), 7.0),
        ([google(A_MINUTE, SOON)], 7.0),
        (openai(json.dumps(google(A_MINUTE, SOON), indent=2), code=429), 7.0),
        ({"error": {"message": "Provider returned error", "metadata": {"raw": json.dumps(google(SOON))}}}, 7.0),
        (openai("litellm.RateLimitError: VertexAIException - " + json.dumps(google(A_MINUTE, SOON), indent=2)), 7.0),
        (openai(f"litellm.RateLimitError: VertexAIException - {json.dumps(google(SOON)).encode()!r}"), 7.0),
        (google(A_DAY, SOON), 24 * HOUR),  # NOW is midnight in Los Angeles
        (google({"metadata": {"quotaResetDelay": "373.801628ms"}}), 0.373801628),
        (google({"metadata": {"quotaResetTimeStamp": "2027-01-15T11:20:10Z"}}), 3 * HOUR + 1_210),
        (google(message="Quota exceeded for metric: x, limit: 15\nPlease retry in 30.638054576s."), 30.638054576),
        (google(message="Your quota will reset after 3h20m10s."), 3 * HOUR + 1_210),
        (openai("Rate limit reached on tokens per min. Please try again in 6ms.", code="rate_limit_exceeded"), 0.006),
        (openai("Rate limit reached. Please try again in 1m26.4s. Visit x"), 86.4),
        (openai("on tokens per day (TPD): Limit 100000. Please try again in 9m38.016s. Need more tokens?"), 578.016),
        (openai("exceeded call rate limit. Please retry after 20 seconds. Contact"), 20.0),
        (openai("Rate limit of 50 per 86400s exceeded. Please wait 21600 seconds before retrying."),
         6 * HOUR),
        (openai("You've hit your limit. Upgrade or try again in 5 days 22 hours 11 minutes."), 511_860.0),
        (openai("limit", type="usage_limit_reached", resets_at=NOW + 13_872, resets_in_seconds=13_872), 13_872.0),
        (openai("limit", type="usage_limit_reached", resets_in_seconds=602_705), 602_705.0),
        (openai("Usage limit reached for 5 hour. Your limit will reset at 2027-01-15 20:00:00", code="1308"), 4 * HOUR),
        (openai("已达到 5 小时的使用上限。您的限额将在 2027-01-15 20:00:00 重置。", code="1308"), 4 * HOUR),
        (openai("Weekly limit exhausted. Your limit resets at 2027-01-18T08:00:00Z", code="1310"), 3 * DAY),
        (openai("quota exceeded. It will reset at 2027-01-15 23:59:59 +0800 CST"), 8 * HOUR - 1),
        (openai(f"Claude AI usage limit reached|{NOW + 5 * HOUR:.0f}"), 5 * HOUR),
        (openai("free-models-per-day", metadata={"headers": {"X-RateLimit-Reset": str(int(NOW + 600) * 1000)}}), 600.0),
        (openai("busy", retry_after=30), 30.0),
        ({"error": "busy", "retry_after_ms": 250}, 0.25),
        ({"message": "Rate limit exceeded", "detail": {"retryAfter": "30"}}, 30.0),
        ({"error": "Model x is currently loading", "estimated_time": 20.0}, 20.0),
        (openai("Rate limit exceeded for api_key: x. Limit resets at: 2027-01-15 08:00:40 UTC", code="429"), 40.0),
        ({"errors": [{"code": 3036, "message": "AiError: you have used up your daily free allocation"}]},
         16 * HOUR),
        ({"errors": {"message": "You have exceeded today's quota for model x, please try again tomorrow"}}, 8 * HOUR),
        # Nothing that can be waited for.
        (openai("Too many requests in the last 60 seconds."), None),
        (openai("Please wait a moment and try again in a while."), None),
        (openai("busy", retry_after="soon"), None),
        (openai("busy", resets_at=NOW + 400 * DAY), None),
        (openai("Please try again in 99999999999999 days."), None),
    ],
)  # fmt: skip
def test_wait_in_a_document(document: Any, seconds: float | None) -> None:
    wait = refusal(document).wait
    assert wait == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m30s"}, 90.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s",
          "x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "8h"}, 360.0),
        ({"x-ratelimit-remaining-requests-day": "0", "x-ratelimit-reset-requests-day": "33011.382867"}, 33011.382867),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW + 42:.0f}"}, 42.0),
        ({"x-ratelimit-remaining": "0", "X-RateLimit-Reset": f"{(NOW + 42) * 1000:.0f}"}, 42.0),
        ({"x-ratelimit-reset": "7"}, 7.0),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "50"}, 50.0),
        ({"anthropic-ratelimit-tokens-remaining": "0",
          "anthropic-ratelimit-tokens-reset": "2027-01-15T08:00:33Z"}, 33.0),
        ({"anthropic-ratelimit-unified-reset": f"{NOW + 5 * HOUR:.0f}"}, 5 * HOUR),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "Fri Jan 15 08:00:20 2027"}, 20.0),
        ({"x-ratelimit-timeremaining": "3600"}, HOUR),
        # Retry-After is meant for this call; the limits' own headers are of all.
        ({"retry-after": "1", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "60"}, 1.0),
        ({"x-ratelimit-reset": "-5"}, None),
        ({"x-ratelimit-reset-requests": "soon"}, None),
    ],
)  # fmt: skip
def test_wait_in_headers_of_limits(headers: dict[str, str], seconds: float | None) -> None:
    wait = refusal(openai("slow down"), headers=headers).wait
    assert wait == (None if seconds is None else pytest.approx(seconds))


CEREBRAS = {
    "x-ratelimit-remaining-tokens-minute": "0",
    "x-ratelimit-reset-tokens-minute": "11.3",
    "x-ratelimit-remaining-requests-day": "100",
    "x-ratelimit-reset-requests-day": "33011.38",
}


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Tokens per minute limit exceeded - too many tokens processed.", 11.3),
        ("Tokens per day limit exceeded - too many tokens processed.", 33011.38),
    ],
)
def test_words_say_which_limit_it_was(words: str, seconds: float) -> None:
    failure = refusal({"message": words, "code": "token_quota_exceeded"}, headers=CEREBRAS)
    assert failure.wait == pytest.approx(seconds)
    assert failure.kind == ("quota" if seconds > HOUR else "rate")


OLLAMA = "you (name) have reached your {} usage limit, upgrade for higher limits: https://ollama.com/upgrade"


@pytest.mark.parametrize(
    ("document", "status", "seconds"),
    [
        (
            {"error": "you've reached your hourly usage limit, please wait or upgrade to continue"},
            429,
            HOUR / 4,
        ),
        (openai(OLLAMA.format("session"), type="api_error"), 429, 2 * HOUR),
        (openai(OLLAMA.format("weekly"), type="api_error"), 429, 2 * HOUR),
        (openai(OLLAMA.format("monthly"), type="api_error"), 429, 2 * HOUR),
        ({"message": "Too many tokens per day, please wait before trying again."}, 429, 2 * HOUR),
        (
            openai("ThrottlingException: Too many tokens per day, please wait before trying again."),
            429,
            2 * HOUR,
        ),
        ({"message": "Tokens per hour limit exceeded - too many tokens processed."}, 429, HOUR / 4),
        ({"message": "Requests per day limit exceeded - too many requests sent."}, 429, 2 * HOUR),
        (
            openai(
                "You've reached your weekly (7-day) usage limit. Your quota will reset when this window ends.",
                type="access_terminated_error",
            ),
            403,
            2 * HOUR,
        ),
    ],
)
def test_a_quota_that_does_not_say_until_when_is_looked_at_again(
    document: Any, status: int, seconds: float
) -> None:
    failure = refusal(document, status)
    assert (failure.kind, failure.wait, failure.guessed) == ("quota", seconds, True)


def test_what_says_until_when_is_believed() -> None:
    failure = refusal(openai(OLLAMA.format("weekly")), headers={"retry-after": "4000"})
    assert (failure.kind, failure.wait, failure.guessed) == ("quota", 4000.0, False)
    ended = refusal(openai("Your membership has ended.", type="access_terminated_error"), 403)
    assert ended.kind == "endpoint"
    minute = refusal({"message": "Tokens per minute limit exceeded - too many tokens processed."})
    assert (minute.kind, minute.wait) == ("rate", None)


def test_free_models_of_a_day_are_back_at_midnight() -> None:
    failure = refusal(openai("Rate limit exceeded: free-models-per-day-high-balance.", code="429"))
    assert (failure.kind, failure.wait, failure.guessed) == ("quota", 16 * HOUR, False)


def test_a_wrong_clock_of_ours_does_no_harm() -> None:
    headers = {"date": formatdate(NOW - 3_600, usegmt=True)}
    assert refusal(openai("x", resets_at=NOW - 3_570), headers=headers).wait == 30.0


@pytest.mark.parametrize("words", ["try again in " * 1_000, "9" * 10_000 + "s", "retry in " + "1s " * 3_000])
def test_words_of_any_size_are_read_in_no_time(words: str) -> None:
    wait_in_words(words, NOW)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "300"}, 300.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e99"}, None),
        ({"retry-after": "1700000000000"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": formatdate(NOW + 90, usegmt=True)}, 90.0),
        ({"retry-after": formatdate(NOW - 90, usegmt=True)}, 0.0),
        ({"retry-after": formatdate(NOW + 10**8, usegmt=True)}, None),
        # A server whose clock is an hour behind ours means the same 30 seconds.
        (
            {"retry-after": formatdate(NOW - 3570, usegmt=True), "date": formatdate(NOW - 3600, usegmt=True)},
            30.0,
        ),
        # RFC 9110's three forms are all GMT, whatever the machine's zone.
        ({"retry-after": "Fri, 15 Jan 2027 08:01:30 GMT"}, 90.0),
        ({"retry-after": "Friday, 15-Jan-27 08:01:30 GMT"}, 90.0),
        ({"retry-after": "Fri Jan 15 08:01:30 2027"}, 90.0),
        ({"retry-after": "2027-01-15T08:01:30Z"}, 90.0),
        ({"retry-after": "1m30s"}, 90.0),
        ({"x-ms-retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "Mon, 99 Foo 2026 99:99:99 GMT"}, None),
    ],
)
def test_retry_after_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert refusal(openai("slow down"), headers=headers).wait == seconds
