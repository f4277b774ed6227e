"""Which links on the way to the results file are followed."""

from pathlib import Path
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.runs.events import RunStarted
from agentbatch.tasks.run.prepare.results_file import choose_results_file, refuse_moved, refuse_turned_link
from tests.support.run_events import run_started


@pytest.mark.parametrize(
    ("name", "roots", "refused"),
    [
        ("results.json", [""], False),
        ("link.json", [""], True),
        ("link.json", ["task"], False),
        ("dangling.json", [""], True),
        ("folder/results.json", [""], True),
        ("folder/results.json", ["task"], False),
        ("task/own/results.json", ["task"], True),
        ("task/own/results.json", ["other"], False),
        ("../project/link.json", ["."], True),
    ],
)
def test_a_link_in_a_task_s_own_directory_may_be_the_task_s(
    tmp_path: Path, name: str, roots: list[str], refused: bool
) -> None:
    project = tmp_path / "project"
    (project / "task").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (project / "link.json").symlink_to("../elsewhere/precious")
    (tmp_path / "elsewhere/precious").touch()
    (project / "dangling.json").symlink_to("../elsewhere/new")
    (project / "folder").symlink_to("../elsewhere")
    (project / "task/own").symlink_to("../../elsewhere")
    places = [(project / root).resolve() for root in roots]
    if refused:
        with pytest.raises(UserError, match="a task may have made it"):
            choose_results_file(project / name, places)
    else:
        assert choose_results_file(project / name, places) == (project / name).resolve()


def started(results: str, **settings: Any) -> RunStarted:
    return run_started(max_concurrent=1, results=results, settings=settings)


@pytest.mark.parametrize(
    ("before", "settings", "now", "refused"),
    [
        ("/p/r.json", {"output": None, "mode": "serial"}, "/p/r.json", False),
        ("/p/r.json", {"output": None, "mode": "serial"}, "/home/me/.bashrc", True),
        ("/p/r.json", {"output": "other.json", "mode": "serial"}, "/p/other.json", False),
        ("/p/r.json", {"output": None, "mode": "parallel"}, "/p/parallel.json", False),
        ("", {"output": None, "mode": "serial"}, "/home/me/.bashrc", False),
    ],
    ids=["the same", "turned", "another name", "another mode", "of an earlier version"],
)
def test_a_name_that_leads_elsewhere_than_when_the_run_began(
    before: str, settings: dict[str, Any], now: str, refused: bool
) -> None:
    begun = started(before, output=None, mode="serial")
    if refused:
        with pytest.raises(UserError, match="leads to /home/me/.bashrc now"):
            refuse_turned_link(begun, settings, Path(now))
    else:
        refuse_turned_link(begun, settings, Path(now))


@pytest.mark.parametrize(
    ("task_file", "tasks", "refused"),
    [
        ("/p/task.json", "task.json", False),
        ("/old/task.json", "task.json", True),
        ("/old/task.json", "other.json", False),
        ("", "task.json", False),
    ],
    ids=["the same", "moved", "another file", "of an earlier version"],
)
def test_a_folder_that_was_moved_since_the_run_began(task_file: str, tasks: str, refused: bool) -> None:
    begun = run_started(task_file=task_file, settings={"tasks": "task.json"})
    if refused:
        with pytest.raises(
            UserError, match="its folder was moved or copied, and all its tasks would run again"
        ):
            refuse_moved(begun, {"tasks": tasks}, Path("/p/task.json"))
    else:
        refuse_moved(begun, {"tasks": tasks}, Path("/p/task.json"))


@pytest.mark.parametrize(
    ("there", "refused"),
    [
        (None, False),
        ("", False),
        ("\n", False),
        ('{\n  "summary": {\n', False),
        ('{"summary":{}}', False),
        ("alias x=y\n", True),
        ('{"tasks": []}', True),
        ("[1]", True),
    ],
)
def test_what_is_no_results_file_is_not_overwritten(tmp_path: Path, there: str | None, refused: bool) -> None:
    place = tmp_path / "results.json"
    if there is not None:
        place.write_text(there)
    if refused:
        with pytest.raises(UserError, match="holds no results"):
            choose_results_file(place, [])
    else:
        assert choose_results_file(place, []) == place
