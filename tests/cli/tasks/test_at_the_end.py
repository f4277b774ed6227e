from pathlib import Path

import pytest

from agentbatch.api import RunOutcome
from agentbatch.cli.tasks.at_the_end import choose_places, exit_code, write_reports
from agentbatch.config.reports import ReportRequest
from agentbatch.display.reports.material import enough_completed
from agentbatch.errors import UserError
from agentbatch.runs.store.database import read_state
from tests.runs.finished_run import a_finished_run
from tests.runs.stored_runs import interrupted
from tests.support.run_events import NOON


def outcome(folder: Path, code: int = 1, problem: str = "") -> RunOutcome:
    return RunOutcome(a_finished_run(), [], folder / "results.json", folder, code, problem)


async def test_reports_are_written_over_those_of_before(tmp_path: Path) -> None:
    run = await interrupted(tmp_path)
    ended = RunOutcome(read_state(run.database), [], tmp_path / "results.json", run.path, 1)
    asked = ("r.html", "html=pages", "out/j.xml", "atif=atif")
    for _ in range(2):
        places = choose_places(asked, tmp_path, [])
        assert write_reports(places, ended, NOON) == []
    assert sorted(path.name for path in (tmp_path / "pages").iterdir()) == ["index.html", "tasks"]
    assert len(list((tmp_path / "atif").iterdir())) == 4
    assert "<testsuites" in (tmp_path / "out" / "j.xml").read_text(encoding="utf-8")


def test_what_cannot_be_written_is_found_out_before_the_run_or_told_after_it(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "r.html").symlink_to(tmp_path / "mine.html")
    with pytest.raises(UserError, match=r"The report file would be written through .*work/r\.html, a link"):
        choose_places(["work/r.html"], tmp_path, [tmp_path / "work"])
    with pytest.raises(UserError, match="writes files, since the run itself"):
        choose_places(["md=-"], tmp_path, [])
    (tmp_path / "gone").mkdir()
    (problem,) = write_reports([ReportRequest("md", str(tmp_path / "gone"))], outcome(tmp_path), NOON)
    assert problem.startswith("A report is missing: ")


def test_a_link_that_a_task_has_put_there_is_not_followed(tmp_path: Path) -> None:
    (mine := tmp_path / "mine.md").write_text("mine", encoding="utf-8")
    (place,) = choose_places(["r.md"], tmp_path, [tmp_path])
    (tmp_path / "r.md").symlink_to(mine)
    write_reports([place], outcome(tmp_path), NOON)
    assert mine.read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "r.md").is_symlink()


@pytest.mark.parametrize(
    ("code", "percent", "problem", "found"),
    [
        (1, None, "", 1),
        (1, 25.0, "", 0),
        (1, 25.1, "", 1),
        (0, 100.0, "", 1),
        (130, 0.0, "", 130),
        (1, 0.0, "no results", 1),
    ],
)
def test_the_exit_code_goes_by_the_share_that_is_asked_for(
    tmp_path: Path, code: int, percent: float | None, problem: str, found: int
) -> None:
    assert exit_code(outcome(tmp_path, code, problem), percent) == found


def test_a_task_that_nobody_asks_for_any_more_does_not_count() -> None:
    state = a_finished_run()
    for name in ("csv", "docs"):
        state.put(state.tasks[name].model_copy(update={"reason": "left_out"}))
    assert enough_completed(state, 50)
    assert not enough_completed(state, 51)
