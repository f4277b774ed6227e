"""The filter of the task table."""

import pytest

from agentbatch.runs import events as e
from agentbatch.runs.state.task_state import TaskState
from agentbatch.tui.lines.filter import FilterError, parse_filter
from tests.display.conftest import Story
from tests.support.run_events import NOON


@pytest.fixture(scope="module")
def tasks() -> dict[str, TaskState]:
    story = Story(["alpha", "beta", "gamma", "Delta two", "epsilon"])
    story.begin()
    for task in ("alpha", "beta", "gamma", "epsilon"):
        story.start(task)
    story.call("alpha", 10, cost=0.5)
    story.call("beta", 10, cost=2.0)
    story.call("gamma", 10, cost=None)
    story.finish("alpha", 600)
    story.finish("beta", 30, status="error", reason="blocked", error="No sales.csv there")
    story.at(60, e.ToolCalled(task_id="gamma", call_id="c", tool="bash", summary="make -j4"))
    story.at(60, e.Paused(task_id="epsilon"))
    return story.state.tasks


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "alpha beta gamma Delta_two epsilon"),
        ("ALPH", "alpha"),
        ("ta", "beta Delta_two"),
        ("sales.csv", "beta"),
        ("blocked", "beta"),
        ("make", "gamma"),
        ('"no sales"', "beta"),
        ('"delta two"', "Delta_two"),
        ("work/2", "gamma"),
        ("-ta", "alpha gamma epsilon"),
        ("a -alpha -ta", "gamma"),
        ("state:error", "beta"),
        ("state:failed", "beta"),
        ("state:done", "alpha"),
        ("state:running", "gamma epsilon"),
        ("state:paused", "epsilon"),
        ("state:error,queued", "beta Delta_two"),
        ("state:compl", "alpha"),
        ("-state:running", "alpha beta Delta_two"),
        ("cost:>1", "beta"),
        ("cost:>=0.5", "alpha beta"),
        ("cost:<=0.5", "alpha Delta_two epsilon"),
        ("-cost:>1", "alpha gamma Delta_two epsilon"),
        ("cost:=$2", "beta"),
        ("tokens:>10k", "alpha beta gamma"),
        ("tokens:0", "Delta_two epsilon"),
        ("iter:>=1", "alpha beta gamma epsilon"),
        ("time:>5m", "alpha"),
        ("time:<60s state:error", "beta"),
        ("time:>1.5m state:coding", "gamma epsilon"),
    ],
)
def test_which_tasks_it_lets_through(tasks: dict[str, TaskState], text: str, found: str) -> None:
    chosen = parse_filter(text, now=lambda: NOON + 120)
    assert [t.id.replace(" ", "_") for t in tasks.values() if chosen.matches(t, t.status)] == found.split()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stat:error", "did you mean state:"),
        ("colour:red", "known: state:, cost:, iter:, tokens:, time:"),
        ("state:eror", "state:eror is not known: queued, coding"),
        ("state:c", "coding, completed, cancelled"),
        ("state:", None),
        ("cost:high", "cost: takes a number, as in cost:>2"),
        ("cost:>2k", "cost: takes a number"),
        ("time:>5d", "time: takes a number, as in time:>2 (with s, m, h)"),
    ],
)
def test_terms_that_mean_nothing(text: str, told: str | None) -> None:
    if told is None:
        parse_filter(text)  # typed half
        return
    with pytest.raises(FilterError) as raised:
        parse_filter(text)
    assert told in str(raised.value)
