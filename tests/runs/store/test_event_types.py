"""An event class says itself where it belongs: these tests define types of their own, and touch no list."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import ClassVar, Literal

import pytest

from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.store import database
from agentbatch.runs.store.history import load_histories
from agentbatch.runs.store.store import Store
from agentbatch.runs.store.tail import RunTail
from tests.runs.requests_run import requests_run
from tests.runs.stored_runs import begin, work


class Weather(e.Event):
    replay: ClassVar[e.Replay] = "every"
    type: Literal["test_weather"] = "test_weather"
    text: str


class Level(e.Event):
    replay: ClassVar[e.Replay] = "latest"
    type: Literal["test_level"] = "test_level"
    metres: float


class Aside(e.Event):
    type: Literal["test_aside"] = "test_aside"


class Mark(e.TaskEvent):
    resumes: ClassVar[bool] = True
    type: Literal["test_mark"] = "test_mark"
    place: int


def replayed(path: Path) -> list[e.Event]:
    with closing(database.open_database(path)) as connection:
        return [event for event in database.load_run_events(connection) if event.type.startswith("test_")]


async def test_it_survives_close_and_reopen(tmp_path: Path) -> None:
    store = begin(tmp_path)
    for event in (Weather(text="sun"), Level(metres=1), Aside(), Level(metres=2), Weather(text="rain")):
        store.emit(event)
    await store.close()
    again = Store(store.folder, Redactor([]), resume=True)
    again.emit(Weather(text="snow"))
    await again.close()
    found = replayed(store.folder.database)
    assert [event.model_dump(exclude={"seq", "ts"}) for event in found] == [
        {"type": "test_weather", "text": "sun"},
        {"type": "test_level", "metres": 2.0},
        {"type": "test_weather", "text": "rain"},
        {"type": "test_weather", "text": "snow"},
    ]
    with closing(RunTail(store.folder)) as tail:
        tail.state.last_seq = 0
        seen = [event.type for event in tail.poll() if event.type.startswith("test_")]
    assert seen == ["test_weather", "test_level", "test_aside", "test_level", "test_weather", "test_weather"]


async def test_it_is_there_when_its_task_is_resumed(tmp_path: Path) -> None:
    store = begin(tmp_path)
    work(store, "t0")
    store.emit(Mark(task_id="t0", place=7))
    await store.close()
    again = Store(store.folder, Redactor([]), resume=True)
    with closing(database.open_database(store.folder.database)) as connection:
        history = load_histories(connection, [again.state.tasks["t0"]])["t0"]
    await again.close()
    assert history.events[-1].model_dump(exclude={"ts", "seq"}) == {
        "type": "test_mark",
        "task_id": "t0",
        "place": 7,
    }


async def test_the_index_finds_it_without_reading_every_event(tmp_path: Path) -> None:
    store = begin(tmp_path)
    await store.close()
    with closing(database.open_database(store.folder.database)) as connection:
        asked: list[str] = []
        connection.set_trace_callback(asked.append)
        database.load_run_events(connection)
        database.load_info(connection)
        connection.set_trace_callback(None)
        plans = [row[3] for text in asked for row in connection.execute(f"EXPLAIN QUERY PLAN {text}")]
    assert [plan for plan in plans if "run_events" in plan]
    assert not [plan for plan in plans if plan.startswith("SCAN events")]


def index_of(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'run_events'").fetchone()
    return str(sql)


FIRST_INDEX = (
    "CREATE INDEX run_events ON events (type) WHERE type IN "
    "('run_started', 'run_finished', 'notice', 'concurrency_changed', 'paused', 'resumed')"
)


def give_index_of_the_first_versions(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"DROP INDEX run_events; {FIRST_INDEX};")


async def test_a_file_with_the_index_of_the_first_versions(tmp_path: Path) -> None:
    """What that index does not name is found all the same, and the next engine makes today's."""
    folder = await requests_run(tmp_path)
    sql = index_of(folder.database)
    assert "requests_progressed" in sql
    give_index_of_the_first_versions(folder.database)
    before = database.read_state(folder.database)
    assert before.requests is not None
    assert before.bills
    store = Store(folder, Redactor([]), resume=True)
    assert (store.state.requests, store.state.bills) == (before.requests, before.bills)
    await store.close()
    with closing(database.open_database(folder.database)) as connection:
        info = database.load_info(connection)
    assert index_of(folder.database) == sql
    assert info is not None


async def test_stopped_between_the_old_index_and_the_new_one_the_old_one_stays(tmp_path: Path) -> None:
    folder = await requests_run(tmp_path)
    give_index_of_the_first_versions(folder.database)

    def refuse(action: int, *_: object) -> int:
        return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_CREATE_INDEX else sqlite3.SQLITE_OK

    with closing(sqlite3.connect(folder.database, isolation_level=None)) as connection:
        connection.set_authorizer(refuse)
        with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
            database.prepare_for_writing(connection)
        assert not connection.in_transaction
    assert index_of(folder.database) == FIRST_INDEX


async def test_a_type_of_a_newer_version_does_no_harm(tmp_path: Path) -> None:
    store = begin(tmp_path)
    work(store, "t0")
    await store.close()
    with closing(sqlite3.connect(store.folder.database)) as connection:
        for task in (None, "t0"):
            connection.execute(
                "INSERT INTO events (ts, task_id, type, body) VALUES (9.0, ?, 'from_the_future', "
                """'{"type": "from_the_future", "seq": 99, "ts": 9.0, "shape": {"new": 1}}')""",
                (task,),
            )
        connection.commit()
    with closing(RunTail(store.folder)) as tail:
        tail.state.last_seq = store.state.last_seq
        news = tail.poll()
        assert [(type(event), event.type) for event in news] == [(e.Event, "from_the_future")] * 2
        assert tail.state.tasks["t0"].status == "coding"
    assert database.read_state(store.folder.database).tasks == store.state.tasks


def test_what_a_class_says_fits_together() -> None:
    kinds = [kind for name, kind in e.EVENT_TYPES.items() if not name.startswith("test_")]
    assert kinds
    for kind in kinds:
        if kind.replay != "none" or kind.resumes:
            assert kind.stored
        # What an event says of a task stands in the task's own row.
        assert not (issubclass(kind, e.TaskEvent) and kind.replay != "none")


def test_two_classes_cannot_have_one_type() -> None:
    with pytest.raises(TypeError, match="'notice'"):

        class Other(e.Event):
            type: Literal["notice"] = "notice"

    assert e.EVENT_TYPES["notice"] is e.Notice


def test_a_state_takes_an_event_that_it_does_not_know() -> None:
    state = RunState()
    assert state.apply(Weather(text="sun", seq=3)) is None
    assert state.last_seq == 3
