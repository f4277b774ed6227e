"""The terminal app shows tasks: what it says where a run is a batch of plain requests."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agentbatch.config import load_settings
from agentbatch.tui.reading.launch_check import Place, earlier_run
from agentbatch.tui.screens.results import ResultsScreen
from tests.e2e.tmux_terminal import Terminal, needs_tmux
from tests.runs.requests_run import requests_run
from tests.runs.stored_runs import begin, finished, work
from tests.support.screens import messages, until
from tests.tui.results_browser import browser, choose, listed, ready


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    made.mkdir()
    return made


@pytest.fixture
def opened() -> Iterator[list[Terminal]]:
    terminals: list[Terminal] = []
    yield terminals
    for terminal in terminals:
        terminal.close()


async def test_the_browser_lists_it_and_says_where_it_can_be_seen(folder: Path) -> None:
    tasks = await finished(folder, datetime(2026, 1, 1))
    batch = await requests_run(folder, datetime(2026, 1, 2))
    app = browser(folder)
    async with app.run_test(size=(100, 24)) as pilot:
        await ready(pilot, 2)
        (line,) = [line for line in listed(app) if batch.run_id in line]
        assert "3/5" in line
        assert "plain requests" in line
        await choose(pilot, batch.run_id)
        await pilot.press("enter")
        await until(pilot, lambda: len(messages(app)) == 1)
        assert f"`agentbatch logs -f {batch.run_id}`" in messages(app)[0]
        for number, key in enumerate(("space", "e"), start=2):
            await pilot.press(key)
            await until(pilot, lambda number=number: len(messages(app)) == number)  # type: ignore[misc]
        assert isinstance(app.screen, ResultsScreen)
        await choose(pilot, tasks.run_id)
        await pilot.press("space")
        await choose(pilot, batch.run_id)
        await pilot.press("c")
        await until(pilot, lambda: len(messages(app)) == 4)
        assert all("is a batch of plain requests" in text for text in messages(app))


async def test_the_launch_screen_goes_on_with_tasks_only(folder: Path) -> None:
    info: dict[str, Any] = {"task_file": str((folder / "task.json").resolve())}
    older = begin(folder, 1, datetime(2026, 1, 1), **info)
    work(older, "t0")
    await older.close()
    await requests_run(folder, datetime(2026, 1, 2), **info)
    found = earlier_run(Place(load_settings({}, {}, None), folder, {}))
    assert found is not None
    assert found.run_id == older.folder.run_id


@needs_tmux
@pytest.mark.parametrize(
    "words", ["attach", "attach --control", "results {run}", "results --compare {run} {run}"]
)
async def test_on_a_terminal_it_is_one_sentence(folder: Path, opened: list[Terminal], words: str) -> None:
    run = await requests_run(folder)
    opened.append(terminal := Terminal(folder, words.format(run=run.run_id), 120, 24))
    screen = terminal.until("code 2")
    assert "is a batch of plain requests" in screen
    assert f"agentbatchstatus{run.run_id}" in "".join(screen.split())  # lines break anywhere


@needs_tmux
async def test_watch_tells_it_in_lines(folder: Path, opened: list[Terminal]) -> None:
    run = await requests_run(folder)
    opened.append(terminal := Terminal(folder, "watch", 100, 30))
    screen = terminal.until("code 0")
    assert f"Run {run.run_id}: interrupted" in screen
    assert "5 plain requests: ✓ 3 ok, ✗ 1 failed, · 1 not answered yet" in screen
