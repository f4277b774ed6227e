"""One task as text."""

from agentbatch.display.reports.exports.junit import failure_lines
from agentbatch.display.reports.task_report import render_task
from agentbatch.runs.state.task_state import Said, SetupRecord, TaskState, VerdictRecord


def test_what_setup_said() -> None:
    setup = (
        SetupRecord(command="uv sync", exit_code=0, tail="", kind="setup", seconds=3.21),
        SetupRecord(command="npm ci", exit_code=3, tail="npm error\n  E404\n", kind="setup", seconds=0.5),
        SetupRecord(command="make down", exit_code=None, tail="", kind="teardown", seconds=600),
    )
    task = TaskState(
        id="t", index=0, dir="w", max_iterations=3, status="error", reason="setup", finished_at=1, error="E.",
        setup=setup,
    )  # fmt: skip
    lines = render_task(task, [], None, 0, 80)
    assert lines[lines.index("Setup") :][:6] == [
        "Setup",
        "  setup exit 0 3.2s: uv sync",
        "  setup exit 3 0.5s: npm ci",
        "    npm error",
        "    E404",
        "  teardown out of time 10:00: make down",
    ]
    assert "\nsetup: $ npm ci\nnpm error\n  E404\n\n(exit 3 0.5s)" in list(failure_lines(task))


def test_what_the_user_said() -> None:
    said = (Said(seq=3, ts=0, text="In German.\n\tÜ", by="me"), Said(seq=9, ts=0, text="Later."))
    task = TaskState(id="t", index=0, dir="w", max_iterations=3, said=said, heard=3)
    lines = render_task(task, [], None, 0, 80)
    assert lines[lines.index("Said by the user") :][1:6] == [
        "  me:",
        "    In German.",
        "    Ü",
        "  the user, not heard:",
        "    Later.",
    ]


def test_what_the_judge_misses() -> None:
    record = VerdictRecord(
        iteration=1, accepted=False, verdict={"missing": ["no tests"]}, refusals=["No."], tampering=[], follow_up=""
    )  # fmt: skip
    lines = render_task(
        TaskState(id="t", index=0, dir="w", max_iterations=2, verdicts=(record,)), [], None, 0, 80
    )
    assert lines[lines.index("Iteration 1: not accepted") :] == [
        "Iteration 1: not accepted",
        "  - No.",
        "  missing: no tests",
    ]
