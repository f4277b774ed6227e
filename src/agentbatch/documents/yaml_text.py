"""YAML texts, as far as they say what JSON can say. PyYAML only cuts them into events; nothing of Python is made."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentbatch.documents.json_text import Position, Unreadable, check_characters
from agentbatch.errors import UserError
from agentbatch.patterns import regex
from agentbatch.text import clip

MAX_TEXT = 16 * 1024 * 1024
"""Characters. PyYAML takes half a minute for so many."""
MAX_DEPTH = 50
"""Objects and lists in each other."""

_NUMBER = regex(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
"""As JSON has them. What YAML 1.1 also takes for one stays text: 010, 1_000, 0x1f, 1:30, .inf."""
_WORDS = {
    word: value
    for name, value in {"null": None, "true": True, "false": False}.items()
    for word in (name, name.capitalize(), name.upper())
} | {"": None, "~": None}
"""`yes`, `no`, `on` and `off` stay text, as in YAML 1.2."""


@dataclass
class ValuePosition:
    """Where a value stands, or its key, and what is in it."""

    position: Position
    below: "dict[str | int, ValuePosition]" = field(default_factory=dict)

    def at(self, path: Sequence[str | int]) -> Position:
        """Of the value that `path` leads to; of the deepest on the way where one is missing."""
        spot = self
        for part in path:
            if part not in spot.below:
                break
            spot = spot.below[part]
        return spot.position


@dataclass
class _Open:
    """A mapping or a list whose end is not there yet."""

    value: dict[str, Any] | list[Any]
    spot: ValuePosition
    key: str | None = None
    key_position: Position | None = None

    def add(self, value: Any, position: Position) -> ValuePosition:
        if isinstance(self.value, list):
            place: str | int = len(self.value)
            self.value.append(value)
        else:
            place, position = str(self.key), self.key_position or position
            self.value[place] = value
            self.key = None
        return self.spot.below.setdefault(place, ValuePosition(position))

    def name(self, event: Any, position: Position) -> None:
        """Take the event for the key of what comes. Raises Unreadable."""
        assert isinstance(self.value, dict)
        if not hasattr(event, "value"):
            raise Unreadable(f"{position}: a key must be text")
        if event.value in self.value:
            raise Unreadable(f"{position}: the key {clip(event.value, 60)!r} is given twice in one object")
        self.key, self.key_position = event.value, position


def load_yaml(text: str) -> tuple[Any, ValuePosition]:
    """What its one document holds, and where. Raises Unreadable, also for aliases, tags, keys that are given twice and
    what is nested too deeply; UserError where PyYAML is not installed."""
    if len(text) > MAX_TEXT:
        raise Unreadable(f"YAML of more than {MAX_TEXT // 2**20} MB is not read; JSON lines are")
    documents: list[Any] = []
    top = _Open(documents, ValuePosition(Position(1, 1)))
    ways = [top]
    for event in _events(text):
        position = Position(event.start_mark.line + 1, event.start_mark.column + 1)
        if _ends(event, position, ways):
            continue
        inner = ways[-1]
        if isinstance(inner.value, dict) and inner.key is None:
            inner.name(event, position)
        elif hasattr(event, "value"):
            inner.add(_scalar(event, position), position)
        else:
            if len(ways) > MAX_DEPTH:
                raise Unreadable(f"{position}: nested too deeply")
            made: dict[str, Any] | list[Any] = {} if type(event).__name__ == "MappingStartEvent" else []
            ways.append(_Open(made, inner.add(made, position)))
    if len(documents) > 1:
        raise Unreadable("more than one document (`---`): one is wanted")
    data = documents[0] if documents else None
    check_characters(text, data)
    return data, top.spot.below.get(0, top.spot)


def _ends(event: Any, position: Position, ways: list[_Open]) -> bool:
    """Whether it brings no value. Raises Unreadable for what is refused."""
    kind = type(event).__name__
    if kind == "AliasEvent":
        raise Unreadable(f"{position}: aliases (*{clip(event.anchor, 40)}) are not taken; write it out")
    if getattr(event, "tag", None) is not None:
        raise Unreadable(f"{position}: tags ({clip(event.tag, 60)}) are not taken; quote what is to be text")
    if kind in ("MappingEndEvent", "SequenceEndEvent"):
        ways.pop()
    return kind not in ("ScalarEvent", "MappingStartEvent", "SequenceStartEvent")


def _scalar(event: Any, position: Position) -> Any:
    """Quoted, and in a block, it is text; else what is a number, true, false or null in JSON is that."""
    if event.style:
        return event.value
    if event.value in _WORDS:
        return _WORDS[event.value]
    if not _NUMBER.fullmatch(event.value):
        return event.value
    try:
        return json.loads(event.value)
    except ValueError as error:
        raise Unreadable(f"{position}: a number that is too long: {clip(str(error), 100)}") from None


def _events(text: str) -> Iterator[Any]:
    try:
        import yaml  # type: ignore[import-untyped,import-not-found,unused-ignore] # an extra
    except ImportError:
        raise UserError("YAML needs PyYAML: pip install 'agentbatch[yaml]'") from None
    try:
        yield from yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" at {Position(mark.line + 1, mark.column + 1)}" if mark is not None else ""
        raise Unreadable(f"not valid YAML{where}: {clip(str(error.problem), 200)}") from None
    except yaml.YAMLError as error:
        raise Unreadable(f"not valid YAML: {clip(' '.join(str(error).split()), 200)}") from None
