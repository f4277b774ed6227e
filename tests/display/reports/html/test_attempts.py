"""Several attempts at a task, and models compared by them, on the page."""

from agentbatch.display.reports.exports.atif import atif_files
from agentbatch.display.reports.exports.predictions import predictions_lines
from agentbatch.display.reports.html.bakeoff_view import compared
from agentbatch.display.reports.html.page import html_file, html_folder
from agentbatch.display.reports.html.task_section import task_section
from agentbatch.display.reports.material import Material
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from tests.runs.finished_run import a_finished_run
from tests.support.run_events import NOON


def with_attempts() -> RunState:
    """`parser` was tried twice, and the second try was taken."""
    state = a_finished_run()
    task = state.tasks["parser"]
    for number, model in ((1, "m-small"), (2, "m-large")):
        status = "completed" if number == 2 else "error"
        reason = "accepted" if number == 2 else "stalled"
        one = {
            "id": f"parser@{number}",
            "attempt_of": "parser",
            "model": model,
            "status": status,
            "reason": reason,
        }
        state.put(task.model_copy(update=one))
    standings = [
        e.AttemptStanding(attempt="parser@2", completed=True, passed=3, checks=4, alike=2, score=1.0),
        e.AttemptStanding(attempt="parser@1", completed=False),
    ]
    chosen = e.AttemptChosen(
        task_id="parser", attempt="parser@2", why="Only <it> was completed.", standings=standings
    )
    state.put(state.tasks["parser"].model_copy(update={"choice": chosen}))
    return state


def test_a_task_has_its_attempts_with_how_they_stood() -> None:
    material = Material(with_attempts(), NOON)
    section = task_section(material.state.tasks["parser"], "task-parser", material)
    assert section.choice == "Only <it> was completed."
    assert [(one.taken, one.model, one.checks, one.alike, one.score) for one in section.standings] == [
        (False, "m-small", "", "", "0.00"),
        (True, "m-large", "3/4", "1", "1.00"),
    ]
    assert [one.anchor for one in section.attempts] == ["task-parser@1", "task-parser@2"]
    page = "".join(html_file(material))
    assert page.count('<details class="attempt"') == 2
    assert "Only &lt;it&gt; was completed." in page
    assert page.count('<tr data-status="') == 4
    assert sorted(name for name, _ in html_folder(material))[1] == "tasks/task-csv.html"


def test_other_reports_take_the_attempt_that_was_taken_or_each() -> None:
    material = Material(with_attempts(), NOON)
    assert [name for name, _ in atif_files(material)][:3] == [
        "task-parser@1.json",
        "task-parser@2.json",
        "task-csv.json",
    ]
    first = next(predictions_lines(material))
    assert '"instance_id":"parser","model_name_or_path":"agentbatch+m-coder"' in first


def test_a_comparison_has_its_table_and_its_intervals() -> None:
    state = with_attempts()
    assert compared(state) is None
    assert state.info is not None
    settings = {"models": ["m-small", "m-large"]}
    state.info = state.info.model_copy(update={"settings": state.info.settings | settings})
    found = compared(state)
    assert found is not None
    assert [row[:3] for row in found.cells[1:]] == [
        ["m-small", "0/1", "0-79%"],
        ["m-large", "1/1", "21-100%"],
    ]
    assert [(one.model, one.rate) for one in found.plot] == [("m-small", 0.0), ("m-large", 1.0)]
    assert found.words == "m-small: 0 of 1 attempt solved, 0-79%; m-large: 1 of 1 attempt solved, 21-100%."
    page = "".join(html_file(Material(state, NOON)))
    assert page.count("<circle") == 2
    assert "success rate" not in page  # nothing is said by that of any model
    assert 'class="interval" x1="66.1"' in page
