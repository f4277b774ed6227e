from agentbatch.display.reports.html.charts import (
    HEIGHT,
    MAX_COLUMNS,
    WIDTH,
    bar_widths,
    ended_lines,
    iteration_bars,
    share_bars,
)
from agentbatch.runs.state.run_state import RunState
from tests.runs.finished_run import a_finished_run
from tests.support.run_events import NOON


def test_shares_fill_the_bar() -> None:
    bars = share_bars([("completed", 3), ("not finished", 1)])
    assert [(rect.x, rect.width, rect.kind) for rect in bars.rects] == [
        (0, WIDTH * 3 / 4, "completed"),
        (WIDTH * 3 / 4, WIDTH / 4, "not-finished"),
    ]
    assert bars.words == "4 tasks: 3 completed, 1 not finished."


def test_iterations_are_stacked_by_how_tasks_ended() -> None:
    bars = iteration_bars(list(a_finished_run().tasks.values()))
    assert bars.words == "1 task after 0 iterations, 2 tasks after 1 iteration, 1 task after 2 iterations."
    assert [(rect.label, rect.kind, rect.height, rect.y) for rect in bars.rects] == [
        ("0", "completed", 0, HEIGHT),
        ("", "other", HEIGHT / 2, HEIGHT / 2),
        ("1", "completed", 0, HEIGHT),
        ("", "other", HEIGHT, 0),
        ("2", "completed", HEIGHT / 2, HEIGHT / 2),
        ("", "other", 0, HEIGHT / 2),
    ]


def test_many_iterations_share_the_last_column() -> None:
    task = a_finished_run().tasks["parser"]
    tasks = [task.model_copy(update={"iteration": number}) for number in (1, 400, 999)]
    bars = iteration_bars(tasks)
    assert len(bars.rects) == 2 * (MAX_COLUMNS + 1)
    assert bars.words == "1 task after 1 iteration, 2 tasks after 12 iterations or more."
    assert iteration_bars([]).rects == []


def test_the_lines_begin_at_nothing_and_end_at_all() -> None:
    lines = ended_lines(a_finished_run(), NOON + 100)
    assert lines is not None
    assert (lines.most, lines.seconds) == (4, 100)
    ended, completed = lines.ended.split(), lines.completed.split()
    assert (ended[0], ended[-1], completed[-1]) == ("0.0,120.0", "320.0,0.0", "320.0,90.0")
    assert lines.words == "4 tasks ended within 1:40; half of them after 1:01."
    assert ended_lines(RunState(), 5) is None


def test_bars_are_to_scale_and_what_is_unknown_has_none() -> None:
    assert bar_widths([None, 0.0, 0.001, 2.0, 1.0]) == [0, 0, 0.5, 100, 50]
    assert bar_widths([]) == []
