"""All that a run's database has of one task, in order: its events, each message with what it says."""

import json
import sqlite3

from agentbatch.runs.events import Event, MessageAdded
from agentbatch.runs.store.stored_json import read_event, read_model

_EVENTS = """
SELECT e.type, e.body, m.body FROM events e LEFT JOIN messages m ON e.type = 'message' AND m.task_id = e.task_id
  AND m.generation = json_extract(e.body, '$.generation') AND m.position = json_extract(e.body, '$.index')
WHERE e.task_id = ? AND e.seq >= ? AND e.type {types}
ORDER BY e.seq
"""
_ALL = _EVENTS.format(types="NOT IN ('model_call_started', 'model_call_sent', 'rate_limited')")
_CONVERSATION = _EVENTS.format(types="IN ('message', 'model_call_finished')")


def load_task_events(connection: sqlite3.Connection, task_id: str, since: int = 0) -> list[Event]:
    """From event number `since` on. Raises ValueError for what is no event or message of ours."""
    return [_event(*row) for row in connection.execute(_ALL, (task_id, since))]


def load_conversation(connection: sqlite3.Connection, task_id: str, since: int) -> list[Event]:
    """The same of its messages and model calls alone: what a transcript is made of."""
    return [_event(*row) for row in connection.execute(_CONVERSATION, (task_id, since))]


def _event(kind: str, body: str, message: str | None) -> Event:
    if kind != "message":
        return read_event(kind, body)
    said = json.loads(message) if message is not None else {}
    return read_model(MessageAdded, body).model_copy(
        update={"message": said if isinstance(said, dict) else {}}
    )
