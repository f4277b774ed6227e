"""What a run's database says of tasks that were under way when it was interrupted."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from agentbatch.model.reply import Message
from agentbatch.runs.events import EVENT_TYPES, Event
from agentbatch.runs.state.task_state import TaskState
from agentbatch.runs.store.stored_json import read_event

IDS_A_STATEMENT = 500


@dataclass
class TaskHistory:
    """One task since it began (again)."""

    generation: int = -1
    """Of its latest conversation; -1: there is none."""
    messages: list[Message] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    """Those that say where it stands (`Event.resumes`), in order."""


def load_histories(connection: sqlite3.Connection, tasks: Sequence[TaskState]) -> dict[str, TaskHistory]:
    """By task id. Reads the events from the first of the tasks' starts on, once; messages by their key."""
    found = {task.id: TaskHistory() for task in tasks}
    since = {task.id: task.since for task in tasks}
    first = min(since.values(), default=0)
    kinds = [name for name, kind in EVENT_TYPES.items() if kind.resumes]
    marks = ", ".join("?" * len(kinds))
    for start in range(0, len(tasks), IDS_A_STATEMENT):
        ids = [task.id for task in tasks[start : start + IDS_A_STATEMENT]]
        rows = connection.execute(
            f"SELECT seq, task_id, type, body FROM events WHERE seq >= ? AND type IN ({marks}) "
            f"AND task_id IN ({', '.join('?' * len(ids))}) ORDER BY seq",
            (first, *kinds, *ids),
        )
        for seq, task_id, kind, body in rows:
            if seq >= since[task_id]:
                found[task_id].events.append(read_event(kind, body))
    for task_id, history in found.items():
        history.generation = latest_generation(connection, task_id)
        rows = connection.execute(
            "SELECT body FROM messages WHERE task_id = ? AND generation = ? ORDER BY position",
            (task_id, history.generation),
        )
        history.messages = [_message(body, task_id) for (body,) in rows]
    return found


def _message(body: str, task_id: str) -> Message:
    """Raises ValueError."""
    message = json.loads(body)
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise ValueError(f"a message of task {task_id} is none")
    return message


def latest_generation(connection: sqlite3.Connection, task_id: str) -> int:
    """Of the task's conversations, -1 when it has none."""
    (generation,) = connection.execute(
        "SELECT coalesce(max(generation), -1) FROM messages WHERE task_id = ?", (task_id,)
    ).fetchone()
    return int(generation)
