"""What `status` and `runs` show, from hand-made states."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from agentbatch.display.reports.run_report import RunReport
from agentbatch.display.reports.runs.runs_table import Unreadable, ago, render_runs, run_line, runs_document
from agentbatch.display.reports.status import MAX_TASKS, render_status, status_document
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.kind import kind_of
from agentbatch.runs.listing import Run, condition
from agentbatch.text import width
from tests.display.conftest import Story
from tests.support.run_events import NOON

BASE = Path("/w")
HOSTILE = "\x1b[2J\x1b]0;owned\x07 rm\r\n-rf \u202eevil " + "x" * 300


def opened(story: Story, second: float, *, alive: bool = False, name: str = "20270115-120000-ab12") -> Run:
    """The story's run, as it would be read from its files `second` seconds after noon."""
    return Run(
        folder=RunFolder(Path("/w/.agentbatch/runs") / name),
        state=story.state,
        condition=condition(story.state, held=alive),
        holder="process 4711 on host" if alive else "",
        begun=NOON,
        last=NOON + second,
    )


def text(run: Run, second: float, columns: int = 80) -> str:
    lines = render_status(RunReport(run, NOON + second, BASE), columns)
    commands = [line for line in lines if line.startswith("  agentbatch ")]
    assert all(width(line) <= columns for line in lines if line not in commands)
    return "\n".join(lines)


def under_way() -> Story:
    story = Story(["report", "primes", "roman", "words", "pages"])
    story.begin()
    story.start("report")
    story.call("report", 10)
    story.finish("report", 60)
    story.start("primes", 60)
    story.at(70, e.ToolCalled(task_id="primes", call_id="1", tool="bash", summary="pytest"))
    story.start("roman", 60)
    story.finish("roman", 90, status="error", reason="blocked", error="no sales.csv")
    return story


def test_a_run_under_way() -> None:
    assert text(opened(under_way(), 100, alive=True), 100).splitlines() == [
        "Run 20270115-120000-ab12: running (process 4711)",
        "  parallel, 3 at a time; started 2027-01-15 12:00; at work 1:40; about 0:31 left",
        "  coder m-coder, evaluator m-judge",
        "  5 tasks: ✓ 1 completed, ✗ 1 error, ● 1 coding, · 2 queued",
        "  tokens 12,000 in (9,000 cached), 600 out, 1 call, cost $0.0300",
        "",
        "Under way",
        "  ● primes coding        1/10  bash 0:30",
        "",
        "Failed",
        "  ✗ roman error      blocked",
        "      no sales.csv",
        "",
        "Next",
        "  agentbatch logs -f 20270115-120000-ab12  watches it",
    ]


def test_attempts_are_listed_below_their_task() -> None:
    story = Story(["roman"])
    story.begin()
    for number in (1, 2, 3):
        queued = e.TaskQueued(
            task_id=f"roman@{number}", attempt_of="roman", index=0, dir="roman", first_prompt="p", max_iterations=10,
            model="m-small" if number == 2 else "",
        )  # fmt: skip
        story.at(1, queued)
    story.start("roman@1", 10)
    story.finish("roman@1", 40)
    story.start("roman@2", 10)
    story.at(70, e.ToolCalled(task_id="roman@2", call_id="1", tool="bash", summary="pytest"))
    run = opened(story, 100, alive=True)
    shown = text(run, 100).splitlines()
    assert "  3 attempts: ✓ 1 completed, ● 1 coding, · 1 queued" in shown
    begin = shown.index("Under way")
    assert shown[begin + 1 : begin + 3] == [
        "  ● roman   coding        1/10  ✓ 1 completed, ● 1 coding, · 1 queued",
        "  ● roman@2 coding        1/10  bash 0:30",
    ]
    document = status_document(RunReport(run, NOON + 100, BASE))
    assert document["tasks"]["total"] == 1
    assert (document["attempts"]["total"], document["attempts"]["completed"]) == (3, 1)
    assert document["attemptList"][1] == {
        "id": "roman@2", "attemptOf": "roman", "status": "coding", "reason": None, "iteration": 1,
        "model": "m-small", "chosen": False,
    }  # fmt: skip
    assert [one["id"] for one in document["running"]] == ["roman"]


def test_an_engine_that_died_leaves_no_task_under_way() -> None:
    run = opened(under_way(), 100)
    shown = text(run, 5_000)
    assert "Run 20270115-120000-ab12: died\n" in shown
    assert "at work 1:40\n" in shown, "until the last thing that is known of it"
    assert "✗ 1 error, ‖ 1 interrupted, · 2 queued" in shown
    assert "Its engine ended without a word" in shown
    assert "Under way" not in shown
    assert "  agentbatch resume 20270115-120000-ab12                 resumes it\n" in shown
    assert "  agentbatch resume 20270115-120000-ab12 --retry-failed  runs what failed again\n" in shown
    document = status_document(RunReport(run, NOON + 5_000, BASE))
    assert document["tasks"] == {
        "total": 5, "completed": 1, "error": 1, "timeout": 0, "cancelled": 0, "skipped": 0,
        "interrupted": 1, "coding": 0, "evaluating": 0, "queued": 2,
    }  # fmt: skip
    assert (document["running"], document["process"]) == ([], None)
    assert document["resumeCommand"] == "agentbatch resume 20270115-120000-ab12"


def test_a_run_that_went_well_asks_for_nothing() -> None:
    story = Story(["only"], judged=False, rehearsal=True)
    story.begin()
    story.start("only")
    story.finish("only", 5)
    story.at(6, e.RunFinished())
    shown = text(opened(story, 6), 100)
    assert "rehearsal model" in shown
    assert "evaluator none" in shown
    assert shown.endswith("Next\n  agentbatch logs 20270115-120000-ab12  shows what happened")
    document = status_document(RunReport(opened(story, 6), NOON + 100, BASE))
    assert (document["condition"], document["resumeCommand"], document["failedList"]) == (
        "finished",
        None,
        [],
    )
    assert document["seconds"] == 6


def test_a_run_of_another_folder_is_named_by_its_path() -> None:
    story = under_way()
    report = RunReport(opened(story, 100), NOON + 100, Path("/elsewhere"))
    assert report.name == "/w/.agentbatch/runs/20270115-120000-ab12"
    assert report.resume == "cd /w && agentbatch resume 20270115-120000-ab12"
    copy = replace(opened(story, 100), folder=RunFolder(Path("/my copies/\x1b[2Jrun")))
    report = RunReport(copy, NOON + 100, BASE)
    assert (report.name, report.resume, report.retry) == ("'/my copies/run'", "", "")


def test_a_run_that_was_stopped_says_why() -> None:
    story = under_way()
    story.finish("primes", 95, status="cancelled", reason="interrupted", resumable=True)
    story.at(96, e.RunFinished(error="The endpoint refused the key."))
    run = opened(story, 96)
    shown = text(run, 100)
    assert ": interrupted\n" in shown
    assert "  stopped: The endpoint refused the key.\n" in shown
    assert "‖ 1 interrupted" in shown
    document = status_document(RunReport(run, NOON + 100, BASE))
    assert [entry["id"] for entry in document["failedList"]] == ["roman"]


def test_only_tasks_that_stay_as_they_are_have_failed() -> None:
    story = Story(["a", "b", "c", "d", "f"])
    story.begin()
    story.finish("a", 1, status="skipped", reason="dependency_failed", error="b failed")
    story.finish("b", 1, status="timeout", reason="max_iterations")
    story.finish("c", 1, status="cancelled", reason="cancelled")
    story.finish("d", 1, status="cancelled", reason="interrupted", resumable=True)
    story.finish("f", 1)
    story.at(2, e.RunFinished(interrupted=True))
    document = status_document(RunReport(opened(story, 2), NOON + 2, BASE))
    assert document["failedList"] == [
        {"id": "a", "reason": "dependency_failed", "status": "skipped", "error": "b failed"},
        {"id": "b", "reason": "max_iterations", "status": "timeout", "error": ""},
        {"id": "c", "reason": "cancelled", "status": "cancelled", "error": ""},
    ]


def test_a_paused_run_says_so_and_promises_no_end() -> None:
    story = under_way()
    story.at(95, e.Paused())
    story.at(95, e.Paused(task_id="primes"))
    run = opened(story, 95, alive=True)
    shown = text(run, 100)
    assert "running (process 4711), paused" in shown
    assert " left" not in shown
    assert "  ● primes coding        1/10  paused, bash 0:30" in shown
    document = status_document(RunReport(run, NOON + 100, BASE))
    assert (document["paused"], document["secondsLeft"]) == (True, None)
    assert (document["running"][0]["status"], document["running"][0]["paused"]) == ("coding", True)
    assert document["running"][0]["activity"]["tool"] == "bash"
    assert "paused" not in text(opened(story, 95), 100), "a dead engine holds nobody"


def test_a_run_that_sleeps_for_a_quota_says_until_when() -> None:
    story = under_way()
    story.at(95, e.QuotaUsedUp(endpoint="h", until=NOON + 86_495.0))
    run = opened(story, 95, alive=True)
    shown = text(run, 100)
    assert "asleep until Sat 16 Jan 12:01 (23:59:55): the quota of h is used up" in shown
    assert " left" not in shown
    assert status_document(RunReport(run, NOON + 100, BASE))["asleepUntil"] == "2027-01-16T12:01:35.000Z"
    assert "asleep" not in text(opened(story, 95), 100), "a dead engine wakes nobody"


@pytest.mark.parametrize(
    ("ended", "concurrent", "expected"),
    [
        ([], 3, None),
        ([60.0, 120.0], 3, 90 * 3 / 3),
        ([60.0, 120.0], 1, 90 * 3),
        ([60.0, 120.0], 50, 90.0),
    ],
)
def test_time_left_is_the_mean_of_what_ended(
    ended: list[float], concurrent: int, expected: float | None
) -> None:
    story = Story([f"t{n}" for n in range(len(ended) + 3)], max_concurrent=concurrent)
    story.begin()
    for n, seconds in enumerate(ended):
        story.start(f"t{n}")
        story.finish(f"t{n}", seconds)
    assert kind_of(story.state.info).seconds_left(story.state, NOON + 200) == expected


def test_a_task_that_takes_longer_than_the_mean_counts_as_nearly_over() -> None:
    story = Story(["a", "b", "c"], max_concurrent=2)
    story.begin()
    story.start("a")
    story.finish("a", 60)
    story.start("b")
    assert kind_of(story.state.info).seconds_left(story.state, NOON + 500) == 60 / 2


def test_long_lists_end_with_how_many_more() -> None:
    story = Story([f"t{n}" for n in range(60)])
    story.begin()
    for n in range(30):
        story.finish(f"t{n}", 1, status="error", reason="stalled")
    for n in range(30, 55):
        story.start(f"t{n}")
    run = opened(story, 2, alive=True)
    lines = text(run, 2).splitlines()
    assert "  … and 10 more: --all lists all" in lines
    assert "  … and 5 more: --json lists all" in lines
    assert sum(line.startswith("  ✗") for line in lines) == MAX_TASKS
    assert lines[lines.index("Causes") + 1].startswith(
        "   30 x stalled: no progress in three iterations (tasks 1, 2, "
    )
    report = RunReport(run, NOON + 2, BASE)
    assert sum(line.startswith("  ✗") for line in render_status(report, 80, 30)) == 30
    document = status_document(report)
    assert (len(document["failedList"]), len(document["running"])) == (30, 25)


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_hostile_text_neither_acts_nor_overflows(columns: int) -> None:
    story = Story(["ok", "好" * 60], coder_model=HOSTILE, evaluator_model=HOSTILE)
    story.begin()
    story.finish("ok", 1, status="error", reason="model_error", error=HOSTILE)
    story.start("好" * 60)
    story.at(2, e.ToolCalled(task_id="好" * 60, call_id="1", tool=HOSTILE, summary=HOSTILE))
    for run in (opened(story, 3, alive=True), opened(story, 3)):
        shown = text(run, 3, columns)
        assert not any(sign in shown for sign in "\x1b\x07\r\u202e")
        table = "\n".join(
            render_runs([run_line(run, NOON)], [Unreadable(HOSTILE, "f", HOSTILE)], NOON, columns)
        )
        assert not any(sign in table for sign in "\x1b\x07\r\u202e")
        assert json.dumps(status_document(RunReport(run, NOON + 3, BASE))).isascii()
    story.at(4, e.RunFinished(error=HOSTILE))
    assert "\x1b" not in text(opened(story, 4), 4, columns)


def test_a_run_that_never_began_can_be_shown() -> None:
    run = opened(Story([]), 0)
    assert text(run, 1).splitlines()[:2] == [
        "Run 20270115-120000-ab12: died",
        "  Its engine ended without a word (killed, a power cut, a full disk).",
    ]
    assert status_document(RunReport(run, NOON, BASE))["mode"] is None
    listed = run_line(run, NOON)
    assert render_runs([listed], [], NOON)[1].split()[:2] == ["20270115-120000-ab12", "died"]
    assert runs_document([listed], [])["runs"][0]["coderModel"] is None


def test_the_list_of_runs() -> None:
    done = Story(["a"], evaluator_model="m-coder")
    done.begin()
    done.start("a")
    done.call("a", 1)
    done.finish("a", 2)
    done.at(3, e.RunFinished())
    opened_runs = [opened(under_way(), 100, alive=True), opened(done, 3, name="20270115-110000-cd34")]
    runs = [run_line(run, NOON + 200) for run in opened_runs]
    bad = Unreadable("20270115-100000-ef56", "/w/bad", "/w/bad/run.db is not a run database.")
    lines = render_runs(runs, [bad], NOON + 7_300)
    assert lines == [
        "run                  condition started tasks    cost models",
        "20270115-120000-ab12 running   2 h ago   1/5 $0.0300 m-coder, m-judge",
        "20270115-110000-cd34 finished  2 h ago   1/1 $0.0300 m-coder",
        "20270115-100000-ef56: /w/bad/run.db is not a run database.",
    ]
    document = runs_document(runs, [bad])
    assert [(r["run"], r["condition"], r["tasks"], r["process"]) for r in document["runs"]] == [
        ("20270115-120000-ab12", "running", {"total": 5, "completed": 1}, 4711),
        ("20270115-110000-cd34", "finished", {"total": 1, "completed": 1}, None),
    ]
    assert document["runs"][0]["seconds"] == 200
    assert document["unreadable"] == [
        {"run": "20270115-100000-ef56", "folder": "/w/bad", "problem": "/w/bad/run.db is not a run database."}
    ]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-5, "now"), (59, "now"), (60, "1 min ago"), (3_599, "59 min ago"), (3_600, "1 h ago"),
        (86_399, "23 h ago"), (40 * 86_400, "40 d ago"),
    ],
)  # fmt: skip
def test_ages(seconds: float, expected: str) -> None:
    assert ago(seconds) == expected
