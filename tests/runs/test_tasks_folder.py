"""What the directories of tasks are relative to."""

from pathlib import Path

import pytest

from agentbatch.runs.folder import is_kept, tasks_folder


@pytest.mark.parametrize(
    ("task_file", "folder"),
    [
        ("task.json", ""),
        ("specs/mine.yaml", "specs"),
        ("linked.json", "specs"),
        (".agentbatch/runs/20260101-1/task.json", ""),
        ("away/.agentbatch/runs/20260101-1/task.json", "away"),
        (".agentbatch/runs/20260101-1/other.json", ".agentbatch/runs/20260101-1"),
        ("runs/20260101-1/task.json", "runs/20260101-1"),
    ],
)
def test_a_run_s_own_tasks_are_relative_to_the_folder_that_it_was_started_in(
    tmp_path: Path, task_file: str, folder: str
) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "linked.json").symlink_to("specs/mine.yaml")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "away").mkdir()
    (tmp_path / "away/.agentbatch").symlink_to("../elsewhere")
    place = tmp_path / task_file
    assert tasks_folder(place) == tmp_path / folder
    assert is_kept(place) == ("runs/20260101-1/task.json" in task_file and ".agentbatch" in task_file)
