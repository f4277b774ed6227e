# ruff: noqa: E501 - words as they came
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
        (413, "Request body too large for gpt-4o model. Max size: 8000 tokens.", 8000, None),
        (400, "Please reduce the length of the messages or completion. Current length is 40000 while limit is 32768", 32768, 40000),
        (400, "The prompt is too long: 140000, model maximum context length: 131071", 131071, 140000),
        (400, "Requested token count exceeds the model's maximum context length of 131072 tokens. You requested a total of 135000 tokens: 131000 tokens from the input messages and 4000 tokens for the completion. Please reduce the number of tokens in the input messages or the completion to fit within the limit.", 131072, 135000),
        (400, "Invalid request: Your request exceeded model token limit: 131072 (requested: 140000)", 131072, 140000),
        (400, "The maximum context length of Meta-Llama-3.3-70B-Instruct is 16384. However, answering your request will take 20000 tokens. Please reduce the length of the messages or the specified max_completion_tokens value.", 16384, 20000),
        (413, "AiError: The estimated number of input and maximum output tokens (40000) exceeded this model context window limit (24000).", 24000, 40000),
        (400, "Too many input tokens. Max input tokens: 8000, request input token count: 9000", 8000, 9000),
        (400, "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough. Try to load the model with a larger context length, or provide a shorter input", 4096, 9000),
        (400, "The number of tokens to keep from the initial prompt is greater than the context length. Try to load the model with a larger context length, or provide a shorter input", None, None),
        (400, "Reached context length of 4096 tokens with this model, but this model does not currently support mid-generation context overflow because llama_memory_can_shift is 0. Try reloading with a larger context length or shortening the prompt/chat.", 4096, None),
        (500, "input (9000 tokens) is larger than the max context size (8192 tokens). skipping", 8192, 9000),
        (400, "You passed 9001 input tokens and requested 100 output tokens. However, the model's context length is only 8192 tokens, resulting in a maximum input length of 8092 tokens. Please reduce the length of the input prompt. (parameter=input_tokens, value=9001)", 8192, 9001),
        (400, "The sum of prompt length (9000), query length (0) and max_tokens (100) should not exceed max_seq_len (8192)", 8192, 9000),
        (400, "This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 tokens (139000 of text input, 1000 of tool input). Please reduce the length of either one, or use the \"middle-out\" transform to compress your prompt automatically.", 131072, 140000),
        (400, "prompt token count of 140000 exceeds the limit of 128000", 128000, 140000),
        (400, "The input token count exceeds the maximum number of tokens allowed 1048576.", 1048576, None),
        (400, "Input length 140000 exceeds the maximum length 131072. Request id: x", 131072, 140000),
        (400, "Inference error: Input length 9000 exceeds maximum allowed token size 8192", 8192, 9000),
        (400, "AiError: This model's maximum context length is 131072 tokens. However, you requested 16000 output tokens and your prompt contains at least 115073 input tokens, for a total of at least 131073 tokens.", 131072, 131073),
        (400, "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 13055>= n_ctx: 4096).", 4096, 13055),
        (400, "Cannot process new request: Prompt length (5056) exceeds maximum sequence length (2048)", 2048, 5056),
        (400, "The model returned the following errors: Input Tokens Exceeded: Number of input tokens exceeds maximum length.", None, None),
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


@pytest.mark.parametrize(
    ("status", "code"),
    [(413, "tokens_limit_reached"), (400, "model_max_prompt_tokens_exceeded"), (400, "1261"), (200, "1039")],
)
def test_codes_that_say_it(status: int, code: str) -> None:
    assert is_overflow(ServerError(status, "no", code))
