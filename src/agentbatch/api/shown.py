"""A small table as text, and as HTML for notebooks. Pure. What is in it is foreign, and is made harmless here."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from agentbatch.text import clip, pad

Row = Sequence[str]

MAX_CELLS = 120
"""Cells of a text."""


class Column(NamedTuple):
    name: str
    width: int
    """Cells, in text."""
    right: bool = False


def text_table(lines: Sequence[str], columns: Sequence[Column], rows: Sequence[Row], after: str) -> str:
    """`lines`: above it; empty ones are left out."""
    table = [[column.name for column in columns], *rows]
    shown = [
        "  ".join(
            pad(cell, one.width, right=one.right) for cell, one in zip(row, columns, strict=True)
        ).rstrip()
        for row in table
    ]
    return "\n".join(line for line in (*(clip(line, MAX_CELLS) for line in lines), *shown, after) if line)


def html_table(lines: Sequence[str], columns: Sequence[Column], rows: Sequence[Row], after: str) -> str:
    def cell(text: str, column: Column, tag: str) -> str:
        align = "right" if column.right else "left"
        return f'<{tag} style="text-align: {align}">{_plain(text)}</{tag}>'

    def row(cells: Row, tag: str) -> str:
        return f"<tr>{''.join(cell(text, one, tag) for text, one in zip(cells, columns, strict=True))}</tr>"

    above = "<br>".join(_plain(line) for line in lines if line)
    head = row([column.name for column in columns], "th")
    body = "".join(row(cells, "td") for cells in rows)
    below = f"<p>{_plain(after)}</p>" if after else ""
    return f"<p>{above}</p><table><thead>{head}</thead><tbody>{body}</tbody></table>{below}"


def _plain(text: str) -> str:
    return escape(clip(text, MAX_CELLS))
