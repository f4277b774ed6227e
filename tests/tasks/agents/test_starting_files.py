"""The files that a new project starts from."""

from pathlib import Path

from agentbatch.tasks.agents.starting_files import place_starting_files


def test_no_task_file_is_made_beside_one_in_another_form(tmp_path: Path) -> None:
    """It would be taken in place of that one, and its samples run."""
    (tmp_path / "task.yaml").write_text("tasks: []\n")
    placed = [(done, Path(what).name) for done, what in place_starting_files(tmp_path)]
    assert placed[:2] == [("kept", "task.yaml"), ("created", ".env")]
    assert not (tmp_path / "task.json").exists()
