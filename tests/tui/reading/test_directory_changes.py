"""What a task changed, while it is under way: its directory against its beginning."""

import os
import time
from itertools import count
from pathlib import Path

import pytest

from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.state.run_state import RunState
from agentbatch.tasks.run.beginning.baseline import NAME, Baseline
from agentbatch.tui.reading.changes_source import (
    ChangesNote,
    Directory,
    FilesSource,
    Kept,
    files_source,
)
from agentbatch.tui.reading.directory_changes import NOT_YET, DirectoryChanges
from agentbatch.workspace.files.diff.file_diff import FileChange
from agentbatch.workspace.files.snapshot.snapshot import take_snapshot
from agentbatch.workspace.inspection import working_directory
from agentbatch.workspace.isolation.isolated_dir import IsolatedDir, record_isolated_dir
from agentbatch.workspace.isolation.isolation import WORK
from tests.support.run_events import run_started

NO_KEYS = Redactor([])
RUN = RunFolder(Path("/base/.agentbatch/runs/r1"))


def begun(tmp_path: Path, age: float = 60.0, **files: str) -> DirectoryChanges:
    """A directory with these files as a task found it, `age` seconds ago."""
    root, folder = tmp_path / "root", tmp_path / "ours"
    root.mkdir()
    folder.mkdir()
    for name, text in files.items():
        (root / name).write_text(text)
    Baseline(take_snapshot(root)).save(folder, NO_KEYS)
    later = time.time_ns() + int(
        age * 1e9
    )  # as if the files were so old: their own change times cannot be set back
    os.utime(folder / NAME, ns=(later, later))
    return DirectoryChanges(folder, root, NO_KEYS)


def told(files: tuple[FileChange, ...]) -> dict[str, tuple[str, int | None, int | None]]:
    return {file.path: (file.kind, file.added, file.removed) for file in files}


def test_it_sees_what_is_added_changed_and_deleted(tmp_path: Path) -> None:
    changes = begun(tmp_path, age=0.0, a="1\n2\n", b="x\n", c="x\n")
    assert changes.look().files == ()
    (changes.root / "a").write_text("1\n3\n")
    (changes.root / "b").unlink()
    (changes.root / "new").mkdir()
    (changes.root / "new" / "bin").write_bytes(b"\0")
    look = changes.look()
    assert told(look.files) == {
        "a": ("changed", 1, 1),
        "b": ("deleted", 0, 1),
        "new/bin": ("added", None, None),
    }
    assert look.files[0].lines == ("@@ -1,2 +1,2 @@", " 1", "-2", "+3")
    assert (look.whole, look.note) == (True, "")
    (changes.root / "a").write_text("1\n2\n")
    assert list(told(changes.look().files)) == ["b", "new/bin"]


def test_links_out_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("do not show\n")
    changes = begun(tmp_path)
    (changes.root / "folder").symlink_to(outside)
    (changes.root / "file").symlink_to(outside / "secret")
    os.mkfifo(changes.root / "pipe")
    look = changes.look()
    assert told(look.files) == {
        "file": ("added", 1, 0),
        "folder": ("added", 1, 0),
        "pipe": ("added", None, None),
    }
    assert "do not show" not in repr(look)


def test_what_nobody_touched_is_not_read(tmp_path: Path) -> None:
    """Changed before the beginning was written, by all that the file system says: the beginning's own word holds."""
    changes = begun(tmp_path, age=60.0, a="one\n", b="one\n")
    (changes.root / "a").write_text("two\n")
    (changes.root / "b").write_text("longer\n")
    assert list(told(changes.look().files)) == ["b"]


def test_a_change_of_the_same_length_is_seen(tmp_path: Path) -> None:
    changes = begun(tmp_path, age=0.0, a="one\n")
    (changes.root / "a").write_text("two\n")
    os.utime(changes.root / "a", ns=(0, 0))  # a time stamp that was set back hides nothing
    assert told(changes.look().files) == {"a": ("changed", 1, 1)}


def test_a_task_that_begins_again_has_another_beginning(tmp_path: Path) -> None:
    changes = begun(tmp_path, age=0.0, a="1\n")
    (changes.root / "a").write_text("2\n")
    assert list(told(changes.look().files)) == ["a"]
    Baseline(take_snapshot(changes.root)).save(changes.folder, NO_KEYS)
    assert changes.look().files == ()


def test_diffs_that_take_too_long_come_with_the_next_look(tmp_path: Path) -> None:
    changes = begun(tmp_path, age=0.0)
    for name in "abc":
        (changes.root / name).write_text("x\n")
    look = changes.look(seconds=0.0)
    assert not look.whole
    assert [file.note for file in look.files] == [NOT_YET] * 3
    look = changes.look()
    assert look.whole
    assert [file.added for file in look.files] == [1, 1, 1]


def test_the_chosen_file_is_compared_first(tmp_path: Path) -> None:
    begin = begun(tmp_path, age=0.0)
    for name in "abc":
        (begin.root / name).write_text("x\n")
    ticks = count()
    changes = DirectoryChanges(begin.folder, begin.root, NO_KEYS, lambda: float(next(ticks)))
    files = changes.look("b", seconds=1.5).files  # time for one
    assert [(file.path, file.added) for file in files] == [("a", None), ("b", 1), ("c", None)]


def test_keys_are_hidden(tmp_path: Path) -> None:
    changes = begun(tmp_path, age=0.0)
    (changes.root / "a").write_text("KEY=sk-0123456789\n")
    cleaned = DirectoryChanges(changes.folder, changes.root, Redactor(["sk-0123456789"]))
    assert cleaned.look().files[0].lines[1:] == ("+KEY=[redacted]",)


def test_a_directory_that_is_gone_is_told(tmp_path: Path) -> None:
    changes = begun(tmp_path)
    changes.root.rmdir()
    assert changes.look().note == f"The directory {changes.root} is not there any more."
    (changes.folder / NAME).write_text("{")
    with pytest.raises(ValueError, match="is not what was written"):
        changes.look()
    (changes.folder / NAME).unlink()
    with pytest.raises(FileNotFoundError):
        changes.look()


def run_with(*events: e.Event, task_file: str = "/base/task.json") -> RunState:
    state = RunState()
    state.apply(run_started(mode="serial", max_concurrent=1, evaluator_endpoint="", task_file=task_file))
    state.apply(e.TaskQueued(task_id="t", index=0, dir="d", first_prompt="p", max_iterations=1))
    for event in events:
        state.apply(event)
    return state


STARTED = e.TaskStarted(task_id="t", ts=1.0)
ENDED = e.TaskFinished(task_id="t", ts=5.0, status="completed", reason="accepted", changed_files=2)


@pytest.mark.parametrize(
    ("state", "folder", "task_id", "source"),
    [
        (run_with(), RUN, None, ChangesNote("No task is chosen.")),
        (run_with(), RUN, "x", ChangesNote("No task is chosen.")),
        (run_with(), RUN, "t", ChangesNote("This task has not begun.")),
        (run_with(STARTED), RUN, "t", Directory(RUN.path / "tasks" / "t", Path("/base/d"))),
        (
            run_with(STARTED, task_file=""),
            RUN,
            "t",
            ChangesNote("The run's records do not say where the task's directory is."),
        ),
        (run_with(STARTED, ENDED), RUN, "t", Kept(RUN.path / "tasks" / "t", 5.0)),
        (
            run_with(STARTED, ENDED.model_copy(update={"changed_files": 0})),
            RUN,
            "t",
            ChangesNote("It has ended, and nothing was changed in its directory."),
        ),
        (run_with(STARTED, ENDED), None, "t", ChangesNote("A results file says only that 2 files were changed.")),
        (
            run_with(STARTED, ENDED.model_copy(update={"changed_files": 1})),
            None,
            "t",
            ChangesNote("A results file says only that 1 file was changed."),
        ),
        (run_with(), None, "t", ChangesNote("A results file has no diffs; this one names no file that was changed.")),
    ],
)  # fmt: skip
def test_where_to_look(
    state: RunState, folder: RunFolder | None, task_id: str | None, source: FilesSource
) -> None:
    assert files_source(state, folder, task_id) == source


def test_a_task_that_runs_again_leaves_its_old_patch_alone() -> None:
    again = e.TaskQueued(task_id="t", index=0, dir="d", first_prompt="p", max_iterations=1)
    state = run_with(STARTED, ENDED, again, STARTED)
    assert isinstance(files_source(state, RUN, "t"), Directory)
    state = run_with(STARTED, ENDED, e.TaskRequeued(task_id="t"), e.TaskResumed(task_id="t", ts=9.0))
    assert isinstance(files_source(state, RUN, "t"), Directory)


def test_an_isolated_task_is_looked_at_where_it_works(tmp_path: Path) -> None:
    source = Directory(tmp_path.resolve() / "t", tmp_path / "own")
    assert working_directory(source.folder, source.own) == tmp_path / "own"
    work = source.folder / WORK
    (work / "copy").mkdir(parents=True)
    place = IsolatedDir(work / "copy", source.own, "copy", work)
    record_isolated_dir(place, "making")
    assert working_directory(source.folder, source.own) == source.own
    record_isolated_dir(place, "made")
    assert working_directory(source.folder, source.own) == work / "copy"
    record_isolated_dir(
        IsolatedDir(Path("/etc"), source.own, "copy", work), "made"
    )  # a folder that somebody tampered with
    assert working_directory(source.folder, source.own) == source.own
