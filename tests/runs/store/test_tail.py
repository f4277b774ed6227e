"""Following a run through its database."""

import asyncio
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.store.database import load_state, open_database
from agentbatch.runs.store.store import COMMIT_WITHIN, Store
from agentbatch.runs.store.tail import RunTail
from agentbatch.runs.store.viewers import is_watched
from agentbatch.usage import Usage
from tests.runs import stored_runs


def generating(store: Store, task_id: str) -> None:
    """A call of the task is under way."""
    store.emit(e.TaskStarted(task_id=task_id))
    store.emit(e.ModelCallStarted(task_id=task_id, role="coder", model="m-coder"))
    store.flush()


async def committed() -> None:
    await asyncio.sleep(2 * COMMIT_WITHIN)


async def test_it_folds_what_the_engine_folds(tmp_path: Path) -> None:
    store = stored_runs.begin(tmp_path, 3)
    tail = RunTail(store.folder)
    assert [task.status for task in tail.state.tasks.values()] == ["queued"] * 3
    stored_runs.work(store, "t0")
    stored_runs.work(store, "t1")
    stored_runs.end(store, "t0")
    store.emit(e.Paused(task_id=None))
    store.emit(e.ConcurrencyChanged(max_concurrent=7))
    store.flush()
    read = tail.poll()
    assert [event.type for event in read[:2]] == ["task_started", "iteration_started"]
    with open_database(store.folder.database) as connection:
        fresh = load_state(connection, outline=True)
    assert tail.state.tasks == fresh.tasks
    assert tail.state.bills == fresh.bills == store.state.bills
    assert tail.state.counts == {"completed": 1, "coding": 1, "queued": 1}
    assert tail.state.paused
    assert tail.state.max_concurrent == 7
    assert tail.poll() == []
    assert tail.alive
    assert tail.condition == "running"
    store.emit(e.RunFinished())
    await store.close()
    assert [event.type for event in tail.poll()] == ["run_finished"]
    assert not tail.alive
    assert tail.condition == "interrupted"
    tail.close()


async def test_it_catches_up_in_several_looks(tmp_path: Path) -> None:
    store = stored_runs.begin(tmp_path, 1)
    tail = RunTail(store.folder)
    for number in range(25):
        store.emit(e.Notice(text=f"n{number}"))
    store.flush()
    await store.close()
    assert [len(tail.poll(10)) for _ in range(4)] == [10, 10, 5, 0]
    assert tail.state.notices == [f"n{number}" for number in range(25)]
    assert not tail.alive
    tail.close()


async def test_a_run_is_alive_until_its_last_words_are_read(tmp_path: Path) -> None:
    store = stored_runs.begin(tmp_path, 1)
    tail = RunTail(store.folder)
    for number in range(5):
        store.emit(e.Notice(text=f"n{number}"))
    store.emit(e.RunFinished())
    await store.close()
    alive = []
    while tail.poll(2):
        alive.append(tail.alive)
    assert alive == [True, True, True]
    assert not tail.alive
    tail.close()


async def test_what_streams_in_is_seen_by_who_looks_on(tmp_path: Path) -> None:
    store = stored_runs.begin(tmp_path, 2)
    generating(store, "t0")
    tail = RunTail(store.folder)
    tail.poll()
    assert is_watched(store.folder.path)
    store.emit(e.ModelCallProgressed(task_id="t0", role="coder", tokens=212, seconds=3.0, text="def f("))
    await committed()
    (event,) = tail.poll()
    assert isinstance(event, e.ModelCallProgressed)
    activity = tail.state.tasks["t0"].activity
    assert (activity.kind, activity.tokens, activity.text) == ("generating", 212, "def f(")
    assert tail.poll() == []  # nothing new
    store.emit(e.ModelCallFinished(
        task_id="t0", role="coder", model="m-coder", usage=Usage(input=1, output=1, calls=1), cost=None,
        latency=1.0, attempts=1,
    ))  # fmt: skip
    store.flush()
    tail.poll()
    assert tail.state.tasks["t0"].activity.tokens == 0
    late = RunTail(store.folder)  # for whom the call is long over
    assert late.poll() == []
    assert late.state.tasks["t0"].activity.kind == "idle"
    await store.close()
    tail.close()
    late.close()


async def test_what_streams_in_is_not_written_for_nobody(tmp_path: Path) -> None:
    store = stored_runs.begin(tmp_path, 1)
    generating(store, "t0")
    store.emit(e.ModelCallProgressed(task_id="t0", role="coder", tokens=5, seconds=1.0))
    await committed()
    with open_database(store.folder.database) as connection:
        assert connection.execute("SELECT count(*) FROM progress").fetchone() == (0,)
    await store.close()


async def test_keys_in_what_streams_in_are_hidden(tmp_path: Path) -> None:
    key = "sk-very-secret-0123456789"
    store = stored_runs.begin(tmp_path, 1, keys=[key])
    generating(store, "t0")
    tail = RunTail(store.folder)
    tail.poll()
    store.emit(e.ModelCallProgressed(task_id="t0", role="coder", tokens=5, seconds=1.0, text=f"key {key}"))
    await committed()
    (event,) = tail.poll()
    assert key not in event.model_dump_json()
    await store.close()
    tail.close()


async def test_a_task_whole(tmp_path: Path) -> None:
    folder = await stored_runs.interrupted(tmp_path)
    tail = RunTail(folder)
    assert tail.state.tasks["t1"].first_prompt == ""
    whole = tail.task("t1")
    assert whole is not None
    assert (whole.first_prompt, whole.error) == ("p", "no sales.csv")
    assert tail.task("nobody") is None
    assert (tail.begun > 0, tail.last >= tail.begun, tail.condition) == (True, True, "interrupted")
    tail.close()


async def test_a_run_that_was_killed(tmp_path: Path) -> None:
    tail = RunTail(await stored_runs.left_behind(tmp_path))
    assert tail.condition == "died"
    tail.close()


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run database"):
        RunTail(RunFolder(tmp_path))


async def test_a_damaged_run(tmp_path: Path) -> None:
    folder = await stored_runs.finished(tmp_path)
    pages = bytearray(folder.database.read_bytes())
    pages[200:] = b"\x00" * (len(pages) - 200)
    folder.database.write_bytes(pages)
    with pytest.raises(UserError, match=r"run\.db"):
        RunTail(folder)
