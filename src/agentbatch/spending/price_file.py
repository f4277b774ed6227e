"""The user's own prices: prices.toml, which wins over the built-in ones."""

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from agentbatch.errors import UserError, cannot_be
from agentbatch.files import read_given

MAX_PRICE = 1e12
"""US dollars per million tokens; what is above it is no price."""

FIELDS = ("input", "output", "cached", "cache_write")

EXAMPLE = (
    '[models."name"] with input = 0.27, output = 1.10 and, optionally, cached = 0.07 and '
    "cache_write = 0.34 (US$ per million tokens)"
)


class OwnPrice(NamedTuple):
    """US dollars per million tokens."""

    input: float
    output: float
    cached: float | None = None
    """None: cached input costs what other input costs."""
    cache_write: float | None = None
    """Of input that is written into the provider's cache; None: the same."""


MAX_PRICES = 16 * 1024 * 1024
"""Bytes."""


def read_prices(path: Path) -> dict[str, OwnPrice]:
    """The prices in the file, by model name in lower case. Raises UserError naming the file and the line or
    field."""
    try:
        document = tomllib.loads(read_given(path, MAX_PRICES).decode("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not valid TOML: {error}.") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: byte {error.start} cannot be read.") from None
    except OSError as error:
        raise cannot_be("read", path, error) from None
    unknown = sorted(set(document) - {"models"})
    if unknown:
        raise UserError(f"{path}: unknown key {unknown[0]!r}. A price is {EXAMPLE}.")
    models = document.get("models", {})
    if not isinstance(models, dict):
        raise UserError(f"{path}: models must be a table. A price is {EXAMPLE}.")
    return {name.lower(): _price(path, name, entry) for name, entry in models.items()}


def _price(path: Path, name: str, entry: Any) -> OwnPrice:
    where = f'{path}: models."{name}"'
    if not isinstance(entry, dict):
        raise UserError(f"{where} must be a table. A price is {EXAMPLE}.")
    for field, value in entry.items():
        if field not in FIELDS:
            raise UserError(f"{where}.{field} is not known; the fields are {', '.join(FIELDS)}.")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 <= value <= MAX_PRICE:
            raise UserError(f"{where}.{field} must be a number of 0 or more, not {value!r:.60}.")
    for field in ("input", "output"):
        if field not in entry:
            raise UserError(f"{where}.{field} is missing.")
    return OwnPrice(**{field: float(value) for field, value in entry.items()})
