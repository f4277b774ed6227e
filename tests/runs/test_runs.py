"""Finding runs, opening them, and how it stands with them."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder, create_run_folder, holder
from agentbatch.runs.kind import resume_command
from agentbatch.runs.listing import find_run, list_runs, open_run, runs_folder
from agentbatch.runs.log_lines import line
from agentbatch.runs.store.database import load_info, load_state, open_database
from tests.runs.stored_runs import begin, end, finished, interrupted, left_behind, work
from tests.support.paths import CHECKOUT

EARLY, LATE = datetime(2026, 1, 1), datetime(2026, 2, 1)


async def test_runs_are_listed_newest_first_and_what_is_no_run_is_left_out(tmp_path: Path) -> None:
    assert list_runs(tmp_path) == []
    old, new = await finished(tmp_path, EARLY), await finished(tmp_path, LATE)
    half_made = runs_folder(tmp_path) / "20260301-000000-abcd"
    half_made.mkdir()
    (half_made / "roots").write_text("")
    (runs_folder(tmp_path) / "notes.txt").write_text("mine")
    (runs_folder(tmp_path) / "20260401-000000-link").symlink_to(old.path)
    shutil.copytree(old.path, runs_folder(tmp_path) / ".pruned-20250101-000000-aaaa")
    assert [run.run_id for run in list_runs(tmp_path)] == [new.run_id, old.run_id]


async def test_a_run_is_found_by_id_beginning_and_path(tmp_path: Path) -> None:
    old, new = await finished(tmp_path, EARLY), await finished(tmp_path, LATE)
    assert find_run(tmp_path, None).run_id == new.run_id
    assert find_run(tmp_path, old.run_id).run_id == old.run_id
    assert find_run(tmp_path, "202601").run_id == old.run_id
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(old.path, elsewhere / "moved")
    for name in ("./elsewhere/moved", str(elsewhere / "moved")):
        assert find_run(tmp_path, name).path == elsewhere / "moved"
    assert find_run(elsewhere, "moved").path == elsewhere / "moved"


async def test_an_id_wins_over_a_longer_one_that_begins_so(tmp_path: Path) -> None:
    old = await finished(tmp_path, EARLY)
    shutil.copytree(old.path, old.path.with_name(old.run_id + "-copy"))
    assert find_run(tmp_path, old.run_id).run_id == old.run_id


async def test_what_cannot_be_found_is_answered_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"There are no runs in this folder \(.*runs\)"):
        find_run(tmp_path, None)
    old, new = await finished(tmp_path, EARLY), await finished(tmp_path, LATE)
    typo = old.run_id[:-1] + ("0" if old.run_id[-1] != "0" else "1")
    with pytest.raises(UserError, match=f"Did you mean {old.run_id}\\? `agentbatch runs` lists them"):
        find_run(tmp_path, typo)
    with pytest.raises(UserError, match=f"The newest is {new.run_id}"):
        find_run(tmp_path, "zzz")
    with pytest.raises(UserError, match=f"any of 2 runs: {new.run_id}, {old.run_id}"):
        find_run(tmp_path, "2026")
    with pytest.raises(UserError, match="There is no run ''"):
        find_run(tmp_path, "")
    with pytest.raises(UserError, match="is no run's folder"):
        find_run(tmp_path, "./nowhere")
    with pytest.raises(UserError) as caught:
        find_run(tmp_path, "\x1b[31mred")
    assert "\x1b" not in str(caught.value)


async def test_the_conditions(tmp_path: Path) -> None:
    store = begin(tmp_path)
    running = open_run(store.folder)
    assert (running.condition, running.process) == ("running", os.getpid())
    for n in range(3):
        end(store, f"t{n}", status="error", reason="blocked")
    store.emit(e.RunFinished())
    store.flush()
    assert open_run(store.folder).condition == "running", "results are still being written"
    await store.close()
    over = open_run(store.folder)
    assert (over.condition, over.process, over.holder) == ("finished", None, "")
    assert open_run(await interrupted(tmp_path)).condition == "interrupted"
    assert open_run(await left_behind(tmp_path)).condition == "died"


@pytest.mark.parametrize(
    ("status", "ending", "expected"),
    [
        ("completed", e.RunFinished(interrupted=True), "finished"),
        ("completed", e.RunFinished(error="no quota left"), "finished"),
        ("error", e.RunFinished(error="no quota left"), "interrupted"),
        ("cancelled", e.RunFinished(interrupted=True), "interrupted"),
        ("error", e.RunFinished(), "finished"),
    ],
)
async def test_a_run_that_was_stopped_is_finished_only_if_every_task_was_completed(
    tmp_path: Path, status: str, ending: e.RunFinished, expected: str
) -> None:
    store = begin(tmp_path, 1)
    end(store, "t0", status=status, reason="accepted")
    store.emit(ending)
    await store.close()
    assert open_run(store.folder).condition == expected


@pytest.mark.parametrize(
    ("status", "reason", "word"),
    [
        ("error", "model_error", "finished"),
        ("timeout", "budget", "finished"),
        ("cancelled", "interrupted", "interrupted"),
        ("skipped", "interrupted", "interrupted"),
    ],
)
async def test_a_run_has_one_word_for_how_it_ended(
    tmp_path: Path, status: str, reason: str, word: str
) -> None:
    """A task that has a status of its own has come to its end, also where a resumption can still change it."""
    store = begin(tmp_path, 1)
    end(store, "t0", status=status, reason=reason, resumable=True)
    over = e.RunFinished()
    store.emit(over)
    await store.close()
    run = open_run(store.folder)
    (said,) = line(over, run.state, False)
    count = "1 not finished" if word == "interrupted" else f"1 {status}"
    assert (run.condition, said.partition(" ")[2]) == (word, f"run {word}: {count}")
    assert resume_command(run.state), "and it is offered all the same"


async def test_tasks_of_a_dead_engine_are_interrupted_or_still_queued(tmp_path: Path) -> None:
    run = open_run(await left_behind(tmp_path))
    assert [run.shown_status(task) for task in run.state.tasks.values()] == [
        "completed",
        "interrupted",
        "queued",
    ]
    run = open_run(await interrupted(tmp_path))
    assert [run.shown_status(task) for task in run.state.tasks.values()] == [
        "completed",
        "error",
        "interrupted",
        "queued",
    ]


async def test_what_a_run_was_told_last_is_read_back(tmp_path: Path) -> None:
    store = begin(tmp_path)
    work(store, "t0")
    store.emit(e.Notice(text="learnt"))
    store.emit(e.Notice(task_id="t0", text="of a task"))
    store.emit(e.ConcurrencyChanged(max_concurrent=7))
    store.emit(e.Paused())
    store.emit(e.Paused(task_id="t1"))
    store.emit(e.Resumed(task_id="t1"))
    store.emit(e.Paused(task_id="t0"))
    store.flush()
    state = open_run(store.folder).state
    assert (state.max_concurrent, state.paused, state.notices) == (7, True, ["learnt", "of a task"])
    assert [task.paused for task in state.tasks.values()] == [True, False, False]
    store.emit(e.Resumed())
    store.flush()
    assert open_run(store.folder).state.paused is False
    store.emit(e.Paused())
    store.emit(e.RunFinished(interrupted=True))
    assert store.state.info is not None
    store.emit(store.state.info.model_copy(update={"session": 2, "warnings": ["mind"]}))
    store.flush()
    state = open_run(store.folder).state
    assert (state.max_concurrent, state.paused, state.finished, state.notices) == (2, False, None, ["mind"])
    with sqlite3.connect(store.folder.database) as connection:
        assert load_info(connection) == state.info
    connection.close()
    await store.close()


async def test_an_outline_leaves_out_what_was_said(tmp_path: Path) -> None:
    folder = await interrupted(tmp_path)
    whole, outline = open_run(folder, outline=False).state, open_run(folder).state
    said = {
        "first_prompt": "",
        "last_response": "",
        "last_evaluation": "",
        "verdicts": (),
        "last_verify": None,
    }
    assert whole.tasks["t1"].first_prompt == "p"
    assert outline.tasks == {name: task.model_copy(update=said) for name, task in whole.tasks.items()}
    assert (outline.bills, outline.counts, outline.info) == (whole.bills, whole.counts, whole.info)


async def test_opening_a_run_reads_no_event_of_a_task(tmp_path: Path) -> None:
    """Else `status` of a long run takes as long as its history."""
    folder = await finished(tmp_path)
    read: list[str] = []
    connection = open_database(folder.database)
    connection.set_trace_callback(read.append)
    load_state(connection)
    load_info(connection)
    connection.set_trace_callback(None)
    queries = [text for text in read if "FROM events WHERE" in text]
    plans = [connection.execute(f"EXPLAIN QUERY PLAN {text}").fetchall()[0][3] for text in queries]
    connection.close()
    assert len(plans) == 2
    assert all("USING INDEX run_events" in plan for plan in plans), plans


async def test_time_at_work_counts_all_sessions_and_ends_with_the_last_event(tmp_path: Path) -> None:
    store = begin(tmp_path, session=2, seconds_before=100.0)
    run = open_run(store.folder)
    assert run.seconds(run.begun + 50) == pytest.approx(150)
    await store.close()
    died = open_run(store.folder)
    assert died.seconds(died.begun + 10_000) == pytest.approx(100 + died.last - died.begun)


async def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    folder = await finished(tmp_path)
    with sqlite3.connect(folder.database) as connection:
        connection.execute("UPDATE tasks SET body = '{}'")
    connection.close()
    with pytest.raises(UserError, match=r"run\.db cannot be read: it is damaged"):
        open_run(folder)
    with sqlite3.connect(folder.database) as connection:
        connection.execute("UPDATE tasks SET body = '{'")
    connection.close()
    with pytest.raises(UserError, match=r"run\.db cannot be read: malformed JSON"):
        open_run(folder)
    folder.database.write_bytes(b"no database at all" * 500)
    with pytest.raises(UserError, match="is not a run database"):
        open_run(folder)


ENGINE = """
import asyncio, sys
from pathlib import Path
from tests.runs.stored_runs import begin, end, work

async def main():
    store = begin(Path(sys.argv[1]))
    work(store, "t0")
    end(store, "t0")
    work(store, "t1")
    print(store.folder.path, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_a_killed_engine_is_told_from_a_living_one(tmp_path: Path) -> None:
    root = CHECKOUT
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root
    )
    try:
        assert engine.stdout is not None
        folder = RunFolder(Path(engine.stdout.readline().strip()))
        run = open_run(folder)
        assert (run.condition, run.process) == ("running", engine.pid)
        assert holder(folder).startswith(f"process {engine.pid} on ")
        engine.send_signal(signal.SIGKILL)
        engine.wait(timeout=300)
        run = open_run(folder)
        assert (run.condition, run.process, holder(folder)) == ("died", None, "")
        assert [run.shown_status(task) for task in run.state.tasks.values()] == [
            "completed",
            "interrupted",
            "queued",
        ]
    finally:
        engine.kill()
        engine.wait(timeout=300)
        if engine.stdout is not None:
            engine.stdout.close()


async def test_looking_at_a_run_keeps_no_engine_out(tmp_path: Path) -> None:
    folder = await finished(tmp_path)
    done = asyncio.Event()

    def look() -> int:
        looks = 0
        while not done.is_set():
            holder(folder)
            looks += 1
        return looks

    looking = asyncio.create_task(asyncio.to_thread(look))
    try:
        for _ in range(300):
            folder.lock()
            folder.unlock()
            await asyncio.sleep(0)
    finally:
        done.set()
    assert await looking > 0


def test_runs_of_one_second_sort_by_when_they_began(tmp_path: Path) -> None:
    moments = [datetime(2026, 1, 2, 3, 4, 5, part) for part in (0, 20, 40, 500_000, 999_999, 999_999)]
    made = [create_run_folder(tmp_path, moment) for moment in moments]
    ids = [folder.run_id for folder in made]
    assert len(set(ids)) == len(ids)
    assert sorted(ids[:5]) == ids[:5], "the last one began in the same moment as another"
    assert all(folder.path.is_dir() for folder in made), "nobody's folder is taken away"
