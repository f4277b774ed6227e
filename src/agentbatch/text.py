"""How numbers and foreign text are written for a person: durations, tokens, money, safe lines.

Whatever a model, a file name or a server wrote goes through `harmless` before it reaches a screen or run.log.
"""

import difflib
import os
import time
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

from agentbatch.patterns import regex

UNKNOWN = "–"
"""Stands for an unknown figure. An unknown price is never shown as $0."""

_SEQUENCES = regex(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement, clearing
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC and friends: titles, links, clipboard
    r"|\x1b[ -/]*[0-~]"  # short escapes
    r"|\x9b[0-?]*[ -/]*[@-~]"  # CSI in its 8-bit form
)
"""Terminal control sequences. None runs past the next escape, so hostile text costs linear time."""

_JOINERS = "\u200c\u200d"
"""Zero-width (non-)joiners: part of Persian, Indic scripts and emoji, and harmless."""

_AGES = (("d", 86_400), ("h", 3_600), ("min", 60))
_UNITS = ((1_000, "k"), (1_000_000, "M"), (1_000_000_000, "B"))


def duration(seconds: float) -> str:
    """Time passed: `0:41`, `12:05`, `1:02:03`. Parts of a second are dropped."""
    minutes, second = divmod(max(0, int(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def clock_text(moment: float, now: float) -> str:
    """An epoch second as the clock on the wall shows it: `03:00`; on another day than `now`, `Tue 1 Dec 03:00`."""
    then, today = time.localtime(moment), time.localtime(now)
    day = (
        ""
        if then[:3] == today[:3]
        else f"{time.strftime('%a', then)} {then.tm_mday} {time.strftime('%b', then)} "
    )
    return f"{day}{time.strftime('%H:%M', then)}"


def age_text(seconds: float) -> str:
    """In one figure: `3 d`, `5 h`, `12 min`."""
    unit, size = next((unit, size) for unit, size in _AGES if seconds >= size or size == 60)
    return f"{max(0, int(seconds // size)):,} {unit}"


def tokens(count: int, *, estimated: bool = False, narrow: bool = False) -> str:
    """A number of tokens: `12,345`, or `12.3k` where there is little room; `≈` marks an estimate of ours."""
    return ("≈" if estimated else "") + (_narrow(count) if narrow else f"{count:,}")


def _narrow(count: int) -> str:
    shown = str(count)
    for size, unit in _UNITS:
        if float(shown.rstrip("kMB")) >= 1000:
            shown = f"{count / size:.1f}{unit}"
    return shown


def money(dollars: float | None) -> str:
    """US dollars: `$0.0123`, `$12.34`; `–` when the price is unknown."""
    if dollars is None:
        return UNKNOWN
    if dollars == 0:
        return "$0.00"
    if dollars < 0.00005:
        return "<$0.0001"
    return f"${dollars:,.2f}" if dollars >= 1 else f"${dollars:.4f}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 iteration`, `2 iterations`; `plural` where an s does not do."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def list_names(names: Sequence[str], most: int = 5, cells: int = 1_000) -> str:
    """`a, b and 7 more`: the first `most`, each of at most `cells`."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(clip(name, cells) for name in names[:most]) + more


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known word that looks most like this one, for "did you mean"; None: none looks like it."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)), None)


def random_letters(letters: str, length: int) -> str:
    """So many of `letters`, which nobody can guess. All of one number: to ask the system letter by letter takes ten
    times as long."""
    number, drawn = int.from_bytes(os.urandom(2 * length), "big"), []
    for _ in range(length):
        number, place = divmod(number, len(letters))
        drawn.append(letters[place])
    return "".join(drawn)


def harmless(text: str) -> str:
    """`text` as one line that cannot act on a terminal.

    Control sequences, control characters and direction overrides go, white space (line ends too) becomes
    single spaces, lone surrogates become U+FFFD. Markup like `[bold]` stays: no display of ours reads markup.
    """
    if not text.isprintable():
        text = "".join(map(_visible, _SEQUENCES.sub("", text)))
    return " ".join(text.split())


def harmless_line(line: str) -> str:
    """As `harmless`, with the spaces at its beginning."""
    return line[: len(line) - len(line.lstrip(" "))] + harmless(line)


def harmless_block(text: str) -> str:
    """As `harmless`, line by line: with its line ends, tabs and spaces."""
    return "\n".join(line if line.isprintable() else _harmless_inside(line) for line in text.split("\n"))


def _harmless_inside(line: str) -> str:
    parts = _SEQUENCES.sub("", line.removesuffix("\r")).split("\t")
    return "\t".join("".join(map(_visible, part)) for part in parts)


@lru_cache(maxsize=4096)
def _visible(character: str) -> str:
    if character.isspace():
        return " "
    category = unicodedata.category(character)
    if category == "Cs":
        return "\ufffd"
    if category in ("Cc", "Cf") and character not in _JOINERS:
        return ""
    return character


def first_line(text: str) -> str:
    """The first line of `text` that says something, made harmless."""
    return next((line for line in map(harmless, text[:10_000].splitlines()) if line), "")


def width(text: str) -> int:
    """Terminal cells that harmless `text` takes: Chinese and most emoji are two cells a character."""
    return len(text) if text.isascii() else sum(map(_cells, text))


@lru_cache(maxsize=4096)
def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def clip(text: str, cells: int) -> str:
    """`text` as one harmless line of at most `cells` terminal cells; `…` at its end: something is gone."""
    head = text[: 8 * cells + 1_000]
    line = harmless(head)
    if width(line) <= cells and len(line) <= 4 * cells and len(head) == len(text):
        return line
    return _take(line, cells - 1) + "…" if cells > 0 else ""


def clip_words(text: str, cells: int) -> str:
    """As `clip`, but cut between two words, where that leaves more than half."""
    line = clip(text, cells)
    if not line.endswith("…") or line == harmless(text):
        return line
    kept = line[:-1].rpartition(" ")[0]
    return f"{kept} …" if 2 * width(kept) > cells else line


def _take(line: str, cells: int) -> str:
    """The longest beginning that fits. Marks without width count too: a pile of them is one cell wide."""
    used = 0
    for place, character in enumerate(line[: 4 * cells]):
        used += _cells(character)
        if used > cells:
            return line[:place]
    return line[: 4 * cells]


def pad(text: str, cells: int, *, right: bool = False) -> str:
    """`text` clipped or filled with spaces to exactly `cells`; `right` puts the spaces in front."""
    line = clip(text, cells)
    space = " " * (cells - width(line))
    return space + line if right else line + space


def fold(line: str, cells: int, indent: int = 0) -> list[str]:
    """A harmless line broken at its spaces into lines of at most `cells`; later ones are indented.

    A comma near the end is the better place. A word longer than a line is broken where the line ends. Leading
    spaces of the first line are kept.
    """
    lead = line[: len(line) - len(line.lstrip(" "))]
    indent = min(indent, max(0, cells - 20))
    lines, current = [], lead
    for word in line.split():
        glue = "" if current.strip() == "" else " "
        if glue and width(current) + 1 + width(word) > cells:
            comma = current.rfind(", ") + 1
            kept = current[:comma] if comma > cells // 2 else current
            lines.append(kept)
            rest = current[len(kept) :].lstrip()
            current, glue = " " * indent + rest, " " if rest else ""
        while width(current + glue + word) > cells:
            part = _take(word, max(1, cells - width(current + glue))) or word[:1]
            lines.append(current + glue + part)
            current, glue, word = " " * indent, "", word[len(part) :]
        current += glue + word
    return [*lines, current] if current.strip() or not lines else lines
