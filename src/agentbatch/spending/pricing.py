"""What tokens cost: genai-prices (bundled, offline), an alias map, and the user's prices.toml, which wins.

Unknown is None, shown as –, never $0.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import urlsplit

from agentbatch.errors import UserError
from agentbatch.spending.price_file import OwnPrice, read_prices
from agentbatch.text import nearest
from agentbatch.usage import Usage

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, Provider

MILLION = 1_000_000

ALIASES: dict[str, tuple[str, str]] = {
    "qwen3-coder": ("openrouter", "qwen/qwen3-coder"),
    "claude-3-opus": ("anthropic", "claude-3-opus-latest"),
    "claude-3-sonnet": ("anthropic", "claude-3-sonnet"),
}
"""Names that people use -> provider and id in genai-prices. Qwen's own platform is not in it: OpenRouter's
price of the same model stands in."""

MARKET = "openrouter"
"""Where a comparison finds the open models that no provider of their own is known for."""


class Cost(NamedTuple):
    """US dollars."""

    input: float
    output: float
    total: float


@dataclass(frozen=True)
class ComparisonRow:
    """What the same tokens would cost on another model. None: its price is unknown."""

    model: str
    cost_input: float | None
    cost_output: float | None
    cost: float | None

    def document(self) -> dict[str, Any]:
        """As JSON for programs: results files, `--json`."""
        return {
            "model": self.model,
            "inputCost": self.cost_input,
            "outputCost": self.cost_output,
            "totalCost": self.cost,
        }


class Prices:
    """The price book. Built by `load`, which takes a third of a second: call it once, where a cost is
    needed."""

    def __init__(self, book: "DataSnapshot", own: dict[str, OwnPrice]) -> None:
        self._book = book
        self._own = own
        self._market = _by_last_part(book)

    @classmethod
    def of(cls, named: str | Path | None, folder: Path) -> Self:
        """The prices in the file that the settings name, else those in prices.toml of the folder, over the built-in
        ones. Raises UserError."""
        beside = folder / "prices.toml"
        return cls.load(folder / named if named else beside if beside.is_file() else None)

    @classmethod
    def load(cls, user_file: Path | None) -> Self:
        """The built-in prices and the user's. Raises UserError when the file is missing or wrong."""
        if user_file is not None and not user_file.is_file():
            raise UserError(f"There is no price file {user_file}; --prices FILE names another.")
        own = read_prices(user_file) if user_file is not None else {}
        from genai_prices.data_snapshot import get_snapshot  # lazy: 0.3 s

        return cls(get_snapshot(), own)

    def price(self, model: str, usage: Usage, at: datetime, base_url: str | None = None) -> Cost | None:
        """The cost of these tokens at that time, on that endpoint; None when the price is unknown.

        Some prices rise with the length of one request, so the usage of several calls is priced as that many
        average calls.
        """
        own = self._own.get(model.lower())
        if own is not None:
            return _own_cost(own, usage)
        found = self._find(model, base_url)
        return _book_cost(found, usage, at) if found is not None else None

    def known(self, model: str) -> bool:
        """True when the model has a price."""
        return self.price(model, Usage(input=1, output=1, calls=1), datetime.now(UTC)) is not None

    def nearest(self, name: str) -> str | None:
        """The known name that looks most like this one, for "did you mean"."""
        names = {*self._own, *ALIASES, *self._market}
        names.update(model.id.lower() for provider in self._book.providers for model in provider.models)
        return nearest(name.lower(), sorted(names))

    def context_window(self, model: str) -> int | None:
        """Tokens that the model reads at most, where it is known."""
        found = self._find(model, None)
        if found is not None and found[1].context_window:
            return found[1].context_window
        market = self._market.get(model.lower())
        return (market[1].context_window or None) if market is not None else None

    def _find(self, model: str, base_url: str | None) -> "tuple[Provider, ModelInfo] | None":
        name = model.lower().strip()
        if not name or (base_url is not None and _is_own_server(base_url)):
            return None
        if base_url is not None:
            try:
                provider = self._book.find_provider(None, None, base_url)
            except LookupError:
                return self._by_name(name)  # a gateway in front of a provider: the name says which
            return self._at(provider.id, name) or self._at_alias(provider.id, name)
        return self._by_name(name) or self._market.get(name)

    def _by_name(self, name: str) -> "tuple[Provider, ModelInfo] | None":
        if name in ALIASES:
            return self._at(*ALIASES[name])
        vendor, slash, rest = name.partition("/")
        if slash:
            return self._at(vendor, rest) or self._at(MARKET, name)
        return self._at(None, name)

    def _at_alias(self, provider: str, name: str) -> "tuple[Provider, ModelInfo] | None":
        alias = ALIASES.get(name)
        return self._at(*alias) if alias is not None and alias[0] == provider else None

    def _at(self, provider: str | None, name: str) -> "tuple[Provider, ModelInfo] | None":
        try:
            return self._book.find_provider_model(name, None, provider, None)
        except LookupError:
            return None


def require_prices(prices: Prices, models: Iterable[tuple[str, str]], what: str, instead: str = "") -> None:
    """A budget in dollars holds only where every model's price is known. `models`: each with its endpoint's URL;
    `what` sets the budget. Raises UserError."""
    one = Usage(input=1000, output=1000, calls=1)
    for model, url in dict.fromkeys(models):
        if prices.price(model, one, datetime.now(UTC), base_url=url) is None:
            raise UserError(
                f"{what}: the price of {model} is unknown, so no budget in dollars can be kept. Add it to prices.toml"
                f"{instead}."
            )


def compare(prices: Prices, usage: Usage, models: Sequence[str], at: datetime) -> list[ComparisonRow]:
    """What the same tokens would cost on each of the models, in the given order."""
    rows = []
    for model in models:
        cost = prices.price(model, usage, at)
        rows.append(ComparisonRow(model, *(cost if cost is not None else (None, None, None))))
    return rows


def _own_cost(own: OwnPrice, usage: Usage) -> Cost:
    cached_price = own.input if own.cached is None else own.cached
    cost_input = ((usage.input - usage.cached) * own.input + usage.cached * cached_price) / MILLION
    cost_output = usage.output * own.output / MILLION
    return Cost(cost_input, cost_output, cost_input + cost_output)


def _book_cost(found: "tuple[Provider, ModelInfo]", usage: Usage, at: datetime) -> Cost | None:
    from genai_prices import Usage as Tokens  # already loaded

    provider, model = found
    moment = at if at.tzinfo is not None else at.astimezone(UTC)
    listed = model.get_prices(moment)
    if listed.input_mtok is None or listed.output_mtok is None:
        return None
    calls = max(usage.calls, 1)
    tokens = Tokens(
        input_tokens=usage.input / calls,
        cache_read_tokens=usage.cached / calls,
        output_tokens=usage.output / calls,
    )
    one = model.calc_price(tokens, provider, genai_request_timestamp=moment)
    return Cost(
        float(one.input_price) * calls, float(one.output_price) * calls, float(one.total_price) * calls
    )


def _by_last_part(book: "DataSnapshot") -> "dict[str, tuple[Provider, ModelInfo]]":
    """The market's models by their name without the vendor: `qwen3-coder-plus`, not
    `qwen/qwen3-coder-plus`."""
    return {
        model.id.lower().rpartition("/")[2]: (provider, model)
        for provider in book.providers
        if provider.id == MARKET
        for model in provider.models
    }


def _is_own_server(base_url: str) -> bool:
    """A server on this machine or in this network: it bills nobody, whatever its models are called."""
    host = (urlsplit(base_url).hostname or "").lower()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        local_names = (".local", ".localhost", ".internal", ".lan", ".home.arpa")
        return "." not in host or host.endswith(local_names)
    return address.is_private or address.is_loopback or address.is_link_local or address.is_unspecified
