import asyncio
import json
import sqlite3
from datetime import datetime
from itertools import count
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder, create_run_folder
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.store.database import load_messages, load_state, open_database
from agentbatch.runs.store.store import Store
from agentbatch.usage import Usage
from tests.support.run_events import run_started

KEY = "sk-very-secret-0123456789"


def a_store(tmp_path: Path) -> Store:
    ticks = count(1_000_000)
    folder = create_run_folder(tmp_path, datetime(2026, 1, 2, 3, 4, 5))
    return Store(folder, Redactor([KEY]), clock=lambda: float(next(ticks)))


def started(tasks: int) -> e.RunStarted:
    return run_started(tasks, warnings=["mind the gap"])


def call(task_id: str, role: e.Role, cost: float | None) -> e.ModelCallFinished:
    return e.ModelCallFinished(
        task_id=task_id,
        role=role,
        model="m",
        usage=Usage(input=100, cached=50, output=10, calls=1),
        cost=cost,
        cost_input=cost,
        cost_output=cost and 0.0,
        latency=1.0,
        attempts=1,
    )


def play(store: Store) -> None:
    store.emit(started(2))
    for n, task_id in enumerate(("a", "b")):
        store.emit(e.TaskQueued(task_id=task_id, index=n, dir=task_id, first_prompt="做", max_iterations=4))
    store.emit(e.TaskStarted(task_id="a"))
    store.emit(e.IterationStarted(task_id="a", iteration=1, prompt="做"))
    for n, text in enumerate(("hello", f"the key is {KEY}")):
        store.emit(e.MessageAdded(task_id="a", index=n, message={"role": "user", "content": text}))
    store.emit(call("a", "coder", 0.25))
    store.emit(call("a", "evaluator", 0.5))
    store.emit(call("b", "coder", None))
    store.emit(e.CheckFinished(task_id="a", command=f"echo {KEY}", exit_code=1, tail="t", seconds=1))
    store.emit(
        e.VerdictReached(
            task_id="a", iteration=1, accepted=True, verdict=None, decision="done", tampering=["test_x.py"]
        )
    )
    store.emit(e.TaskFinished(task_id="a", status="completed", reason="accepted", last_response="ok"))
    store.emit(e.Notice(text="learnt something"))


def reopened(folder: RunFolder) -> RunState:
    connection = open_database(folder.database)
    try:
        return load_state(connection)
    finally:
        connection.close()


async def test_what_is_read_back_is_what_was_folded(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    play(store)
    store.flush()
    read = reopened(store.folder)
    # The key is masked on its way to disk, and only there.
    assert read.tasks["b"] == store.state.tasks["b"]
    assert read.tasks["a"].model_copy(update={"last_verify": None}) == store.state.tasks["a"].model_copy(
        update={"last_verify": None}
    )
    assert read.info == store.state.info
    assert read.bills == store.state.bills
    assert {k: n for k, n in read.counts.items() if n} == {k: n for k, n in store.state.counts.items() if n}
    assert read.notices == ["mind the gap", "learnt something"]
    assert read.last_seq == store.state.last_seq == 14
    await store.close()


async def test_what_is_only_for_watchers_is_seen_and_not_written(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    seen: list[tuple[str, int, float, int]] = []
    store.listen(lambda event, state: seen.append((event.type, event.seq, event.ts, state.last_seq)))
    play(store)
    store.flush()
    log = store.folder.log.read_bytes()
    store.emit(e.ModelCallProgressed(task_id="b", role="coder", tokens=212, seconds=18.0))
    assert store.state.tasks["b"].activity.tokens == 212
    assert seen[-1] == ("model_call_progressed", 14, 1_000_014.0, 14)
    store.flush()
    assert store.folder.log.read_bytes() == log
    store.emit(e.Notice(text="after it"))
    await store.close()
    with sqlite3.connect(store.folder.database) as connection:
        rows = connection.execute("SELECT seq, type FROM events ORDER BY seq").fetchall()
    assert [seq for seq, _ in rows] == list(range(1, 16)), "no hole in the numbers"
    assert "model_call_progressed" not in {kind for _, kind in rows}


async def test_costs_add_up_and_an_unknown_price_is_never_nothing(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    play(store)
    state = store.state
    assert state.tasks["a"].cost == 0.75
    assert state.tasks["a"].usage == Usage(input=200, cached=100, output=20, calls=2)
    assert state.tasks["b"].cost is None
    assert state.cost is None
    await store.close()


async def test_the_key_is_in_no_file(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    play(store)
    await store.close()
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
    assert "learnt something" in store.folder.log.read_text(encoding="utf-8")


async def test_messages_of_the_last_generation_are_the_conversation(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    play(store)
    store.emit(e.MessageAdded(task_id="a", generation=1, index=0, message={"role": "user", "content": "x"}))
    store.flush()
    connection = open_database(store.folder.database)
    assert load_messages(connection, "a") == [{"role": "user", "content": "x"}]
    assert load_messages(connection, "b") == []
    bodies = [json.loads(b) for (b,) in connection.execute("SELECT body FROM events WHERE type = 'message'")]
    assert all("message" not in body for body in bodies)
    connection.close()
    await store.close()


async def test_a_second_engine_is_kept_out_and_told_by_whom(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    with pytest.raises(UserError, match="already being worked on by process [0-9]+ on "):
        RunFolder(store.folder.path).lock()
    await store.close()
    again = RunFolder(store.folder.path)
    again.lock()
    again.unlock()


async def test_a_full_disk_is_noticed_and_told(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.emit(started(0))
    store.flush()
    connection = sqlite3.connect(store.folder.database)
    connection.execute("DROP TABLE events")
    connection.close()
    watch = asyncio.ensure_future(store.failed())
    store.emit(e.Notice(text="lost"))
    with pytest.raises(OSError, match="cannot be written"):
        store.flush()
    assert "cannot be written" in await watch
    await store.close()


def test_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    with pytest.raises(UserError, match="There is no run database"):
        open_database(path)
    path.write_text("hello", encoding="utf-8")
    with pytest.raises(UserError, match="is not a run database"):
        open_database(path)
