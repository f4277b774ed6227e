"""`agentbatch results` on a real terminal."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.e2e.tmux_terminal import Terminal, needs_tmux
from tests.runs.stored_runs import finished, interrupted
from tests.support.results_files import OLD

pytestmark = needs_tmux


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    made.mkdir()
    (made / "batch_results.json").write_text(json.dumps(OLD), encoding="utf-8")
    return made


@pytest.fixture
def opened() -> Iterator[list[Terminal]]:
    terminals: list[Terminal] = []
    yield terminals
    for terminal in terminals:
        terminal.close()


@pytest.mark.slow
async def test_the_browser_opens_a_run_and_gives_the_terminal_back(
    folder: Path, opened: list[Terminal]
) -> None:
    run = await interrupted(folder, datetime(2026, 1, 1))
    opened.append(terminal := Terminal(folder, "results --ascii", 80, 24, NO_COLOR="1"))
    assert "# interrupted" in terminal.until(run.run_id)
    terminal.press("Enter")
    terminal.until("Transcript")
    terminal.press("q")
    terminal.until("batch_results.json")
    terminal.press("q")
    terminal.until("code 0")
    terminal.until_it(lambda _: (folder.parent / "after").is_file(), "end")
    assert (folder.parent / "after").read_text() == (folder.parent / "before").read_text()


async def test_an_old_results_file_opens_in_the_run_screen(folder: Path, opened: list[Terminal]) -> None:
    opened.append(terminal := Terminal(folder, "results batch_results.json", 80, 24))
    screen = terminal.until("a-13257dff")
    assert "$0.00" not in screen  # the price is unknown
    terminal.press("q")
    terminal.until("code 0")


@pytest.mark.slow
async def test_two_runs_are_compared_on_the_terminal(folder: Path, opened: list[Terminal]) -> None:
    first = await interrupted(folder, datetime(2026, 1, 1))
    second = await finished(folder, datetime(2026, 1, 2), tasks=4)
    opened.append(terminal := Terminal(folder, f"results --compare {first.run_id} {second.run_id}", 80, 24))
    terminal.until("Better, completed now (3): t1, t2, t3")
    terminal.press("Escape")
    terminal.until("code 0")


async def test_a_file_that_cannot_be_read_is_told_on_the_terminal(
    folder: Path, opened: list[Terminal]
) -> None:
    (folder / "bad.json").write_text('{"summary": }', encoding="utf-8")
    opened.append(terminal := Terminal(folder, "results bad.json", 200, 24))
    screen = terminal.until("code 2")
    assert "not valid JSON at line 1, column 13" in " ".join(screen.split())
