"""Search-and-replace pairs of the text protocol: written and read."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from agentbatch.patterns import regex

MARKER_LENGTH = 7
"""Characters of a marker, normally."""

MAX_PAIRS = 32
"""Pairs read from one block."""

_SEARCH = regex(r"\s{0,3}(?P<mark><{5,60})\s*(?:SEARCH|ORIGINAL|OLD)\b", re.IGNORECASE)
_DIVIDER = regex(r"\s{0,3}(?P<mark>={5,60})\s*\Z")
_REPLACE = regex(r"\s{0,3}(?P<mark>>{5,60})\s*(?:(?:REPLACE|UPDATED|NEW)\b.*)?\Z", re.IGNORECASE)


class Pair(NamedTuple):
    old: list[str]
    """Lines."""
    new: list[str]


def written_pair(old: str, new: str) -> str:
    """The pair as text, with markers that do not occur in it; both parts as whole lines."""
    lines = [*_lines(old), *_lines(new)]
    used = {len(found["mark"]) for line in lines for found in [_marker(line)] if found}
    size = next(size for size in range(MARKER_LENGTH, MARKER_LENGTH + len(used) + 1) if size not in used)
    parts = ["<" * size + " SEARCH", *_lines(old), "=" * size, *_lines(new), ">" * size + " REPLACE"]
    return "\n".join(parts)


def has_pairs(lines: Sequence[str]) -> bool:
    """Whether a pair begins somewhere in these lines."""
    return any(begins_pair(line) for line in lines)


def begins_pair(line: str) -> bool:
    return "<<<<<" in line and _SEARCH.match(line) is not None


def read_pairs(lines: Sequence[str], *, whole: bool) -> list[Pair]:
    """The pairs in a block. `whole`: the block's end is known, so its last pair needs no end marker."""
    pairs: list[Pair] = []
    place = tries = 0
    while place < len(lines) and tries < MAX_PAIRS:
        found = _SEARCH.match(lines[place]) if begins_pair(lines[place]) else None
        if found is None:
            place += 1
            continue
        tries += 1
        extent = _extent(lines, place, len(found["mark"]))
        if extent is None or not (extent.ended or whole):
            place += 1
            continue
        pairs.append(
            Pair(list(lines[place + 1 : extent.divider]), list(lines[extent.divider + 1 : extent.end]))
        )
        place = extent.end + extent.ended
    return pairs


def end_of_pairs(lines: Sequence[str], place: int) -> int | None:
    """The line after the unfenced pairs that begin in line `place`; None when the first has no end."""
    end = None
    tries = 0
    while place < len(lines) and tries < MAX_PAIRS:
        found = _SEARCH.match(lines[place])
        if found is not None:
            tries += 1
            extent = _extent(lines, place, len(found["mark"]))
            if extent is None or not extent.ended:
                break
            place = extent.end
            end = place + 1
        elif lines[place].strip():
            break
        place += 1
    return end


class _Extent(NamedTuple):
    """Where the parts of a pair end."""

    divider: int
    end: int
    ended: bool
    """By a marker, in line `end`."""


def _extent(lines: Sequence[str], place: int, size: int) -> _Extent | None:
    """The pair that begins in line `place`: with markers of size `size`, else of any size. None without a divider."""
    exact = _measured(lines, place, size)
    if exact is not None and exact.ended:
        return exact
    any_size = _measured(lines, place, None)
    return any_size if any_size is not None and (any_size.ended or exact is None) else exact


def _measured(lines: Sequence[str], place: int, size: int | None) -> _Extent | None:
    divider: int | None = None
    for at in range(place + 1, len(lines)):
        found = _marker(lines[at])
        if found is None or (size is not None and len(found["mark"]) != size):
            continue
        kind = found["mark"][0]
        if divider is None:
            if kind != "=":
                return None
            divider = at
        elif kind != "=":
            return _Extent(divider, at, kind == ">")
    return None if divider is None else _Extent(divider, len(lines), False)


def _marker(line: str) -> re.Match[str] | None:
    if "<<<<<" in line:
        return _SEARCH.match(line)
    if "=====" in line:
        return _DIVIDER.match(line)
    return _REPLACE.match(line) if ">>>>>" in line else None


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []
