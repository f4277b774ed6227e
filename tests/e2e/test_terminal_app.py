"""The app on a real terminal: started, steered, resized, ended by signals, hung up."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentbatch.runs.folder import holder
from agentbatch.runs.listing import list_runs, open_run
from tests.e2e.tmux_terminal import Terminal, living, needs_tmux, send
from tests.support.paths import CHECKOUT
from tests.support.waiting import wait_until

pytestmark = needs_tmux

SAMPLE = CHECKOUT / "task.json"

Open = Callable[..., Terminal]


def slow_tasks(count: int) -> list[dict[str, str]]:
    """Sample tasks whose check takes so long that a test can look at them."""
    tasks = json.loads(SAMPLE.read_text(encoding="utf-8"))["tasks"][:count]
    return [{**task, "verify": "sleep 600"} for task in tasks]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    made.mkdir()
    (made / "task.json").write_text(SAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    return made


@pytest.fixture
def terminal(folder: Path) -> Iterator[Open]:
    opened: list[Terminal] = []

    def make(command: str = "--sandbox none", columns: int = 80, rows: int = 24, **environ: str) -> Terminal:
        opened.append(Terminal(folder, command, columns, rows, **environ))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def test_from_the_launch_screen_to_a_finished_run(terminal: Open, folder: Path) -> None:
    app = terminal()
    launch = app.until("10 tasks")
    assert "rehearsal model: scripted replies, no AI" in launch
    app.press("C-s")
    app.until_it(lambda screen: "agentbatch running" in screen or "agentbatch finished" in screen, "a run")
    app.press("3")
    app.until("10 done")
    app.until("agentbatch finished")
    app.press("?")
    app.until("Cancel the chosen task (asks)")
    app.press("Escape")
    app.until_it(lambda screen: "Cancel the chosen task" not in screen, "the help gone")
    app.resize(140, 40)
    app.until_it(lambda screen: "3 Verdicts" in screen.splitlines()[3], "details beside the table")
    app.resize(50, 12)
    app.until("This terminal is too small")
    app.resize(80, 24)
    app.until("agentbatch finished")
    app.press("q")
    left = app.until("code 0")
    assert "10 tasks: ✓ 10 completed" in left
    assert (folder.parent / "after").read_text() == (folder.parent / "before").read_text()
    (run,) = list_runs(folder)
    assert open_run(run).condition == "finished"
    assert (folder / "parallel_batch_results.json").is_file()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.slow
def test_a_signal_stops_the_engine_and_gives_the_terminal_back(
    terminal: Open, folder: Path, number: signal.Signals
) -> None:
    (folder / "task.json").write_text(json.dumps({"tasks": slow_tasks(3)}), encoding="utf-8")
    marker = f"AGENTBATCH_TEST_MARK={folder}"
    app = terminal("--sandbox none --parallel 3 --display tui", AGENTBATCH_TEST_MARK=str(folder))
    app.until("agentbatch running")
    send(app.app(), number)
    left = app.until(f"code {128 + number}")
    assert "agentbatch resume" in left
    (run,) = list_runs(folder)
    wait_until(lambda: not holder(run), "the engine goes on")
    assert (folder.parent / "after").read_text() == (folder.parent / "before").read_text()
    wait_until(lambda: not [p for p in living(marker) if _ours(p)], "something of the engine's is left")
    assert open_run(run).condition == "interrupted"


def _ours(process: int) -> bool:
    """Not the shell or the tmux that the test itself has started."""
    try:
        command = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False
    return b"agentbatch" in command and b"tmux" not in command and b"stty" not in command


@pytest.mark.slow
def test_a_closed_terminal_ends_the_run(terminal: Open, folder: Path) -> None:
    (folder / "task.json").write_text(json.dumps({"tasks": slow_tasks(2)}), encoding="utf-8")
    app = terminal("--sandbox none --parallel 3 --display tui")
    app.until("agentbatch running")
    (run,) = list_runs(folder)
    process = app.app()
    app.hang_up()
    wait_until(lambda: not Path(f"/proc/{process}").exists(), "the app goes on without a terminal")
    wait_until(lambda: not holder(run), "the engine goes on without a terminal")
    assert open_run(run).condition == "interrupted"


@pytest.mark.slow
def test_an_app_that_is_killed_leaves_no_engine(terminal: Open, folder: Path) -> None:
    (folder / "task.json").write_text(json.dumps({"tasks": slow_tasks(2)}), encoding="utf-8")
    app = terminal("--sandbox none --parallel 3 --display tui")
    app.until("agentbatch running")
    (run,) = list_runs(folder)
    send(app.app(), signal.SIGKILL)
    wait_until(lambda: not holder(run), "the engine goes on without anybody")
    assert open_run(run).condition == "interrupted"


@pytest.mark.slow
def test_a_run_that_is_kept_goes_on_without_the_app(terminal: Open, folder: Path) -> None:
    (folder / "task.json").write_text(json.dumps({"tasks": slow_tasks(2)}), encoding="utf-8")
    app = terminal("--sandbox none --serial --display tui")
    app.until("agentbatch running")
    app.press("q")
    app.until("Keep it running in the background")
    app.press("b")
    app.until("code 0")
    (run,) = list_runs(folder)
    assert holder(run)
    process = open_run(run).process or 0
    os.kill(process, signal.SIGTERM)
    wait_until(lambda: "Stopping:" in run.log.read_text(), "it does not hear of it")
    os.kill(process, signal.SIGTERM)
    wait_until(lambda: not holder(run), "the engine does not end")
