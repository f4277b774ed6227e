"""What pydantic finds wrong in a document, in the words of the person who wrote it."""

import re
from collections.abc import Collection
from typing import Any, NamedTuple

from pydantic import ValidationError

from agentbatch.text import nearest

_PLAIN = (
    (r"^Value error, ", ""),
    (r"^Input should be", "must be"),
    (r"^String should have", "must have"),
    (r"a valid dictionary( or instance of \w+| or object to extract fields from)?", "an object"),
    (r"a valid (list|tuple)", "a list"),
    (r"a valid string", "text"),
    (r"a valid integer(, unable to parse string as an integer)?", "a whole number"),
    (r"a valid number(, unable to parse string as a number)?", "a number"),
    (r"a valid boolean(, unable to interpret input)?", "true or false"),
)
"""Python's words for what a file or a command line has."""


class Problem(NamedTuple):
    """The first thing that is wrong."""

    kind: str
    """pydantic's type of it: `missing`, `extra_forbidden`, `value_error`..."""
    location: tuple[int | str, ...]
    name: str
    """Where, as `tasks[3].dir`; empty: the whole document."""
    message: str
    """Plain words without a full stop: `must be a whole number`."""
    given: Any


def first_problem(error: ValidationError, *, unknown_first: bool = False) -> Problem:
    """`unknown_first`: an unknown name before all else, since other problems follow from it."""
    found = error.errors(include_url=False, include_context=False)
    one = next((p for p in found if unknown_first and p["type"] == "extra_forbidden"), found[0])
    message = one["msg"]
    for pattern, plain in _PLAIN:
        message = re.sub(pattern, plain, message)
    return Problem(one["type"], tuple(one["loc"]), path_name(one["loc"]), message, one["input"])


def path_name(location: Collection[int | str]) -> str:
    """As `tasks[3].dir`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def hint(name: object, known: Collection[str], what: str = "known keys") -> str:
    """For an unknown name: `did you mean 'dir'?`, else all that are known."""
    close = nearest(str(name), known)
    return f"did you mean {close!r}?" if close else f"{what}: {', '.join(known)}."
