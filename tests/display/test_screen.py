from collections.abc import Callable
from typing import Any

import pytest

from agentbatch.display.screen import Row, live_step, screen
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import Activity
from agentbatch.text import width
from agentbatch.usage import Usage


def text_of(rows: list[Row]) -> list[str]:
    return ["".join(part for part, _ in row).rstrip() for row in rows]


@pytest.mark.parametrize(
    ("activity", "shown"),
    [
        (Activity(kind="generating", since=59), "generating 0:41"),
        (Activity(kind="generating", since=59, retries=2), "generating 0:41 (2 retries)"),
        (Activity(kind="judging", since=95), "judging 0:05"),
        (Activity(kind="tool", tool="bash", since=30), "bash 1:10"),
        (Activity(kind="tool", tool="\x1b[31mba\nsh", since=30), "ba sh 1:10"),
        (Activity(kind="waiting", detail="rate limit (429)", until=145), "waiting for rate limit 0:45"),
        (Activity(kind="waiting", detail="tokens/min", until=145), "waiting for tokens/min 0:45"),
        (Activity(kind="waiting", detail="in-flight limit"), "waiting for a free connection"),
        (Activity(kind="waiting", detail="budget", since=30), "waiting for room in the budget"),
        (Activity(kind="waiting", detail="quota", until=3_745), "waiting for its quota 1:00:45"),
        (Activity(kind="waiting"), "waiting for its turn"),
        (Activity(kind="retrying", until=105, retries=1), "retrying in 0:05 (1 retry)"),
        (Activity(kind="verify", since=97), "verify 0:03"),
        (Activity(kind="verify", check="own", since=97), "running checks 0:03"),
        (Activity(kind="preparing", since=97), "writing checks 0:03"),
        (Activity(kind="idle"), ""),
    ],
)
def test_live_step(activity: Activity, shown: str) -> None:
    assert live_step(activity, 100) == shown


def test_a_run_that_sleeps_says_until_when(story: Callable[..., Any], noon: float) -> None:
    run = story(["a"])
    run.start("a", 1)
    run.at(2, e.QuotaUsedUp(endpoint="h", until=noon + 9_002))
    rows = ["".join(text for text, _ in row) for row in screen(run.state, noon + 2, 80, 24)]
    assert "asleep until 14:30 (2:30:00): the quota of h is used up" in rows


def test_where_a_task_of_a_cluster_is(story: Callable[..., Any], noon: float) -> None:
    run = story(["a", "b"], cluster="10.0.0.1:6379")
    for name, place in (("a", "waiting for a node"), ("b", "node 10.0.0.4")):
        run.start(name, 1)
        run.at(2, e.TaskPlaced(task_id=name, place=place))
    run.at(3, e.ToolCalled(task_id="b", call_id="c", tool="bash", summary="sleep 100"))
    rows = text_of(screen(run.state, noon + 5, 80, 24))
    assert rows[2] == "coder m-coder · evaluator m-judge · cluster 10.0.0.1:6379"
    assert [row.partition("$0.00 ")[2] for row in rows if "coding" in row] == [
        "0:04 waiting for a node",
        "0:04 bash 0:02",
    ]


def test_the_whole_screen(story: Callable[..., Any], noon: float) -> None:
    run = story(["parser", "整理数据", "csv", "primes"], rehearsal=True, warnings=["no sandbox", "old tmux"])
    run.start("parser", 1)
    run.call("parser", 5)
    run.finish("parser", 11)
    run.start("整理数据", 20)
    run.at(21, e.ToolCalled(task_id="整理数据", call_id="c", tool="bash", summary="sleep 100"))
    run.start("csv", 30)
    run.finish("csv", 31, status="error", reason="model_error", error="HTTP 500")
    assert text_of(screen(run.state, noon + 91, 80, 24)) == [
        "─" * 80,
        "agentbatch run 20270115-120000-ab12 · parallel 3 · sandbox bubblewrap",
        "coder m-coder · evaluator m-judge",
        " rehearsal model: scripted replies, no AI",
        "! old tmux (+1 more)",
        "            task     iter tokens    cost time",
        "✓ completed parser   1/10  12.6k $0.0300 0:10",
        "● coding    整理数据 1/10      0   $0.00 1:11 bash 1:10",
        "✗ error     csv      1/10      0   $0.00 0:01 HTTP 500",
        "· queued    primes",
        "─" * 80,
        "1 done · 1 failed · 1 running · 1 queued          12,600 tokens · $0.0300 · 1:31",
    ]


@pytest.mark.parametrize(
    ("notice", "others", "shown"),
    [
        ("old tmux", 0, ["! old tmux"]),
        ("x" * 30, 9, ["! " + "x" * 30, "  (+9 more)"]),
        ("one, two, three, four, five, six", 0, ["! one, two, three, four,", "  five, six"]),
        (
            "one two three four, and five six seven eight nine ten",
            2,
            ["! one two three four,", "  and five six seven … (+2 more)"],
        ),
    ],
)
def test_a_warning_takes_two_lines_at_most_and_says_when_it_is_cut(
    story: Callable[..., Any], noon: float, notice: str, others: int, shown: list[str]
) -> None:
    run = story(["a"], warnings=[*(f"other {n}" for n in range(others)), notice])
    lines = text_of(screen(run.state, noon, 32, 24))
    assert lines[3 : 3 + len(shown)] == shown
    assert "task" in lines[3 + len(shown)]


def test_what_a_resumption_continues_has_not_failed(story: Callable[..., Any], noon: float) -> None:
    run = story(["a", "b", "c"])
    run.start("a", 1)
    run.finish("a", 5, status="cancelled", reason="interrupted", resumable=True)
    run.finish("b", 5, status="cancelled", reason="interrupted", resumable=True)
    run.start("c", 1)
    run.finish("c", 5, status="cancelled", reason="cancelled")
    lines = text_of(screen(run.state, noon + 6, 80, 24))
    assert [line.split()[:3] for line in lines[4:7]] == [
        ["‖", "interrupted", "a"], ["·", "queued", "b"], ["○", "cancelled", "c"],
    ]  # fmt: skip
    assert lines[-1].startswith("0 done · 1 failed · 1 interrupted · 0 running · 1 queued")


def test_more_tasks_than_rows(story: Callable[..., Any], noon: float) -> None:
    names = [f"t{n}" for n in range(200)]
    run = story(names)
    for n in range(30):
        run.start(names[n], n)
    for n in range(27):
        run.finish(names[n], 100 - n)
    lines = text_of(screen(run.state, noon + 200, 80, 18))
    shown = [text.split()[2] for text in lines[4:-3]]
    assert shown == ["t27", "t28", "t29", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7"]
    assert lines[-3] == "… 170 more queued, 19 more finished"
    assert len(lines) == 18


def test_more_running_than_rows(story: Callable[..., Any], noon: float) -> None:
    names = [f"t{n}" for n in range(50)]
    run = story(names)
    for name in names[:40]:
        run.start(name)
    lines = text_of(screen(run.state, noon, 80, 16))
    assert lines[-3] == "… 31 more running, 10 more queued"
    assert len(lines) == 16


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 132])
@pytest.mark.parametrize("lines", [1, 2, 3, 5, 8, 12, 24])
def test_never_taller_or_wider_than_the_terminal(
    story: Callable[..., Any], noon: float, columns: int, lines: int
) -> None:
    names = ["整理" * 40, "\x1b[31m[bold]\u202e" * 10, *(f"t{n}" for n in range(30))]
    run = story(names, warnings=["w" * 500], coder_model="m" * 300, rehearsal=True)
    for name in names[:8]:
        run.start(name)
        run.call(name, 1)
        run.at(2, e.RateLimited(task_id=name, role="coder", wait=90_000.0, cause="x"))
    run.finish(names[0], 3, status="error", reason="model_error", error="\x1b[2J整理" * 99)
    rows = text_of(screen(run.state, noon + 100_000, columns, lines))
    assert len(rows) <= lines
    assert max(map(width, rows)) <= columns
    assert all(text.isprintable() for text in rows)


def test_estimates_are_marked(story: Callable[..., Any], noon: float) -> None:
    run = story(["a"])
    run.start("a")
    run.call("a", 1, usage=Usage(input=1_000, output=10, calls=1, estimated=True), cost=None)
    text = "\n".join(text_of(screen(run.state, noon, 80, 24)))
    assert "≈1.0k    – " in text
    assert "≈1,010 tokens · –" in text


def test_tokens_are_shown_as_they_come(story: Callable[..., Any], noon: float) -> None:
    run = story(["a"])
    run.start("a")
    run.at(0, e.ModelCallStarted(task_id="a", role="coder", model="m"))

    def step(second: float) -> str:
        return live_step(run.state.tasks["a"].activity, noon + second)

    assert step(1) == "generating 0:01"
    run.at(18, e.ModelCallProgressed(task_id="a", role="coder", tokens=1212, seconds=18.0))
    assert step(18) == "generating 1,212 tokens, 0:18"
    run.at(20, e.ModelCallRetried(task_id="a", role="coder", attempt=1, wait=5.0, error="cut"))
    run.at(25, e.ModelCallSent(task_id="a", role="coder", attempt=2))
    assert step(26) == "generating 0:26 (1 retry)"
    run.at(30, e.ModelCallProgressed(task_id="a", role="coder", tokens=40, seconds=5.0))
    assert step(30) == "generating 40 tokens, 0:30 (1 retry)"
    run.call("a", 31)
    assert step(31) == ""
    run.at(32, e.ModelCallStarted(task_id="a", role="evaluator", model="m", purpose="judge"))
    assert step(33) == "judging 0:01"
    run.at(34, e.ModelCallProgressed(task_id="a", role="evaluator", tokens=7, seconds=2.0))
    assert step(34) == "judging 7 tokens, 0:02"


def test_checks_are_written_until_the_evaluator_is_prepared(story: Callable[..., Any], noon: float) -> None:
    run = story(["a"])
    run.at(1, e.TaskStarted(task_id="a"))

    def seen(second: float, event: e.Event) -> str:
        run.at(second, event)
        return live_step(run.state.tasks["a"].activity, noon + second)

    evaluator: dict[str, Any] = {"task_id": "a", "role": "evaluator"}
    assert seen(2, e.ModelCallStarted(model="m", purpose="checks", **evaluator)) == "writing checks 0:00"
    assert seen(3, e.ModelCallRetried(attempt=1, wait=5.0, error="503", **evaluator)).startswith("retrying")
    assert seen(8, e.ModelCallSent(attempt=2, **evaluator)) == "writing checks 0:06 (1 retry)"
    ended = e.ModelCallFinished(
        model="m", purpose="checks", usage=Usage(calls=1), cost=None, latency=1.0, attempts=2, **evaluator
    )
    assert seen(9, ended) == "writing checks 0:00"
    assert seen(9, e.EvaluatorPrepared(task_id="a", record={})) == ""
    assert seen(9, e.IterationStarted(task_id="a", iteration=1, prompt="p")) == ""
    assert seen(10, e.CheckStarted(task_id="a", kind="example", command="x")) == "checking examples 0:00"
    assert seen(11, e.ModelCallStarted(model="m", purpose="judge", **evaluator)) == "judging 0:00"
    assert seen(12, e.ModelCallSent(attempt=1, **evaluator)) == "judging 0:01"


def test_before_the_first_event_there_is_something_to_draw(noon: float) -> None:
    assert text_of(screen(RunState(), noon, 80, 24))[-1].startswith(
        "0 done · 0 failed · 0 running · 0 queued"
    )
