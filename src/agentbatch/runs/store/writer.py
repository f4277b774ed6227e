"""Writing a run's database and log: events, folded tasks and messages of one batch in one transaction."""

import json
import sqlite3
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from agentbatch.files import open_own
from agentbatch.redaction import Redactor
from agentbatch.runs.events import Event, MessageAdded, ModelCallProgressed
from agentbatch.runs.state.task_state import TaskState
from agentbatch.runs.store.database import prepare_for_writing

Row = tuple[*tuple[object, ...], str]
"""Values of a row, its JSON last."""

ROWS_A_STATEMENT = 1000
"""Rows of one INSERT; SQLite takes 32,766 values."""


class Record(NamedTuple):
    """One event on its way to disk, with the task state and the log lines that it made."""

    event: Event
    task: TaskState | None
    lines: list[str]


class Writer:
    """The only writer of a run. Commits at once, on the caller's thread.

    A commit in WAL mode with synchronous=NORMAL appends to a file and waits for no disk: about 0.1 ms. Waiting for
    disks is the checkpoint's part, which `checkpoint` does on another thread and connection.
    """

    def __init__(self, path: Path, log: Path, redact: Redactor) -> None:
        """Raises OSError, sqlite3.Error."""
        self._path = path
        self._redact = redact
        self._log = open(log, "a", encoding="utf-8", errors="backslashreplace", opener=open_own)  # noqa: SIM115
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=10.0, check_same_thread=False)
        try:
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute("PRAGMA wal_autocheckpoint=0")
            prepare_for_writing(self._connection)
        except sqlite3.Error:
            self.close()
            raise

    def commit(self, records: Sequence[Record], progress: Collection[ModelCallProgressed] = ()) -> None:
        """`progress`: what streams in, for viewers. Raises OSError when the files cannot be written; then nothing of
        `records` is."""
        try:
            self._write(records, progress)
        except sqlite3.Error as error:
            raise OSError(str(error)) from None

    def checkpoint(self) -> None:
        """Move what was committed from the write-ahead log into the database. For another thread."""
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=0.0)
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.OperationalError:
            pass  # busy or out of space: the log stays as it is, and the next commit reports it
        finally:
            connection.close()

    def close(self) -> None:
        self._connection.close()
        self._log.close()

    def _write(self, records: Sequence[Record], progress: Collection[ModelCallProgressed]) -> None:
        rows: list[Row] = []
        messages: list[Row] = []
        tasks: dict[str, TaskState] = {}
        for record in records:
            event = record.event
            if isinstance(event, MessageAdded):
                text = _storable(json.dumps(event.message, ensure_ascii=False))
                messages.append((event.task_id, event.generation, event.index, text))
                body = event.model_dump_json(exclude={"message"})
            else:
                body = _as_json(event)
            rows.append((event.seq, event.ts, getattr(event, "task_id", None), event.type, body))
            if record.task is not None:
                tasks[record.task.id] = record.task
        states: list[Row] = [(t.id, t.index, t.status, _as_json(t)) for t in tasks.values()]
        streams: list[Row] = [(event.task_id, event.seq, _as_json(event)) for event in progress]
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._insert("events", rows)
            self._insert("messages", messages)
            self._insert("tasks", states)
            self._insert("progress", streams)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        lines = [line for record in records for line in record.lines]
        if lines:
            self._log.write(self._redact("\n".join(lines)) + "\n")
            self._log.flush()

    def _insert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert or replace with few statements: Python lets go of its lock at every step of SQLite. The last value of
        a row is its JSON, of which keys are kept out here."""
        for start in range(0, len(rows), ROWS_A_STATEMENT):
            part = rows[start : start + ROWS_A_STATEMENT]
            row = f"({', '.join('?' * len(part[0]))})"
            texts = self._redact.each([entry[-1] for entry in part])
            values = [value for entry, text in zip(part, texts, strict=True) for value in (*entry[:-1], text)]
            self._connection.execute(
                f"INSERT OR REPLACE INTO {table} VALUES {', '.join([row] * len(part))}", values
            )


def _storable(text: str) -> str:
    """Text that UTF-8 can carry: lone surrogates (odd model output, file names that are no UTF-8) become escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _as_json(model: BaseModel) -> str:
    try:
        return model.model_dump_json()
    except PydanticSerializationError:  # a lone surrogate somewhere in it
        return _storable(json.dumps(model.model_dump(), ensure_ascii=False))
