"""Search-and-replace pairs of the text protocol: how they look, and how they are read."""

import re
from collections.abc import Sequence
from typing import NamedTuple

USUAL = 7
"""Characters of a marker."""

MAX_PAIRS = 32
"""Pairs taken from one block."""

_SEARCH = re.compile(r"\s{0,3}(?P<mark><{5,60})\s*(?:SEARCH|ORIGINAL|OLD)\b", re.IGNORECASE)
_DIVIDER = re.compile(r"\s{0,3}(?P<mark>={5,60})\s*\Z")
_REPLACE = re.compile(r"\s{0,3}(?P<mark>>{5,60})\s*(?:(?:REPLACE|UPDATED|NEW)\b.*)?\Z", re.IGNORECASE)


class Pair(NamedTuple):
    old: list[str]
    """Lines."""
    new: list[str]


def written_pair(old: str, new: str) -> str:
    """The pair as text, in markers that do not occur in it. Both as whole lines."""
    lines = [*_lines(old), *_lines(new)]
    used = {len(found["mark"]) for line in lines for found in [_marker(line)] if found}
    size = next(size for size in range(USUAL, USUAL + len(used) + 1) if size not in used)
    parts = ["<" * size + " SEARCH", *_lines(old), "=" * size, *_lines(new), ">" * size + " REPLACE"]
    return "\n".join(parts)


def has_pairs(lines: Sequence[str]) -> bool:
    """Whether a pair begins somewhere in these lines."""
    return any(begins_pair(line) for line in lines)


def begins_pair(line: str) -> bool:
    return "<<<<<" in line and _SEARCH.match(line) is not None


def read_pairs(lines: Sequence[str], *, whole: bool) -> list[Pair]:
    """The pairs in a block. `whole`: the block's end is known, so that its last pair needs no end of its own."""
    pairs: list[Pair] = []
    place = tries = 0
    while place < len(lines) and tries < MAX_PAIRS:
        found = _SEARCH.match(lines[place]) if begins_pair(lines[place]) else None
        if found is None:
            place += 1
            continue
        tries += 1
        spot = _spot(lines, place, len(found["mark"]))
        if spot is None or not (spot.ended or whole):
            place += 1
            continue
        pairs.append(Pair(list(lines[place + 1 : spot.divider]), list(lines[spot.divider + 1 : spot.end])))
        place = spot.end + spot.ended
    return pairs


def end_of_pairs(lines: Sequence[str], place: int) -> int | None:
    """The line behind the pairs that begin in line `place` without a fence; None when the first has no end."""
    end = None
    tries = 0
    while place < len(lines) and tries < MAX_PAIRS:
        found = _SEARCH.match(lines[place])
        if found is not None:
            tries += 1
            spot = _spot(lines, place, len(found["mark"]))
            if spot is None or not spot.ended:
                break
            place = spot.end
            end = place + 1
        elif lines[place].strip():
            break
        place += 1
    return end


class _Spot(NamedTuple):
    """Where the parts of a pair end."""

    divider: int
    end: int
    ended: bool
    """By a marker, in line `end`."""


def _spot(lines: Sequence[str], place: int, size: int) -> _Spot | None:
    """The pair that begins in line `place`: in markers of its own size, else in such of any. None without a
    divider."""
    exact = _measured(lines, place, size)
    if exact is not None and exact.ended:
        return exact
    loose = _measured(lines, place, None)
    return loose if loose is not None and (loose.ended or exact is None) else exact


def _measured(lines: Sequence[str], place: int, size: int | None) -> _Spot | None:
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
            return _Spot(divider, at, kind == ">")
    return None if divider is None else _Spot(divider, len(lines), False)


def _marker(line: str) -> re.Match[str] | None:
    if "<<<<<" in line:
        return _SEARCH.match(line)
    if "=====" in line:
        return _DIVIDER.match(line)
    return _REPLACE.match(line) if ">>>>>" in line else None


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []
