import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentbatch.display.json import done_record
from agentbatch.display.reports.causes import group_causes
from agentbatch.display.reports.summary import Summary
from agentbatch.display.reports.summary_text import render_text
from agentbatch.display.reports.task_report import render_task
from agentbatch.runs import events as e
from agentbatch.runs.state.bills import DraftBill
from agentbatch.runs.state.run_state import RunState
from agentbatch.spending.pricing import ComparisonRow
from agentbatch.text import width
from agentbatch.usage import Usage

ROWS = [ComparisonRow("gpt-9", 0.02, 0.04, 0.06), ComparisonRow("nobody-knows", None, None, None)]


def summary_of(state: RunState, **changes: Any) -> Summary:
    fields: dict[str, Any] = {
        "comparison": ROWS,
        "results_file": Path("parallel_batch_results.json"),
        "run_folder": Path(".agentbatch/runs/r1"),
        "exit_code": 1,
    }
    return Summary(state, **(fields | changes))


@pytest.fixture
def mixed(story: Callable[..., Any]) -> RunState:
    """Four tasks: one accepted, two with the same 500, one at its limit; two calls of the judge."""
    run = story(["parser", "整理数据", "csv", "primes"], warnings=["no sandbox here"])
    for name in ("parser", "整理数据", "csv", "primes"):
        run.start(name, 1)
        run.call(name, 5)
    judge = {"role": "evaluator", "model": "m-judge", "purpose": "judge", "cost": 0.005}
    run.call("parser", 6, **judge, usage=Usage(input=3_000, output=200, calls=1))
    run.call("primes", 6, **judge, usage=Usage(input=3_000, output=200, calls=1))
    run.at(
        7,
        e.VerdictReached(
            task_id="primes",
            iteration=1,
            accepted=False,
            verdict=None,
            tampering=["tests/test_primes.py"],
            decision="continue",
        ),
    )
    run.finish("parser", 11)
    error = {"status": "error", "reason": "model_error"}
    run.finish("整理数据", 21, **error, error="HTTP 500 (request 8f3a11): try again")
    run.finish("csv", 31, **error, error="HTTP 500 (request 77ab02): try again")
    run.finish("primes", 61, status="timeout", reason="max_iterations", error="one test fails")
    run.at(62, e.RunFinished())
    return run.state  # type: ignore[no-any-return]


def test_the_whole_summary(mixed: RunState) -> None:
    assert render_text(summary_of(mixed), 80) == [
        "Summary of run 20270115-120000-ab12",
        "  4 tasks: 1 completed, 2 failed, 1 timed out",
        "  success rate 25%, total time 1:02",
        "",
        "Tokens          input    cached    output reasoning  calls      cost",
        "  coder        48,000    36,000     2,400       400      4   $0.1200",
        "  evaluator     6,000         0       400         0      2   $0.0100",
        "  total        54,000    36,000     2,800       400      6   $0.1300",
        "  coder model: m-coder",
        "  evaluator model: m-judge",
        "  average 9,467 tokens a call over 6 calls",
        "  67% of the input came from the prompt cache",
        "",
        "Tasks",
        "  ✓   1 parser                      completed     1/10    0:10   15.8k  $0.0350",
        "  ✗   2 整理数据                    error         1/10    0:20   12.6k  $0.0300",
        "        HTTP 500 (request 8f3a11): try again",
        "  ✗   3 csv                         error         1/10    0:30   12.6k  $0.0300",
        "        HTTP 500 (request 77ab02): try again",
        "  ✗   4 primes                      timeout       1/10    1:00   15.8k  $0.0350",
        "        one test fails",
        "",
        "Causes of errors",
        "    2 x model_error: HTTP 500 (request 8f3a11): try again (tasks 2, 3)",
        "    1 x max_iterations: one test fails (task 4)",
        "",
        "Changed tests and protected files",
        "  - task 4: tests/test_primes.py",
        "",
        "Warnings",
        "  - no sandbox here",
        "",
        "What these tokens would cost elsewhere",
        "  model           input   output    total  vs actual",
        "  gpt-9         $0.0200  $0.0400  $0.0600      0.46x  ████████████████████",
        "  nobody-knows        –        –        –          –",
        "",
        "Results      parallel_batch_results.json",
        "Transcripts  .agentbatch/runs/r1/tasks",
        "Log          .agentbatch/runs/r1/run.log",
        "Review       agentbatch show 2 --run 20270115-120000-ab12  (--diff: changes)",
        "Retry with   agentbatch resume 20270115-120000-ab12 --retry-failed",
        "Only some    agentbatch resume 20270115-120000-ab12 --reason model_error",
    ]


def test_a_resumption_of_what_was_over_does_not_tell_all_again(mixed: RunState) -> None:
    lines = render_text(summary_of(mixed, nothing_ran=True), 80)
    assert lines[0] == "Summary of run 20270115-120000-ab12"
    assert lines[-2].startswith("Retry with   agentbatch resume")
    assert not {"Tasks", "Causes of errors", "What these tokens would cost elsewhere"} & set(lines)


def test_an_interrupted_run_tells_the_command_that_goes_on(story: Callable[..., Any]) -> None:
    run = story(["a", "b"])
    run.finish("a", 1, status="cancelled", reason="interrupted", resumable=True)
    run.finish("b", 2, status="error", reason="stalled")
    run.at(3, e.RunFinished(interrupted=True))
    lines = render_text(summary_of(run.state), 80)
    assert lines[-1] == "Resume with  agentbatch resume 20270115-120000-ab12"
    assert [cause.numbers for cause in group_causes(list(run.state.tasks.values()))] == [(2,)]


def test_causes_keep_different_errors_apart(story: Callable[..., Any]) -> None:
    run = story(["a", "b", "c"])
    for name, error in (("a", "HTTP 500"), ("b", "HTTP 503"), ("c", "HTTP 503")):
        run.finish(name, 1, status="error", reason="model_error", error=error)
    assert group_causes(summary_of(run.state).tasks) == [
        ("model_error: HTTP 503", (2, 3)),
        ("model_error: HTTP 500", (1,)),
    ]


def test_work_that_was_not_accepted_is_told_apart_by_what_spoke_against_it(story: Callable[..., Any]) -> None:
    run = story(["a", "b", "c", "d", "e"])
    lead = "No progress in 3 iterations: the same files, the same things missing. "
    for name, error in (
        ("a", f"{lead}verify failed: 2 tests failed"),
        ("b", f"{lead}not complete: no tests"),
        ("c", f"{lead}verify failed: no module plural"),
        ("d", f"{lead}not complete: no tests"),
    ):
        run.finish(name, 1, status="error", reason="stalled", error=error)
    run.finish("e", 1, status="error", reason="blocked", error="blocked: no key and 2 more")
    assert group_causes(summary_of(run.state).tasks) == [
        ("stalled: such as verify failed: 2 tests failed", (1, 3)),
        ("stalled: not complete: no tests", (2, 4)),
        ("blocked: no key and 2 more", (5,)),
    ]


def test_unknown_price_and_estimates(story: Callable[..., Any]) -> None:
    run = story(["a"], rehearsal=True)
    run.start("a")
    run.call("a", 1, cost=None, usage=Usage(input=1_234_567, output=50, calls=1, estimated=True))
    text = "\n".join(render_text(summary_of(run.state, comparison=[]), 80))
    assert "rehearsal model: scripted replies, no AI" in text
    assert "  total         ≈1.2M         0       ≈50         0      1         –" in text
    assert "\n\n\n" not in text
    assert "are estimates" in text
    assert "cost elsewhere" not in text


def test_an_interrupted_run_counts_what_did_not_finish(story: Callable[..., Any]) -> None:
    run = story(["a", "b", "c"])
    run.finish("a", 1)
    run.at(2, e.RunFinished(interrupted=True))
    summary = summary_of(run.state)
    assert (summary.unfinished, group_causes(summary.tasks)) == (2, [])
    text = "\n".join(render_text(summary, 80))
    assert "the run was interrupted" in text
    assert "3 tasks: 1 completed, 2 not finished" in text


def test_a_stopped_run_says_why(story: Callable[..., Any]) -> None:
    run = story(["a"])
    run.at(2, e.RunFinished(error="the endpoint refused the key"))
    assert "  the run was stopped: the endpoint refused the key" in render_text(summary_of(run.state), 80)


def test_a_run_without_tokens_is_not_compared(story: Callable[..., Any]) -> None:
    run = story(["a"])
    run.finish("a", 1, status="error", reason="model_error")
    assert not any("cost elsewhere" in line for line in render_text(summary_of(run.state), 80))


def test_no_tasks_and_no_events_make_a_summary_too() -> None:
    summary = summary_of(RunState())
    assert (summary.run_id, summary.seconds, summary.success_rate) == ("r1", 0.0, 0.0)
    assert render_text(summary, 80)[0] == "Summary of run r1"


def test_over_fifty_tasks_only_failures_are_listed(story: Callable[..., Any]) -> None:
    names = [f"task-{n}" for n in range(60)]
    run = story(names)
    for name in names[:50]:
        run.finish(name, 1)
    run.finish(names[50], 1, status="error", reason="stalled")
    lines = render_text(summary_of(run.state, comparison=[]), 80)
    listed = lines[lines.index("Tasks") + 1 : lines.index("Causes of errors") - 1]
    assert [text.split()[:3] for text in listed] == [
        ["✗", "51", "task-50"],
        ["no", "progress", "in"],
        ["…", "and", "50"],
        ["…", "and", "9"],
    ]
    assert listed[2:] == ["  … and 50 completed", "  … and 9 not finished"]


def test_what_an_interruption_left_is_not_finished(story: Callable[..., Any]) -> None:
    """It is no failure, and where there are many it stands between no two."""
    names = [f"task-{n}" for n in range(60)]
    run = story(names)
    run.start(names[1])
    for name in names[1:]:
        run.finish(name, 2, status="cancelled", reason="interrupted", resumable=True)
    run.finish(names[0], 1, status="error", reason="stalled")
    run.at(3, e.RunFinished(interrupted=True))
    text = render_text(summary_of(run.state, comparison=[]), 80)
    assert "  60 tasks: 0 completed, 1 failed, 59 not finished" in text
    listed = text[text.index("Tasks") + 1 : text.index("Causes of errors") - 1]
    assert [line.split()[:3] for line in listed[::2]] == [["✗", "1", "task-0"], ["…", "and", "59"]]
    few = story(["begun", "waits"])
    few.start("begun")
    for name in ("begun", "waits"):
        few.finish(name, 2, status="cancelled", reason="interrupted", resumable=True)
    shown = render_text(summary_of(few.state, comparison=[]), 80)
    listed = shown[shown.index("Tasks") + 1 :][:2]
    assert [line.split()[:4] for line in listed] == [
        ["‖", "1", "begun", "interrupted"],
        ["·", "2", "waits", "queued"],
    ]


@pytest.mark.parametrize("judged", [True, False])
def test_a_run_without_an_evaluator_says_so(story: Callable[..., Any], judged: bool) -> None:
    run = story(["a"], judged=judged)
    run.start("a", 1)
    run.finish("a", 2)
    text = "\n".join(render_text(summary_of(run.state), 80))
    assert ("no evaluator: each task's verify decided" in text) is not judged
    assert ("  evaluator " in text) is judged
    run.call("a", 3, role="evaluator")
    text = "\n".join(render_text(summary_of(run.state), 80))
    assert "  evaluator " in text, "of an earlier session that had one"


def test_it_says_by_what_the_completed_ones_were_accepted(story: Callable[..., Any]) -> None:
    run = story(["a", "b", "c"])
    for name, kind in (("a", "verify"), ("b", "sound"), ("c", "verify")):
        run.start(name, 1)
        checks = [e.CheckLine(kind=kind, command="x", passed=True)]
        run.at(
            2,
            e.VerdictReached(
                task_id=name, iteration=1, accepted=True, verdict=None, checks=checks, decision="done"
            ),
        )
        run.finish(name, 3)
    run.finish("c", 4, status="error", reason="workspace_error")
    assert "  accepted: 1 by verify · 1 by reading only" in render_text(summary_of(run.state), 80)


@pytest.mark.parametrize("columns", [40, 60, 80, 132])
def test_hostile_text_stays_inside_the_summary(story: Callable[..., Any], columns: int) -> None:
    bad = "\x1b[2J[bold]整理\u202e" * 50 + "\nTasks\n"
    run = story([bad, "b"], warnings=[bad], coder_model=bad, run_id=bad)
    run.start(bad)
    run.call(bad, 1, model=bad)
    run.at(
        1,
        e.VerdictReached(
            task_id=bad,
            iteration=1,
            accepted=False,
            verdict=None,
            tampering=[bad] * 9,
            decision="continue",
        ),
    )
    run.finish(bad, 1, status="error", reason="model_error", error=bad)
    lines = render_text(summary_of(run.state, comparison=[ComparisonRow(bad, 1, 2, 3)]), columns)
    assert all(text.isprintable() for text in lines)
    copied = ("Results", "Trans", "Log", "Review", "Resume", "Retry")  # somebody will copy them: never cut
    assert max(width(text) for text in lines if not text.startswith(copied)) <= columns
    assert lines.count("Tasks") == 1
    assert "[bold]" in "".join(lines)


def test_summary_is_data_that_json_can_carry(mixed: RunState) -> None:
    record = json.loads(json.dumps(done_record(summary_of(mixed))))
    assert record["summary"] == {
        "totalTasks": 4,
        "completedTasks": 1,
        "failedTasks": 2,
        "timeoutTasks": 1,
        "cancelledTasks": 0,
        "skippedTasks": 0,
        "successRate": 0.25,
        "durationSeconds": 62.0,
        "totalTokenStats": {
            "totalTokens": 56_800,
            "promptTokens": 54_000,
            "completionTokens": 2_800,
            "calls": 6,
            "cachedTokens": 36_000,
            "reasoningTokens": 400,
            "estimated": False,
        },
        "cost": {"total": 0.13, "currency": "USD"},
    }
    assert [failed["id"] for failed in record["failedList"]] == ["整理数据", "csv", "primes"]
    assert record["failedList"][2] == {
        "id": "primes",
        "reason": "max_iterations",
        "error": "one test fails",
    }
    assert (record["type"], record["exit_code"], record["results_file"]) == (
        "done",
        1,
        "parallel_batch_results.json",
    )


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_what_was_drafted_has_its_place_and_fits(mixed: RunState, columns: int) -> None:
    drafted = DraftBill(
        models=("m-strong" * 20,), usage=Usage(input=100, calls=1), cost=0.5, stronger_cost=2.0
    )
    first, *others = mixed.tasks["parser"].bills
    bills = (first.model_copy(update={"drafted": drafted}), *others)
    mixed.put(mixed.tasks["parser"].model_copy(update={"bills": bills}))
    lines = render_text(summary_of(mixed), columns)
    place = lines.index("Escalation")
    said = " ".join(line.strip() for line in lines[place + 1 : place + 5])
    assert "did not take over drafts of it: $0.5000 for 100 tokens, ≈$2.00 for as many on" in said
    assert all(width(line) <= columns for line in lines[place : place + 5])
    shown = render_task(mixed.tasks["parser"], [], None, 0.0, columns)
    assert any("did not take over" in line for line in shown)
    assert "Escalation" not in render_text(summary_of(RunState()), columns)


@pytest.mark.parametrize(
    ("fields", "alive", "head"),
    [
        ({"status": "coding", "started_at": 1.0}, True, "● coding"),
        ({"status": "coding", "started_at": 1.0}, False, "‖ interrupted"),
        ({"status": "queued", "started_at": None, "iteration": 0}, False, "· queued"),
    ],
)
def test_nothing_is_under_way_without_an_engine(
    mixed: RunState, fields: dict[str, Any], alive: bool, head: str
) -> None:
    task = mixed.tasks["parser"].model_copy(update={**fields, "finished_at": None})
    assert not task.finished
    assert render_task(task, [], None, 9.0, 80, alive=alive)[0] == f"{head} · parser"


def test_several_coders_each_with_what_it_spent_and_its_tasks(story: Callable[..., Any]) -> None:
    run = story(["a", "b"], coders=["builtin", "mini-swe-agent"])
    for name, coder in (("a", ""), ("b", "mini-swe-agent")):
        run.at(1, e.TaskStarted(task_id=name))
        run.at(1, e.IterationStarted(task_id=name, iteration=1, prompt="x", coder=coder or "builtin"))
        run.call(name, 1, coder=coder, model="m", cost=0.5, usage=Usage(input=10, output=2, calls=1))
        run.finish(name, 2)
    run.at(3, e.RunFinished())
    lines = render_text(summary_of(run.state, comparison=[]), 80)
    assert [line[:27].rstrip() for line in lines if "0.50" in line or "1.00" in line][:4] == [
        "  coder                  20",
        "    builtin              10",
        "    mini-swe-agent       10",
        "  total                  20",
    ]
    assert [line.split()[1:5] for line in lines if " 1/10 " in line] == [
        ["1", "a", "builtin", "completed"],
        ["2", "b", "mini-swe-agent", "completed"],
    ]
    assert all(width(line) <= 80 for line in lines)
    assert run.state.info.worker == "builtin, mini-swe-agent with m-coder"


def test_of_a_coder_that_tells_nothing_nothing_is_known(story: Callable[..., Any]) -> None:
    run = story(["a"], coders=["mine"], own_models=["mine"], coder_endpoint="")
    run.start("a")
    run.call("a", 1, coder="mine", model="mine", cost=None, told=True, usage=Usage(calls=1, untold=1))
    run.finish("a", 2)
    run.at(3, e.RunFinished())
    text = "\n".join(render_text(summary_of(run.state), 80))
    assert "  coder             –         –         –         –      1         –" in text
    assert "average" not in text
    assert "coder model" not in text
    assert "the tokens of 1 call were not told" in text
    assert "elsewhere" not in text
    assert run.state.info.worker == "mine"
