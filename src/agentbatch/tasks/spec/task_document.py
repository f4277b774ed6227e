"""What a task file holds, in whichever form it is written, and where in it each value stands."""

import re
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

from agentbatch.documents.csv_rows import csv_rows
from agentbatch.documents.json_text import Unreadable, load_json, load_json_lines, position_of
from agentbatch.documents.yaml_text import load_yaml
from agentbatch.problems import hint, path_name
from agentbatch.tasks.spec.task import Task
from agentbatch.text import clip

SUFFIXES = (".json", ".jsonl", ".ndjson", ".yaml", ".yml", ".csv", ".tsv")
"""What task files end in."""

Location = Sequence[str | int]
"""The way to a value: ("tasks", 3, "env", "X")."""

AS_TEXT = (
    *("id", "dir", "first_prompt", "isolation", "stop_at", "coder", "coder_model", "evaluator_model"),
    *("image", "dockerfile", "workdir", "memory"),
)
"""Columns of a table whose cells are taken as they stand."""
FIELDS = (*Task.model_fields, "foreach")
TEXT_OR_LIST = ("setup", "teardown", "verify", "hidden_verify", "depends_on")
"""Columns whose cells are text unless they are a JSON list. In all others a cell is JSON."""


class TaskDocument(NamedTuple):
    data: Any
    """As `{"tasks": [...]}`; what a schema says of it comes later."""
    where: Callable[[Location], str]
    """`line 3, column 5`"""
    name: Callable[[Location], str]
    """`tasks[3].env.X`; empty: `where` says it."""
    entry: Callable[[int], str] = "tasks[{}]".format
    """What the place of an entry is called."""

    def at(self, location: Location) -> str:
        return ": ".join(filter(None, (self.where(location), self.name(location))))


def read_document(text: str, path: PurePath) -> TaskDocument:
    """By the suffix of `path`; JSON where that says nothing. Raises Unreadable, and UserError for what is not
    installed."""
    match path.suffix.lower():
        case ".yaml" | ".yml":
            data, spot = load_yaml(text)
            return TaskDocument(data, lambda location: str(spot.at(location)), _name)
        case ".jsonl" | ".ndjson":
            return _json_lines(text)
        case ".csv" | ".tsv" as suffix:
            return _table(text, "\t" if suffix == ".tsv" else ",")
    return TaskDocument(load_json(text), lambda location: str(position_of(text, location)), _name)


def given_document(entries: Sequence[Any]) -> TaskDocument:
    """Entries that stand in no file."""
    return TaskDocument(
        {"tasks": list(entries)}, lambda location: path_name(location[:2]) or "tasks", _name_in_row
    )


def _name(location: Location) -> str:
    return path_name(location) or "the file"


def _name_in_row(location: Location) -> str:
    return path_name(location[2:])


def _json_lines(text: str) -> TaskDocument:
    """Each line is an entry."""
    rows = list(load_json_lines(text))
    lines = [(number, line) for number, line, _ in rows]
    entries = [entry for *_, entry in rows]

    def where(location: Location) -> str:
        if len(location) < 2:
            return "line 1"
        number, line = lines[int(location[1])]
        return f"line {number}, column {position_of(line, location[2:]).column}"

    return TaskDocument({"tasks": entries}, where, _name_in_row, lambda place: f"line {lines[place][0]}")


def _table(text: str, delimiter: str) -> TaskDocument:
    """Each row is an entry, each column a field; an empty cell gives none."""
    rows = csv_rows(text, delimiter)
    heading = next(rows, None)
    names = heading.cells if heading is not None else []
    for name in names:
        if name not in FIELDS:
            raise Unreadable(f"line 1: unknown column {clip(name, 60)!r}; {hint(name, FIELDS, 'there are')}")
    entries, lines, mistakes = [], [], []
    for line, cells in rows:
        entry = {}
        for name, cell in zip(names, cells, strict=True):
            try:
                if cell.strip():
                    entry[name] = _value(name, cell)
            except Unreadable as error:
                mistakes.append(f"line {line}, {_column(name)}: {error}")
        if entry:
            entries.append(entry)
            lines.append(line)
    _refuse(mistakes)

    def where(location: Location) -> str:
        place = f"line {lines[int(location[1])]}" if len(location) > 1 else "line 1"
        return f"{place}, {_column(str(location[2]))}" if len(location) > 2 else place

    def inner(location: Location) -> str:
        return path_name(location[3:])

    return TaskDocument({"tasks": entries}, where, inner, lambda place: f"line {lines[place]}")


def _column(name: str) -> str:
    return f'column "{clip(name, 60)}"'


def _value(name: str, cell: str) -> Any:
    if name in AS_TEXT:
        return cell
    if name in TEXT_OR_LIST:
        try:
            value = load_json(cell)
        except Unreadable:
            return cell
        return value if isinstance(value, list) else cell
    try:
        return load_json(cell)
    except Unreadable as error:
        if "not valid JSON" not in str(error):
            raise Unreadable(re.sub(r"^line 1, column \d+: ", "", str(error))) from None
        raise Unreadable(
            f'must be JSON, like 3, ["a", "b"] or {{"a": "b"}}, not {clip(cell, 40)!r}'
        ) from None


def _refuse(mistakes: Sequence[str]) -> None:
    """The first of them: what is wrong with what can be read is told of all."""
    if mistakes:
        more = f" ({len(mistakes) - 1} more like this)" if len(mistakes) > 1 else ""
        raise Unreadable(mistakes[0] + more)
