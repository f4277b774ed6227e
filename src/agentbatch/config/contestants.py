"""Coders and their models, in words; who takes part in a comparison. Pure."""

from collections.abc import Collection, Iterable
from itertools import product
from typing import NamedTuple

BUILTIN = "builtin"
"""The coder of whoever names none."""


def worker(coder: str, model: str, own: Collection[str]) -> str:
    """`gpt-5`, `codex with gpt-5`; of one of `own`, whose models are their own affair, `codex`."""
    return workers((coder,), model, own)


def workers(coders: Collection[str], model: str, own: Collection[str]) -> str:
    """The same of several: `builtin, codex with gpt-5; gemini`."""
    if tuple(coders) == (BUILTIN,):
        return model
    asking, others = ([one for one in coders if (one in own) is among] for among in (False, True))
    parts = [f"{', '.join(asking)} with {model}" if asking else "", ", ".join(others)]
    return "; ".join(filter(None, parts))


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
