"""Several pieces of one kind, as they fit: as many as possible, and of each head and tail. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from agentbatch.model.tokens import estimate
from agentbatch.tasks.evaluator.judging.evidence.pieces import Piece, fair_shares

MIN_SHARE = 300
"""Characters with which a piece is better named than shown."""
NAMES = 4
"""One part in so many of a section that does not fit goes to the names of what is not shown."""


class Section(NamedTuple):
    """The pieces in the order in which they are shown."""

    pieces: tuple[Piece, ...]
    limit: int | None = None
    """Characters at most."""
    latest_first: bool = False
    """Which ones matter most; else the first ones do."""
    left_out: int = 0
    """Earlier ones that are not even among the pieces."""

    def fit(self, tokens: int | None = None) -> tuple[str, tuple[Piece, ...]]:
        """The text, and the pieces that can be seen in it, in about so many tokens."""
        text, seen = self._shown(self.limit)
        if tokens is None:
            return text, seen
        limit = len(text)
        while estimate(text) > tokens and limit > 0:
            limit = min(limit * 9 // 10, limit * tokens // estimate(text))
            text, seen = self._shown(limit)
        return text, seen

    def _shown(self, limit: int | None) -> tuple[str, tuple[Piece, ...]]:
        sizes = [piece.size for piece in self.pieces]
        if limit is None or sum(sizes) <= limit:
            note = [f"({self.left_out:,} earlier ones left out)"] if self.left_out else []
            return "\n".join([*note, *(piece.render() for piece in self.pieces)]), self.pieces
        most = max(1, min(len(sizes), limit // MIN_SHARE))
        first = len(sizes) - most if self.latest_first else 0
        kept = self.pieces[first : first + most]
        others = self.pieces[:first] + self.pieces[first + most :]
        rest = self._rest(others, limit // NAMES)
        shares = fair_shares([piece.size for piece in kept], limit - len(rest))
        shown = [piece.render(share) for piece, share in zip(kept, shares, strict=True)]
        if sum(map(len, shown)) > max(limit, MIN_SHARE):
            return rest or self._rest(self.pieces, limit), ()
        texts = [rest, *shown] if self.latest_first else [*shown, rest]
        return "\n".join(filter(None, texts)), kept

    def _rest(self, pieces: Sequence[Piece], limit: int) -> str:
        """What is not shown: by its heading, as far as there is room, the others by their number."""
        if self.latest_first:
            left_out = self.left_out + len(pieces)
            return f"({left_out:,} earlier ones left out)" if left_out else ""
        lines: list[str] = []
        for place, piece in enumerate(pieces):
            limit -= len(piece.heading) + 1
            if limit < 0:
                lines.append(f"[... {len(pieces) - place:,} more ...]")
                break
            lines.append(piece.heading)
        return "\n".join(["Not shown:", *lines]) if lines else ""
