"""Opening a run for one session, and what is left of it when nothing comes of that."""

import asyncio
import fcntl
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder, create_run_folder, holder, one_at_a_time
from agentbatch.runs.session import open_session
from agentbatch.runs.store.store import Store


async def stored_run(base: Path, *, events: bool = True) -> RunFolder:
    store = Store(create_run_folder(base, datetime(2026, 1, 2)), Redactor([]))
    if events:
        store.emit(e.Notice(text="something happened"))
    await store.close()
    return store.folder


async def session_of(base: Path, resumed: RunFolder | None, notice: str = "") -> Path:
    """Open one, and close it; returns its folder."""
    async with open_session(base, resumed, Redactor([]), results=base / "results.json") as session:
        if notice:
            session.store.emit(e.Notice(text=notice))
        return session.folder.path


def test_of_two_runs_that_begin_in_one_moment_in_one_directory_one_is_refused(tmp_path: Path) -> None:
    """While one looks for others and is about to lock, the other waits for it, and then sees it."""
    refused: list[str] = []

    async def begin() -> None:
        async with open_session(
            tmp_path, None, Redactor([]), roots=[tmp_path / "work"], results=tmp_path / "r"
        ):
            refused.append("begun")

    def other() -> None:
        try:
            asyncio.run(begin())
        except UserError as error:
            refused.append(str(error))

    second = threading.Thread(target=other)
    with one_at_a_time(tmp_path):
        second.start()
        second.join(0.3)
        first = create_run_folder(tmp_path, datetime(2026, 1, 2), [tmp_path / "work"])
        first.lock()
    second.join()
    first.unlock()
    assert ["is working in" in said for said in refused] == [True]


def spoil_index(folder: RunFolder) -> None:
    """What is written can be read, and the index that is wanted today cannot be made."""
    with closing(sqlite3.connect(folder.database)) as connection:
        connection.executescript("DROP INDEX run_events; CREATE TABLE run_events (x)")


def spoil_log(folder: RunFolder) -> None:
    folder.log.unlink(missing_ok=True)
    folder.log.mkdir()


def spoil_roots(folder: RunFolder) -> None:
    (folder.path / "roots").unlink()
    (folder.path / "roots").mkdir()


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (spoil_index, "The run's files cannot be written"),
        (spoil_log, "is a link, or no file"),
        (spoil_roots, "is a link, or no file"),
    ],
)
async def test_a_run_that_cannot_be_written_is_a_sentence_and_stays_as_it_is(
    tmp_path: Path, spoil: Callable[[RunFolder], None], error: str
) -> None:
    folder = await stored_run(tmp_path)
    spoil(folder)
    with pytest.raises(UserError, match=error):
        await session_of(tmp_path, folder)
    assert holder(folder) == "", "its lock was given back"
    assert folder.database.exists()


async def test_a_new_run_whose_files_cannot_be_made_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sqlite3, "connect", no_room)
    with pytest.raises(UserError, match="database or disk is full"):
        await session_of(tmp_path, None)
    assert list((tmp_path / ".agentbatch/runs").iterdir()) == []


@pytest.mark.parametrize(("notice", "stays"), [("", False), ("begun", True)])
async def test_only_a_run_in_which_something_happened_stays(tmp_path: Path, notice: str, stays: bool) -> None:
    path = await session_of(tmp_path, None, notice)
    assert path.exists() == stays


async def test_a_resumed_run_stays_though_nothing_ever_happened_in_it(tmp_path: Path) -> None:
    folder = await stored_run(tmp_path, events=False)
    assert await session_of(tmp_path, folder) == folder.path
    assert folder.database.exists()


async def test_a_run_goes_while_its_lock_keeps_others_out(tmp_path: Path) -> None:
    """Otherwise a second engine could be at work in what is removed."""

    def wait_for_the_lock(lock: Path, folder: Path) -> bool:
        with open(lock, "a", encoding="utf-8") as handle:
            waiting.set()
            fcntl.flock(handle, fcntl.LOCK_EX)
            return folder.exists()

    waiting = threading.Event()
    async with open_session(tmp_path, None, Redactor([]), results=tmp_path / "r") as session:
        folder = session.folder.path
        for number in range(3000):  # removing them takes its time
            (folder / str(number)).touch()
        second = asyncio.ensure_future(asyncio.to_thread(wait_for_the_lock, folder / "lock", folder))
        await asyncio.to_thread(waiting.wait)
    assert not await second


async def test_what_a_kill_has_left_in_the_log_is_moved_into_the_database(tmp_path: Path) -> None:
    store = Store(create_run_folder(tmp_path, datetime(2026, 1, 2)), Redactor([]))
    store.emit(e.Notice(text="before the kill"))
    store.flush()
    killed = RunFolder(Path(shutil.copytree(store.folder.path, tmp_path / ".agentbatch/runs/killed")))
    await store.close()
    alone = tmp_path / "alone.db"
    async with open_session(tmp_path, killed, Redactor([]), results=tmp_path / "r") as session:
        await session.store.in_background(lambda: None)  # behind what is under way
        shutil.copy(killed.database, alone)
    with closing(sqlite3.connect(alone)) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (1,)
