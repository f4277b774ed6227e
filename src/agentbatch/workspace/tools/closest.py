"""What a failed edit probably meant: the lines of a file that come nearest to a text."""

from difflib import SequenceMatcher
from heapq import nlargest

MAX_LINES = 10_000
"""Lines of a file that are searched."""
MAX_COMPARED = 200
"""Characters of a line that are compared."""
CANDIDATES = 50
"""Places that are compared in full, chosen by their first line."""
SHOWN_PLACES = 2
SHOWN_LINES = 15
"""Lines shown of each place."""
MIN_LIKENESS = 0.5
"""Of 1.0; places less alike are no help."""


def closest_places(lines: list[str], wanted: str) -> list[tuple[int, float]]:
    """The best places for `wanted` in `lines`: index of the first line and likeness, best first."""
    block = [line.strip()[:MAX_COMPARED] for line in wanted.strip("\n").split("\n")]
    stripped = [line.strip()[:MAX_COMPARED] for line in lines[:MAX_LINES]]
    anchor = max(range(min(len(block), SHOWN_LINES)), key=lambda index: len(block[index]))
    likeness = SequenceMatcher(None, "", block[anchor], autojunk=False)

    def rough(index: int) -> float:
        likeness.set_seq1(stripped[index])
        return likeness.quick_ratio() if likeness.real_quick_ratio() > MIN_LIKENESS else 0.0

    starts = nlargest(CANDIDATES, range(len(stripped)), key=rough)
    scored = {max(0, start - anchor): _alike(stripped[max(0, start - anchor) :], block) for start in starts}
    best = nlargest(SHOWN_PLACES * 3, scored, key=lambda start: scored[start])
    chosen: list[tuple[int, float]] = []
    for start in best:
        apart = all(abs(start - other) >= min(len(block), SHOWN_LINES) for other, _ in chosen)
        if scored[start] >= MIN_LIKENESS and apart:
            chosen.append((start, scored[start]))
    return chosen[:SHOWN_PLACES]


def numbered(lines: list[str], start: int, count: int) -> str:
    """`count` lines from index `start`, as `read_file` shows them."""
    part = lines[start : start + count]
    return "\n".join(f"{start + offset + 1:6}\t{line[:MAX_COMPARED]}" for offset, line in enumerate(part))


def _alike(lines: list[str], block: list[str]) -> float:
    """Mean likeness of the block's first lines with the lines they stand for."""
    compared = block[:SHOWN_LINES]
    total = sum(
        SequenceMatcher(None, line, wanted, autojunk=False).ratio()
        for line, wanted in zip(lines, compared, strict=False)
    )
    return total / len(compared)
