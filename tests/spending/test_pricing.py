from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from agentbatch.config import DEFAULT_COMPARISON, REHEARSAL_CODER, REHEARSAL_EVALUATOR
from agentbatch.errors import UserError
from agentbatch.spending.aliases import ALIASES
from agentbatch.spending.pricing import ComparisonRow, Prices, compare
from agentbatch.usage import Usage

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
MILLION = Usage(input=1_000_000, output=1_000_000, calls=100)
OPENAI = "https://api.openai.com/v1"


@pytest.fixture(scope="module")
def prices() -> Prices:
    return Prices.load(None)


@pytest.mark.parametrize(
    ("model", "given", "written"),
    # US dollars per million tokens, checked by hand against genai-prices 0.2.3 for 2026-11-01.
    [
        ("deepseek-chat", 0.15, 0.60),
        ("gpt-4o", 2.50, 10),
        ("gpt-5", 1.25, 10),
        ("gpt-3.5-turbo", 0.50, 1.50),
        ("claude-3-opus", 15, 75),
        ("claude-3-sonnet", 3, 15),
        ("claude-opus-5", 5, 25),
        ("claude-sonnet-5", 2, 10),
        ("gemini-2.5-pro", 1.25, 10),
        ("qwen3-coder", 0.30, 1.00),
    ],
)
def test_known_prices(prices: Prices, model: str, given: float, written: float) -> None:
    cost = prices.price(model, MILLION, AT)
    assert cost is not None
    assert cost == pytest.approx((given, written, given + written))


def test_the_default_comparison_is_priced_whole(prices: Prices) -> None:
    rows = compare(prices, MILLION, DEFAULT_COMPARISON, AT)
    assert [row.model for row in rows] == list(DEFAULT_COMPARISON)
    assert [row.model for row in rows if not row.cost] == []


def test_every_alias_leads_to_a_priced_model(prices: Prices) -> None:
    assert [name for name in ALIASES if not prices.known(name)] == []


@pytest.mark.parametrize("model", [REHEARSAL_CODER, REHEARSAL_EVALUATOR, "my-own-model", "", "llama3.1:8b"])
def test_unknown_is_none_and_never_zero(prices: Prices, model: str) -> None:
    assert prices.price(model, MILLION, AT) is None
    assert not prices.known(model)
    assert compare(prices, MILLION, [model], AT) == [ComparisonRow(model, None, None, None)]


def test_cached_input_is_priced_as_cache_reads(prices: Prices) -> None:
    usage = Usage(input=1_000_000, cached=600_000, output=0, calls=100)
    cost = prices.price("gpt-4o", usage, AT)
    assert cost is not None
    assert cost.total == pytest.approx(0.4 * 2.50 + 0.6 * 1.25)


def test_a_sum_of_many_calls_is_not_priced_as_one_long_request(prices: Prices) -> None:
    one = prices.price("gemini-2.5-pro", Usage(input=1_000_000, output=1_000, calls=1), AT)
    many = prices.price("gemini-2.5-pro", Usage(input=1_000_000, output=1_000, calls=100), AT)
    assert one is not None
    assert many is not None
    assert many.input == pytest.approx(1.25)
    assert one.input == pytest.approx(2.50), "above 200,000 tokens a request it is dearer"


def test_the_price_is_that_of_the_time(prices: Prices) -> None:
    before = prices.price("qwen3-coder", MILLION, datetime(2026, 6, 1, tzinfo=UTC))
    after = prices.price("qwen3-coder", MILLION, AT)
    assert before is not None
    assert after is not None
    assert before.output == pytest.approx(1.80)
    assert after.output == pytest.approx(1.00)


def test_any_time_zone_will_do(prices: Prices) -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=9)))
    assert prices.price("gpt-5", MILLION, elsewhere) == prices.price("gpt-5", MILLION, AT)
    assert prices.price("gpt-5", MILLION, AT.replace(tzinfo=None)) is not None


@pytest.mark.parametrize(
    ("base_url", "priced"),
    [
        (None, True),
        (OPENAI, True),
        ("https://x.openai.azure.com/openai/v1", True),
        ("https://gateway.example.com/v1", True),
        ("https://api.deepseek.com/v1", False),
        ("http://127.0.0.1:8000/v1", False),
        ("http://127.8.8.8/v1", False),
        ("http://localhost:11434/v1", False),
        ("http://[::1]:8000/v1", False),
        ("http://0.0.0.0:8000/v1", False),
        ("http://192.168.1.7:8000/v1", False),
        ("http://vllm:8000/v1", False),
        ("http://gpu.local/v1", False),
        ("http://host.docker.internal:11434/v1", False),
    ],
)
def test_a_paid_models_name_costs_only_where_somebody_bills(
    prices: Prices, base_url: str | None, priced: bool
) -> None:
    assert (prices.price("gpt-4o", MILLION, AT, base_url) is not None) is priced


def test_an_aggregators_own_price_is_taken(prices: Prices) -> None:
    here = prices.price("qwen/qwen3-coder", MILLION, AT, "https://openrouter.ai/api/v1")
    assert here is not None
    assert here.output == pytest.approx(1.00)
    assert prices.price("openai/gpt-4o", MILLION, AT) == prices.price("gpt-4o", MILLION, AT)


def test_a_free_variant_has_no_price(prices: Prices) -> None:
    assert prices.price("qwen/qwen3-coder:free", MILLION, AT, "https://openrouter.ai/api/v1") is None


def test_the_nearest_name(prices: Prices) -> None:
    assert prices.nearest("gpt4o") == "gpt-4o"
    assert prices.nearest("claud-opus-5") == "claude-opus-5"
    assert prices.nearest("Qwen3-codr") == "qwen3-coder"
    assert prices.nearest("#######") is None


@pytest.mark.parametrize(
    ("model", "window"),
    [
        ("gpt-4o", 128_000),
        ("claude-3-opus", 200_000),
        ("gemini-2.5-pro", 1_048_576),
        (REHEARSAL_CODER, None),
    ],
)
def test_context_windows(prices: Prices, model: str, window: int | None) -> None:
    assert prices.context_window(model) == window


def own_prices(folder: Path, text: str) -> Prices:
    path = folder / "prices.toml"
    path.write_text(text, encoding="utf-8")
    return Prices.load(path)


def test_the_users_prices_win_also_on_loopback(tmp_path: Path) -> None:
    text = '[models."GPT-4o"]\ninput = 1\noutput = 2.0\ncached = 0.5\n[models.mine]\ninput = 3\noutput = 0\n'
    prices = own_prices(tmp_path, text)
    usage = Usage(input=1_000_000, cached=500_000, output=1_000_000, calls=3)
    assert prices.price("gpt-4o", usage, AT, OPENAI) == pytest.approx((0.75, 2.0, 2.75))
    assert prices.price("mine", usage, AT, "http://127.0.0.1:1/v1") == pytest.approx((3.0, 0.0, 3.0))
    assert prices.known("Mine")
    assert prices.nearest("mime") == "mine"
    assert prices.price("gpt-5", MILLION, AT) is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[models.a\ninput = 1", "line 1"),
        ("input = 1", "unknown key 'input'"),
        ("models = 3", "models must be a table"),
        ("[models]\na = 3", 'models."a" must be a table'),
        ("[models.a]\ninput = 1", 'models."a".output is missing'),
        ("[models.a]\ninput = -1\noutput = 1", 'models."a".input must be a number of 0 or more, not -1'),
        ("[models.a]\ninput = nan\noutput = 1", 'models."a".input'),
        ("[models.a]\ninput = inf\noutput = 1", 'models."a".input'),
        (f"[models.a]\ninput = 1{'0' * 400}\noutput = 1", 'models."a".input'),
        ("[models.a]\ninput = true\noutput = 1", 'models."a".input'),
        ('[models.a]\ninput = "1"\noutput = 1', "not '1'"),
        ("[models.a]\ninput = 1\noutput = 1\ncache = 1", 'models."a".cache is not known'),
    ],
)
def test_a_bad_price_file_is_explained(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UserError) as raised:
        own_prices(tmp_path, text)
    assert words in str(raised.value)
    assert str(tmp_path / "prices.toml") in str(raised.value)


def test_a_price_file_that_cannot_be_read_is_explained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no price file"):
        Prices.load(tmp_path / "none.toml")
    with pytest.raises(UserError, match="no price file"):
        Prices.load(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(UserError, match="not UTF-8"):
        Prices.load(tmp_path / "latin.toml")


def test_the_book_agrees_with_itself_by_hand(prices: Prices) -> None:
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    theirs = calc_price(
        Tokens(input_tokens=1200, cache_read_tokens=200, output_tokens=1250),
        "claude-3-opus-latest",
        provider_id="anthropic",
        genai_request_timestamp=AT,
    )
    ours = prices.price("claude-3-opus", Usage(input=1200, cached=200, output=1250, calls=1), AT)
    assert ours is not None
    assert Decimal(repr(ours.total)) == pytest.approx(theirs.total_price)
