"""The run's one SQLite file: schema, the writer thread, and opening a run for reading.

Tables: `events` is append-only; `tasks` holds each task's folded state, written in the same transaction as
the events that made it; `messages` holds the coders' conversations; `commands` is how viewers talk to the
engine. Each document of a task is one JSON text.
"""

import json
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TextIO

from pydantic import BaseModel, TypeAdapter
from pydantic_core import PydanticSerializationError

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.store.events import Event, EventBase, MessageAdded
from agentbatch.store.state import RunState, TaskState, merge_bills

SCHEMA_VERSION = 1

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE events (
  seq INTEGER PRIMARY KEY, ts REAL NOT NULL, task_id TEXT, type TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE tasks (
  id TEXT PRIMARY KEY, position INTEGER NOT NULL, status TEXT NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE messages (
  task_id TEXT NOT NULL, generation INTEGER NOT NULL, position INTEGER NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (task_id, generation, position)) WITHOUT ROWID;
CREATE TABLE commands (
  id INTEGER PRIMARY KEY, ts REAL NOT NULL, name TEXT NOT NULL, arguments TEXT NOT NULL,
  answer TEXT);
"""

_events: TypeAdapter[Event] = TypeAdapter(Event)


@dataclass(frozen=True)
class Record:
    """One event on its way to disk, with the task state and the log lines that it made."""

    event: EventBase
    task: TaskState | None
    lines: list[str]


ROWS_A_STATEMENT = 1000
"""Rows of one INSERT; SQLite takes 32,766 values."""


def insert(connection: sqlite3.Connection, table: str, rows: list[tuple[object, ...]]) -> None:
    """Insert or replace the rows with as few statements as possible.

    Python gives up its lock at every step of SQLite and has to queue for it again: with a row a step, a busy event
    loop would keep its own writer waiting at each of them.
    """
    for start in range(0, len(rows), ROWS_A_STATEMENT):
        part = rows[start : start + ROWS_A_STATEMENT]
        row = f"({', '.join('?' * len(part[0]))})"
        values = [value for entry in part for value in entry]
        connection.execute(f"INSERT OR REPLACE INTO {table} VALUES {', '.join([row] * len(part))}", values)


def storable(text: str) -> str:
    """Text that UTF-8 can carry: lone surrogates (odd model output, file names that are no UTF-8) become escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def as_json(model: BaseModel) -> str:
    try:
        return model.model_dump_json()
    except PydanticSerializationError:  # a lone surrogate somewhere in it
        return storable(json.dumps(model.model_dump(), ensure_ascii=False))


class Writer(threading.Thread):
    """The only writer: takes whatever has queued up and commits it in one transaction."""

    def __init__(self, path: Path, log: TextIO, redact: Redactor, on_failure: Callable[[], None]) -> None:
        super().__init__(name="agentbatch-store", daemon=True)
        self._path = path
        self._log = log
        self._redact = redact
        self._on_failure = on_failure
        self._queue: SimpleQueue[Record | Callable[[], None] | None] = SimpleQueue()
        self.failure = ""

    def put(self, record: Record) -> None:
        self._queue.put(record)

    def when_committed(self, callback: Callable[[], None]) -> None:
        """Call back, in the writer thread, once everything put before is on disk (or the writer has failed)."""
        self._queue.put(callback)

    def stop(self) -> None:
        """Commit what is queued and end the thread."""
        self._queue.put(None)
        self.join()

    def run(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous=NORMAL")
            while self._commit_batch(connection):
                pass
        finally:
            connection.close()

    def _commit_batch(self, connection: sqlite3.Connection) -> bool:
        records: list[Record] = []
        callbacks: list[Callable[[], None]] = []
        running = True
        item = self._queue.get()
        while True:
            if item is None:
                running = False
            elif isinstance(item, Record):
                records.append(item)
            else:
                callbacks.append(item)
            if not running or self._queue.empty():
                break
            item = self._queue.get()
        if records and not self.failure:
            try:
                self._write(connection, records)
            except Exception as error:  # noqa: BLE001 - a dead writer would leave every flush waiting for ever
                self.failure = f"The run's files cannot be written ({self._path.parent}): {error}."
                self._on_failure()
        for callback in callbacks:
            callback()
        return running

    def _write(self, connection: sqlite3.Connection, records: list[Record]) -> None:
        rows: list[tuple[object, ...]] = []
        messages: list[tuple[object, ...]] = []
        tasks: dict[str, TaskState] = {}
        lines: list[str] = []
        for record in records:
            event = record.event
            if isinstance(event, MessageAdded):
                text = self._redact(storable(json.dumps(event.message, ensure_ascii=False)))
                messages.append((event.task_id, event.generation, event.index, text))
                body = event.model_dump_json(exclude={"message"})
            else:
                body = self._redact(as_json(event))
            rows.append(
                (event.seq, event.ts, getattr(event, "task_id", None), getattr(event, "type", ""), body)
            )
            if record.task is not None:
                tasks[record.task.id] = record.task
            lines.extend(record.lines)
        connection.execute("BEGIN IMMEDIATE")
        try:
            insert(connection, "events", rows)
            insert(connection, "messages", messages)
            states = [(t.id, t.index, t.status, self._redact(as_json(t))) for t in tasks.values()]
            insert(connection, "tasks", states)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        if lines:
            self._log.write(self._redact("\n".join(lines)) + "\n")
            self._log.flush()


def create_database(path: Path) -> None:
    """Make an empty run database. WAL, so that viewers read while the engine writes."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(SCHEMA)
        connection.execute("INSERT INTO meta VALUES ('schema_version', ?)", (str(SCHEMA_VERSION),))
    finally:
        connection.close()


def open_database(path: Path) -> sqlite3.Connection:
    """A read-only connection to a run's database. Raises UserError when it is none, or of another version."""
    if not path.is_file():
        raise UserError(f"There is no run database {path}.")
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        (version,) = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    except (sqlite3.Error, TypeError) as error:
        connection.close()
        raise UserError(f"{path} is not a run database of agentbatch: {error}.") from None
    if int(version) != SCHEMA_VERSION:
        connection.close()
        raise UserError(f"{path} was written by another version of agentbatch (schema {version}).")
    return connection


def load_state(connection: sqlite3.Connection) -> RunState:
    """The run's state from its folded tasks: as many rows as tasks, however long the history."""
    state = RunState()
    for kind in ("run_started", "run_finished"):
        row = connection.execute(
            "SELECT body FROM events WHERE type = ? ORDER BY seq DESC LIMIT 1", (kind,)
        ).fetchone()
        if row:
            state.apply(_events.validate_json(row[0]))
    for (body,) in connection.execute("SELECT body FROM events WHERE type = 'notice' ORDER BY seq"):
        state.apply(_events.validate_json(body))
    for (body,) in connection.execute("SELECT body FROM tasks ORDER BY position"):
        state.put(TaskState.model_validate_json(body))
    state.bills = merge_bills(task.bills for task in state.tasks.values())
    (state.last_seq,) = connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()
    return state


def load_messages(connection: sqlite3.Connection, task_id: str) -> list[dict[str, object]]:
    """The coder's conversation of a task as it stands: the last generation, in order."""
    rows = connection.execute(
        "SELECT body FROM messages WHERE task_id = ? AND generation = "
        "(SELECT max(generation) FROM messages WHERE task_id = ?) ORDER BY position",
        (task_id, task_id),
    )
    return [json.loads(body) for (body,) in rows]
