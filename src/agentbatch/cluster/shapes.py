"""Whether what a node has answered is of the type that it should be, in all its parts. Pure."""

import types
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from agentbatch.errors import UserError

T = TypeVar("T")

STRANGE = "A node has answered what no node of ours does."


def checked(kind: type[T], answer: Any) -> T:
    """Nodes are where coders work: what comes from there is looked at. Raises UserError."""
    if not fits(answer, kind):
        raise UserError(STRANGE)
    return answer  # type: ignore[no-any-return]  # it is one


def fits(value: Any, kind: Any) -> bool:
    """`kind`: as a field of a dataclass is annotated."""
    origin, given = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in given)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in given)
    if origin is Mapping:
        return type(value) is dict and all(fits(k, given[0]) and fits(v, given[1]) for k, v in value.items())
    if origin in (list, Sequence):
        return type(value) in (list, tuple) and all(fits(one, given[0]) for one in value)
    if origin is tuple:
        if given[-1:] == (...,):
            return type(value) is tuple and all(fits(one, given[0]) for one in value)
        return type(value) is tuple and len(value) == len(given) and all(map(fits, value, given))
    if hasattr(kind, "__dataclass_fields__"):
        return type(value) is kind and _has_its_fields(value, kind)
    return type(value) is kind or (kind is float and type(value) is int) or (kind is None and value is None)


def _has_its_fields(value: Any, kind: Any) -> bool:
    """And nothing else: a field by the name of a method would be taken for that."""
    hints = _hints(kind)
    if not hasattr(kind, "__slots__") and vars(value).keys() - hints.keys():
        return False
    return all(hasattr(value, name) and fits(getattr(value, name), hint) for name, hint in hints.items())


@lru_cache(maxsize=64)
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {one.name: hints[one.name] for one in fields(kind)}
