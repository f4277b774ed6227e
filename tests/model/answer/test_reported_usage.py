from typing import Any

import pytest

from agentbatch.model.answer.reported_usage import read_usage, usage_of_messages
from agentbatch.usage import Usage


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, None),
        ([], None),
        ({}, None),
        ({"prompt_tokens": 5}, None),
        ({"prompt_tokens": None, "completion_tokens": 3}, None),
        ({"prompt_tokens": "5", "completion_tokens": "3"}, None),
        ({"prompt_tokens": True, "completion_tokens": True}, None),
        ({"prompt_tokens": -5, "completion_tokens": 3}, None),
        ({"prompt_tokens": 1e300, "completion_tokens": 3}, None),
        ({"prompt_tokens": 10**400, "completion_tokens": 3}, None),
        ({"prompt_tokens": float("nan"), "completion_tokens": 3}, None),
        ({"prompt_tokens": 0, "completion_tokens": 0}, None),
        ({"prompt_tokens": 5.0, "completion_tokens": 3}, Usage(input=5, output=3, calls=1)),
        ({"prompt_tokens": 5, "total_tokens": 8}, Usage(input=5, output=3, calls=1)),
        ({"input_tokens": 5, "output_tokens": 3}, Usage(input=5, output=3, calls=1)),
        # new-api: chat's names, and those of /v1/responses as 0.
        (
            {"prompt_tokens": 5, "completion_tokens": 3, "input_tokens": 0, "output_tokens": 0},
            Usage(input=5, output=3, calls=1),
        ),
        (
            {
                "prompt_tokens": 50,
                "completion_tokens": 30,
                "total_tokens": 80,
                "prompt_tokens_details": {"cached_tokens": 40},
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(input=50, cached=40, output=30, reasoning=20, calls=1),
        ),
        (
            {
                "prompt_tokens": 50,
                "completion_tokens": 30,
                "prompt_tokens_details": None,
                "completion_tokens_details": [],
                "prompt_cache_hit_tokens": 10,
            },
            Usage(input=50, cached=10, output=30, calls=1),
        ),
        (
            {"prompt_tokens": 50, "completion_tokens": 30, "cached_tokens": 99},
            Usage(input=50, cached=50, output=30, calls=1),
        ),
        # xAI: reasoning only in the total.
        (
            {
                "prompt_tokens": 50,
                "completion_tokens": 30,
                "total_tokens": 100,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(input=50, output=50, reasoning=20, calls=1),
        ),
        # Mistral
        (
            {"prompt_tokens": 50, "completion_tokens": 3, "num_cached_tokens": 16},
            Usage(input=50, cached=16, output=3, calls=1),
        ),
        (
            {"prompt_tokens": 50, "completion_tokens": 3, "prompt_token_details": {"cached_tokens": 16}},
            Usage(input=50, cached=16, output=3, calls=1),
        ),
        # Gemini's own names, as gateways pass them on
        (
            {
                "prompt_tokens": 50,
                "completion_tokens": 30,
                "cachedContentTokenCount": 20,
                "thoughtsTokenCount": 9,
            },
            Usage(input=50, cached=20, output=30, reasoning=9, calls=1),
        ),
        (
            {"prompt_tokens": 50, "completion_tokens": 30, "cached_content_token_count": 20},
            Usage(input=50, cached=20, output=30, calls=1),
        ),
        # OpenRouter, OpenAI: written
        (
            {
                "prompt_tokens": 50,
                "completion_tokens": 30,
                "prompt_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 25},
            },
            Usage(input=50, cached=10, written=25, output=30, calls=1),
        ),
        # LiteLLM: the cache is a part of the input
        (
            {
                "prompt_tokens": 2006,
                "completion_tokens": 300,
                "total_tokens": 2306,
                "prompt_tokens_details": {
                    "cached_tokens": 1000,
                    "cache_creation_tokens": 900,
                    "cache_creation_token_details": {
                        "ephemeral_5m_input_tokens": 600,
                        "ephemeral_1h_input_tokens": 300,
                    },
                },
                "cache_creation_input_tokens": 900,
                "cache_read_input_tokens": 1000,
            },
            Usage(input=2006, cached=1000, written=900, written_hour=300, output=300, calls=1),
        ),
        # A gateway that leaves the cache beside the input, by the sizes and by the total
        (
            {
                "prompt_tokens": 31,
                "completion_tokens": 467,
                "total_tokens": 498,
                "prompt_tokens_details": {"cached_tokens": 0},
                "cache_creation_input_tokens": 1253,
                "cache_read_input_tokens": 0,
            },
            Usage(input=1284, written=1253, output=467, calls=1),
        ),
        (
            {
                "prompt_tokens": 2000,
                "completion_tokens": 100,
                "total_tokens": 3100,
                "cache_read_input_tokens": 1000,
            },
            Usage(input=3000, cached=1000, output=100, calls=1),
        ),
        # Anthropic's own shape, and DashScope's
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 3,
                "cache_creation_input_tokens": 60,
                "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 40},
            },
            Usage(input=100, written=60, written_hour=40, output=3, calls=1),
        ),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 3,
                "prompt_tokens_details": {
                    "cached_tokens": 0,
                    "cache_creation": {"ephemeral_5m_input_tokens": 90},
                    "cache_creation_input_tokens": 90,
                    "cache_type": "ephemeral",
                },
            },
            Usage(input=100, written=90, output=3, calls=1),
        ),
        # Sound
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 30,
                "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 80},
                "completion_tokens_details": {"audio_tokens": 20},
            },
            Usage(input=100, cached=40, audio_input=60, output=30, audio_output=20, calls=1),
        ),
        # More of a part than there is of the whole
        (
            {
                "prompt_tokens": 50,
                "completion_tokens": 3,
                "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10**9},
                "cache_creation": {"ephemeral_1h_input_tokens": 10**9},
            },
            Usage(input=50, cached=40, written=10, written_hour=10, output=3, calls=1),
        ),
        (
            {
                "prompt_tokens": 50,
                "completion_tokens": 3,
                "prompt_tokens_details": {"cached_tokens": -4, "cache_write_tokens": "9"},
                "cache_creation": [1],
            },
            Usage(input=50, output=3, calls=1),
        ),
    ],
)
def test_usage_of_every_kind(usage: Any, expected: Usage | None) -> None:
    assert read_usage(usage) == expected


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input_tokens": 100, "output_tokens": 7}, Usage(input=100, output=7, calls=1)),
        (
            {"input_tokens": 10, "cache_read_input_tokens": 80, "output_tokens": 7},
            Usage(input=90, cached=80, output=7, calls=1),
        ),
        (
            {
                "input_tokens": 500,
                "cache_read_input_tokens": 80,
                "cache_creation_input_tokens": 20,
                "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 15},
                "output_tokens": 7,
                "output_tokens_details": {"thinking_tokens": 3},
            },
            Usage(input=600, cached=80, written=20, written_hour=15, output=7, reasoning=3, calls=1),
        ),
        (
            {"input_tokens": 1, "cache_read_input_tokens": None, "output_tokens": 2},
            Usage(input=1, output=2, calls=1),
        ),
        ({"input_tokens": 100}, None),
        ({"input_tokens": True, "output_tokens": 7}, None),
        ({"input_tokens": 10**30, "output_tokens": 7}, None),
        ([1], None),
    ],
)
def test_usage_of_anthropics_messages(usage: Any, expected: Usage | None) -> None:
    """Its input leaves the cache out, also where that would fit into it."""
    assert usage_of_messages(usage) == expected
