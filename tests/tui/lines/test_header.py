"""The head of the run screen."""

import pytest

from agentbatch.runs import events as e
from agentbatch.runs.listing import RunCondition
from agentbatch.text import width
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.header import header_lines, standing
from agentbatch.usage import Usage
from tests.display.conftest import Story
from tests.support.run_events import NOON


def told(
    story: Story,
    condition: RunCondition,
    second: float,
    columns: int = 100,
    *,
    control: bool = True,
    plain: bool = False,
) -> list[str]:
    state, now = story.state, NOON + second
    seen = standing(state, condition, now)
    lines = header_lines(
        state, "r1", condition, seen, state.seconds(now), columns, Glyphs(ascii=plain), control=control
    )
    return [line.plain for line in lines]


def begun(tasks: int = 4, **info: object) -> Story:
    story = Story([f"t{n}" for n in range(tasks)], **info)
    story.begin()
    return story


def test_a_run_under_way() -> None:
    story = begun()
    story.start("t0")
    story.call("t0", 10)
    story.finish("t0", 60)
    story.start("t1", 60)
    first, second = told(story, "running", 90)
    assert first == "agentbatch running · r1 · 3 at a time · m-coder, m-judge"
    assert second.startswith("✓ 1 done  ● 1 running  · 2 queued ")
    # 60 s a task so far, half of t1 is done, three at a time
    assert second.endswith(" 12.6k tokens · $0.0300 · 1:30 · ~0:50 left")
    assert width(second) == 100


def test_how_long_it_takes_is_not_known_before_a_task_has_ended() -> None:
    story = begun()
    story.start("t0")
    assert told(story, "running", 5)[1].endswith("· 0:05")


def test_a_rate_limit_is_told_with_the_shortest_wait() -> None:
    story = begun()
    for task, wait in (("t0", 90.0), ("t1", 45.0)):
        story.start(task)
        story.at(0, e.ModelCallStarted(task_id=task, role="coder", model="m-coder"))
        story.at(0, e.RateLimited(task_id=task, role="coder", wait=wait, cause="rate limit (429)"))
    assert "2 wait for rate limit 0:40 · " in told(story, "running", 5)[1]
    assert "rate limit" not in told(story, "running", 5, columns=60)[1]  # no room
    assert "rate limit" not in told(story, "died", 5)[1]


def test_what_most_tasks_wait_for_is_named() -> None:
    story = begun()
    for task, cause in (("t0", "budget"), ("t1", "tokens/min"), ("t2", "budget")):
        story.start(task)
        story.at(0, e.ModelCallStarted(task_id=task, role="coder", model="m-coder"))
        story.at(0, e.RateLimited(task_id=task, role="coder", wait=0.0, cause=cause))
    assert "3 wait for room in the budget" in told(story, "running", 5)[1]
    assert told(story, "running", 5, columns=60)[2] == "3 tasks held back, waiting for room in the budget"


def test_a_run_that_sleeps_for_a_quota_says_until_when() -> None:
    story = begun()
    story.start("t0")
    story.at(5, e.QuotaUsedUp(endpoint="api.example.com", until=NOON + 9_005))
    first, second, third = told(story, "running", 5)
    assert first.startswith("agentbatch asleep · r1 ")
    assert second.endswith("· 0:05")
    assert third == "asleep until 14:30 (2:30:00): the quota of api.example.com is used up"
    assert told(story, "died", 5)[0].startswith("agentbatch died")
    assert not any("asleep" in line for line in told(story, "died", 5))
    story.at(9_006, e.QuotaReturned(endpoint="api.example.com"))
    assert told(story, "running", 9_007)[0].startswith("agentbatch running")


def test_failed_and_interrupted_are_not_the_same() -> None:
    story = begun(5)
    for task in ("t0", "t1", "t2", "t3"):
        story.start(task)
    story.finish("t0", 1, status="error", reason="blocked")
    story.finish("t1", 1, status="timeout", reason="wall_clock")
    story.finish("t2", 1, status="cancelled", reason="interrupted", resumable=True)
    second = told(story, "died", 5)[1]
    assert second.startswith("✓ 0 done  ✗ 2 failed  ‖ 2 interrupted  · 1 queued ")
    assert "left" not in second


def test_a_paused_run_says_so_and_promises_nothing() -> None:
    story = begun()
    story.start("t0")
    story.finish("t0", 60)
    story.at(60, e.Paused())
    first, second = told(story, "running", 90)
    assert first.startswith("agentbatch paused · ")
    assert second.endswith("· 1:30")


def test_who_only_looks_on_is_told() -> None:
    assert told(begun(), "running", 0, control=False)[0].endswith(" · read-only")
    assert "read-only" not in told(begun(), "running", 0)[0]


def test_an_unknown_price_and_an_estimate() -> None:
    story = begun()
    story.start("t0")
    story.call("t0", 1, cost=None, usage=Usage(input=10, output=2, calls=1, estimated=True))
    assert " ≈12 tokens · – · " in told(story, "running", 2)[1]


def test_what_should_be_known_of_the_run() -> None:
    assert told(begun(rehearsal=True), "running", 0)[2] == "rehearsal model: scripted replies, no AI"
    warned = told(begun(rehearsal=True, warnings=["One.", "Two."]), "running", 0)
    assert warned[2:] == ["rehearsal, no AI · ! Two. (+1 more)"]
    story = begun(warnings=["One."])
    story.at(5, e.RunFinished(error="The endpoint refused the key."))
    assert told(story, "interrupted", 6)[2:] == ["stopped: The endpoint refused the key."]


def test_foreign_text_is_plain_and_lines_fit() -> None:
    story = begun(coder_model="[bold]evil\x1b[2J" + "x" * 200, warnings=["w\x1b]0;t\x07" * 100])
    for columns in (40, 60, 80, 160):
        for line in told(story, "running", 0, columns=columns, control=False):
            assert width(line) <= columns
            assert line.isprintable()
    assert "[bold]evil" in told(story, "running", 0, columns=160)[0]


def test_in_ascii() -> None:
    story = begun(warnings=["One.", "Two."])
    story.start("t0")
    story.call("t0", 1, cost=None)
    lines = told(story, "running", 2, plain=True)
    assert all(line.isascii() for line in lines), lines
    assert lines[1].startswith("+ 0 done  * 1 running  . 3 queued ")


@pytest.mark.parametrize(("failed", "tone"), [(False, "$text-success"), (True, "$text-warning")])
def test_a_finished_run_is_green_where_all_is_completed(failed: bool, tone: str) -> None:
    story = begun(1)
    (task,) = story.state.tasks
    story.start(task)
    story.finish(task, 5, **({"status": "error", "reason": "stalled"} if failed else {}))
    line = header_lines(
        story.state, "r1", "finished", standing(story.state, "finished", NOON), 5, 80, Glyphs(), control=True
    )[0]
    assert tone in str(line.spans)
