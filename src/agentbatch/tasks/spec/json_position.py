"""Where a value stands in a JSON text, so that a wrong type can be reported with line and column."""

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

_decoder = json.JSONDecoder()
_space = re.compile(r"[ \t\n\r]*")


class Position(NamedTuple):
    """1-based line and column, as editors count them."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


def position_at(text: str, offset: int) -> Position:
    line_start = text.rfind("\n", 0, offset) + 1
    return Position(text.count("\n", 0, offset) + 1, offset - line_start + 1)


def position_of(text: str, path: Sequence[str | int]) -> Position:
    """The position of the value (or of the key, for an object's member) that `path` leads to.

    `text` must be valid JSON. A path that leads nowhere (a missing key) gives the deepest value found.
    """
    offset = _skip(text, 0)
    shown = offset
    for part in path:
        found = _member(text, offset, part) if text[offset] in "{[" else None
        if found is None:
            break
        shown, offset = found
    return position_at(text, shown)


def _skip(text: str, offset: int) -> int:
    match = _space.match(text, offset)
    return match.end() if match else offset


def _member(text: str, offset: int, wanted: str | int) -> tuple[int, int] | None:
    """(offset to show, offset of the value) of one member of the object or array at `offset`."""
    is_object = text[offset] == "{"
    offset = _skip(text, offset + 1)
    place = 0
    key: object
    while text[offset] not in "}]":
        shown, key = offset, place
        if is_object:
            key, offset = _decoder.raw_decode(text, offset)
            offset = _skip(text, _skip(text, offset) + 1)
        if key == wanted:
            return (shown if is_object else offset), offset
        _, offset = _decoder.raw_decode(text, offset)
        offset = _skip(text, offset)
        if text[offset] == ",":
            offset = _skip(text, offset + 1)
        place += 1
    return None
