"""What tokens cost: genai-prices (bundled, offline), an alias map, and the user's prices.toml, which wins.

Unknown is None, shown as –, never $0.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import urlsplit

from agentbatch.errors import UserError
from agentbatch.spending.aliases import (
    ALIASES,
    ASKED,
    MARKET,
    PREFIXES,
    alias_of,
    fine_tuned,
    spellings,
)
from agentbatch.spending.price_file import OwnPrice, read_prices
from agentbatch.text import nearest
from agentbatch.usage import Usage

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, Provider

    Found = tuple[Provider, ModelInfo]

MILLION = 1_000_000


class Cost(NamedTuple):
    """US dollars."""

    input: float
    output: float
    total: float


class ComparisonRow(NamedTuple):
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
    """The price book. It takes a third of a second to read, when the first price is asked for."""

    def __init__(self, own: dict[str, OwnPrice]) -> None:
        self._own = own
        self._found: dict[tuple[str, str | None], Found | None] = {}
        self._found_at: datetime | None = None
        """The minute for which `_found` holds: prices have days and hours at which they begin."""

    @cached_property
    def _book(self) -> "DataSnapshot":
        from genai_prices.data_snapshot import get_snapshot  # lazy: 0.3 s

        return get_snapshot()

    @cached_property
    def _market(self) -> "dict[str, Found]":
        return _by_last_part(self._book)

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
        return cls(read_prices(user_file) if user_file is not None else {})

    def price(self, model: str, usage: Usage, at: datetime, base_url: str | None = None) -> Cost | None:
        """The cost of these tokens at that time, on that endpoint; None when the price is unknown.

        Some prices rise with the length of one request, so the usage of several calls is priced as that many
        average calls.
        """
        own = self._own.get(model.lower())
        if own is not None:
            return _own_cost(own, usage)
        moment = at if at.tzinfo is not None else at.astimezone(UTC)
        found = self._find(model, base_url, moment)
        if found is not None:
            return _book_cost(found, usage, moment)
        tuned = fine_tuned(model.lower())
        if tuned is None or (base_url is not None and _is_own_server(base_url)):
            return None
        return _own_cost(OwnPrice(*tuned), usage)

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
        found = self._find(model, None, datetime.now(UTC))
        if found is not None and found[1].context_window:
            return found[1].context_window
        market = self._market.get(model.lower())
        return (market[1].context_window or None) if market is not None else None

    def _find(self, model: str, base_url: str | None, at: datetime) -> "Found | None":
        """Looked for once a minute: every call has a price, and the book is searched by patterns."""
        minute = at.replace(second=0, microsecond=0)
        if minute != self._found_at:
            self._found, self._found_at = {}, minute
        if (model, base_url) not in self._found:
            self._found[model, base_url] = self._look_up(model, base_url, at)
        return self._found[model, base_url]

    def _look_up(self, model: str, base_url: str | None, at: datetime) -> "Found | None":
        name = model.lower().strip()
        if not name or (base_url is not None and _is_own_server(base_url)):
            return None
        if base_url is None:
            return self._by_name(name, at) or self._in_market(name, at)
        try:
            provider = self._book.find_provider(None, None, base_url)
        except LookupError:
            found = self._by_name(name, at)  # a gateway in front of a provider: the name says which
            standing_in = found is not None and found[0].id == MARKET and not name.startswith(f"{MARKET}/")
            return None if standing_in else found
        alias = alias_of(name, at)
        if alias is not None and alias.provider == provider.id:
            return self._at(alias.provider, alias.model, at)
        return self._at(provider.id, name, at)

    def _by_name(self, name: str, at: datetime) -> "Found | None":
        alias = alias_of(name, at)
        if alias is not None:
            return self._at(alias.provider, alias.model, at)
        vendor, slash, rest = name.partition("/")
        if not slash:
            places = (None, *ASKED)
            return next(filter(None, (self._at(place, name, at) for place in places)), None)
        provider = PREFIXES.get(vendor, vendor)
        alias = alias_of(rest, at)
        if alias is not None and alias.provider == provider:
            return self._at(alias.provider, alias.model, at)
        return self._at(provider, rest, at) or self._at(MARKET, name, at)

    def _in_market(self, name: str, at: datetime) -> "Found | None":
        """The same model at any vendor; only for comparisons, since nobody was billed by the market."""
        last = name.rpartition("/")[2]
        alias = alias_of(last, at)
        if alias is not None:
            return self._at(alias.provider, alias.model, at)
        return next(filter(None, map(self._market.get, spellings(last))), None)

    def _at(self, provider: str | None, name: str, at: datetime) -> "Found | None":
        """The model at a provider, or at the one that the name says, if it has a price there."""
        for spelling in spellings(name):
            try:
                found = self._book.find_provider_model(spelling, None, provider, None)
            except LookupError:
                continue
            if found[1].get_prices(at).input_mtok is not None:
                return found
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
    write_price = own.input if own.cache_write is None else own.cache_write
    plain = usage.input - usage.cached - usage.written
    cost_input = (plain * own.input + usage.cached * cached_price + usage.written * write_price) / MILLION
    cost_output = usage.output * own.output / MILLION
    return Cost(cost_input, cost_output, cost_input + cost_output)


def _book_cost(found: "Found", usage: Usage, at: datetime) -> Cost:
    from genai_prices import Usage as Tokens  # already loaded

    provider, model = found
    calls = max(usage.calls, 1)
    tokens = Tokens(**{name: count / calls for name, count in _kinds(usage).items()})
    one = model.calc_price(tokens, provider, genai_request_timestamp=at)
    return Cost(
        float(one.input_price) * calls, float(one.output_price) * calls, float(one.total_price) * calls
    )


def _kinds(usage: Usage) -> dict[str, int]:
    """Counts by genai-prices' names; each model prices those that it knows apart, the rest as what they are part of.
    Kinds that overlap have to be given, though no endpoint reports them: sound in the cache, sound that is thought.
    A part is never more than its whole: what was shared out among the requests of a pack is rounded."""
    cached = min(usage.cached, usage.input)
    written = min(usage.written, usage.input - cached)
    return {
        "input_tokens": usage.input,
        "cache_read_tokens": cached,
        "cache_write_tokens": written,
        "cache_write_1h_tokens": min(usage.written_hour, written),
        "input_audio_tokens": min(usage.audio_input, usage.input - cached - written),
        "cache_audio_read_tokens": 0,
        "cache_audio_write_tokens": 0,
        "cache_audio_write_1h_tokens": 0,
        "output_tokens": usage.output,
        "output_reasoning_tokens": min(usage.reasoning, usage.output),
        "output_audio_tokens": min(usage.audio_output, usage.output - min(usage.reasoning, usage.output)),
        "output_audio_reasoning_tokens": 0,
    }


def _by_last_part(book: "DataSnapshot") -> "dict[str, Found]":
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
