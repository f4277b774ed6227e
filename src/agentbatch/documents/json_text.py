"""JSON texts: what they hold, and where in them a value stands, so that a wrong type can be reported with its line."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from agentbatch.patterns import regex
from agentbatch.text import clip


class Unreadable(Exception):
    """A text that is no document of its kind. `str()` says why and where: words without a full stop."""


_decoder = json.JSONDecoder()
_space = regex(r"[ \t\n\r]*")


class Position(NamedTuple):
    """1-based line and column, as editors count them."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


def load_json(text: str) -> Any:
    """What it holds. Raises Unreadable, also for a key that an object has twice, half a surrogate pair, and what is
    nested too deeply."""
    try:
        data = json.loads(text, object_pairs_hook=_unique_keys)
    except _Twice:
        raise Unreadable(_twice(text)) from None
    except json.JSONDecodeError as error:
        raise Unreadable(f"not valid JSON at {position_at(text, error.pos)}: {mistake(error)}") from None
    except RecursionError:
        raise Unreadable("nested too deeply") from None
    except ValueError as error:  # numbers of thousands of digits
        raise Unreadable(f"a number that is too long: {clip(str(error), 100)}") from None
    check_characters(text, data)
    return data


_COMMENT = ("//", "/*", "#")
_FOREIGN = regex(r"(None|True|False|undefined)\b")
_MISTAKES = {
    "Expecting ',' delimiter": "a comma or a closing bracket is missing before this",
    "Expecting ':' delimiter": "a colon is missing before this",
    "Invalid control character at": r"a line break or tab inside a text: write \n or \t",
    "Invalid \\escape": r"a backslash inside a text: write \\",
    "Unterminated string starting at": "this text has no closing quote",
    "Extra data": "the document has ended before this",
}
"""What Python's words mean to somebody who wrote the file."""


def mistake(error: json.JSONDecodeError) -> str:
    """What is wrong where it could not be read on, in words without a full stop."""
    rest = error.doc[error.pos :].lstrip(" \t\r\n,")
    before = error.doc[: error.pos + 1].rstrip(" \t\r\n}]")
    if rest.startswith(_COMMENT):
        return "JSON has no comments"
    if not error.doc[error.pos :].strip() and error.doc.strip():
        return "it ends in the middle"
    if rest[:1] in ("}", "]") and before.endswith(","):
        return f"a comma stands before the closing {rest[0]}"
    if rest.startswith("'"):
        return "keys and texts stand in double quotes"
    if foreign := _FOREIGN.match(rest):
        return f"{foreign[0]} is no JSON: write null, true or false"
    return _MISTAKES.get(error.msg.rstrip(":"), error.msg)


def load_json_lines(text: str) -> Iterator[tuple[int, str, Any]]:
    """Number, text and value of each line that is not empty. Raises Unreadable with the line."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                value = load_json(line)
            except Unreadable as error:
                what = str(error).replace(" at line 1, column", " at column")
                where = f"line {number}"
                raise Unreadable(
                    what.replace("line 1", where, 1) if what.startswith("line 1,") else f"{where}: {what}"
                ) from None
            yield number, line, value


def check_characters(text: str, data: object) -> None:
    """Raises Unreadable where an escape in `text` has made half a surrogate pair of `data`."""
    if not re.search(r"\\(u|U0000)[dD][89a-fA-F]", text):
        return
    try:
        json.dumps(data, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise Unreadable(f"{half} is half of a surrogate pair and no character; write the pair") from None


class _Twice(Exception):
    """An object has a key twice."""


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Twice
    return found


_TOKEN = regex(r'("(?:[^"\\]|\\.)*")([ \t\n\r]*:)?|[{}\[\]]', re.DOTALL)


def _twice(text: str) -> str:
    """Where a key is given twice in one object, and which; for a text of which that is known."""
    objects: list[set[str]] = []
    for token in _TOKEN.finditer(text):
        if token[0] in "{[":
            objects.append(set())
        elif token[0] in "}]":
            objects.pop()
        elif token[2] and objects:
            key = json.loads(token[1])
            if key in objects[-1]:
                return f"{position_at(text, token.start())}: the key {clip(key, 60)!r} is given twice in one object"
            objects[-1].add(key)
    return "a key is given twice in one object"


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
