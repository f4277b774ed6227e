"""The cells of a task's line, their widths, and which tasks have a row."""

import random
from typing import Any

import pytest

from agentbatch.runs import events as e
from agentbatch.runs.listing import ShownStatus
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.text import width
from agentbatch.tui.lines.filter import parse_filter
from agentbatch.tui.lines.glyphs import COLOURS, Glyphs
from agentbatch.tui.lines.task_cells import HEADS, Cells, cells, column_widths, joined
from agentbatch.tui.lines.task_rows import SORTS, Sort, TaskRows
from tests.display.conftest import Story
from tests.support.run_events import NOON


def busy(name: str = "quarter-0001") -> Story:
    """A task that runs a command since second 3."""
    story = Story([name])
    story.begin()
    story.start(name)
    story.call(name, 3, cost=0.0123)
    story.at(3, e.ToolCalled(task_id=name, call_id="c", tool="bash", summary="make -j4 all"))
    return story


def line_of(story: Story, status: ShownStatus = "coding", seconds: float = 10) -> Cells:
    (task,) = story.state.tasks.values()
    return cells(task, status, NOON + seconds, Glyphs())


@pytest.mark.parametrize("columns", [20, 30, 40, 44, 60, 80, 110, 200])
def test_lines_fit_at_any_width_and_foreign_text_is_plain(columns: int) -> None:
    story = Story(["整理数据" * 9 + "[bold]\x1b[2J"])
    story.begin()
    task = next(iter(story.state.tasks))
    story.start(task)
    story.call(task, 3)
    story.at(
        4, e.ToolCalled(task_id=task, call_id="c", tool="ba\x07sh", summary="echo \x1b]52;c;x\x07 [red]")
    )
    line = cells(story.state.tasks[task], "coding", NOON + 5, Glyphs())
    widths = column_widths([line], columns)
    for texts in (line, Cells(*HEADS)):
        shown = joined(texts, widths)
        assert width(shown) <= columns
        assert shown.isprintable()
    assert joined(line, widths).startswith("● coding")


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (40, "● coding      quarter-0001  1/10  0:10"),
        (60, "● coding      quarter-0001  1/10 $0.0123  0:10 bash 0:07 ma…"),
        (64, "● coding      quarter-0001  1/10 $0.0123  0:10 bash 0:07 make -…"),
        (80, "● coding      quarter-0001  1/10  12.6k $0.0123  0:10 bash 0:07 make -j4 all"),
    ],
)
def test_columns_give_way(columns: int, shown: str) -> None:
    line = line_of(busy())
    assert joined(line, column_widths([line], columns)).rstrip() == shown


@pytest.mark.parametrize("columns", [80, 100])
def test_all_figures_stand_from_80_columns_on_however_long_ids_are(columns: int) -> None:
    line = line_of(busy("services/customer-billing/reports/quarter-0001"))
    widths = column_widths([line], columns)
    assert all(widths)
    assert widths[1] > 12
    assert joined(HEADS, widths).split() == list(HEADS)


def test_every_state_has_its_sign_and_its_word() -> None:
    story = busy()
    signs = {status: line_of(story, status).state.split() for status in COLOURS}
    assert [word for _, word in signs.values()] == list(COLOURS)
    assert all(ascii_sign.isascii() for ascii_sign in map(Glyphs(ascii=True).__getitem__, COLOURS))


def test_an_attempt_says_which_it_is_and_what_is_special_about_it() -> None:
    task: dict[str, Any] = {
        "id": "t@2",
        "index": 0,
        "dir": "d",
        "first_prompt": "p",
        "max_iterations": 1,
        "attempt_of": "t",
    }
    names = [
        cells(TaskState(**task, model=model), "queued", NOON, Glyphs(ascii=plain)).name
        for model, plain in (("", False), ("m-\x07small", True))
    ]
    assert names == ["└ attempt 2", "` attempt 2 m-small"]


def test_a_task_whose_engine_died_grows_no_older() -> None:
    story = busy()
    early, late = (line_of(story, "interrupted", seconds) for seconds in (10, 90_000))
    assert early == late
    assert (early.time, early.step) == ("0:03", "")


@pytest.mark.parametrize(
    ("end", "step"),
    [
        ({"status": "error", "reason": "blocked", "error": "no\nsales.csv"}, "no sales.csv"),
        ({"status": "timeout", "reason": "wall_clock"}, "time limit reached"),
        ({}, ""),
    ],
)
def test_what_is_said_of_a_task_that_has_ended(end: dict[str, str], step: str) -> None:
    story = busy()
    story.finish("quarter-0001", 8, **end)
    line = line_of(story, story.state.tasks["quarter-0001"].status)
    assert (line.time, line.step) == ("0:08", step)


def test_an_unknown_cost_is_no_sum() -> None:
    story = busy()
    story.call("quarter-0001", 5, cost=None)
    assert line_of(story).cost == "–"


def rows_of(story: Story) -> TaskRows:
    return TaskRows(story.state, lambda task: task.status, parse_filter("state:running"))


def ids(rows: TaskRows) -> list[str]:
    return [rows[row] for row in range(len(rows))]


def test_rows_that_come_and_go_are_those_of_a_new_beginning() -> None:
    chance = random.Random(4)
    story = Story([f"t{n}" for n in range(30)])
    story.begin()
    rows = rows_of(story)
    for _ in range(60):
        changed = chance.sample(list(story.state.tasks), 4)
        before = ids(rows)
        for task in changed:
            if story.state.tasks[task].status == "coding":
                story.finish(task, 1)
            else:
                story.start(task)
        assert rows.update(changed) == (ids(rows) != before)
        assert ids(rows) == ids(rows_of(story))
        for task in story.state.tasks:
            assert rows.row(task) == (ids(rows).index(task) if task in ids(rows) else None)


def test_the_nearest_row() -> None:
    story = Story([f"t{n}" for n in range(6)])
    story.begin()
    for task in ("t1", "t3"):
        story.start(task)
    rows = rows_of(story)
    nearest = [rows.nearest(task) for task in ("t0", "t1", "t2", "t3", "t5", "unknown", None)]
    assert nearest == ["t1", "t1", "t3", "t3", "t3", "t1", "t1"]
    assert not rows.update(["unknown"])
    assert TaskRows(RunState(), lambda task: task.status).nearest("t1") is None


def test_rows_are_sorted_and_failed_ones_found_around_the_ends() -> None:
    run = Story(["a", "b", "c", "d"])
    run.begin()
    run.start("a", 1)
    run.call("a", 2, cost=0.5)
    run.finish("a", 10)
    run.start("b", 1)
    run.finish("b", 60, status="error", reason="stalled")
    run.start("c", 1)
    run.call("c", 2, cost=0.1)

    def rows(sort: Sort) -> TaskRows:
        return TaskRows(run.state, lambda task: task.status, sort=sort, now=NOON + 20)

    assert {sort: [rows(sort)[n] for n in range(4)] for sort in SORTS} == {
        "by task": ["a", "b", "c", "d"],
        "failed first": ["b", "c", "d", "a"],
        "costliest first": ["a", "c", "b", "d"],
        "longest first": ["b", "c", "a", "d"],
    }
    assert [rows("by task").failed(task, 1) for task in ("a", "b", "d")] == [1, 1, 1]
    assert rows("by task").failed("a", -1) == 1
    assert TaskRows(Story(["x"]).state, lambda task: task.status).failed("x", 1) is None
