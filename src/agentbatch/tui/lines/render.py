"""Text as lines of the screen. Whatever a model, a command or a file said becomes plain lines here: no control codes,
no markup, no line without an end. Pure."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from textual.content import Content

from agentbatch.patterns import regex
from agentbatch.text import harmless
from agentbatch.tui.lines.glyphs import Glyphs

MAX_LINE = 2_000
"""Characters shown of one line."""

TAB = 4
"""Columns from one tab stop to the next."""

_SPACE = "\uf8ff"
"""Stands for a space while a line is made harmless, which would join several: a private character, that no text of
ours has."""

_LINE_ENDS = regex(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")


class Line(NamedTuple):
    """One harmless line, before it is fitted to a width."""

    text: str
    style: str = ""
    """As Textual writes styles: `bold $text-error`."""
    indent: int = 0
    """Cells in front of it, also where it continues in the next row."""
    spans: tuple[tuple[int, int, str], ...] = ()
    """From, to, style."""
    end: str | None = None
    """Not None: it takes one row whatever its length, with this at its right."""
    end_style: str = "dim"


def plain_lines(text: str) -> list[str]:
    """Foreign `text` as harmless lines: control sequences, control characters and direction overrides are gone, tabs
    are spaces, indentation is kept, lone surrogates are U+FFFD. Overlong lines are cut, with a word about it."""
    lines = _LINE_ENDS.sub("\n", text).split("\n")
    if lines[-1] == "":
        lines.pop()
    return [_plain(line) for line in lines]


def _plain(line: str) -> str:
    left_out = len(line) - MAX_LINE
    if left_out > 0:
        line = line[:MAX_LINE]
    if not line.isprintable():
        line = harmless(line.expandtabs(TAB).replace(" ", _SPACE)).replace(_SPACE, " ")
    line = line.rstrip()
    return line if left_out <= 0 else f"{line} [... {left_out:,} characters more]"


def text_lines(text: str, style: str = "", indent: int = 0) -> list[Line]:
    """Foreign text as lines of one style."""
    return [Line(line, style, indent) for line in plain_lines(text)]


def row(parts: Iterable[tuple[str, str]], end: str = "", end_style: str = "dim") -> Line:
    """One row of several parts, each with its style, and something at its right end. The parts are harmless."""
    text, spans = "", []
    for part, style in parts:
        if style and part:
            spans.append((len(text), len(text) + len(part), style))
        text += part
    return Line(text, "", 0, tuple(spans), end, end_style)


def laid_out(
    line: Line, columns: int, glyphs: Glyphs, needle: re.Pattern[str] | None = None
) -> list[Content]:
    """The line as rows of at most `columns` cells. What `needle` finds is marked."""
    indent = min(line.indent, max(0, columns - 20))
    room = max(1, columns - indent)
    if line.end is not None:
        return [_one_row(line, indent, room, glyphs, needle)]
    content = _styled(line, line.text, needle)
    rows = [content] if line.text.isascii() and len(line.text) <= room else content.wrap(room)
    return [part.pad_left(indent) for part in rows] if indent else rows


def _one_row(line: Line, indent: int, room: int, glyphs: Glyphs, needle: re.Pattern[str] | None) -> Content:
    end = Content(clipped(line.end or "", room // 2, glyphs))
    space = room - end.cell_length - 1 if end else room
    content = _styled(line, clipped(line.text, space, glyphs), needle)
    gap = " " * (room - content.cell_length - end.cell_length) if end else ""
    return content.pad_left(indent) + gap + end.stylize(line.end_style)


def clipped(text: str, cells: int, glyphs: Glyphs) -> str:
    """The beginning of a harmless line, of at most `cells` cells as the screen counts them."""
    content = Content(
        text[: 8 * max(0, cells) + 1_000]
    )  # graphemes of what cannot be seen are not looked for
    if content.cell_length <= cells and len(content) == len(text):
        return text
    return content.truncate(cells - 1).plain.rstrip() + glyphs["ellipsis"] if cells > 0 else ""


def _styled(line: Line, text: str, needle: re.Pattern[str] | None) -> Content:
    content = Content(text)
    if line.style:
        content = content.stylize(line.style)
    for start, end, style in line.spans:
        content = content.stylize(style, start, min(end, len(text)))
    if needle is not None:
        for found in needle.finditer(text):
            content = content.stylize("reverse", *found.span())
    return content


def shortened(lines: Sequence[Line], most: int, words: str) -> list[Line]:
    """At most `most` lines, from both ends; `words` says in between where the rest is ({} is their number)."""
    if len(lines) <= most:
        return list(lines)
    head = (most + 1) // 2
    tail = most - head
    note = Line(words.format(f"{len(lines) - most:,}"), "italic dim", lines[head].indent)
    return [*lines[:head], note, *lines[len(lines) - tail :]]


def as_text(lines: Iterable[Line]) -> str:
    """For the clipboard."""
    return "\n".join(
        f"{' ' * line.indent}{line.text.rstrip()}{f'  ({line.end})' if line.end else ''}".rstrip()
        for line in lines
    )
