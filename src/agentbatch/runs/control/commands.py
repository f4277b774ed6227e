"""The `commands` table of a run: how another process asks its engine for something, and is answered.

The sender posts a row and waits for its `answer`; the engine looks for new rows and answers each in turn. What
stands in a row was written by another process, and is checked before it is carried out.
"""

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs.folder import RunFolder, holder
from agentbatch.runs.store.database import open_database

POLL = 0.05
"""Seconds between two looks for an answer."""

BUSY = 10.0
"""Seconds that the sender of a command waits for the database, while the engine writes into it."""

ENGINE_BUSY = 0.5
"""Seconds that the engine waits for it: nothing else happens meanwhile. An answer can wait for the next look."""

ANSWER_WITHIN = 30.0
"""Seconds. An engine looks four times a second; one that is stopped or starved does not."""

AT_ONCE = 100
"""Commands that one look takes."""

MAX_NAME = 100
MAX_ARGUMENTS = 100_000
"""Characters that are read; what a user says has the most, in escapes."""

NO_ENGINE = (
    "No engine was running: it had ended before, or was still starting. If the run is under way, try again."
)
OVER = "The run ended before this could be done."
SAID = "It was said; the engine ended before it could answer."

_SAID = """
UPDATE commands SET answer = ? WHERE answer IS NULL AND name = 'say' AND json_valid(arguments) AND EXISTS (
  SELECT 1 FROM events WHERE type = 'user_said' AND json_extract(events.body, '$.token') != ''
  AND json_extract(events.body, '$.token') = json_extract(commands.arguments, '$.token'))
"""
"""What a user said is an event before it is answered: a kill may come between the two."""


class Command(NamedTuple):
    """A command as it was sent. Not checked: `arguments` is text that should be a JSON object."""

    id: int
    name: str
    arguments: str


class Answer(NamedTuple):
    ok: bool
    """False: it was not done."""
    text: str
    """A sentence that says what happened, or why nothing did."""


def send_command(folder: RunFolder, name: str, arguments: Mapping[str, object]) -> Answer:
    """Post a command and wait for its answer, at most ANSWER_WITHIN seconds. Raises UserError when the run's database
    cannot be written to."""
    engine = holder(folder)
    number = post(folder.database, name, arguments)
    answer = await_answer(folder.database, number, lambda: bool(holder(folder)), ANSWER_WITHIN)
    if answer is not None:
        return answer
    if holder(folder):
        return Answer(
            False,
            f"The engine ({engine}) has not answered within {ANSWER_WITHIN:.0f} s. "
            f"It may still do it: see `agentbatch status {folder.run_id}`.",
        )
    with closing(_connect(folder.database, BUSY)) as connection:
        _answer_said(connection)
    return await_answer(folder.database, number, lambda: False, 0) or Answer(False, OVER)


def _answer_said(connection: sqlite3.Connection) -> None:
    """Answer what was said and not answered: its engine is gone."""
    with contextlib.suppress(sqlite3.OperationalError):  # busy, or the disk is full
        connection.execute(_SAID, (json.dumps(Answer(True, SAID)._asdict()),))


def post(database: Path, name: str, arguments: Mapping[str, Any]) -> int:
    """Ask the engine of this run for something; returns the command's id. Raises UserError."""
    open_database(database).close()  # is it one of ours?
    try:
        with closing(_connect(database, BUSY)) as connection:
            row = (time.time(), name, json.dumps(dict(arguments)))
            cursor = connection.execute("INSERT INTO commands (ts, name, arguments) VALUES (?, ?, ?)", row)
            return int(cursor.lastrowid or 0)
    except sqlite3.Error as error:
        raise UserError(f"{database} cannot be written to: {error}.") from None


def await_answer(database: Path, command_id: int, alive: Callable[[], bool], timeout: float) -> Answer | None:
    """The engine's answer; None when there is none after `timeout` seconds, or the engine has ended without one.

    `alive`: whether there is an engine. Raises UserError when the database cannot be read.
    """
    deadline = time.monotonic() + timeout
    with closing(open_database(database)) as connection:
        connection.text_factory = _lenient
        while True:
            lives = alive()  # before the look: its last answer is found after its end
            answer = _read_answer(connection, command_id)
            if answer is not None or not lives or time.monotonic() >= deadline:
                return answer
            time.sleep(POLL)


def _read_answer(connection: sqlite3.Connection, command_id: int) -> Answer | None:
    try:
        row = connection.execute("SELECT answer FROM commands WHERE id = ?", (command_id,)).fetchone()
    except sqlite3.OperationalError:
        return None  # busy: the next look finds it
    except sqlite3.Error as error:
        raise UserError(f"The answer cannot be read from the run's database: {error}.") from None
    if row is None or row[0] is None:
        return None
    try:
        document = json.loads(row[0])
        return Answer(document["ok"] is True, str(document["text"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return Answer(False, "The answer in the run's database cannot be understood.")


_ANSWER = "UPDATE commands SET answer = ?, arguments = redacted(CAST(arguments AS BLOB))"


class CommandQueue:
    """The engine's end of the table. Commands from before are answered with a refusal, not carried out late."""

    def __init__(self, database: Path, redact: Redactor | None = None) -> None:
        """`redact`: for the arguments, which stay in the table with their answer."""
        self._connection = _connect(database, ENGINE_BUSY)
        mask = (redact or Redactor(())).mask_bytes
        self._connection.create_function("redacted", 1, lambda written: _lenient(mask(written)))
        self._last = 0
        self._unsent: list[tuple[str, int]] = []
        self._refuse_open(NO_ENGINE)

    def new(self) -> list[Command]:
        """What was asked for since the last look, in order. 4 to 10 µs when there is nothing. Raises sqlite3.Error."""
        self._send()
        rows = self._connection.execute(
            "SELECT id, substr(name, 1, ?), substr(arguments, 1, ?) FROM commands WHERE id > ? ORDER BY id LIMIT ?",
            (MAX_NAME, MAX_ARGUMENTS, self._last, AT_ONCE),
        ).fetchall()
        if rows:
            self._last = rows[-1][0]
        return [Command(row_id, _as_text(name), _as_text(arguments)) for row_id, name, arguments in rows]

    def answer(self, command_id: int, answer: Answer) -> None:
        """Answer a command. What cannot be written now is written at the next look."""
        self._unsent.append((json.dumps(answer._asdict()), command_id))
        self._send()

    def close(self) -> None:
        """Refuse what is still open, and close the connection."""
        self._send()
        self._refuse_open(OVER)
        self._connection.close()

    def _send(self) -> None:
        while self._unsent:
            try:
                self._connection.execute(f"{_ANSWER} WHERE id = ?", self._unsent[0])
            except sqlite3.OperationalError:
                return  # busy, or the disk is full
            del self._unsent[0]

    def _refuse_open(self, text: str) -> None:
        _answer_said(self._connection)
        try:
            (self._last,) = self._connection.execute("SELECT coalesce(max(id), 0) FROM commands").fetchone()
            self._connection.execute(
                f"{_ANSWER} WHERE answer IS NULL AND id <= ?",
                (json.dumps(Answer(False, text)._asdict()), self._last),
            )
        except sqlite3.OperationalError:
            pass  # busy, or the disk is full: nobody waits for these


def _connect(database: Path, timeout: float) -> sqlite3.Connection:
    """A connection that writes and leaves checkpoints, which wait for disks, to the engine."""
    connection = sqlite3.connect(
        f"{database.resolve().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=timeout
    )
    connection.text_factory = _lenient
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    return connection


def _lenient(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else _lenient(value) if isinstance(value, bytes) else ""
