from random import Random

import pytest

from agentbatch.model.failures.retry import RetryPolicy, classify
from agentbatch.model.refusals.server_error import ServerError
from agentbatch.model.reply import ErrorKind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (None, "transient"),
        (ServerError(408), "transient"),
        (ServerError(409), "transient"),
        (ServerError(499, "The operation was cancelled.", "499", "CANCELLED"), "transient"),
        (ServerError(498, "Flex tier capacity exceeded"), "transient"),
        (ServerError(498, "request blocked due to a violation of the usage guidelines."), "request"),
        (ServerError(500, "internal error"), "transient"),
        (ServerError(503), "transient"),
        (ServerError(529, "Overloaded"), "transient"),
        (ServerError(200, "upstream fell over"), "transient"),
        (ServerError(429), "rate"),
        (ServerError(429, "Rate limit reached", code="rate_limit_exceeded"), "rate"),
        (ServerError(429, "You exceeded your current quota", code="insufficient_quota"), "endpoint"),
        (ServerError(402, "Insufficient Balance"), "endpoint"),
        (ServerError(401, "Incorrect API key provided"), "endpoint"),
        (ServerError(403), "denied"),
        (ServerError(400, "API key not valid. Please pass a valid API key."), "endpoint"),
        (ServerError(400, "Your credit balance is too low to access the API"), "endpoint"),
        (ServerError(400, "bad tool schema"), "request"),
        (ServerError(404, "no such model"), "model"),
        (ServerError(404), "denied"),
        (ServerError(422), "request"),
        (ServerError(301), "request"),
        (ServerError(400, "too long", code="context_length_exceeded"), "overflow"),
        (ServerError(413), "overflow"),
    ],
)
def test_class_of_a_failure(error: ServerError | None, kind: ErrorKind) -> None:
    assert classify(error) == kind


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (
            400,
            "This model's maximum context length is 8192 tokens. Your messages resulted in 9000 tokens.",
        ),
        (400, "max_tokens must be at least 1, got -186."),
        (400, "the request exceeds the available context size. try increasing the context size"),
        (400, "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it"),
        (500, "Context size has been exceeded."),
        (400, "Requested tokens (2285) exceed context window of 2048"),
        (400, "Your input exceeds the context window of this model. Please adjust your input and try again."),
        (400, "prompt is too long: 210000 tokens > 200000 maximum"),
        (400, "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"),
        (400, "the input length exceeds the context length"),
        (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
        (400, "Input is too long for requested model."),
        (400, "Range of input length should be [1, 30720]"),
        (400, "Invalid request: Your request exceeded model token limit: 8192"),
        (400, "This model's maximum prompt length is 131072 but the request contains 140000 tokens."),
        (400, "The decoder prompt (length 9000) is longer than the maximum model length of 8192."),
        (429, "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 31000."),
    ],
)
def test_every_servers_words_for_too_long_are_an_overflow(status: int, words: str) -> None:
    assert classify(ServerError(status, words)) == "overflow"


@pytest.mark.parametrize(
    "words",
    [
        "max_tokens is too large: 100000. This model supports at most 16384 completion tokens.",
        "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000.",
        "Invalid value for 'content': expected a string, got null.",
    ],
)
def test_other_words_about_tokens_are_no_overflow(words: str) -> None:
    assert classify(ServerError(400, words)) == "request"


@pytest.mark.parametrize(("attempt", "ceiling"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (5000, 60)])
def test_backoff_is_jittered_under_a_doubling_ceiling(attempt: int, ceiling: float) -> None:
    rng = Random(7)
    waits = [RetryPolicy().backoff(attempt, rng) for _ in range(2000)]
    assert 0 <= min(waits) < 0.1 * ceiling
    assert 0.9 * ceiling < max(waits) <= ceiling


def test_backoff_is_never_under_what_the_server_asked_for() -> None:
    rng = Random(7)
    assert {RetryPolicy().backoff(1, rng, at_least=300.0) for _ in range(50)} == {300.0}
    assert RetryPolicy(delay=0).backoff(3, rng) == 0


def test_a_delay_above_the_cap_is_kept() -> None:
    waits = [RetryPolicy(delay=600).backoff(2, Random(seed)) for seed in range(200)]
    assert 500 < max(waits) <= 600
