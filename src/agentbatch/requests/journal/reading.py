"""Reading a batch's journal: by its own process, and from outside while it is written."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal, NamedTuple

from agentbatch.errors import UserError
from agentbatch.text import clip

State = Literal["pending", "sent", "ok", "failed"]
STATES: tuple[State, ...] = ("pending", "sent", "ok", "failed")
"""`sent`: an attempt went out, and no answer has come; after a crash it may have been paid."""

PENDING, SENT, OK, FAILED = range(4)

SYNCED_SESSION = "taken_up"
"""The journal's note of the session that last read the whole input. Requests that only older sessions have seen are not
in the input any more."""


class SessionUsage(NamedTuple):
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
    """What a journal knows, with what is not committed yet."""

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

    def spent(self) -> SessionUsage:
        """What all sessions took so far."""
        row = self._connection.execute(
            "SELECT coalesce(sum(attempts), 0), coalesce(sum(input), 0), coalesce(sum(output), 0), "
            "coalesce(sum(cost), 0.0), coalesce(sum(cost IS NULL AND input + output > 0), 0), "
            "coalesce(sum(input + output > 0), 0) FROM requests"
        ).fetchone()
        attempts, given, written, cost, unknown, calls = row
        return SessionUsage(attempts, given, written, None if unknown else cost, calls)


def open_reading(path: Path) -> closing[sqlite3.Connection]:
    """A read-only connection for a `with`. Raises sqlite3.Error."""
    return closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=10.0))


def read_failed(path: Path) -> list[tuple[str, str]]:
    """Ids and reasons of the requests that failed, in input order; none when there is no journal yet.

    Raises UserError when it cannot be read.
    """
    if not path.is_file():
        return []
    try:
        with open_reading(path) as connection:
            return connection.execute(
                "SELECT id, coalesce(reason, '') FROM requests WHERE state = ? AND session >= "
                "coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?), 0) ORDER BY place, n",
                (FAILED, SYNCED_SESSION),
            ).fetchall()
    except sqlite3.Error as error:
        raise UserError(f"{path} cannot be read: {clip(str(error), 200)}.") from None
