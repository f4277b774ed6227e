"""Names of models against genai-prices asked directly: the same tokens, the same provider, the same moment."""

from datetime import UTC, datetime

import pytest
from genai_prices import Usage as Tokens
from genai_prices import calc_price

from agentbatch.spending.aliases import ALIASES, Alias, alias_of, fine_tuned, spellings
from agentbatch.spending.pricing import Prices
from agentbatch.usage import Usage
from tests.support.model_names import GATEWAY, NAMES

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
USAGE = Usage(input=90_000, cached=30_000, written=20_000, output=4_000, reasoning=1_000, calls=3)


@pytest.fixture(scope="module")
def prices() -> Prices:
    return Prices.load(None)


@pytest.mark.parametrize(("name", "url", "provider", "model"), NAMES)
def test_a_name_costs_what_genai_prices_says(
    prices: Prices, name: str, url: str | None, provider: str, model: str
) -> None:
    one = Tokens(
        input_tokens=30_000, cache_read_tokens=10_000, cache_write_tokens=20_000 / 3,
        output_tokens=4_000 / 3, output_reasoning_tokens=1_000 / 3,
    )  # fmt: skip
    theirs = calc_price(one, model, provider_id=provider, genai_request_timestamp=AT)
    ours = prices.price(name, USAGE, AT, url)
    assert ours is not None
    assert ours.total > 0
    expected = (theirs.input_price, theirs.output_price, theirs.total_price)
    assert ours == pytest.approx(tuple(float(price) * 3 for price in expected))


@pytest.mark.parametrize(
    ("name", "when", "model"),
    [
        ("deepseek-chat", "2025-06-01", "deepseek-chat"),
        ("deepseek-chat", "2025-12-01", "deepseek-v3.2-exp"),
        ("deepseek-chat", "2026-04-24", "deepseek-v4-flash"),
        ("deepseek-reasoner", "2026-11-01", "deepseek-v4-flash"),
        ("mistral-large-latest", "2025-12-01", "mistral-large"),
        ("mistral-large-latest", "2025-12-02", "mistral-large-2512"),
        ("codestral-latest", "2025-07-29", "codestral-2501"),
    ],
)
def test_a_name_means_what_it_meant_on_that_day(name: str, when: str, model: str) -> None:
    alias = alias_of(name, datetime.fromisoformat(when).replace(tzinfo=UTC))
    assert alias is not None
    assert alias.model == model


def test_every_alias_has_its_source_and_they_are_in_order() -> None:
    entries = [entry for meanings in ALIASES.values() for entry in meanings]
    assert [entry for entry in entries if not entry.source] == []
    for meanings in ALIASES.values():
        assert list(meanings) == sorted(meanings, key=lambda alias: alias.since)
        assert meanings[0].since == Alias("", "", "").since, "whatever the day, it means something"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("ft:gpt-4.1-nano-2025-04-14:org::a", 0.80),
        ("ft:gpt-4.1-mini-2025-04-14:org:name:a", 3.20),
        ("ft:gpt-4.1:org::a", 12.00),
        ("ft:gpt-4.12:org::a", None),
        ("ft:gpt-4o-mini-2024-07-18:org::abc", None),
        ("ft:", None),
        ("gpt-4.1-mini", None),
    ],
)
def test_a_fine_tuned_model_has_the_price_of_its_base(name: str, written: float | None) -> None:
    price = fine_tuned(name)
    assert (price.output if price is not None else None) == written


def test_a_fine_tuned_model_costs_more_than_its_base(prices: Prices) -> None:
    tuned = prices.price("ft:gpt-4.1-mini-2025-04-14:org::abc", USAGE, AT, "https://api.openai.com/v1")
    assert tuned is not None
    assert tuned.total == pytest.approx((60_000 * 0.80 + 30_000 * 0.20 + 4_000 * 3.20) / 1e6)
    assert prices.price("ft:gpt-4.1-mini:org::abc", USAGE, AT, "http://127.0.0.1:1/v1") is None


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8", "https://api.together.xyz/v1"),
        ("qwen-3-coder-480b", "https://api.cerebras.ai/v1"),
        ("llama-3.3-70b-versatile", "https://api.openai.com/v1"),
        ("Qwen/Qwen3-Coder-30B-A3B-Instruct", "https://api-inference.modelscope.cn/v1"),
        ("qwen3-coder-plus", "https://dashscope.aliyuncs.com/compatible-mode/v1"),
        ("qwen3-coder", GATEWAY),
        ("whisper-1", None),
    ],
)
def test_nobodys_price_stands_in_for_that_of_the_endpoint_that_bills(
    prices: Prices, model: str, url: str | None
) -> None:
    assert prices.price(model, USAGE, AT, url) is None


@pytest.mark.parametrize(
    ("name", "all_of_them"),
    [
        ("gpt-4o", ("gpt-4o",)),
        ("models/gemini-2.5-pro", ("models/gemini-2.5-pro", "gemini-2.5-pro")),
        ("claude-sonnet-4-5:floor", ("claude-sonnet-4-5:floor", "claude-sonnet-4-5", "claude-sonnet-4.5")),
        ("claude-sonnet-4-5-20250929", ("claude-sonnet-4-5-20250929", "claude-sonnet-4.5-20250929")),
        ("gpt-4o-2024-08-06", ("gpt-4o-2024-08-06",)),
    ],
)
def test_a_name_is_spelled_as_others_write_it(name: str, all_of_them: tuple[str, ...]) -> None:
    assert spellings(name) == all_of_them


@pytest.mark.parametrize(
    ("usage", "dollars"),
    # Claude Sonnet 4.5, US dollars per million: input 3, read 0.30, written 3.75 (1.25 x), for an hour 6 (2 x).
    [
        (Usage(input=1_000, output=0, calls=1), 0.003),
        (Usage(input=1_000, written=1_000, calls=1), 0.00375),
        (Usage(input=1_000, written=1_000, written_hour=1_000, calls=1), 0.006),
        (Usage(input=3_000, cached=1_000, written=1_000, written_hour=500, calls=1), 0.008175),
    ],
)
def test_what_is_written_into_the_cache_is_priced_apart(prices: Prices, usage: Usage, dollars: float) -> None:
    cost = prices.price("claude-sonnet-4-5", usage, AT)
    assert cost is not None
    assert cost.total == pytest.approx(dollars)


def test_sound_is_priced_apart(prices: Prices) -> None:
    usage = Usage(
        input=3_000, cached=1_000, audio_input=1_000, output=500, reasoning=100, audio_output=200, calls=1
    )
    theirs = calc_price(
        Tokens(
            input_tokens=3_000, cache_read_tokens=1_000, input_audio_tokens=1_000, cache_audio_read_tokens=0,
            output_tokens=500, output_audio_tokens=200,
        ),
        "gpt-realtime", provider_id="openai", genai_request_timestamp=AT,
    )  # fmt: skip
    ours = prices.price("gpt-realtime", usage, AT)
    assert ours is not None
    assert ours.total == pytest.approx(float(theirs.total_price))
    plain = Usage(input=3_000, cached=1_000, output=500, calls=1)
    assert ours.total > (prices.price("gpt-realtime", plain, AT) or ours).total


def test_every_model_of_the_book_takes_every_kind_of_token(prices: Prices) -> None:
    whole = Usage(
        input=4_000, cached=1_000, written=1_000, written_hour=500, audio_input=500, output=900,
        reasoning=300, audio_output=300, calls=1,
    )  # fmt: skip
    for provider in prices._book.providers:
        for model in provider.models:
            prices.price(f"{provider.id}/{model.id}", whole, AT)
