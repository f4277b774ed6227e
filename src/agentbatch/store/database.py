"""The run's one SQLite file: its schema, and opening a run for reading. `writer.py` writes it.

Tables: `events` is append-only; `tasks` holds each task's folded state, written in the same transaction as
the events that made it; `messages` holds the coders' conversations; `commands` is how viewers talk to the
engine. Each document of a task is one JSON text.
"""

import json
import sqlite3
from pathlib import Path

from pydantic import TypeAdapter

from agentbatch.errors import UserError
from agentbatch.store.bills import merge_bills
from agentbatch.store.events import Event
from agentbatch.store.state import RunState, TaskState

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
