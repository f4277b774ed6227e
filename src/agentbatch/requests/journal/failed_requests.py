"""Looking into a batch's journal from outside, also while it is written: what failed."""

import sqlite3
from contextlib import closing
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.requests.journal.journal_reading import FAILED
from agentbatch.text import clip

SYNCED_SESSION = "taken_up"
"""The journal's note of the session in which the input was read last, as a whole. What only older ones have seen does
not stand in the input any more."""


def read_failed(path: Path) -> list[tuple[str, str]]:
    """Ids and reasons of the requests that failed, in input order; none when there is no journal yet.

    Raises UserError when it cannot be read.
    """
    if not path.is_file():
        return []
    try:
        with closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=10.0)
        ) as connection:
            return connection.execute(
                "SELECT id, coalesce(reason, '') FROM requests WHERE state = ? AND session >= "
                "coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?), 0) ORDER BY place, n",
                (FAILED, SYNCED_SESSION),
            ).fetchall()
    except sqlite3.Error as error:
        raise UserError(f"{path} cannot be read: {clip(str(error), 200)}.") from None
