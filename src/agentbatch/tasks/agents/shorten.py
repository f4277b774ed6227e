"""Making texts fit: small ones stay whole, large ones lose their middle, and it is always said how much. Pure."""

from collections.abc import Mapping

from agentbatch.model.tokens import estimate

NOTE = 40
"""Characters that the note about what was left out takes."""


def shortened(text: str, limit: int) -> str:
    """The text in at most `limit` characters (but at least a note): head and tail, a note between them."""
    if len(text) <= limit:
        return text
    room = max(0, limit - NOTE)
    head = room // 2
    note = f"[... {len(text) - room:,} characters left out ...]"
    around = "\n" if "\n" in text else ""
    return f"{text[:head]}{around}{note}{around}{text[len(text) - (room - head) :]}"


def last_lines(text: str, lines: int, characters: int) -> str:
    """The end of an output: at most so many lines and characters. Lines keep their beginning, where paths stand."""
    kept: list[str] = []
    left = characters
    for line in reversed(text.rstrip().splitlines()[-lines:]):
        short = shortened(line, max(characters // 3, NOTE))
        left -= len(short) + 1
        if left < 0 and kept:
            break
        kept.append(short)
    return "\n".join(reversed(kept))


def shares(sizes: Mapping[str, int], budget: int, weights: Mapping[str, int]) -> dict[str, int]:
    """What each part may take of the budget, by weight (1 where none is given); what a small part does not need goes
    to the large ones."""
    found: dict[str, int] = {}
    open_names, left = list(sizes), max(0, budget)
    while open_names:
        total = sum(weights.get(name, 1) for name in open_names)
        share = {name: left * weights.get(name, 1) // total for name in open_names}
        fitting = [name for name in open_names if sizes[name] <= share[name]]
        for name in fitting or open_names:
            found[name] = sizes[name] if fitting else share[name]
        left -= sum(found[name] for name in fitting)
        open_names = [name for name in open_names if name not in found]
    return found


def cut(text: str, tokens: int) -> str:
    """The text in about so many tokens (estimated): whole where it fits, else without its middle; never dropped without
    a note."""
    size = estimate(text)
    if size <= tokens:
        return text
    characters = len(text) * tokens // size
    short = shortened(text, characters)
    # Where one half of the text takes more tokens a character than the other.
    while estimate(short) > tokens and characters > NOTE:
        characters = characters * 9 // 10
        short = shortened(text, characters)
    return short
