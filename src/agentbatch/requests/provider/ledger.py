"""What is at the provider: batches with their file and batch ids, and the requests whose answers are still expected.

It lies in the journal's own file and shares its commits: a request is out of the ledger in the moment in which the
journal has its answer, so that an answer which is read twice, after a crash, counts once.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from agentbatch.errors import UserError
from agentbatch.requests.journal.journal import Journal
from agentbatch.requests.journal.reading import open_reading
from agentbatch.requests.spec.request import Url
from agentbatch.text import list_names
from agentbatch.usage import Usage

SCHEMA = """
CREATE TABLE IF NOT EXISTS provider_batches (
  b INTEGER PRIMARY KEY, session INTEGER NOT NULL, url TEXT NOT NULL, model TEXT NOT NULL,
  requests INTEGER NOT NULL DEFAULT 0, estimate REAL, file_id TEXT, batch_id TEXT, ended INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS provider_items (
  b INTEGER NOT NULL, n INTEGER NOT NULL, key TEXT NOT NULL, line INTEGER NOT NULL, at INTEGER NOT NULL,
  size INTEGER NOT NULL, PRIMARY KEY (b, n)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS provider_by_key ON provider_items (key);
CREATE TABLE IF NOT EXISTS provider_again (
  n INTEGER PRIMARY KEY, key TEXT NOT NULL, b INTEGER NOT NULL, usage TEXT NOT NULL, cost REAL, answer TEXT NOT NULL,
  told TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Part:
    """One batch of the service."""

    b: int
    """Its number here."""
    session: int
    """The journal's, in which it was made."""
    url: Url
    model: str
    requests: int
    estimate: float | None
    """US dollars; None when the price is unknown."""
    file_id: str
    """At the provider; empty before the upload."""
    batch_id: str
    """At the provider; empty before the batch was made."""


class ExpectedAnswer(NamedTuple):
    """A request whose answer is to come, and where it stands in its part's file."""

    n: int
    key: str
    line: int
    """From 1."""
    at: int
    size: int
    """Bytes."""


class Target(NamedTuple):
    """Who gets an answer: the request of the journal that is paid for it."""

    n: int
    id: str
    place: int
    current: bool
    """It stands in this session's input."""


class RepeatedRequest(NamedTuple):
    """A first answer that did not keep to its schema: it is paid, and the request goes out once more."""

    usage: Usage
    cost: float | None
    answer: str
    told: str
    """What was wrong with it."""


class ProviderLedger:
    """Of one journal. Nothing is committed but where a method says so."""

    def __init__(self, journal: Journal, *, dedupe: bool) -> None:
        self._journal = journal
        self._execute = journal.connection.execute
        self._dedupe = dedupe
        for statement in SCHEMA.split(";"):
            self._execute(statement)
        journal.commit()

    def parts(self, *, sent: bool = True) -> list[Part]:
        """Those that have not ended, in order; `sent`: only those whose file is at the provider."""
        rows = self._execute(
            "SELECT b, session, url, model, requests, estimate, coalesce(file_id, ''), coalesce(batch_id, '') "
            f"FROM provider_batches WHERE ended = 0 {'AND file_id IS NOT NULL' if sent else ''} ORDER BY b"
        ).fetchall()
        return [Part(*row) for row in rows]

    def forget_unsent(self) -> None:
        """What an earlier session had packed but not uploaded is packed again. Commits."""
        unsent = "SELECT b FROM provider_batches WHERE ended = 0 AND file_id IS NULL"
        self._execute(f"DELETE FROM provider_items WHERE b IN ({unsent})")
        self._execute("DELETE FROM provider_batches WHERE ended = 0 AND file_id IS NULL")
        self._journal.commit()

    def begin(self, url: Url, model: str) -> int:
        """A new part; its number."""
        cursor = self._execute(
            "INSERT INTO provider_batches (session, url, model) VALUES (?, ?, ?)",
            (self._journal.session, url, model),
        )
        return int(cursor.lastrowid or 0)

    def add(self, b: int, item: ExpectedAnswer) -> None:
        self._execute("INSERT INTO provider_items VALUES (?, ?, ?, ?, ?, ?)", (b, *item))

    def made(self, b: int, requests: int, estimate: float | None) -> Part:
        """Its file is whole. Commits."""
        self._execute(
            "UPDATE provider_batches SET requests = ?, estimate = ? WHERE b = ?", (requests, estimate, b)
        )
        self._journal.commit()
        return next(part for part in self.parts(sent=False) if part.b == b)

    def uploaded(self, part: Part, file_id: str) -> Part:
        """Its file is there, and from here on its requests may be paid: their attempt is recorded. Commits."""
        self._execute("UPDATE provider_batches SET file_id = ? WHERE b = ?", (file_id, part.b))
        self._execute(
            "UPDATE requests SET state = 1, attempts = attempts + 1 WHERE state < 2 AND n IN "
            "(SELECT n FROM provider_items WHERE b = ?)",
            (part.b,),
        )
        return self._part(part.b)

    def created(self, part: Part, batch_id: str) -> Part:
        """The provider works on it. Commits."""
        self._execute("UPDATE provider_batches SET batch_id = ? WHERE b = ?", (batch_id, part.b))
        return self._part(part.b)

    def _part(self, b: int) -> Part:
        self._journal.commit()
        return next(part for part in self.parts() if part.b == b)

    def end(self, part: Part) -> int:
        """Nothing more comes of it: requests without an answer are open again. How many these are. Commits."""
        open_ = "SELECT n FROM provider_items WHERE b = ?"
        self._execute(f"UPDATE requests SET state = 0 WHERE state = 1 AND n IN ({open_})", (part.b,))
        left = self._execute("DELETE FROM provider_items WHERE b = ?", (part.b,)).rowcount
        self._execute("UPDATE provider_batches SET ended = 1 WHERE b = ?", (part.b,))
        self._journal.commit()
        return left

    def is_open(self, n: int, key: str) -> bool:
        """Whether this is being asked there: the request itself, or one that asks the same."""
        same = "" if self._dedupe else "AND n = ?"
        row = self._execute(
            f"SELECT 1 FROM provider_items WHERE key = ? {same} LIMIT 1", (key,) if self._dedupe else (key, n)
        ).fetchone()
        return row is not None

    def expected(self, part: Part, n: int) -> ExpectedAnswer | None:
        """The request of this number, if its answer is still to come from this part."""
        row = self._execute(
            "SELECT n, key, line, at, size FROM provider_items WHERE b = ? AND n = ?", (part.b, n)
        ).fetchone()
        return ExpectedAnswer(*row) if row else None

    def all_expected(self, part: Part) -> Iterator[ExpectedAnswer]:
        """Those of a part that have no answer yet."""
        rows = self._execute(
            "SELECT n, key, line, at, size FROM provider_items WHERE b = ? ORDER BY line", (part.b,)
        )
        return (ExpectedAnswer(*row) for row in rows.fetchall())

    def target(self, n: int, key: str) -> Target | None:
        """Who gets the answer of this request now: itself, or who took it over; None when it has ended, or asks
        something else by now."""
        columns = (
            "SELECT n, id, place, session = ? FROM requests WHERE state < 2 AND leader IS NULL AND key = ?"
        )
        row = self._execute(f"{columns} AND n = ?", (self._journal.session, key, n)).fetchone()
        if row is None and self._dedupe:
            row = self._execute(f"{columns} LIMIT 1", (self._journal.session, key)).fetchone()
        return Target(row[0], row[1], row[2], bool(row[3])) if row else None

    def id_in(self, part: Part, line: int) -> str:
        """The id of the request in this line of a part's file; empty when there is none."""
        row = self._execute(
            "SELECT id FROM requests JOIN provider_items USING (n) WHERE b = ? AND line = ?", (part.b, line)
        ).fetchone()
        return row[0] if row else ""

    def settle(self, part: Part, n: int) -> None:
        """Its answer has come; whoever records it commits."""
        self._execute("DELETE FROM provider_items WHERE b = ? AND n = ?", (part.b, n))

    def put_again(self, part: Part, expected: ExpectedAnswer, again: RepeatedRequest) -> None:
        """`part`: the one that brought the first answer."""
        self._execute(
            "INSERT OR REPLACE INTO provider_again VALUES (?, ?, ?, ?, ?, ?, ?)",
            (expected.n, expected.key, part.b, again.usage.model_dump_json(), *again[1:]),
        )

    def again(self, n: int, key: str, part: Part | None = None) -> RepeatedRequest | None:
        """The first answer of a request that is asked a second time; none where `part` is the one that brought it."""
        row = self._execute(
            "SELECT usage, cost, answer, told FROM provider_again WHERE n = ? AND key = ? AND b != ?",
            (n, key, part.b if part is not None else -1),
        ).fetchone()
        return RepeatedRequest(Usage.model_validate_json(row[0]), row[1], row[2], row[3]) if row else None

    def forget_again(self, n: int) -> None:
        self._execute("DELETE FROM provider_again WHERE n = ?", (n,))


def batches_at_provider(path: Path) -> list[str]:
    """The ids of the batches (files, where no batch is known yet) that a journal waits for; none without a journal."""
    if not path.is_file():
        return []
    try:
        with open_reading(path) as connection:
            rows = connection.execute(
                "SELECT coalesce(batch_id, file_id) FROM provider_batches WHERE ended = 0 AND file_id IS NOT NULL"
            )
            return [row[0] for row in rows]
    except sqlite3.Error:  # no such table: the service was never used; others report other problems
        return []


def check_none_at_provider(path: Path) -> None:
    """Raises UserError when a journal waits for batches: who asks their requests one by one pays them twice."""
    batches = batches_at_provider(path)
    if batches:
        raise UserError(
            f"Requests of this batch are at the provider's batch service ({list_names(batches, 1)}): go on with "
            "--provider-batch too, or they are paid twice."
        )
