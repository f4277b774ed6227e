import pytest

from agentbatch.display.reports.prompt_cache import cache_advice, cache_words
from agentbatch.usage import Usage


@pytest.mark.parametrize(
    ("usage", "words"),
    [
        (Usage(), ""),
        (Usage(input=1_000, calls=1), ""),
        (Usage(input=1_000, cached=430, calls=1), "43% of the input came from the prompt cache"),
        (
            Usage(input=100_000, cached=50_000, written=12_300, calls=9),
            "50% of the input came from the prompt cache, 12,300 tokens were written into it",
        ),
        (
            Usage(input=10_000, written=10_000, calls=1),
            "0% of the input came from the prompt cache, 10,000 tokens were written into it",
        ),
    ],
)
def test_what_the_cache_served(usage: Usage, words: str) -> None:
    assert cache_words(usage) == words


@pytest.mark.parametrize(
    ("usage", "words"),
    [
        (Usage(input=100_000, calls=20), "Nothing came from a prompt cache"),
        (Usage(input=100_000, calls=19), ""),
        (Usage(input=30_000, calls=20), ""),
        (Usage(input=100_000, calls=20, estimated=True), ""),
        (Usage(input=100_000, calls=21, untold=1), ""),
        (Usage(input=100_000, cached=10, calls=20), ""),
        (Usage(input=100_000, cached=10, written=40_000, calls=20), "More was written into the prompt cache"),
        (Usage(input=100_000, cached=50_000, written=40_000, calls=20), ""),
    ],
)
def test_advice_where_the_other_way_costs_less(usage: Usage, words: str) -> None:
    assert cache_advice(usage).startswith(words)
    assert bool(cache_advice(usage)) == bool(words)
