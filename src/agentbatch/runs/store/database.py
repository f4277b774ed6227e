"""The run's one SQLite file: its schema, and opening a run for reading. `writer.py` writes it.

Tables: `events` is append-only; `tasks` holds each task's folded state, written in the same transaction as
the events that made it; `messages` holds the coders' conversations; `commands` is how viewers talk to the
engine; `progress` holds what streams in, a row a task, while the run is watched. Each document of a task is one JSON
text.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from operator import attrgetter
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.files import open_own
from agentbatch.runs.events import EVENT_TYPES, Event, ModelCallProgressed, Replay, RunStarted
from agentbatch.runs.garbage import gc_paused
from agentbatch.runs.state.bills import merge_bills
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.runs.store.stored_json import DAMAGE, read_event, read_model
from agentbatch.text import clip

SCHEMA_VERSION = 2

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

ADDED = """
CREATE TABLE IF NOT EXISTS progress (task_id TEXT PRIMARY KEY, seq INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS task_events ON events (task_id) WHERE task_id IS NOT NULL;
"""
"""What came to schema 2 later; readers do without it."""

_FIRST_INDEX = "type IN ('run_started', 'run_finished', 'notice', 'concurrency_changed', 'paused', 'resumed')"
"""The condition of the index in files of the first versions: what it does not name is found by reading every event."""


def replayed_types(*modes: Replay) -> str:
    """The types of events that are replayed so, as SQL. Event classes register themselves, so ask when it is needed."""
    return ", ".join(f"'{name}'" for name, kind in sorted(EVENT_TYPES.items()) if kind.replay in modes)


def _replayed() -> str:
    """The condition of the index. Word for word in the query too, else SQLite reads every event."""
    return f"type IN ({replayed_types('every', 'latest')})"


def _index_of(connection: sqlite3.Connection) -> str:
    """The condition of the file's index, if it is one of ours."""
    row = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'run_events'").fetchone()
    known = (_replayed(), _FIRST_INDEX)
    return next((condition for condition in known if row and row[0].endswith(condition)), "")


def _make_index() -> str:
    return f"DROP INDEX IF EXISTS run_events; CREATE INDEX run_events ON events (type) WHERE {_replayed()};"


def prepare_for_writing(connection: sqlite3.Connection) -> None:
    """Add what came to the schema later, and the index over what is replayed today. Raises sqlite3.Error."""
    known = _index_of(connection) == _replayed()
    run_script(connection, ADDED if known else ADDED + _make_index())


def create_database(path: Path) -> None:
    """Make an empty run database. WAL, so that viewers read while the engine writes."""
    os.close(
        open_own(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    )  # the files that SQLite makes beside it have its mode
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        # The disk is waited for when this closes, not at each step before: half of the time.
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        version = f"INSERT INTO meta VALUES ('schema_version', '{SCHEMA_VERSION}');"
        run_script(connection, SCHEMA + ADDED + _make_index() + version)
    finally:
        connection.close()


def run_script(connection: sqlite3.Connection, script: str) -> None:
    """All of its statements or none, also when it is killed in the middle. Raises sqlite3.Error."""
    try:
        connection.executescript(f"BEGIN IMMEDIATE; {script} COMMIT;")
    except sqlite3.Error:
        connection.rollback()
        raise


def open_database(path: Path) -> sqlite3.Connection:
    """A read-only connection to a run's database. Raises UserError for another file, or another version."""
    if not path.is_file():
        raise UserError(f"There is no run database {path}.")
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        if not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists():
            # A place where SQLite cannot make the files that it shares with a writer; there is none.
            connection.close()
            connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        (version,) = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    except (sqlite3.Error, TypeError) as error:
        connection.close()
        raise UserError(f"{path} is not a run database of agentbatch: {error}.") from None
    if str(version) != str(SCHEMA_VERSION):
        connection.close()
        raise UserError(f"{path} was written by another version of agentbatch (schema {version}).")
    return connection


@contextmanager
def reading(path: Path, problem: str = "cannot be read") -> Iterator[sqlite3.Connection]:
    """`open_database` for as long as this lasts; what goes wrong meanwhile is a UserError too."""
    with closing(open_database(path)) as connection:
        try:
            yield connection
        except DAMAGE as error:
            raise UserError(f"{path} {problem}: {clip(str(error), 200)}.") from None


def load_info(connection: sqlite3.Connection) -> RunStarted | None:
    """What the run said of itself when its latest session began."""
    row = connection.execute(
        f"SELECT body FROM events WHERE {_index_of(connection) or _replayed()} AND type = 'run_started' "
        "ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    return read_model(RunStarted, row[0]) if row else None


_SAID = ("said", "first_prompt", "last_response", "last_evaluation", "verdicts", "last_verify")
_OUTLINE = "json_remove(body, {})".format(", ".join(f"'$.{name}'" for name in _SAID))
"""A task without what was said in it: a quarter of the time and the memory."""


def load_state(connection: sqlite3.Connection, *, outline: bool = False) -> RunState:
    """The run's state from its folded tasks: as many rows as tasks, however long the history.

    `outline` leaves prompts, answers, verdicts and the check's output out of the tasks: for looking at many.
    """
    state = RunState()
    body = _OUTLINE if outline else "body"
    with _snapshot(connection), gc_paused():
        # Sorted here: SQLite would sort whole bodies, through files.
        rows = connection.execute(f"SELECT {body} FROM tasks")
        found = [read_model(TaskState, text) for (text,) in rows]
        # Attempts behind the tasks that they are attempts at.
        for task in sorted(found, key=attrgetter("index", "attempt_of", "id")):
            state.put(task)
        state.bills = merge_bills(task.bills for task in state.tasks.values())
        for event in load_run_events(connection):
            state.apply(event)
        (state.last_seq,) = connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()
    return state


def load_run_events(connection: sqlite3.Connection) -> list[Event]:
    """What a state holds beside its tasks, in order."""
    rows = connection.execute(
        f"SELECT type, body FROM events WHERE {_replayed()} AND (type IN ({replayed_types('every')}) OR seq IN "
        f"(SELECT max(seq) FROM events WHERE {_replayed()} AND type IN ({replayed_types('latest')}) GROUP BY type)) "
        "ORDER BY seq"
    )
    return [event for kind, text in rows if (event := read_event(kind, text)).of_run]


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """All reads see the same moment, though an engine writes meanwhile."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.rollback()


def read_state(path: Path) -> RunState:
    """The state of the run whose database this is. Raises UserError."""
    with reading(path, "is damaged") as connection:
        return load_state(connection)


def load_coders_at_work(connection: sqlite3.Connection) -> dict[str, tuple[str, ...]]:
    """Who has worked on the tasks, and attempts, that have begun and may go on, by id (`TaskState.coders`)."""
    rows = connection.execute(
        # Most tasks are completed, and nothing in them has to be looked for.
        "SELECT id, json_extract(body, '$.coders') FROM tasks WHERE status != 'completed' "
        "AND json_extract(body, '$.iteration') > 0 "
        "AND (json_extract(body, '$.finished_at') IS NULL OR json_extract(body, '$.resumable'))"
    )
    return {task_id: tuple(json.loads(coders or "[]")) for task_id, coders in rows}


def load_task(connection: sqlite3.Connection, task_id: str) -> TaskState | None:
    """One task, whole."""
    row = connection.execute("SELECT body FROM tasks WHERE id = ?", (task_id,)).fetchone()
    return read_model(TaskState, row[0]) if row else None


def load_events(connection: sqlite3.Connection, after: int, most: int) -> list[Event]:
    """The events behind number `after`, at most `most`, in order."""
    rows = connection.execute(
        "SELECT type, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (after, most)
    ).fetchall()
    return [read_event(kind, text) for kind, text in rows]


def load_progress(connection: sqlite3.Connection) -> list[Event]:
    """What streams in, a ModelCallProgressed a task; none in a run of an earlier version."""
    try:
        rows = connection.execute("SELECT body FROM progress").fetchall()
    except sqlite3.OperationalError:
        return []
    return [read_model(ModelCallProgressed, text) for (text,) in rows]


def load_messages(connection: sqlite3.Connection, task_id: str) -> list[dict[str, object]]:
    """The coder's conversation of a task as it stands: the last generation, in order."""
    rows = connection.execute(
        "SELECT body FROM messages WHERE task_id = ? AND generation = "
        "(SELECT max(generation) FROM messages WHERE task_id = ?) ORDER BY position",
        (task_id, task_id),
    )
    return [json.loads(body) for (body,) in rows]
