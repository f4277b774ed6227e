"""What a run's database says of tasks that were under way when it was interrupted."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from agentbatch.model.reply import Message
from agentbatch.runs.events import Event
from agentbatch.runs.state import TaskState
from agentbatch.runs.store.stored_json import read_event

KINDS = (
    "iteration_started",
    "model_call_finished",
    "tool_called",
    "tool_finished",
    "turn_finished",
    "verdict",
)
"""The events from which a task's place is told."""

IDS_A_STATEMENT = 500


@dataclass
class TaskHistory:
    """One task since it began (again)."""

    generation: int = -1
    """Of its latest conversation; -1: there is none."""
    messages: list[Message] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    """Those of KINDS, in order."""


def load_histories(connection: sqlite3.Connection, tasks: Sequence[TaskState]) -> dict[str, TaskHistory]:
    """By task id. Reads the events from the first of the tasks' starts on, once; messages by their key."""
    found = {task.id: TaskHistory() for task in tasks}
    since = {task.id: task.since for task in tasks}
    first = min(since.values(), default=0)
    kinds = ", ".join("?" * len(KINDS))
    for start in range(0, len(tasks), IDS_A_STATEMENT):
        ids = [task.id for task in tasks[start : start + IDS_A_STATEMENT]]
        rows = connection.execute(
            f"SELECT seq, task_id, body FROM events WHERE seq >= ? AND type IN ({kinds}) "
            f"AND task_id IN ({', '.join('?' * len(ids))}) ORDER BY seq",
            (first, *KINDS, *ids),
        )
        for seq, task_id, body in rows:
            if seq >= since[task_id]:
                found[task_id].events.append(read_event(body))
    for task_id, history in found.items():
        history.generation = latest_generation(connection, task_id)
        rows = connection.execute(
            "SELECT body FROM messages WHERE task_id = ? AND generation = ? ORDER BY position",
            (task_id, history.generation),
        )
        history.messages = [json.loads(body) for (body,) in rows]
    return found


def latest_generation(connection: sqlite3.Connection, task_id: str) -> int:
    """Of the task's conversations, -1 when it has none."""
    (generation,) = connection.execute(
        "SELECT coalesce(max(generation), -1) FROM messages WHERE task_id = ?", (task_id,)
    ).fetchone()
    return int(generation)
