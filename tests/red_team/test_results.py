"""Links and fifos that a task leaves where a run, or the next one, writes: nothing is written through them."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.files import write_document
from agentbatch.redaction import Redactor
from agentbatch.requests.journal.journal import Journal
from agentbatch.runs.folder import RunFolder, create_run_folder, holder, one_at_a_time, refuse_overlap
from agentbatch.runs.store.store import Store
from agentbatch.runs.store.viewers import mark_watched
from agentbatch.tasks.results.changes import write_changes
from agentbatch.tasks.run.beginning.baseline import Baseline
from agentbatch.tasks.run.prepare.results_file import choose_results_file
from agentbatch.workspace.workspace import Snapshot

Write = Callable[[RunFolder, Path], object]


def resume(run: RunFolder, _: Path) -> None:
    Store(RunFolder(run.path), Redactor([]), resume=True)


def result(name: str) -> Write:
    """Next to the task file, by a run whose tasks work there."""

    def write(_: RunFolder, project: Path) -> None:
        place = choose_results_file(project / name, [project])
        asyncio.run(write_document(place, "{}", follow=False))

    return write


def change(run: RunFolder, _: Path) -> None:
    asyncio.run(write_changes(run.task("t"), [], str))


def begin(run: RunFolder, _: Path) -> None:
    Baseline(Snapshot({})).save(run.task("t"), Redactor([]))


WRITERS: dict[str, Write] = {
    ".agentbatch/runs/RUN/lock": resume,
    ".agentbatch/runs/RUN/run.db": resume,
    ".agentbatch/runs/RUN/run.db-wal": resume,
    ".agentbatch/runs/RUN/run.log": resume,
    ".agentbatch/runs/RUN/roots": lambda run, project: run.write_roots([project]),
    ".agentbatch/runs/RUN/watched": lambda run, _: mark_watched(run.path),
    ".agentbatch/runs/RUN/requests.db": lambda run, _: Journal(run.journal),
    ".agentbatch/runs/RUN/tasks/t/changes.patch": change,
    ".agentbatch/runs/RUN/tasks/t/changes.json": change,
    ".agentbatch/runs/RUN/tasks/t/beginning.json": begin,
    "parallel_batch_results.json": result("parallel_batch_results.json"),
    "out/results.json": result("out/results.json"),
    ".agentbatch/starting": lambda _, project: one_at_a_time(project).__enter__(),
}


PLANTED: dict[str, Callable[[Path, Path], object]] = {
    "a link": lambda place, victim: place.symlink_to(victim),
    "a hanging link": lambda place, victim: place.symlink_to(victim.with_name("new")),
    "a fifo": lambda place, _: os.mkfifo(place),
}


@pytest.mark.parametrize("what", PLANTED)
@pytest.mark.parametrize("name", WRITERS)
def test_nothing_is_written_through_it(tmp_path: Path, name: str, what: str) -> None:
    project, victim = tmp_path / "project", tmp_path / "home/victim"
    victim.parent.mkdir()
    victim.write_text("precious")
    run = create_run_folder(project, datetime(2026, 1, 2))
    place = project / name.replace("RUN", run.run_id)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    PLANTED[what](place, victim)
    with suppress(OSError, UserError):
        WRITERS[name](run, project)
    assert victim.read_text() == "precious"
    assert os.listdir(victim.parent) == ["victim"]


@pytest.mark.parametrize("name", ["tasks", "tasks/t"])
def test_nothing_is_written_through_a_folder_that_was_turned(tmp_path: Path, name: str) -> None:
    """In the middle of a session, when the run is locked."""
    outside = tmp_path / "outside"
    (outside / "t").mkdir(parents=True)
    run = create_run_folder(tmp_path / "project", datetime(2026, 1, 2))
    run.lock()
    (run.path / name).parent.mkdir(exist_ok=True)
    (run.path / name).symlink_to(outside)
    for write in (change, begin):
        with pytest.raises(OSError, match="link|directory"):
            write(run, tmp_path)
    assert [path.name for path in outside.rglob("*")] == ["t"]
    run.unlock()


def test_a_fifo_for_a_lock_holds_nobody_up(tmp_path: Path) -> None:
    run = create_run_folder(tmp_path, datetime(2026, 1, 2))
    os.mkfifo(run.path / "lock")
    assert holder(run) == ""
    refuse_overlap(tmp_path, [tmp_path])
