"""Evidence of scripted verdicts: a script cannot know what its judge is shown, so it is looked up there. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from agentbatch.patterns import regex
from agentbatch.rehearsal.play import text_of

MARK = "@"
"""Evidence that is this alone is replaced by a quote of what the judge is shown; with words behind it, by these words
and the ref of the piece in which they stand, where there is one."""

NOTHING = "Nothing shows it."
"""In the place of a mark alone, where there is nothing to quote: a verdict takes no empty evidence."""

_HEAD = regex(r"^\[([FCKVR]\d+)\] (.*)$", re.MULTILINE)
_FENCE = regex(r"^\[/?[a-z]{6}\b.*\]$", re.MULTILINE)
_PASSED = regex(
    r"(?:verify|check (?!sound|steady|load)\w+), passed|run by the evaluator, exit 0:|"
    r"command(?: told by the Coder's program and run by the evaluator)?, exit 0:"
)


MAX_LINE = 200
"""Characters of a line that is quoted."""


class Piece(NamedTuple):
    """One piece of evidence, as a judge reads it."""

    ref: str
    heading: str
    text: str


def quoted(verdict: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The verdict with quotes of what stands in these messages in the place of its marks."""
    requirements = verdict.get("requirements")
    if not isinstance(requirements, list):
        return dict(verdict)
    pieces: list[Piece] | None = None
    found = []
    for requirement in requirements:
        evidence = requirement.get("evidence") if isinstance(requirement, dict) else None
        if isinstance(evidence, str) and evidence.startswith(MARK):
            pieces = pieces_in(messages) if pieces is None else pieces
            words = evidence[len(MARK) :].strip()
            requirement = {**requirement, "evidence": _quote(words, pieces) or words or NOTHING}
        found.append(requirement)
    return {**verdict, "requirements": found}


def pieces_in(messages: Sequence[Mapping[str, Any]]) -> list[Piece]:
    """What the first question of a judge shows, and what it has run itself."""
    first = next((text_of(message) for message in messages if message.get("role") == "user"), "")
    text = "\n".join([first, *(text_of(message) for message in messages if message.get("role") == "tool")])
    heads = list(_HEAD.finditer(text))
    pieces = []
    for place, head in enumerate(heads):
        end = heads[place + 1].start() if place + 1 < len(heads) else len(text)
        fence = _FENCE.search(text, head.end(), end)
        pieces.append(Piece(head[1], head[2], text[head.end() : fence.start() if fence else end].strip()))
    return pieces


def _quote(words: str, pieces: Sequence[Piece]) -> list[dict[str, str]]:
    ran = [
        piece
        for letter in "VKRC"
        for piece in reversed(pieces)
        if piece.ref[0] == letter and _PASSED.match(piece.heading)
    ]
    files = [piece for piece in pieces if piece.ref[0] == "F"]
    if words:
        for piece in (*ran, *files):
            if any(words in line for line in _lines(piece)):
                return [{"ref": piece.ref, "quote": words}]
    for piece in ran:
        words = "passed" if piece.ref[0] in "VK" else _line(piece)
        if words or not _lines(piece):
            return [{"ref": piece.ref, "quote": words or "exit 0"}]
    for piece in files:
        line = _line(piece)
        quote = "deleted" if piece.heading.endswith("(deleted)") else line
        if quote:
            return [{"ref": piece.ref, "quote": quote}]
    return []


def _line(piece: Piece) -> str:
    """Its first line of words that is none too long to be quoted whole."""
    lines = (line for line in _lines(piece) if len(line) <= MAX_LINE)
    return next((line for line in lines if any(sign.isalnum() for sign in line)), "")


def _lines(piece: Piece) -> list[str]:
    """Without what is left of a long heading."""
    return [line.strip() for line in piece.text.splitlines() if not line.startswith(("> ", "[... "))]
