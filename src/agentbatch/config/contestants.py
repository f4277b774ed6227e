"""Coders and their models, in words; who takes part in a comparison. Pure."""

from collections.abc import Collection, Iterable
from itertools import product
from typing import NamedTuple

BUILTIN = "builtin"
"""The coder of whoever names none."""


def worker(coder: str, model: str, logins: Collection[str] = ()) -> str:
    """`gpt-5`, `codex with gpt-5`; of one that uses a login of its own, whose model is its own affair, `codex`."""
    if coder in logins:
        return coder
    return model if coder == BUILTIN else f"{coder} with {model}"


class Contestant(NamedTuple):
    name: str
    """By which it is told from the others: `gpt-5`, `codex`, `codex:gpt-5`."""
    coder: str = ""
    """Empty: the run's."""
    model: str = ""
    """Empty: the run's."""


def contestants(coders: Iterable[str], models: Iterable[str]) -> tuple[Contestant, ...]:
    """In their order. A coder is `NAME`, which takes part with each of the models, or `NAME:MODEL`."""
    coders, models = tuple(coders), tuple(models)
    if not coders:
        return tuple(Contestant(model, "", model) for model in models)
    found = []
    for text, model in product(coders, models or ("",)):
        name, _, own = text.partition(":")
        whole = text if own or not model else f"{name}:{model}"
        found.append(Contestant(whole, name, own or model))
    return tuple(dict.fromkeys(found))
