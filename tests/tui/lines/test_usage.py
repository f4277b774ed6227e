"""Tokens, cost and budgets, of a task and of the run."""

import json
from pathlib import Path

import pytest

from agentbatch.runs import events as e
from agentbatch.runs.state.bills import Bill, DraftBill
from agentbatch.runs.state.run_state import RunState
from agentbatch.tasks.results.reading import read_results_file
from agentbatch.text import width
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.render import Line
from agentbatch.tui.lines.usage_rows import UsageRow, budget_lines, spent_by_run, spent_by_task, usage_lines
from agentbatch.tui.reading.view import FileView, open_view
from agentbatch.tui.widgets.radio_row import RadioRow
from agentbatch.tui.widgets.usage_pane import UsagePane
from agentbatch.usage import Usage
from tests.runs import stored_runs
from tests.runs.finished_run import a_finished_run
from tests.support.results_files import OLD
from tests.support.screens import sees, shown, until
from tests.tui.pane_app import HiddenPaneApp, PaneApp, news

PLAIN = Glyphs(ascii=True)

CODER = Bill(
    role="coder", model="m-coder", usage=Usage(input=12_000, cached=9_000, output=600, reasoning=100, calls=2),
    cost=0.03, cost_input=0.01, cost_output=0.02,
)  # fmt: skip
JUDGE = Bill(
    role="evaluator", model="m-judge", usage=Usage(input=900, output=80, calls=1, estimated=True),
    cost=None, cost_input=None, cost_output=None,
)  # fmt: skip


def cells(lines: list[Line]) -> list[list[str]]:
    return [line.text.split() for line in lines]


def test_a_line_a_role_and_model_and_their_sum() -> None:
    assert cells(usage_lines(UsageRow((CODER, JUDGE), 5), 120, Glyphs())[:-1]) == [
        ["calls", "input", "cached", "output", "reasoning", "cost", "in", "cost", "out", "total"],
        ["coder", "m-coder", "2", "12,000", "75%", "600", "100", "$0.0100", "$0.0200", "$0.0300"],
        ["evaluator", "m-judge", "1", "≈900", "0%", "≈80", "0", "–", "–", "–"],
        ["total", "3", "≈12,900", "70%", "≈680", "≈100", "–", "–", "–"],
    ]
    assert usage_lines(UsageRow((CODER, JUDGE), 5), 120, Glyphs())[-1].text == (
        "5 requests sent, 3 answered, 2 failed or sent again; ≈ is an estimate"
    )
    assert [line[0] for line in cells(usage_lines(UsageRow((CODER,), 2), 120, Glyphs()))] == [
        "calls",
        "coder",
        "2",
    ]


@pytest.mark.parametrize("columns", [56, 76, 92, 120, 158])
def test_it_fits_and_does_no_harm(columns: int) -> None:
    long = "[bold]\x1b[2Jmodel-" + "名" * 60
    large = Usage(
        input=12_345_678_901, cached=99, output=1_234_567, reasoning=999_999, calls=54_321, estimated=True
    )
    bills = (
        CODER,
        JUDGE,
        Bill(role="coder", model=long, usage=large, cost=12_345.6, cost_input=1.0, cost_output=2.0),
    )
    for glyphs in (Glyphs(), PLAIN):
        lines = usage_lines(UsageRow(bills, 9), columns, glyphs)
        for line in lines:
            assert line.text.isprintable()
            assert width(line.text) <= columns or line.end is None
        assert any("[bold]model-" in line.text for line in lines)
        assert lines[0].text.endswith("total")
        assert any(
            "≈12.3B" in line.text.replace("~", "≈") or "≈12,345," in line.text.replace("~", "≈")
            for line in lines
        )
    assert all(line.text.isascii() for line in usage_lines(UsageRow((CODER, JUDGE), 5), columns, PLAIN))


def test_what_was_drafted_stands_below_it() -> None:
    drafted = DraftBill(
        models=("名\x1b[2J" * 90,), usage=Usage(input=100, calls=1), cost=0.5, stronger_cost=2.0
    )
    state = a_finished_run()
    (first, *others) = state.tasks["csv"].bills
    state.put(
        state.tasks["csv"].model_copy(
            update={"bills": (first.model_copy(update={"drafted": drafted}), *others)}
        )
    )
    state.bills = state.tasks["csv"].bills
    for spent in (spent_by_run(state, True), spent_by_task(state, "csv", True)):
        told = [line.text for line in usage_lines(spent, 78, PLAIN)][-2:]
        assert "did not take over" in told[0]
        assert told[1].endswith(": ~$1.50 less")
        assert all(line.isprintable() and not set("≈…") & set(line) for line in told), told


def test_nothing_spent_and_a_file_that_tells_little() -> None:
    assert [line.text for line in usage_lines(UsageRow((), 0), 80, PLAIN)] == [
        "No tokens have been used so far."
    ]
    assert "2 requests sent, none was answered." in usage_lines(UsageRow((), 2), 80, PLAIN)[0].text
    old = UsageRow((CODER.model_copy(update={"model": "", "cost": None}),), 0, has_roles=False)
    lines = usage_lines(old, 120, PLAIN)
    assert lines[1].text.startswith("all calls ")
    assert "coder" not in lines[1].text
    assert lines[-1].text == "2 calls answered; roles and models are not known"


@pytest.mark.parametrize(
    ("spent", "lines"),
    [
        (UsageRow((CODER,), 2), []),
        (UsageRow((CODER,), 2, 0.04), ["task's budget ############.... 75%  $0.0300 of $0.0400"]),
        (
            UsageRow((CODER,), 2, None, 10_000),
            ["task's budget ################ 126%  12,600 of 10,000 tokens"],
        ),
        (
            UsageRow((CODER,), 2, None, 12_601),
            ["task's budget ################ 100%  12,600 of 12,601 tokens"],
        ),
        (UsageRow((), 0, 1.0), ["task's budget ................ 0%  $0.00 of $1.00"]),
        (UsageRow((JUDGE,), 1, 1.0), ["task's budget - of $1.00: a part of it has no known price"]),
    ],
)
def test_budgets(spent: UsageRow, lines: list[str]) -> None:
    assert [line.text for line in budget_lines(spent, "task", PLAIN)] == lines


def test_the_runs_budget_is_in_its_settings_the_tasks_in_the_task() -> None:
    state = a_finished_run()
    assert state.info is not None
    state.info = state.info.model_copy(
        update={"settings": {"max_cost": 2, "max_tokens": 500, "prices": None}}
    )
    state.put(state.tasks["csv"].model_copy(update={"max_cost": 0.5, "max_tokens": 7}))
    run, csv = spent_by_run(state, True), spent_by_task(state, "csv", True)
    assert (run.max_cost, run.max_tokens, run.bills) == (2.0, 500, state.bills)
    assert (csv.max_cost, csv.max_tokens, csv.bills) == (0.5, 7, state.tasks["csv"].bills)
    assert run.attempts == sum(task.attempts for task in state.tasks.values()) > csv.attempts
    assert spent_by_run(RunState(), True).bills == ()


async def test_task_and_run_and_what_others_spend_meanwhile(tmp_path: Path) -> None:
    settings = {"max_cost": 2.0, "compare_models": ["gpt-5", "deepseek-chat"]}
    store = stored_runs.begin(tmp_path, 2, settings=settings)
    stored_runs.work(store, "t0")
    view, pane = open_view(store.folder), UsagePane()
    async with PaneApp(pane).run_test(size=(78, 30)) as pilot:
        pane.show(view, "t0")
        await sees(pilot, "coder m-coder")
        await sees(pilot, "deepseek-chat")
        text = shown(pilot.app)
        assert text.index("deepseek-chat") < text.index("gpt-5")
        assert "1,000" in text
        assert "60%" in text
        assert "vs actual" in text
        assert "◉ m-coder (used)" in text
        assert "budget" not in text
        pane.query_one(RadioRow).focus()
        await pilot.press("right")
        await sees(pilot, "run's budget ██░░░░░░░░░░░░░░ 12%  $0.2500 of $2.00")
        stored_runs.work(store, "t1")
        assert news(view, "t0") == []  # the run screen tells the pane of the chosen task only
        await sees(pilot, "2,000")
        await sees(pilot, "$0.5000 of $2.00")
        await pilot.press("left")
        await until(pilot, lambda: "budget" not in shown(pilot.app))
        pane.show(view, "t1")
        store.emit(e.ModelCallRetried(task_id="t1", role="coder", attempt=1, wait=1.0, error="x"))
        store.flush()
        pane.changed(news(view, "t1"))
        await sees(pilot, "2 requests sent, 1 answered, 1 failed or sent again")
    view.close()
    await store.close()


async def test_the_folders_own_prices_win_and_a_broken_file_is_told(tmp_path: Path) -> None:
    own = tmp_path / "prices.toml"
    own.write_text('[models."gpt-5"]\ninput = 100.0\noutput = 0.0\n')
    folder = await stored_runs.finished(tmp_path, settings={"compare_models": ["gpt-5"]})
    view = open_view(folder)
    pane = UsagePane()
    async with PaneApp(pane).run_test(size=(100, 20)) as pilot:
        pane.show(view, "t0")
        await sees(pilot, "$0.1000")  # 1,000 tokens
        assert "0.40x" in shown(pilot.app)
    own.write_text("[models")
    pane = UsagePane()
    async with PaneApp(pane).run_test(size=(160, 20)) as pilot:
        pane.show(view, "t0")
        await sees(pilot, f"There is no comparison: {own} is not valid TOML")
    view.close()


@pytest.mark.slow
async def test_a_hidden_pane_reads_no_prices(tmp_path: Path) -> None:
    folder = await stored_runs.finished(tmp_path)
    view, pane = open_view(folder), UsagePane()

    app = HiddenPaneApp(pane)
    async with app.run_test(size=(78, 24)) as pilot:
        await pilot.pause()
        pane.show(view, "t0")
        pane.changed([])
        await pilot.pause(1.2)
        assert pane._drawn == ()
        app.turn_to("pane")
        await sees(pilot, "claude-3-opus")
        drawn = pane._drawn
        app.turn_to("other")
        await sees(pilot, "something else")
        view.state.put(view.state.tasks["t0"].model_copy(update={"attempts": 77}))
        pane.changed([])
        await pilot.pause(1.2)
        assert pane._drawn == drawn
        app.turn_to("pane")
        await sees(pilot, "77 requests sent")
    view.close()


async def test_a_results_file_and_no_task(tmp_path: Path) -> None:
    path = tmp_path / "batch_results.json"
    path.write_text(json.dumps(OLD))
    view, pane = FileView(path, read_results_file(path)), UsagePane()
    async with PaneApp(pane).run_test(size=(120, 24)) as pilot:
        pane.show(view, next(iter(view.state.tasks)))
        await sees(pilot, "2 calls answered; roles and models are not known")
        await sees(pilot, "vs least")  # what it cost is not told either
        assert "this is what it cost" not in shown(pilot.app)
        pane.show(view, None)
        await until(pilot, lambda: pane.query_one(RadioRow).disabled)
