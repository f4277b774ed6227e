"""What a template is filled with: lists of values that are combined, and rows of a file, which may be the output of an
earlier batch: one model drafts, another one reviews."""

import itertools
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agentbatch.documents.csv_rows import csv_rows
from agentbatch.documents.json_text import Unreadable
from agentbatch.errors import UserError, cannot_be
from agentbatch.patterns import regex
from agentbatch.requests.spec.answers import text_of
from agentbatch.requests.spec.request import Url
from agentbatch.text import clip

Values = Mapping[str, Any]

MAX_RANGE = 100_000
"""Numbers of one `1-100000`; more is a slip of the hand."""

RESERVED = ("n", "number")
"""Names that every request has: the count within its combination, and its place among all."""

_NAME = regex(r"[A-Za-z_][A-Za-z0-9_]*")
_RANGE = regex(r"(\d{1,9})-(\d{1,9})")


def read_set(text: str) -> tuple[str, list[Any]]:
    """One `--set`: `kind=a,b,c`, or `level=1-5` for whole numbers. Raises UserError."""
    name, equals, listed = text.partition("=")
    name = name.strip()
    where = f"--set {clip(text, 60)}"
    if not equals:
        raise UserError(f"{where}: write NAME=VALUE,VALUE,… or NAME=FIRST-LAST.")
    check_name(name, where)
    numbers = _RANGE.fullmatch(listed.strip())
    if numbers is not None:
        return name, _range(int(numbers[1]), int(numbers[2]), where)
    values = [value.strip() for value in listed.split(",")]
    if not all(values):
        raise UserError(
            f"{where}: there is an empty value. Values with commas in them go into a --matrix file."
        )
    return name, check_distinct(values, where)


def _range(first: int, last: int, where: str) -> list[Any]:
    if first > last:
        raise UserError(f"{where}: a range goes up, like {last}-{first}.")
    if last - first >= MAX_RANGE:
        raise UserError(f"{where}: {last - first + 1:,} numbers; at most {MAX_RANGE:,} are taken.")
    return list(range(first, last + 1))


def read_matrix(path: Path) -> dict[str, list[Any]]:
    """The lists of a TOML or JSON file, by name. Raises UserError."""
    text = read_text(path)
    try:
        document = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {clip(str(error), 200)}.") from None
    if not isinstance(document, dict):
        raise UserError(f"{path}: names with lists of values are wanted, not {type(document).__name__}.")
    lists: dict[str, list[Any]] = {}
    for name, values in document.items():
        where = f"{path}, {clip(name, 60)}"
        check_name(name, where)
        if not isinstance(values, list) or not values:
            raise UserError(f"{where}: a list with values is wanted, like [1, 2, 3].")
        lists[name] = check_distinct(values, where)
    return lists


def read_rows(path: Path) -> list[Values]:
    """The rows of a CSV (.csv, .tsv) or JSON lines file, by column. Raises UserError with the line."""
    text = read_text(path)
    kind = path.suffix.lower()
    if kind not in (".csv", ".tsv", ".jsonl", ".ndjson"):
        raise UserError(f"{path}: rows come from a .csv, .tsv or .jsonl file.")
    rows = list(
        _csv(text, path, "\t" if kind == ".tsv" else ",") if "sv" in kind else _json_lines(text, path)
    )
    if not rows:
        raise UserError(f"{path} has no rows.")
    return rows


def _csv(text: str, path: Path, delimiter: str) -> Iterator[Values]:
    try:
        rows = csv_rows(text, delimiter)
        heading = next(rows, None)
        names = heading.cells if heading is not None else []
        for place, name in enumerate(names, 1):
            check_name(name, f"{path}, heading of column {place}")
        for _, cells in rows:
            yield dict(zip(names, cells, strict=True))
    except Unreadable as error:
        raise UserError(f"{path}, {error}.") from None


def _json_lines(text: str, path: Path) -> Iterator[Values]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{where}: not JSON: {clip(str(error), 100)}.") from None
        if not isinstance(row, dict):
            raise UserError(f"{where}: a JSON object is wanted, not {type(row).__name__}.")
        for name in row:
            check_name(name, where)
        yield row


def combinations(lists: Mapping[str, Sequence[Any]]) -> Iterator[Values]:
    """Every value with every other; the last name changes fastest. One empty combination when there are no lists."""
    for values in itertools.product(*lists.values()):
        yield dict(zip(lists, values, strict=True))


def check_name(name: str, where: str) -> None:
    """Raises UserError for what a template cannot name."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{where}: {clip(name, 60)!r} is no name: letters, digits and _ only, no digit in front."
        )
    if name in RESERVED:
        raise UserError(f"{where}: every request has its own {name!r}; take another name.")


def check_distinct(values: list[Any], where: str) -> list[Any]:
    """The values; raises UserError when one stands there twice."""
    seen: set[str] = set()
    for value in values:
        text = json.dumps(value, sort_keys=True, default=str)
        if text in seen:
            raise UserError(f"{where}: {clip(str(value), 60)!r} stands there twice.")
        seen.add(text)
    return values


def read_text(path: Path) -> str:
    """A UTF-8 file, whole. Raises UserError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise cannot_be("read", path, error) from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8.") from None


def with_answers(rows: Sequence[Values]) -> tuple[list[Values], int]:
    """The rows, and how many were left out.

    A row in the form of our output lines also gets `id` (its custom_id), `answer` (the text) and `ok`; one that failed
    is left out. Other rows stay as they are.
    """
    kept = [row if not is_output(row) else answered(row) for row in rows]
    return [row for row in kept if row is not None], kept.count(None)


def is_output(row: Values) -> bool:
    """Whether it has the form of our output lines."""
    return {"custom_id", "response", "error"} <= row.keys()


def answered(row: Values) -> Values | None:
    """A row of our output with `id`, `answer` and `ok`; None: it failed."""
    if not _succeeded(row):
        return None
    body = row["response"]["body"]
    return {**row, "id": row["custom_id"], "answer": text_of(_url(body), body), "ok": True}


def _succeeded(row: Values) -> bool:
    response = row["response"]
    return (
        row["error"] is None
        and isinstance(response, dict)
        and response.get("status_code") == 200
        and isinstance(response.get("body"), dict)
    )


def _url(body: Mapping[str, Any]) -> Url:
    """Which endpoint answers like this; an output line does not say."""
    if "output" in body:
        return "/v1/responses"
    choices = body.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict) and "text" in choices[0]:
        return "/v1/completions"
    return "/v1/chat/completions"
