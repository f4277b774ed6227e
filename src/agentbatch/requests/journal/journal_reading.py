"""What a batch's journal tells."""

import sqlite3
from collections.abc import Iterator
from typing import Literal, NamedTuple

State = Literal["pending", "sent", "ok", "failed"]
STATES: tuple[State, ...] = ("pending", "sent", "ok", "failed")
"""`sent`: an attempt went out, and no answer has come; after a crash it may have been paid."""

PENDING, SENT, OK, FAILED = range(4)


class Spent(NamedTuple):
    """What a batch took."""

    attempts: int
    """Requests sent."""
    input: int
    output: int
    """Tokens."""
    cost: float | None
    """US dollars; None when a price is unknown."""
    calls: int
    """Requests that were paid."""


class JournalReading:
    """The looks into a journal; they see what is not committed yet, too."""

    _connection: sqlite3.Connection
    _session: int

    def state(self, n: int) -> State:
        (number,) = self._connection.execute("SELECT state FROM requests WHERE n = ?", (n,)).fetchone()
        return STATES[int(number)]

    def answer(self, n: int) -> str | None:
        """The output line of a request that has ended."""
        row = self._connection.execute("SELECT answer FROM requests WHERE n = ?", (n,)).fetchone()
        return row[0] if row else None

    @property
    def session(self) -> int:
        """The number of this one; the next has a higher one."""
        return self._session

    def counts_since(self, session: int) -> dict[State, int]:
        """How many are in each state, of the requests that this session or a later one has taken in."""
        found = dict(
            self._connection.execute(
                "SELECT state, count(*) FROM requests WHERE session >= ? GROUP BY state", (session,)
            ).fetchall()
        )
        return {name: found.get(number, 0) for number, name in enumerate(STATES)}

    def answers_since(self, session: int) -> Iterator[str]:
        """The output lines, in input order, of requests that this session or a later one has taken in and that have
        ended."""
        # Numbers are sorted, not answers: those would not fit into memory.
        numbers = self._connection.execute(
            "SELECT n FROM requests WHERE session >= ? AND state >= 2 ORDER BY place, n", (session,)
        )
        return (self.answer(n) or "" for (n,) in numbers)

    def spent(self) -> Spent:
        """What all sessions took so far."""
        row = self._connection.execute(
            "SELECT coalesce(sum(attempts), 0), coalesce(sum(input), 0), coalesce(sum(output), 0), "
            "coalesce(sum(cost), 0.0), coalesce(sum(cost IS NULL AND input + output > 0), 0), "
            "coalesce(sum(input + output > 0), 0) FROM requests"
        ).fetchone()
        attempts, given, written, cost, unknown, calls = row
        return Spent(attempts, given, written, None if unknown else cost, calls)
