"""Fenced blocks in a reply: where each begins and ends, also if a weak model forgot to close it."""

import bisect
from collections.abc import Sequence
from typing import NamedTuple

from agentbatch.patterns import regex

SHELLS = frozenset({"bash", "sh", "shell", "zsh"})
"""Languages whose blocks are commands."""

TRANSCRIPTS = frozenset({"console", "shell-session", "shellsession", "terminal"})
"""Languages whose blocks are shell sessions: commands after a prompt, and their output."""

NESTING = (".md", ".markdown", ".mdx", ".rst", ".txt")
"""Files that may contain fences: there a fence with a language opens an inner block."""

RESULT = regex(r"\[Result of [\w ]{1,60}\]")
"""First line of a call's result in the history (json_actions.py). One in a reply is made up by the model."""

HEREDOC = regex(r"(?<!<)<<-?[ \t]*(['\"]?)([A-Za-z_]\w*)\1")

_FENCE = regex(r"(?P<indent>[ \t]{0,12})(?P<mark>`{3,}|~{3,})[ \t]*(?P<info>[^`]*)\Z")
HEADS = ("FILE:", "EDIT:", "READ:", "RUN:", "DONE")
"""Keywords of the protocol, at the start of a line."""

_DECORATION = " \t#>*_-`"
_EXTRA_INDENT = 3
"""Spaces by which the end of a block may be indented more than its start, as in Markdown. More is content, such as a
fence in a docstring."""


class Mark(NamedTuple):
    """A line that opens or closes a block."""

    kind: str
    """The backtick or the tilde."""
    length: int
    indent: int
    info: str
    """The text after the fence; empty at a block's end."""


class Block(NamedTuple):
    info: str
    body: list[str]
    whole: bool
    """Its end is known. False: the reply ended in it."""
    after: int
    """The line after it."""


class Fences:
    """The fenced blocks in the lines of a reply. Linear in the text."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._marks = {
            place: mark
            for place, line in enumerate(lines)
            if ("```" in line or "~~~" in line) and (mark := _mark(line)) is not None
        }
        self._next, self._run = self._look_ahead()
        self._places: dict[str, list[int]] | None = None

    def at(self, place: int) -> Mark | None:
        """The mark in this line, if there is one."""
        return self._marks.get(place)

    def read(self, place: int, *, nesting: bool = False, shell: bool = False) -> Block:
        """The block that opens in line `place`, which must be a mark. `nesting`: it may contain blocks (NESTING).

        A block is closed by a bare mark of its kind, at least as long. If another block opens first, it ends before
        that.
        """
        opened = self._marks[place]
        depth = 0
        at = place
        while (at := self._next_line(at, shell)) < len(self._lines):
            mark = self._marks.get(at)
            if mark is None or not _comparable(mark, opened):
                continue
            if not mark.info:
                if depth:
                    depth -= 1
                elif nesting and self._run[at] >= 3 and self._run[at] % 2:
                    depth += 1  # the first of a pair, with the end of the block still to come
                else:
                    return self._block(opened, place, at, at + 1)
            elif self._headed(at, place):
                return self._ended_early(opened, place, at)
            elif nesting or self._is_inner(at):
                depth += 1
            else:
                return self._ended_early(opened, place, at)
        return self._unclosed(opened, place)

    def below(self, place: int, prose: int = 0) -> int | None:
        """The mark below this line, after at most `prose` lines of text and some empty ones."""
        for below in range(place + 1, min(place + 4 + 2 * prose, len(self._lines))):
            if below in self._marks:
                return below
            if self._lines[below].strip():
                prose -= 1
                if prose < 0 or _is_head(self._lines[below]):
                    return None
        return None

    def next_text(self, place: int) -> int | None:
        """The next line that is not empty."""
        for below in range(place + 1, min(place + 4, len(self._lines))):
            if self._lines[below].strip():
                return below
        return None

    def _block(self, opened: Mark, place: int, end: int, after: int, *, whole: bool = True) -> Block:
        body = [_dedented(line, opened.indent) for line in self._lines[place + 1 : end]]
        return Block(opened.info, body, whole, after)

    def _ended_early(self, opened: Mark, place: int, at: int) -> Block:
        """The block that was not closed before another one opened in line `at`, perhaps after a head."""
        end = at
        while end - 1 > place and not self._lines[end - 1].strip():
            end -= 1
        if self._headed(at, place):
            at = end = end - 1
        made_up = next((line for line in range(place + 1, end) if RESULT.match(self._lines[line])), None)
        if made_up is not None:
            at = end = made_up
        while end - 1 > place and not self._lines[end - 1].strip():
            end -= 1
        return self._block(opened, place, end, at)

    def _unclosed(self, opened: Mark, place: int) -> Block:
        """Up to the end of the reply, or to where the block is certainly over."""
        for at in range(place + 1, len(self._lines)):
            line = self._lines[at]
            if line.startswith("DONE:") or (line.startswith("[R") and RESULT.match(line)):
                return self._block(opened, place, at, at)
        end = len(self._lines)
        if end - 1 > place and not self._lines[end - 1]:
            end -= 1  # the reply's last line break
        return self._block(opened, place, end, len(self._lines), whole=False)

    def _headed(self, at: int, least: int) -> bool:
        """Whether the line above the mark is a head: the mark opens a block of its own."""
        above = at - 1
        while above > least and not self._lines[above].strip():
            above -= 1
        return above > least and _is_head(self._lines[above])

    def _is_inner(self, at: int) -> bool:
        """Whether both the block that opens here and the outer one are closed: the end of the inner one is followed by
        another end."""
        closed = self._next.get(at)
        following = None if closed is None or self._marks[closed].info else self._next.get(closed)
        return following is not None and not self._marks[following].info

    def _next_line(self, at: int, shell: bool) -> int:
        """The next line to read; in commands, here-documents are skipped."""
        if shell and "<<" in self._lines[at]:
            found = HEREDOC.search(self._lines[at])
            if found is not None:
                end = self._line_after(at, found[2])
                return at + 1 if end is None else end + 1
        return at + 1

    def _line_after(self, at: int, text: str) -> int | None:
        """The first line after `at` that equals this text."""
        if self._places is None:
            self._places = {}
            for place, line in enumerate(self._lines):
                self._places.setdefault(line.strip(), []).append(place)
        places = self._places.get(text, [])
        behind = bisect.bisect_right(places, at)
        return places[behind] if behind < len(places) else None

    def _look_ahead(self) -> tuple[dict[int, int], dict[int, int]]:
        """For every mark: the next mark, and how many bare ones follow in a row up to an opening one or a head."""
        following: dict[int, int] = {}
        runs: dict[int, int] = {}
        run, after = 0, None
        for place in range(len(self._lines) - 1, -1, -1):
            mark = self._marks.get(place)
            if mark is None:
                run = 0 if run and _is_head(self._lines[place]) else run
                continue
            run = 0 if mark.info else run + 1
            runs[place] = run
            if after is not None:
                following[place] = after
            after = place
        return following, runs


def _mark(line: str) -> Mark | None:
    found = _FENCE.match(line.rstrip("\r"))
    if found is None:
        return None
    mark = found["mark"]
    return Mark(mark[0], len(mark), len(found["indent"].expandtabs(4)), found["info"].strip())


def _comparable(mark: Mark, opened: Mark) -> bool:
    return (
        mark.kind == opened.kind
        and mark.length >= opened.length
        and mark.indent <= opened.indent + _EXTRA_INDENT
    )


def _dedented(line: str, indent: int) -> str:
    """Without the indentation of the whole block."""
    blanks = len(line) - len(line.lstrip(" "))
    return line[min(indent, blanks) :]


def _is_head(line: str) -> bool:
    return line.lstrip(_DECORATION).startswith(HEADS)
