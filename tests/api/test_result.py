"""How a run is shown in Python: figures, a table as text and as HTML, whatever its tasks have said."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from agentbatch.api.result import MAX_ROWS, Progress, RunResult
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.listing import Run
from agentbatch.runs.state.run_state import RunState
from agentbatch.usage import Usage
from tests.support.run_events import run_started

HOSTILE = "<script>alert('x')</script>\x1b[31m\n\x00" + "y" * 10_000


def queued(number: int, name: str) -> e.TaskQueued:
    return e.TaskQueued(task_id=name, index=number, dir=name, first_prompt=HOSTILE, max_iterations=3, ts=1.0)


def finished(
    name: str, status: e.FinalStatus, reason: e.Reason, error: str, *, resumable: bool = False
) -> e.Event:
    return e.TaskFinished(
        task_id=name, status=status, reason=reason, error=error, resumable=resumable, last_response=HOSTILE,
        last_evaluation=HOSTILE, changed_files=0, ts=61.0,
    )  # fmt: skip


def called(name: str, cost: float | None) -> list[e.Event]:
    usage = Usage(input=1_000, output=200, calls=1)
    return [
        e.TaskStarted(task_id=name, ts=2.0),
        e.ModelCallFinished(
            task_id=name, role="coder", model="m", usage=usage, cost=cost, latency=1, attempts=1, ts=3.0
        ),
    ]


def run_of(*events: e.Event, alive: bool = False) -> Run:
    state = RunState()
    for event in (run_started(2, results="/base/results.json", ts=1.0), *events):
        state.apply(event)
    return Run(
        RunFolder(Path("/base/.agentbatch/runs/r1")), state, "running" if alive else "finished", "", 1.0, 62.0
    )


ENDED = (
    *(queued(0, "a"), queued(1, "b")),
    *called("a", 0.25),
    *called("b", None),
    finished("a", "completed", "accepted", ""),
    finished("b", "error", "blocked", HOSTILE),
    e.RunFinished(ts=62.0),
)


def test_figures_of_a_run() -> None:
    result = RunResult.of(run_of(*ENDED), 100.0)
    a, b = result
    assert (result.counts, result.exit_code, result.seconds) == ({"completed": 1, "error": 1}, 1, 61.0)
    assert (a.cost, b.cost, result.cost, result.tokens.total) == (0.25, None, None, 2_400)
    assert (a.completed, a.seconds, b.reason, b.error) == (True, 59.0, "blocked", HOSTILE)
    assert repr(list(result)) == "[<TaskResult a: completed>, <TaskResult b: error>]"
    assert (len(result), result["b"], result.results_file) == (2, b, Path("/base/results.json"))
    assert (a.patch, a.changes, result.warnings, result.error) == ("", (), (), "")
    with pytest.raises(KeyError, match="did you mean 'b'"):
        result["bb"]


@pytest.mark.parametrize(
    ("events", "exit_code"),
    [
        ([queued(0, "a"), finished("a", "completed", "accepted", ""), e.RunFinished()], 0),
        ([queued(0, "a"), finished("a", "completed", "accepted", ""), e.RunFinished(interrupted=True)], 0),
        ([queued(0, "a"), finished("a", "cancelled", "left_out", ""), e.RunFinished()], 0),
        ([queued(0, "a"), finished("a", "error", "stalled", ""), e.RunFinished()], 1),
        ([queued(0, "a"), e.RunFinished(interrupted=True)], 130),
        ([queued(0, "a")], 130),
    ],
)
def test_the_exit_code_is_the_command_s(events: list[e.Event], exit_code: int) -> None:
    assert RunResult.of(run_of(*events), 2.0).exit_code == exit_code


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_nothing_that_a_task_says_acts_in_a_table() -> None:
    progress = Progress.of(run_of(*ENDED), 100.0)
    html, text = progress._repr_html_(), str(progress)
    shown = Tags(html)
    assert set(shown.tags) == {"p", "table", "thead", "tbody", "tr", "th", "td"}
    assert "run r1 finished: 1 completed, 1 error; 1:01, 2,400 tokens, –" in shown.texts
    assert [line.split()[0] for line in text.splitlines()] == ["run", "task", "a", "b"]
    for table in (html, text):
        assert re.search(r"[\x00-\x09\x0b-\x1f]", table) is None
        assert len(table) < 2_000
    assert "<script>" in text, "it is shown, and no more"


def test_a_long_run_is_a_short_table() -> None:
    progress = Progress.of(
        run_of(*(queued(number, f"t{number}") for number in range(1_000)), alive=True), 3.0
    )
    assert len(progress) == 1_000
    assert str(progress).splitlines()[-1] == "and 950 more"
    assert progress._repr_html_().count("<tr>") == MAX_ROWS + 1
    assert repr(progress).startswith("Progress(run_id='r1', ")
    assert len(repr(progress)) < 300
