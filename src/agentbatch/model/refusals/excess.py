"""How much too long a request was."""

from typing import NamedTuple


class Excess(NamedTuple):
    """In the endpoint's tokens; None where it does not say."""

    limit: int | None = None
    sent: int | None = None

    def window(self, size: int) -> int:
        """The window in our own tokens, of which the request had `size`: what is sent next has to fit into it."""
        if self.limit is None:
            return size
        return (
            int(size * self.limit / self.sent)
            if self.sent and self.sent > self.limit
            else min(size, self.limit)
        )


NO_EXCESS = Excess()
"""Nothing is known."""
