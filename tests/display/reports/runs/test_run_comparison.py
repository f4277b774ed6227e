from pathlib import Path

import pytest

from agentbatch.display.reports.runs.run_comparison import RunComparison, compare_runs
from agentbatch.display.reports.runs.run_comparison_text import (
    change_text,
    figure_cells,
    render_run_comparison,
    total_rows,
)
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.tasks.results.sources import Results, file_source
from agentbatch.tasks.results.to_state import state_of
from agentbatch.text import width
from tests.runs.finished_run import a_finished_run
from tests.support.results_files import OLD
from tests.support.run_events import NOON


def results(state: RunState, name: str) -> Results:
    return Results(file_source(Path(name)), state, "finished", NOON, NOON + 100)


def changed() -> RunState:
    """`csv` is completed now and cheaper, `parser` is not any more, `docs` is gone and `new` has come."""
    run = a_finished_run()
    run.put(run.tasks["parser"].model_copy(update={"status": "timeout"}))
    (bill, _) = run.tasks["csv"].bills
    half = bill.model_copy(update={"cost": 0.015, "usage": bill.usage.model_copy(update={"input": 6_000})})
    run.put(run.tasks["csv"].model_copy(update={"status": "completed", "bills": (half,)}))
    run.counts[run.tasks.pop("docs").status] -= 1
    run.apply(e.TaskQueued(task_id="new", index=9, dir="n", first_prompt="p", max_iterations=2))
    return run


@pytest.fixture
def comparison() -> RunComparison:
    return compare_runs(results(a_finished_run(), "old"), results(changed(), "new.json"), NOON)


def test_tasks_are_matched_by_id(comparison: RunComparison) -> None:
    assert [(pair.id, pair.change) for pair in comparison.pairs] == [
        ("parser", "worse"),
        ("csv", "better"),
        ("primes", "same"),
        ("docs", "other"),
        ("new", "other"),
    ]
    pairs = {pair.id: pair for pair in comparison.pairs}
    assert figure_cells(pairs["csv"].first) == ("error", "1", "≈13.1k", "–", "0:30")
    assert figure_cells(pairs["csv"].second) == ("completed", "1", "6.6k", "$0.0150", "0:30")
    assert figure_cells(pairs["docs"].second) == ("not in it", "", "", "", "")


def test_totals_of_the_runs_and_of_the_tasks_in_both(comparison: RunComparison) -> None:
    assert total_rows(comparison) == [
        ("models", "m-coder, m-judge", "m-coder, m-judge", ""),
        ("completed", "1/4", "1/4", "the same"),
        ("iterations", "4", "4", "the same"),
        ("tokens", "≈39,300", "≈39,300", "the same"),
        ("cost", "–", "–", "–"),
        ("time", "1:40", "1:40", "the same"),
        ("3 tasks in both", "", "", ""),
        ("  completed", "1/3", "1/3", "the same"),
        ("  iterations", "4", "4", "the same"),
        ("  tokens", "≈39,300", "32,780", "17 % less"),
        ("  cost", "–", "$0.0800", "–"),
        ("  work", "1:50", "1:50", "the same"),
    ]


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        (100, 88, "12 % less"),
        (100, 150, "50 % more"),
        (100, 340, "3.4 times"),
        (1000, 1001, "<1 % more"),
        (5, 5, "the same"),
        (0, 0, "the same"),
        (0, 5, "–"),
        (None, 5, "–"),
        (5, None, "–"),
        (4, 0, "100 % less"),
        (61, 0.02, ">99 % less"),
        (100, 199.9, "100 % more"),
    ],
)
def test_changes_in_words(first: float | None, second: float | None, text: str) -> None:
    assert change_text(first, second) == text


def test_an_old_file_is_compared_with_a_run(comparison: RunComparison) -> None:
    old = compare_runs(results(state_of(OLD), "old"), results(state_of(OLD), "again"), NOON)
    rows = {row.what: row for row in total_rows(old)}
    assert (rows["models"].first, rows["cost"].first, rows["cost"].change) == ("–", "–", "–")
    assert rows["completed"].change == "the same"
    assert not old.tasks("other")


def test_a_run_without_tasks_is_compared_too() -> None:
    empty = results(RunState(), "empty")
    lines = render_run_comparison(compare_runs(empty, empty, NOON), 80)
    assert "completed           0/0" in lines[2]


@pytest.mark.parametrize("columns", [72, 80, 110, 160])
def test_the_text_fits_and_tells_it_all(comparison: RunComparison, columns: int) -> None:
    lines = render_run_comparison(comparison, columns)
    assert max(map(width, lines)) <= columns
    text = "\n".join(lines)
    for part in (
        "Better, completed now (1): csv",
        "Worse, not completed any more (1): parser",
        "not in it",
        "in one only",
    ):
        assert part in text
    assert sum(line.lstrip().startswith(("parser", "csv", "primes", "docs", "new ")) for line in lines) == 5


def test_hostile_names_stay_inside(comparison: RunComparison) -> None:
    bad = "\x1b[2J[bold]整理\u202e\n" * 40
    run = a_finished_run(run_id=bad)
    run.put(run.tasks["csv"].model_copy(update={"id": bad}))
    lines = render_run_comparison(compare_runs(results(run, bad), results(changed(), bad), NOON), 80)
    assert all(line.isprintable() for line in lines)
    assert max(map(width, lines)) <= 80
