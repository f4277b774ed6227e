"""The same tokens on other models, as lines and as a screen."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from textual.app import App

from agentbatch.config import DEFAULT_COMPARISON
from agentbatch.errors import UserError
from agentbatch.runs.events import RunStarted
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.state.bills import Bill
from agentbatch.spending.comparison import (
    Comparison,
    compare_bills,
    compared_models,
    prices_of_run,
    started_in,
)
from agentbatch.spending.pricing import ComparisonRow, Prices
from agentbatch.text import width
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.model_bars import Order, comparison_lines, ordered
from agentbatch.tui.reading.view import open_view
from agentbatch.tui.screens.comparing.compare_models import CompareModelsScreen
from agentbatch.usage import Usage
from tests.runs import stored_runs
from tests.support.run_events import run_started
from tests.support.screens import sees, shown, until

PLAIN = Glyphs(ascii=True)


def row(model: str, cost: float | None) -> ComparisonRow:
    return ComparisonRow(model, cost and cost / 4, cost and cost * 3 / 4, cost)


ROWS = (row("b-mid", 2.0), row("a-unknown", None), row("c-dear", 8.0), row("A-cheap", 0.5), row("free", 0.0))


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("cheapest", ["free", "A-cheap", "b-mid", "c-dear", "a-unknown"]),
        ("most expensive", ["c-dear", "b-mid", "A-cheap", "free", "a-unknown"]),
        ("name", ["A-cheap", "b-mid", "c-dear", "free", "a-unknown"]),
    ],
)
def test_orders(order: Order, names: list[str]) -> None:
    assert [row.model for row in ordered(ROWS, order)] == names
    lines = comparison_lines(Comparison(ROWS, row("", 1.0), frozenset()), 100, PLAIN, order)
    assert [line.text.split()[0] for line in lines] == ["model", "=", *names]


def test_bars_are_to_scale_and_what_was_used_is_marked() -> None:
    lines = comparison_lines(Comparison(ROWS, row("", 1.0), frozenset({"b-mid"})), 100, PLAIN)
    told = {line.text.split()[1 if line.text.startswith("*") else 0]: line.text for line in lines}
    assert {name: text.count("#") for name, text in told.items()} == {
        "model": 0, "=": 5, "free": 0, "A-cheap": 2, "b-mid": 10, "c-dear": 38, "a-unknown": 0,
    }  # fmt: skip
    assert told["b-mid"].startswith("* b-mid (used) ")
    assert told["a-unknown"].split() == ["a-unknown", "-", "-", "-", "-"]
    assert "0.50x" in told["A-cheap"]
    assert "0.00x" in told["free"]
    assert "vs actual" in told["model"]
    assert "█" in comparison_lines(Comparison(ROWS, row("", 1.0), frozenset()), 100, Glyphs())[-2].text


def test_without_an_actual_cost_the_least_one_is_the_measure() -> None:
    for actual in (None, 0.0):
        lines = comparison_lines(Comparison(ROWS, row("", actual), frozenset()), 100, PLAIN)
        told = {line.text.split()[0]: line.text for line in lines}
        assert "vs least" in told["model"]
        assert "1.00x" in told["A-cheap"]
        assert "16x" in told["c-dear"]
        assert ("=" in told) == (actual is not None)


@pytest.mark.parametrize("columns", [58, 78, 160])
def test_it_fits_and_does_no_harm(columns: int) -> None:
    hostile = "[bold]\x1b[2Jevil\n" + "名" * 60
    rows = (*ROWS, row(hostile, 123_456.0), row("x" * 200, 0.00001))
    comparison = Comparison(rows, row("", 3.0), frozenset({hostile.lower(), "x" * 200}))
    for glyphs in (Glyphs(), PLAIN):
        for line in comparison_lines(comparison, columns, glyphs):
            assert line.text.isprintable()
            assert width(line.text) <= columns
        lines = [line.text for line in comparison_lines(comparison, columns, glyphs)]
        assert sum("(used)" in text for text in lines) == 2
    assert columns == 58 or any("[bold]evil" in text for text in lines)


def started(**settings: object) -> RunStarted:
    return run_started(mode="serial", max_concurrent=1, evaluator_endpoint="", settings=settings)


def test_which_models_and_which_prices(tmp_path: Path) -> None:
    assert compared_models(None) == compared_models(started()) == DEFAULT_COMPARISON
    assert compared_models(started(compare_models=["a", "b", "a", 7, ""])) == ("a", "b")
    one = Usage(input=1_000_000, calls=1)
    (tmp_path / "prices.toml").write_text('[models."mine"]\ninput = 3.0\noutput = 1.0\n')
    (tmp_path / "other.toml").write_text('[models."mine"]\ninput = 5.0\noutput = 1.0\n')
    for info, cost in ((None, 3.0), (started(prices=None), 3.0), (started(prices="other.toml"), 5.0)):
        found = prices_of_run(info, tmp_path).price("mine", one, datetime.now(UTC))
        assert found is not None
        assert found.total == cost
    with pytest.raises(UserError, match="There is no price file"):
        prices_of_run(started(prices="gone.toml"), tmp_path)
    assert started_in(RunFolder(tmp_path / ".agentbatch" / "runs" / "r1")) == tmp_path
    assert started_in(RunFolder(tmp_path / "elsewhere" / "r1")) is None
    assert started_in(None) is None


def test_models_that_were_used_are_compared_too(tmp_path: Path) -> None:
    usage = Usage(input=1_000, output=10, calls=1)
    bills = [
        Bill(role="coder", model="GPT-5", usage=usage, cost=0.2, cost_input=0.1, cost_output=0.1),
        Bill(role="evaluator", model="own", usage=usage, cost=None, cost_input=None, cost_output=None),
        Bill(role="evaluator", model="never", usage=Usage()),
    ]
    found = compare_bills(Prices.load(None), bills, ["gpt-5", "gpt-4o"], datetime.now(UTC))
    assert [row.model for row in found.rows] == ["gpt-5", "gpt-4o", "own"]
    assert found.rows[0].cost == pytest.approx(2 * (1_000 * 1.25 + 10 * 10) / 1e6)
    assert found.rows[2].cost is None
    assert found.actual.cost is None
    assert found.used == {"gpt-5", "own"}


async def test_the_screen(tmp_path: Path) -> None:
    store = stored_runs.begin(tmp_path, 2, settings={"compare_models": ["gpt-5", "gpt-4o", "deepseek-chat"]})
    stored_runs.work(store, "t0")
    stored_runs.work(store, "t1")
    view = open_view(store.folder)
    app: App[None] = App()

    def names() -> list[str]:
        return [line.split()[0] for line in shown(app).split("\n")[4:] if "$" in line and "=" not in line]

    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(CompareModelsScreen(view, "t0", glyphs=Glyphs()))
        await sees(pilot, "2,000 input tokens (60% cached), 100 output tokens, 2 calls")
        await until(pilot, lambda: names() == ["deepseek-chat", "gpt-5", "gpt-4o"])
        assert "◉ m-coder (used)" in shown(app)
        assert "= this is what it cost" in shown(app)
        await pilot.press("right")
        await until(pilot, lambda: names() == ["gpt-4o", "gpt-5", "deepseek-chat"])
        await pilot.press("right")
        await until(pilot, lambda: names() == ["deepseek-chat", "gpt-4o", "gpt-5"])
        await pilot.press("shift+tab", "right")
        await sees(pilot, "1,000 input tokens (60% cached), 50 output tokens, 1 call")
        stored_runs.work(store, "t0")
        view.poll()  # as the run screen below does
        await sees(pilot, "2,000 input tokens")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, CompareModelsScreen))
    view.close()
    await store.close()


async def test_nothing_to_compare_and_no_room(tmp_path: Path) -> None:
    store = stored_runs.begin(tmp_path, 1)
    view = open_view(store.folder)
    app: App[None] = App()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(CompareModelsScreen(view, None, glyphs=PLAIN))
        await sees(pilot, "No tokens have been used so far.")
        assert "task" not in shown(app)
        await pilot.resize_terminal(59, 24)
        await sees(pilot, "This terminal is too small.")
        await pilot.resize_terminal(60, 15)
        await sees(pilot, "No tokens have been used so far.")
        await pilot.press("m")
        await until(pilot, lambda: not isinstance(app.screen, CompareModelsScreen))
    view.close()
    await store.close()


@pytest.mark.slow
async def test_a_long_list_scrolls(tmp_path: Path) -> None:
    models = [f"model-{n:02}" for n in range(40)]
    prices = "".join(f'[models."{name}"]\ninput = {n + 1}.0\noutput = 1.0\n' for n, name in enumerate(models))
    (tmp_path / "prices.toml").write_text(prices)
    folder = await stored_runs.finished(tmp_path, settings={"compare_models": models})
    view = open_view(folder)
    app: App[None] = App()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(CompareModelsScreen(view, "t0", glyphs=Glyphs()))
        await sees(pilot, "model-00")
        assert "model-39" not in shown(app)
        await pilot.press(*["down"] * 40)
        await sees(pilot, "model-39")
    view.close()
