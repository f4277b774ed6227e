"""A run whose database is damaged: one sentence, whoever reads it."""

import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder, create_run_folder
from agentbatch.runs.listing import open_run
from agentbatch.runs.store.database import read_state, reading
from agentbatch.runs.store.history import load_histories
from agentbatch.runs.store.store import Store
from agentbatch.runs.store.tail import RunTail

EVENTS = ["", "nonsense", "[]", "{}", "5", '"text"', '{"task_id": 5}', "{" * 100_000, "[" * 100_000]
BODIES = {
    "events": ("UPDATE events SET body = ? WHERE type = 'iteration_started'", EVENTS),
    "numbers": ("UPDATE events SET body = CAST(? AS INTEGER)", ["5"]),
    "messages": ("UPDATE messages SET body = ?", [*EVENTS, "[1]", "null", '{"role": 5}', '{"content": "x"}']),
    "tasks": ("UPDATE tasks SET body = ?", EVENTS),
    "bytes": ("UPDATE messages SET body = CAST(x'ff00' || ? AS BLOB)", ["x"]),
}


@pytest.fixture
async def folder(tmp_path: Path) -> RunFolder:
    store = Store(create_run_folder(tmp_path, datetime(2026, 1, 2)), Redactor([]))
    store.emit(e.TaskQueued(task_id="t", index=0, dir="d", first_prompt="p", max_iterations=3))
    store.emit(e.TaskStarted(task_id="t"))
    store.emit(e.IterationStarted(task_id="t", iteration=1, prompt="p"))
    store.emit(e.MessageAdded(task_id="t", generation=0, index=0, message={"role": "user", "content": "p"}))
    await store.close()
    return store.folder


CASES = [(name, body) for name, (_, bodies) in BODIES.items() for body in bodies]


@pytest.mark.parametrize(("where", "body"), CASES, ids=lambda text: text[:12])
def test_what_is_damaged_is_told_when_the_run_is_resumed(folder: RunFolder, where: str, body: str) -> None:
    tasks = list(read_state(folder.database).tasks.values())
    with closing(sqlite3.connect(folder.database, isolation_level=None)) as connection:
        connection.execute(BODIES[where][0], (body,))
    with pytest.raises(UserError, match="damaged"):
        read_state(folder.database)
        with reading(folder.database, "is damaged") as connection:
            load_histories(connection, tasks)
    with suppress(UserError):  # whoever only looks sees it, or a sentence
        open_run(folder)
        tail = RunTail(folder)
        tail.poll()
        tail.task("t")
        tail.close()
