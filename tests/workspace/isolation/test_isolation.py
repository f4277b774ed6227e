"""Directories of isolated tasks: found again, recreated, removed, and when they are disposable."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Literal

import pytest

from agentbatch.errors import UserError
from agentbatch.workspace.inspection import remove_isolated_dirs
from agentbatch.workspace.isolation.copy.apply_back import ApplyResult
from agentbatch.workspace.isolation.isolated_dir import (
    RECORD,
    IsolatedDir,
    record_isolated_dir,
)
from agentbatch.workspace.isolation.isolation import Isolation, is_disposable
from agentbatch.workspace.isolation.worktree.commit_work import KeptWork
from agentbatch.workspace.isolation.worktree.worktree import Worktree
from agentbatch.workspace.workspace import FileEntry, Snapshot
from tests.support.waiting import PATIENCE
from tests.workspace.repositories import branches, environment, make_repository, needs_git, state

Kind = Literal["copy", "worktree"]


@pytest.fixture
def places(tmp_path: Path) -> Isolation:
    return Isolation("run", environment(tmp_path / "home"))


def work(repository: Path, task: str) -> Path:
    return repository / ".agentbatch/runs/run/tasks" / task / "work"


async def test_a_copy_is_found_again_with_what_was_done(tmp_path: Path, places: Isolation) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("0")
    (source / ".env").write_text("KEY=secret")
    folder = tmp_path / "run/tasks/t/work"
    first = await places.make("copy", source, folder, task_id="t", leave_out=[source / ".env"])
    assert (first.fresh, first.branch, first.root.name) == (True, "", "source")
    assert sorted(path.name for path in first.root.iterdir()) == ["file"]
    (first.root / "file").write_text("1")
    again = await Isolation("run", {}).make("copy", source, folder, task_id="t")
    assert not again.fresh
    assert (again.root / "file").read_text() == "1"
    assert await places.keep(again, "m") == KeptWork()
    await places.remove(again)
    assert not again.root.exists()
    new = await places.make("copy", source, folder, task_id="t")
    assert new.fresh
    assert (new.root / "file").read_text() == "0"


@pytest.mark.parametrize(
    "left", ["no record", "half a record", "another task's record", "a moved run's record", "being put away"]
)
async def test_what_was_not_made_whole_is_made_anew(tmp_path: Path, places: Isolation, left: str) -> None:
    source, folder = tmp_path / "source", tmp_path / "run/work"
    source.mkdir()
    (source / "file").write_text("0")
    elsewhere = tmp_path / "elsewhere/source"
    elsewhere.mkdir(parents=True)
    (elsewhere / "file").write_text("x")
    place = await places.make("copy", source, folder, task_id="t")
    (place.root / "file").write_text("half")
    record = (folder / RECORD).read_text()
    match left:
        case "no record":
            (folder / RECORD).unlink()
        case "half a record":
            (folder / RECORD).write_text(record[:50])
        case "another task's record":
            (folder / RECORD).write_text(record.replace(str(source), str(tmp_path / "other")))
        case "a moved run's record":
            (folder / RECORD).write_text(record.replace(str(place.root), str(elsewhere)))
        case _:
            record_isolated_dir(place, "away")
    again = await places.make("copy", source, folder, task_id="t")
    assert again.fresh
    assert (again.root / "file").read_text() == "0"
    assert (elsewhere / "file").exists()


async def test_a_run_folder_inside_the_directory_is_not_copied(tmp_path: Path, places: Isolation) -> None:
    (tmp_path / "file").write_text("0")
    place = await places.make("copy", tmp_path, tmp_path / "work", task_id="t")
    assert [path.name for path in place.root.iterdir()] == ["file"]


class LeftOut(tuple[Path]):
    """Nothing. It is looked at just before files are copied, which wait there until they may."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self.looked_at, self.go_on = asyncio.Event(), Event()

    def __iter__(self) -> Iterator[Path]:
        self._loop.call_soon_threadsafe(self.looked_at.set)
        self.go_on.wait()
        return iter(())


async def test_a_copy_that_is_cancelled_leaves_nothing(tmp_path: Path, places: Isolation) -> None:
    source, folder, left_out = tmp_path / "source", tmp_path / "run/work", LeftOut()
    source.mkdir()
    (source / "file").write_text("x")
    making = asyncio.ensure_future(places.make("copy", source, folder, task_id="t", leave_out=left_out))
    await asyncio.wait_for(left_out.looked_at.wait(), PATIENCE)
    making.cancel()
    await asyncio.sleep(0)
    left_out.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert not folder.exists()


@needs_git
async def test_another_isolation_than_last_time_begins_anew(tmp_path: Path, places: Isolation) -> None:
    repository = make_repository(tmp_path / "repo", {"a": "a\n"})
    for kind in ("worktree", "copy", "worktree"):
        place = await places.make(kind, repository, work(repository, "t"), task_id="t")
        assert (place.kind, place.fresh) == (kind, True)
        assert (place.root / "a").exists()
    assert branches(repository) == ["agentbatch/run/t"]


@needs_git
async def test_pruning_removes_places_and_keeps_branches_with_work(tmp_path: Path, places: Isolation) -> None:
    repository = make_repository(tmp_path / "repo", {"a": "a\n"})
    before = state(repository)
    done = await places.make("worktree", repository, work(repository, "done"), task_id="done")
    (done.root / "a").write_text("b\n")
    await places.keep(done, "m")
    await places.make("worktree", repository, work(repository, "open"), task_id="open")
    copy = await places.make("copy", repository, work(repository, "copy"), task_id="copy")
    (copy.root / "shut").mkdir(mode=0)
    run = work(repository, "x").parents[2]
    environ = environment(tmp_path / "home")
    assert remove_isolated_dirs(run, environ) == []
    assert remove_isolated_dirs(run, environ) == []
    assert not list(run.glob("tasks/*/work"))
    assert branches(repository) == ["agentbatch/run/done"]
    assert state(repository) == before
    assert not (repository / ".git/worktrees").exists()


async def test_pruning_follows_no_links(tmp_path: Path) -> None:
    (tmp_path / "precious/work").mkdir(parents=True)
    (tmp_path / "precious/work/file").write_text("x")
    (tmp_path / "run/tasks/t").mkdir(parents=True)
    (tmp_path / "run/tasks/linked").symlink_to(tmp_path / "precious")
    (tmp_path / "run/tasks/t/work").symlink_to(tmp_path / "precious/work")
    assert remove_isolated_dirs(tmp_path / "run", {}) == []
    assert (tmp_path / "precious/work/file").exists()


@needs_git
async def test_a_repository_that_is_gone_does_not_stop_pruning(tmp_path: Path, places: Isolation) -> None:
    repository = make_repository(tmp_path / "repo", {"a": "a\n"})
    await places.make("worktree", repository, tmp_path / "run/tasks/t/work", task_id="t")
    shutil.rmtree(repository)
    assert remove_isolated_dirs(tmp_path / "run", environment(tmp_path / "home")) == []
    assert not (tmp_path / "run/tasks/t/work").exists()
    with pytest.raises(UserError, match="lies in no git repository"):
        await places.make("worktree", repository, tmp_path / "run/tasks/t/work", task_id="t")


TEXT, BINARY = FileEntry("1", 1, "x", False), FileEntry("2", 1, None, False)
NONE, SOME, LARGE = Snapshot({}), Snapshot({"a": TEXT}), Snapshot({"a": BINARY})


@pytest.mark.parametrize(
    ("kind", "completed", "before", "after", "whole", "applied", "expected"),
    [
        ("copy", True, NONE, SOME, True, None, True),
        ("copy", True, NONE, LARGE, True, None, False),
        ("copy", True, LARGE, NONE, True, None, False),
        ("copy", True, LARGE, LARGE, True, None, True),
        ("copy", False, NONE, SOME, True, None, False),
        ("copy", True, NONE, Snapshot({}, truncated=True), True, None, False),
        ("copy", True, NONE, LARGE, True, True, True),
        ("copy", True, NONE, LARGE, True, False, False),
        ("copy", True, NONE, SOME, True, False, True),
        ("worktree", False, NONE, LARGE, True, None, True),
        ("worktree", True, NONE, SOME, False, None, False),
    ],
)
def test_when_a_place_may_go(
    kind: Kind,
    completed: bool,
    before: Snapshot,
    after: Snapshot,
    whole: bool,
    applied: bool | None,
    expected: bool,
) -> None:
    here = Path("/x")
    tree = Worktree(here, "b", "0", here, here) if kind == "worktree" else None
    place = IsolatedDir(here, here, kind, here, tree)
    outcome = None if applied is None else ApplyResult(applied)
    kept = KeptWork(whole=whole)
    found = is_disposable(place, completed=completed, before=before, after=after, kept=kept, applied=outcome)
    assert found is expected
