"""What a database tells of tasks that were under way."""

from contextlib import closing
from pathlib import Path
from typing import Any

from agentbatch.runs import events as e
from agentbatch.runs.store.database import open_database
from agentbatch.runs.store.history import IDS_A_STATEMENT, TaskHistory, latest_generation, load_histories
from agentbatch.runs.store.store import Store
from tests.runs.stored_runs import begin, work


def say(store: Store, task_id: str, text: str, index: int = 0, generation: int = 0) -> None:
    message = {"role": "user", "content": text}
    store.emit(e.MessageAdded(task_id=task_id, generation=generation, index=index, message=message))


def load(store: Store, *task_ids: str) -> dict[str, TaskHistory]:
    store.flush()
    with closing(open_database(store.folder.database)) as connection:
        return load_histories(connection, [store.state.tasks[task_id] for task_id in task_ids])


def kinds(history: TaskHistory) -> list[str]:
    return [event.type for event in history.events]


def texts(history: TaskHistory) -> list[Any]:
    return [message["content"] for message in history.messages]


async def test_each_task_gets_its_own_events_in_order_and_its_messages(tmp_path: Path) -> None:
    store = begin(tmp_path)
    for name in ("t0", "t1"):
        work(store, name)
    for index in range(12):  # 10 comes after 9, not after 1
        say(store, "t0", f"m{index}", index)
    found = load(store, "t0", "t1")
    await store.close()
    assert kinds(found["t0"]) == ["iteration_started", "model_call_finished", "tool_called"]
    assert {event.task_id for event in found["t0"].events if isinstance(event, e.TaskEvent)} == {"t0"}
    assert texts(found["t0"]) == [f"m{index}" for index in range(12)]
    assert found["t0"].generation == 0
    assert (kinds(found["t1"]), found["t1"].messages, found["t1"].generation) == (kinds(found["t0"]), [], -1)


async def test_a_task_without_anything_has_an_empty_history(tmp_path: Path) -> None:
    store = begin(tmp_path)
    found = load(store, "t2")
    none = load(store)
    await store.close()
    assert found == {"t2": TaskHistory()}
    assert none == {}


async def test_the_latest_generation_is_the_conversation(tmp_path: Path) -> None:
    store = begin(tmp_path)
    for generation in (0, 9, 10):
        say(store, "t0", f"g{generation}", 0, generation)
    say(store, "t1", "other", 0, 77)
    found = load(store, "t0")
    with closing(open_database(store.folder.database)) as connection:
        assert latest_generation(connection, "t0") == 10
        assert latest_generation(connection, "t2") == -1
    await store.close()
    assert (found["t0"].generation, texts(found["t0"])) == (10, ["g10"])


async def test_what_was_before_a_task_began_again_is_left_out(tmp_path: Path) -> None:
    store = begin(tmp_path)
    work(store, "t0")
    work(store, "t1")
    store.emit(e.TaskQueued(task_id="t1", index=1, dir="d", first_prompt="p", max_iterations=4))
    work(store, "t1")
    # t0 has not begun again: its older events still count, though t1's do not.
    found = load(store, "t0", "t1")
    await store.close()
    once = ["iteration_started", "model_call_finished", "tool_called"]
    assert (kinds(found["t0"]), kinds(found["t1"])) == (once, once)
    assert found["t1"].events[0].seq > found["t0"].events[-1].seq


async def test_going_on_forgets_nothing(tmp_path: Path) -> None:
    store = begin(tmp_path)
    work(store, "t0")
    store.emit(e.TaskRequeued(task_id="t0", seconds_before=1.0))
    store.emit(e.TaskResumed(task_id="t0"))
    store.emit(e.TurnFinished(task_id="t0", iteration=1, end="finished", text="x"))
    found = load(store, "t0")
    await store.close()
    assert kinds(found["t0"]) == ["iteration_started", "model_call_finished", "tool_called", "turn_finished"]


async def test_more_tasks_than_one_statement_takes(tmp_path: Path) -> None:
    number = IDS_A_STATEMENT + 2
    store = begin(tmp_path, number)
    for n in range(number):
        store.emit(e.IterationStarted(task_id=f"t{n}", iteration=1, prompt=f"p{n}"))
    found = load(store, *(f"t{n}" for n in range(number)))
    await store.close()
    assert len(found) == number
    for n in (0, IDS_A_STATEMENT - 1, IDS_A_STATEMENT, number - 1):
        (event,) = found[f"t{n}"].events
        assert isinstance(event, e.IterationStarted)
        assert event.prompt == f"p{n}"


async def test_odd_text_comes_back_as_it_was(tmp_path: Path) -> None:
    store = begin(tmp_path)
    odd = 'quote " and \\ and \udc80 and \x00 and 做'
    say(store, "t0", odd)
    store.emit(e.IterationStarted(task_id="t0", iteration=1, prompt="做 \udc80"))
    found = load(store, "t0")
    await store.close()
    assert texts(found["t0"]) == [odd]
    (event,) = found["t0"].events
    assert isinstance(event, e.IterationStarted)
    assert event.prompt.startswith("做 ")
