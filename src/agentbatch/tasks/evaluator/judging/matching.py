"""Whether words stand in a text, as a judge copies them. Pure."""

import re

from agentbatch.patterns import regex

MAX_PLACES = 50
"""Places in one piece at which a quote is looked for; where all are parts of other words, it is not found."""
ASIDE = " \t\r\n\"'`.,;:!?"
"""What a judge puts around a quote."""
_TYPED = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u2026": "...",
        "\u00a0": " ",
        "\b": "b",
        "\f": "f",
    }
)
_ESCAPES = regex(r"(\d?)\\+(?=(\d?))")
_FAR_EAST = "\u2e80"
"""From here on letters stand without spaces between words."""


def stands_in(words: str, text: str) -> bool:
    """Whether the quote stands in the folded text: as it is, without what a judge puts around it, or, where it has left
    something out (`...`), each part in turn."""
    whole = folded(words)
    if _place(whole, text, 0) >= 0:
        return True
    bare = whole.strip(ASIDE)
    if bare != whole and _alphanumeric(bare) and _place(bare, text, 0) >= 0:
        return True
    parts = [part.strip(ASIDE) for part in re.split(r"\.{3,}", bare)]
    parts = [part for part in parts if _alphanumeric(part)]
    if len(parts) < 2:
        return False
    at = 0
    for part in parts:
        at = _place(part, text, at)
        if at < 0:
            return False
        at += len(part)
    return True


def folded(text: str) -> str:
    """White space as one space, typographic signs as they are typed, and no escapes: a judge that copies a program into
    JSON loses some, or makes others of them."""
    plain = text.translate(_TYPED).replace("\\n", " ").replace("\\t", " ")
    return " ".join(_ESCAPES.sub(_unescaped, plain).split())


def _unescaped(found: re.Match[str]) -> str:
    """Without it; but two numbers do not become one."""
    return f"{found[1]}\\" if found[1] and found[2] else found[1]


def _place(words: str, text: str, start: int) -> int:
    """Where the words begin, as whole words and whole numbers; -1: nowhere."""
    place = start - 1
    for _ in range(MAX_PLACES if words else 0):
        place = text.find(words, place + 1)
        if place < 0 or _whole(words, text, place):
            return place
    return -1


def _whole(words: str, text: str, place: int) -> bool:
    before, after = text[max(0, place - 2) : place], text[place + len(words) : place + len(words) + 2]
    first, last = words[0], words[-1]
    if _joins(before[-1:], first) or _joins(last, after[:1]):
        return False
    if first.isdigit() and (re.fullmatch(r"\d[.,]", before) or re.fullmatch(r"(?:^|[^\w)\]])?-", before)):
        return False
    return not (last.isdigit() and re.fullmatch(r"[.,]\d", after))


def _joins(one: str, other: str) -> bool:
    """Both belong to one word."""
    return _in_word(one) and _in_word(other)


def _in_word(character: str) -> bool:
    return bool(character) and (character.isalnum() or character == "_") and character < _FAR_EAST


def _alphanumeric(text: str) -> bool:
    return any(character.isalnum() for character in text)
