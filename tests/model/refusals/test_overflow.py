"""Requests that were too long, in the words of many servers, with the numbers in them."""

import pytest

from agentbatch.model.refusals.excess import Excess
from agentbatch.model.refusals.overflow import WORDINGS, excess, is_overflow
from agentbatch.model.refusals.server_error import ServerError


@pytest.mark.parametrize(
    ("status", "words", "limit", "sent"),
    [
        (400, "This model's maximum context length is 131072 tokens. However, you requested 351430.", 131072, 351430),
        (400, "This model's maximum context length is 128000 tokens. However, your messages resulted in 202868 tokens.",
         128000, 202868),
        (400, "This model's maximum context length is 8,192 tokens.", 8192, None),
        (400, "The input (61709 tokens) is longer than the model's context length (40960 tokens).", 40960, 61709),
        (400, "Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens).", 59862, 160062),
        (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 1244 `inputs` tokens",
         2048, 1244),
        (422, "Input validation error: `inputs` must have less than 1024 tokens. Given: 1168", 1024, 1168),
        (400, "Request length 71599 + 2048 is greater than max_seq_len 65536", 65536, 71599),
        (503, "Prompt length 9000 is greater than max_seq_len 8192", 8192, 9000),
        (400, "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000.", None, None),
        (400, "too many tokens: size limit exceeded by 1234 tokens. Try using shorter or fewer inputs.",
         None, None),
        (400, "Total tokens of image and text exceed max message tokens. Request id: x", None, None),
        (400, "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576).",
         1048576, 1200293),
        (400, "Unable to submit request because the input token count is 140000 but model only supports up to 131072.",
         131072, 140000),
        (400, "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it", 4096, 4390),
        (400, "Requested tokens (2285) exceed context window of 2048", 2048, 2285),
        (400, "prompt is too long: 210000 tokens > 200000 maximum", 200000, 210000),
        (400, "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", 200000, 190000),
        (400, "The decoder prompt (length 10127) is longer than the maximum model length of 8192.", 8192, 10127),
        (400, "This model's maximum prompt length is 131072 but the request contains 140000 tokens.", 131072, 140000),
        (400, "Range of input length should be [1, 30720]", 30720, None),
        (400, "Invalid request: Your request exceeded model token limit: 8192", 8192, None),
        (429, "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 31000.", 30000, 31000),
        (400, "length of prompt_tokens (163280) must be less than max_seq_len (32768).", 32768, 163280),
        (400, "Prompt too long: 41911 tokens exceeds max context window of 32768 tokens", 32768, 41911),
        (500, "Total prompt tokens (11573) exceeds safe limit (2048) for 1 requests.", 2048, 11573),
        (413, "anything", None, None),
        (500, "Context size has been exceeded.", None, None),
    ],
)  # fmt: skip
def test_words_and_numbers_of_an_overflow(
    status: int, words: str, limit: int | None, sent: int | None
) -> None:
    assert is_overflow(ServerError(status, words))
    assert excess(words) == Excess(limit, sent)


@pytest.mark.parametrize(
    ("known", "size", "window"),
    [
        (Excess(), 9_000, 9_000),
        (Excess(8_000), 9_000, 8_000),
        (Excess(8_000), 5_000, 5_000),  # our count was too low
        (Excess(8_000, 16_000), 10_000, 5_000),  # a token of the endpoint's is 1.6 of ours
        (Excess(200_000, 190_000), 9_000, 9_000),  # it was the answer that had no room
    ],
)
def test_the_window_in_tokens_of_our_own(known: Excess, size: int, window: int) -> None:
    assert known.window(size) == window


@pytest.mark.parametrize(
    "words", ["maximum context length is 99999999999999", "prompt is too long: 5 tokens > 7"]
)
def test_numbers_that_cannot_be_are_not_believed(words: str) -> None:
    assert excess(words) == Excess()


def test_every_wording_says_where_it_was_seen() -> None:
    assert all(one.pattern and one.source for one in WORDINGS)


def test_words_of_any_size_are_read_in_no_time() -> None:
    for words in (
        "maximum context length is " + "1" * 4_000,
        "request too large for" + " limit" * 600,
        "(" * 4_000,
    ):
        excess(words)
