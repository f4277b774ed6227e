"""The journal of a batch: one SQLite file that knows of each request what is asked, whether it was sent, what came.

An attempt is in it before it is sent, an answer before it is given out. Whatever is started in the same moment shares a
commit, so that a thousand requests a second cost a few hundred commits.
"""

import asyncio
import os
import sqlite3
from pathlib import Path
from typing import Any, Literal, NamedTuple

from agentbatch.errors import UserError
from agentbatch.files import open_own
from agentbatch.requests.journal.reading import FAILED, OK, STATES, JournalReading, State
from agentbatch.runs.store.database import run_script
from agentbatch.text import clip

VERSION = "1"

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE requests (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, key TEXT NOT NULL, session INTEGER NOT NULL, place INTEGER NOT NULL,
  leader INTEGER, state INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, answer TEXT, reason TEXT,
  input INTEGER NOT NULL DEFAULT 0, output INTEGER NOT NULL DEFAULT 0, cost REAL);
CREATE INDEX by_key ON requests (key) WHERE leader IS NULL;
CREATE INDEX by_leader ON requests (leader) WHERE leader IS NOT NULL;
CREATE INDEX by_place ON requests (session, place);
"""
"""`session` is the one that saw the request last, `place` where it stood in that session's input."""


COST = "CASE WHEN cost IS NULL AND input + output > 0 THEN NULL ELSE coalesce(cost, 0) + ? END"
"""What is added to an unknown cost leaves it unknown."""


class Follower(NamedTuple):
    """A request that asks the same as another."""

    n: int
    id: str
    place: int


class Done(NamedTuple):
    """What came of a request."""

    ok: bool
    answer: str
    """The output line, JSON."""
    reason: str
    """Why it failed; empty when it did not."""
    input: int = 0
    output: int = 0
    """Tokens."""
    cost: float | None = None


class AddedRequest(NamedTuple):
    """What the journal knows of a request that was taken in."""

    n: int
    news: Literal["new", "known", "changed", "duplicate"]
    """`changed`: the id was there with another body, and is asked afresh; `duplicate`: this session has seen it."""
    state: State = "pending"
    leader: int | None = None
    """The request that is asked instead, because it asks the same."""


class Journal(JournalReading):
    """One event loop only. Raises UserError when the file is not a journal or cannot be opened; every method raises
    OSError when it cannot be written any more."""

    def __init__(self, path: Path, *, dedupe: bool = True) -> None:
        """`dedupe`: requests whose keys are equal are paid once; the later ones get the first one's answer."""
        self.path = path
        self._dedupe = dedupe
        self._waiting: list[asyncio.Future[None]] = []
        self._soon: asyncio.Handle | None = None
        try:
            self._connection = _open(path)
            (last, session) = self._connection.execute(
                "SELECT coalesce(max(n), -1), coalesce(max(session), 0) FROM requests"
            ).fetchone()
        except sqlite3.Error as error:
            raise UserError(f"{path} is not a journal of agentbatch: {clip(str(error), 200)}.") from None
        self._last: int = last
        self._session: int = session + 1

    @property
    def connection(self) -> sqlite3.Connection:
        """For what belongs into the same file, and into the same commits."""
        return self._connection

    def add(self, request_id: str, key: str, place: int) -> AddedRequest:
        """Take a request in, or find it again; `place` is where it stands in the input. `commit` follows."""
        row = self._run(
            "SELECT n, key, session, state, leader FROM requests WHERE id = ?", request_id
        ).fetchone()
        if row is None:
            self._last += 1
            leader = self._leader(key, self._last)
            self._run(
                "INSERT INTO requests (n, id, key, session, place, leader) VALUES (?, ?, ?, ?, ?, ?)",
                self._last, request_id, key, self._session, place, leader,
            )  # fmt: skip
            return AddedRequest(self._last, "new", leader=leader)
        n, known, session, state, leader = row
        if session == self._session:
            return AddedRequest(n, "duplicate")
        self._run("UPDATE requests SET session = ?, place = ? WHERE n = ?", self._session, place, n)
        if known == key:
            if leader is not None and state < OK:
                leader = self._still_led(n, leader)
            return AddedRequest(n, "known", STATES[state], leader)
        self._release(n)
        leader = self._leader(key, n)
        self._run(
            "UPDATE requests SET key = ?, state = 0, answer = NULL, reason = NULL, leader = ? WHERE n = ?",
            key, leader, n,
        )  # fmt: skip
        return AddedRequest(n, "changed", leader=leader)

    def _still_led(self, n: int, leader: int) -> int | None:
        """The request that is asked instead of `n`, which an earlier session had follow `leader`."""
        if not self._dedupe:
            self._run("UPDATE requests SET leader = NULL WHERE n = ?", n)
        elif self._leads(leader):
            return leader
        else:
            self._take_over(leader, n)
        return None

    def _leader(self, key: str, n: int) -> int | None:
        """The request with this key that is paid; None: this one is."""
        if not self._dedupe:
            return None
        row = self._run(
            "SELECT n FROM requests WHERE key = ? AND leader IS NULL AND n != ?", key, n
        ).fetchone()
        if row is None or self._leads(row[0]):
            return row[0] if row else None
        self._take_over(row[0], n)
        return None

    def _leads(self, n: int) -> bool:
        """Whether others may rely on it: it was answered, or this session has it. What an earlier one left open may
        not come again, and what failed there says nothing about now."""
        state, session = self._run("SELECT state, session FROM requests WHERE n = ?", n).fetchone()
        return bool(state == OK or session == self._session)

    def _take_over(self, leader: int, n: int) -> None:
        """`n` is asked instead of `leader`, which follows now, with all that followed it."""
        self._run("UPDATE requests SET leader = ? WHERE leader = ? OR n = ?", n, leader, leader)
        self._run("UPDATE requests SET leader = NULL WHERE n = ?", n)

    def _release(self, n: int) -> None:
        """Those that waited for the answer of `n`, which asks something else now, ask for themselves."""
        followers = self._run("SELECT n FROM requests WHERE leader = ? ORDER BY n", n).fetchall()
        for place, (follower,) in enumerate(followers):
            leader = None if place == 0 else followers[0][0]
            self._run("UPDATE requests SET leader = ? WHERE n = ?", leader, follower)

    def reopen(self, *states: State) -> int:
        """Have requests in these states asked again; how many there are."""
        marks = ", ".join("?" * len(states))
        cursor = self._run(
            f"UPDATE requests SET state = 0, answer = NULL, reason = NULL WHERE state IN ({marks})",
            *[STATES.index(state) for state in states],
        )
        self.commit()
        return cursor.rowcount

    async def sent(self, *numbers: int) -> None:
        """Record an attempt for these; returns when it is on its way to the disk."""
        for n in numbers:
            self._run("UPDATE requests SET state = 1, attempts = attempts + 1 WHERE n = ?", n)
        await self._committed()

    async def finish(self, n: int, done: Done) -> list[Follower]:
        """Record what came; returns, when that is on its way to the disk, the requests that ask the same and wait."""
        self._run(
            # What was paid for it earlier (a failure that is tried again) stays paid.
            "UPDATE requests SET state = ?, answer = ?, reason = ?, input = input + ?, output = output + ?, "
            f"cost = {COST} WHERE n = ?",
            OK if done.ok else FAILED, done.answer, done.reason, done.input, done.output, done.cost, n,
        )  # fmt: skip
        rows = self._run(
            "SELECT n, id, place FROM requests WHERE leader = ? AND state < 2 AND session = ? ORDER BY n",
            n, self._session,
        ).fetchall()  # fmt: skip
        await self._committed()
        return [Follower(*row) for row in rows]

    def charge(self, n: int, given: int, written: int, cost: float | None) -> None:
        """Record what a call took (tokens, US dollars; None for an unknown price) of a request that has not ended;
        `finish` adds the rest. On its way to the disk in this turn of the event loop."""
        self._run(
            f"UPDATE requests SET cost = {COST}, input = input + ?, output = output + ? WHERE n = ?",
            cost, given, written, n,
        )  # fmt: skip
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self._commit_soon)

    def put(self, name: str, value: str) -> None:
        self._run("INSERT OR REPLACE INTO meta VALUES (?, ?)", name, value)
        self.commit()

    def _run(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """Raises OSError when the file cannot be used: it is locked, the disk is full."""
        try:
            return self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise self._problem(error) from None

    def _problem(self, error: sqlite3.Error) -> OSError:
        return OSError(f"The journal {self.path} cannot be written: {error}.")

    def commit(self) -> None:
        """Everything so far is on its way to the disk. Raises OSError when it cannot be written."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        waiting, self._waiting = self._waiting, []
        try:
            self._connection.commit()
        except sqlite3.Error as error:
            problem = self._problem(error)
            for future in waiting:
                if not future.done():
                    future.set_exception(problem)
            raise problem from None
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def _committed(self) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append(future)
        if self._soon is None:
            self._soon = loop.call_soon(self._commit_soon)
        await future

    def _commit_soon(self) -> None:
        self._soon = None
        try:
            self.commit()
        except OSError:
            return  # those that wait have got it

    def close(self) -> None:
        """Raises OSError when what is left cannot be written."""
        try:
            self.commit()
        finally:
            self._connection.close()


def _open(path: Path) -> sqlite3.Connection:
    os.close(open_own(path, os.O_RDWR | os.O_CREAT))  # the files that SQLite makes beside it have its mode
    connection = sqlite3.connect(path, timeout=10.0)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        # A kill may have left a file with nothing in it.
        if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            run_script(connection, f"{SCHEMA} INSERT INTO meta VALUES ('version', '{VERSION}');")
        row = connection.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
        if row is None or row[0] != VERSION:
            raise sqlite3.DatabaseError("it was written by another version")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
