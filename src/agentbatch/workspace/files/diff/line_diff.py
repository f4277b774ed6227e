"""The hunks between two texts, in unified form, in bounded time."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

CONTEXT = 3
"""Unchanged lines around a change, as every diff tool has it."""
MAX_PAIRS = 4_000_000
"""Lines x lines that are compared for the least diff (about a second); a larger block is replaced whole."""

NO_NEWLINE = "\\ No newline at end of file\n"

_Change = tuple[str, int, int, int, int]


def split_lines(text: str) -> list[str]:
    """Lines with their `\\n`; other kinds of line end are part of a line, as for git."""
    lines = text.split("\n")
    last = lines.pop()
    return [line + "\n" for line in lines] + ([last] if last else [])


def hunks(before: str, after: str) -> list[str]:
    """The diff's lines from the first `@@` on, each ending in a newline; empty where the texts are equal."""
    old, new = split_lines(before), split_lines(after)
    lines: list[str] = []
    for group in _groups(_opcodes(old, new)):
        lines.append(_header(group))
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                lines += _marked(" ", old[old_from:old_to])
            else:
                lines += _marked("-", old[old_from:old_to]) + _marked("+", new[new_from:new_to])
    return lines


def _opcodes(old: Sequence[str], new: Sequence[str]) -> list[_Change]:
    """As SequenceMatcher's, after the common head and tail are taken off."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    old_middle, new_middle = old[head : len(old) - tail], new[head : len(new) - tail]
    if not old_middle and not new_middle:
        return []
    if len(old_middle) * len(new_middle) > MAX_PAIRS:
        middle: list[_Change] = [("replace", 0, len(old_middle), 0, len(new_middle))]
    else:
        middle = list(SequenceMatcher(None, old_middle, new_middle).get_opcodes())
    moved = [(tag, a + head, b + head, c + head, d + head) for tag, a, b, c, d in middle]
    first: list[_Change] = [("equal", 0, head, 0, head)] if head else []
    last: list[_Change] = [("equal", len(old) - tail, len(old), len(new) - tail, len(new))] if tail else []
    return [*first, *moved, *last]


def _groups(opcodes: Sequence[_Change]) -> Iterator[list[_Change]]:
    """Changes that are near each other, each group with its context."""
    group: list[_Change] = []
    for position, (tag, a, b, c, d) in enumerate(opcodes):
        if tag != "equal":
            group.append((tag, a, b, c, d))
            continue
        if position == 0:
            keep = min(CONTEXT, b - a)
            group.append((tag, b - keep, b, d - keep, d))
        elif position == len(opcodes) - 1:
            keep = min(CONTEXT, b - a)
            group.append((tag, a, a + keep, c, c + keep))
        elif b - a > 2 * CONTEXT:
            yield [*group, (tag, a, a + CONTEXT, c, c + CONTEXT)]
            group = [(tag, b - CONTEXT, b, d - CONTEXT, d)]
        else:
            group.append((tag, a, b, c, d))
    if group:
        yield group


def _header(group: Sequence[_Change]) -> str:
    old = _range(group[0][1], group[-1][2])
    new = _range(group[0][3], group[-1][4])
    return f"@@ -{old} +{new} @@\n"


def _range(start: int, end: int) -> str:
    """1-based start and length; an empty range starts at the line before it."""
    return f"{start + 1 if end > start else start},{end - start}"


def _marked(mark: str, lines: Sequence[str]) -> list[str]:
    marked = []
    for line in lines:
        marked.append(mark + line if line.endswith("\n") else f"{mark}{line}\n")
        if not line.endswith("\n"):
            marked.append(NO_NEWLINE)
    return marked
