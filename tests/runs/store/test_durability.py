"""When what happened is on disk, what a failure leaves there, and whose database it is."""

import asyncio
import sqlite3
from datetime import datetime
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.files import write_atomic, write_document
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.folder import create_run_folder, refuse_overlap
from agentbatch.runs.store.database import create_database, open_database
from agentbatch.runs.store.store import CHECKPOINT_EVERY, Store
from tests.support.waiting import PATIENCE


def a_store(tmp_path: Path) -> Store:
    return Store(create_run_folder(tmp_path, datetime(2026, 1, 2, 3, 4, 5)), Redactor([]))


def stored(store: Store) -> int:
    connection = sqlite3.connect(store.folder.database)
    try:
        return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])
    finally:
        connection.close()


async def test_an_event_is_soon_on_disk_and_in_the_log_though_nobody_flushes(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.emit(e.Notice(text="for tail -f"))
    assert stored(store) == 0
    async with asyncio.timeout(PATIENCE):
        while not stored(store):
            await asyncio.sleep(0.02)
    assert "for tail -f" in store.folder.log.read_text(encoding="utf-8")
    await store.close()


async def test_tasks_that_ask_in_one_turn_of_the_loop_share_a_commit_and_each_finds_its_own_on_disk(
    tmp_path: Path,
) -> None:
    store = a_store(tmp_path)
    seen: list[int] = []

    async def task(name: str) -> None:
        for step in range(2):
            store.emit(e.Notice(text=f"{name}{step}"))
            await store.stored()
            seen.append(stored(store))

    await asyncio.gather(task("a"), task("b"), task("c"))
    assert seen == [3, 3, 3, 6, 6, 6]
    await store.close()


async def test_closing_commits_what_is_pending_waits_for_files_and_unlocks(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    written: list[str] = []
    store.in_background(lambda: written.append("transcript"))
    store.emit(e.Notice(text="last words"))
    await store.close()
    assert (stored(store), written) == (1, ["transcript"])
    store.folder.lock()
    store.folder.unlock()


async def test_the_write_ahead_log_is_moved_into_the_database_now_and_then(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    empty = store.folder.database.stat().st_size
    for n in range(CHECKPOINT_EVERY):
        store.emit(e.Notice(text=str(n)))
    store.flush()
    assert stored(store) == CHECKPOINT_EVERY
    async with asyncio.timeout(PATIENCE):
        while store.folder.database.stat().st_size < empty + 10 * CHECKPOINT_EVERY:
            await asyncio.sleep(0.02)
    await store.close()


async def test_a_file_that_cannot_be_written_in_the_background_is_noticed(tmp_path: Path) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    store = a_store(tmp_path)
    store.in_background(fail)
    async with asyncio.timeout(PATIENCE):
        assert "No space left on device" in await store.failed()
    with pytest.raises(OSError, match="No space left"):
        store.flush()
    await store.close()


async def test_after_a_failed_commit_nothing_more_is_written(tmp_path: Path) -> None:
    """A gap in the history is worse than its end."""
    store = a_store(tmp_path)
    connection = sqlite3.connect(store.folder.database)
    connection.execute("ALTER TABLE events RENAME TO away")
    store.emit(e.Notice(text="lost"))
    with pytest.raises(OSError, match="cannot be written"):
        store.flush()
    connection.execute("ALTER TABLE away RENAME TO events")
    connection.close()
    store.emit(e.Notice(text="after the gap"))
    with pytest.raises(OSError, match="cannot be written"):
        store.flush()
    with pytest.raises(OSError, match="cannot be written"):
        await store.stored()
    await store.close()
    assert stored(store) == 0


def test_another_versions_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    create_database(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    connection.close()
    with pytest.raises(UserError, match=r"another version of agentbatch \(schema 99\)"):
        open_database(path)


def test_the_runs_are_kept_out_of_version_control(tmp_path: Path) -> None:
    create_run_folder(tmp_path, datetime(2026, 1, 1))
    ignore = tmp_path / ".agentbatch" / ".gitignore"
    assert ignore.read_text(encoding="utf-8") == "*\n"
    ignore.write_text("mine\n", encoding="utf-8")
    create_run_folder(tmp_path, datetime(2026, 1, 1))
    assert ignore.read_text(encoding="utf-8") == "mine\n"


def test_a_run_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / ".agentbatch").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="The run's folder .* cannot be made"):
        create_run_folder(tmp_path, datetime(2026, 1, 1))


def test_a_document_that_cannot_be_put_in_place_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "results.json").mkdir()
    with pytest.raises(OSError, match="results.json"):
        write_atomic(tmp_path / "results.json", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


async def test_a_large_document_is_written_whole(tmp_path: Path) -> None:
    text = "x" * 1_000_000
    await write_document(tmp_path / "large", text)
    assert (tmp_path / "large").read_text(encoding="utf-8") == text


def test_two_runs_do_not_work_in_one_directory(tmp_path: Path) -> None:
    work = tmp_path / "work"
    folder = create_run_folder(tmp_path, datetime(2026, 1, 1), [work / "a", work / "b"])
    folder.lock()
    for roots in ([work / "a"], [work / "x", work], [work / "b" / "deep"]):
        with pytest.raises(UserError, match=r"is working in .*/work/[ab], as this one would"):
            refuse_overlap(tmp_path, roots)
    refuse_overlap(tmp_path, [work / "c", tmp_path / "other"])
    folder.unlock()
    refuse_overlap(tmp_path, [work / "a"])
