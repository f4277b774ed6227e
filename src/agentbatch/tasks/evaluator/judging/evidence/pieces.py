"""The evidence in pieces. Each has a ref, begins on a line of its own with it, and a quote is looked up in it. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from agentbatch.patterns import regex
from agentbatch.tasks.agents.shorten import shortened
from agentbatch.text import clip

SHOWN_HEADING = 200
"""Characters of a heading beside a requirement."""

_LIKE_A_REF = regex(r"(?:^|(?<=[\n\r\v\f\x85\u2028\u2029]))(?=\[[A-Z]\d+\])")


class Piece(NamedTuple):
    """One piece of evidence. Everything but the ref may hold foreign text."""

    ref: str
    """`F1` a file, `C2` a command of the coder's, `V1` verify, `K1` another check, `R1` run by the evaluator."""
    heading: str
    """What it is, in our words: never evidence."""
    text: str
    """All of it, without a word of ours."""
    body: str | None = None
    """What is shown of it, at its longest; None: `text`."""
    outcome: tuple[str, ...] = ()
    """How it ended, in our words: a quote may be that alone."""
    failed: bool = False
    """It ran, and not with exit code 0."""
    ran: bool = False
    """It executed something, with exit code 0, after the last change."""
    stale: bool = False
    """It ran before the last change."""
    told: bool = False
    """Only the coder's own program tells of it: a claim."""
    of_form: bool = False
    """It tells of a file's form, or of our checks, and of nothing that is done."""
    source: str = ""
    """The path of a changed source."""
    hidden: bool = False
    """Nobody can see what is in it."""
    named: str = ""
    """The heading as people read it beside a quote; empty: as it is."""

    @property
    def shown(self) -> str:
        return self.text if self.body is None else self.body

    @property
    def where(self) -> str:
        """As it is named beside a quote."""
        return clip(self.named or self.heading, SHOWN_HEADING)

    @property
    def size(self) -> int:
        """Characters that it takes, about: as `render` has it."""
        return len(self.ref) + len(self.heading) + len(self.shown) + 5

    def render(self, limit: int | None = None) -> str:
        """From its ref on, in about `limit` characters: what is too long lacks its middle."""
        heading, body = self.heading, self.shown.strip("\n")
        if limit is not None:
            heading = shortened(heading, max(limit // 2, limit - len(body) - len(self.ref) - 4))
        head = f"[{self.ref}] {set_off(heading)}"
        if limit is not None:
            body = shortened(body, max(0, limit - len(head) - 1))
        return f"{head}\n{set_off(body)}" if body else head


def set_off(text: str) -> str:
    """No line of the text begins like a piece of evidence."""
    return _LIKE_A_REF.sub(" ", text)


def one_line(text: str) -> str:
    """For a heading: a command of several lines goes on behind `>`, where none of it can pass for anything else."""
    return "\n> ".join(text.strip().splitlines())


def fair_shares(sizes: Sequence[int], total: int) -> list[int]:
    """Each gets what it needs or an equal part of what the smaller ones leave."""
    shares = [0] * len(sizes)
    for served, position in enumerate(sorted(range(len(sizes)), key=lambda index: sizes[index])):
        shares[position] = min(sizes[position], max(0, total) // (len(sizes) - served))
        total -= shares[position]
    return shares
