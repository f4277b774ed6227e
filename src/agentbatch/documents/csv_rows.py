"""Tables as text: rows of cells below a heading."""

import csv
import io
from collections.abc import Iterator
from typing import NamedTuple

from agentbatch.documents.json_text import Unreadable
from agentbatch.text import clip


class Row(NamedTuple):
    line: int
    """Where it begins, from 1."""
    cells: list[str]


def csv_rows(text: str, delimiter: str) -> Iterator[Row]:
    """The heading, its names stripped, then the rows, each with as many cells as that has; empty lines are left out.
    Raises Unreadable with the line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns = 0
    line = 1
    try:
        for cells in reader:
            if not columns:
                cells = [name.strip() for name in cells]
                _check_heading(cells, line)
                columns = len(cells)
            if cells and len(cells) != columns:
                raise Unreadable(f"line {line}: {len(cells)} cells, but {columns} columns have a heading")
            if cells:
                yield Row(line, cells)
            line = reader.line_num + 1
    except csv.Error as error:
        if "field limit" in str(error):
            error = csv.Error(f"a cell of more than {csv.field_size_limit():,} characters")
        raise Unreadable(f"line {line}: {clip(str(error), 200)}") from None


def _check_heading(names: list[str], line: int) -> None:
    if len(names) == 1 and ";" in names[0]:
        raise Unreadable(f"line {line}: the columns are separated by semicolons; commas are wanted")
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise Unreadable(f"line {line}: two columns have the heading {clip(twice, 60)!r}")
