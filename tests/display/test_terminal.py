"""The rich display in a real terminal (tmux), looked at with a pinned clock."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs the package tmux")

SCRIPT = Path(__file__).parent / "terminal_run.py"


class Screen:
    """A tmux server of its own with one window that runs the script; `cat` keeps it open afterwards."""

    def __init__(self, socket: Path, columns: int, lines: int, tasks: int) -> None:
        self._socket = socket
        command = f"TZ=UTC TERM=screen-256color {sys.executable} {SCRIPT} {tasks}"
        size = ("-x", str(columns), "-y", str(lines))
        self.tmux("-u", "-f", "/dev/null", "new-session", "-d", *size, f"stty -echo; {command}; cat")

    def tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout

    def lines(self) -> list[str]:
        return [text.rstrip() for text in self.tmux("capture-pane", "-p").rstrip("\n").split("\n")]

    def wait(self, ready: Callable[[list[str]], bool]) -> list[str]:
        """The screen as soon as it is `ready`; the last one seen when it never is."""
        deadline = time.monotonic() + PATIENCE
        while not ready(lines := self.lines()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return lines


@pytest.fixture
def open_screen(tmp_path: Path) -> Iterator[Callable[[int, int, int], Screen]]:
    opened: list[Screen] = []

    def open_one(columns: int, lines: int, tasks: int) -> Screen:
        opened.append(Screen(tmp_path / "tmux", columns, lines, tasks))
        return opened[-1]

    yield open_one
    for screen in opened:
        screen.tmux("kill-server")


RULE = "─" * 80

FIRST_SCENE = [
    RULE,
    "agentbatch run 20270115-120000-ab12 · parallel 3 · sandbox bubblewrap",
    "coder rehearsal-coder · evaluator rehearsal-evaluator",
    " rehearsal model: scripted replies, no AI",
    "         task               iter tokens  cost time",
    "● coding task-0             1/10      0 $0.00 0:41 generating 0:41 (2 retries)",
    "● coding 整理[bold red]数据 1/10      0 $0.00 0:41 bash 0:40",
    "● coding task-2             1/10      0 $0.00 0:41 waiting for rate limit 0:45",
    "· queued task-3",
    RULE,
    "0 done · 0 failed · 3 running · 1 queued                 0 tokens · $0.00 · 0:41",
]

SECOND_SCENE = [
    "[12:00:42] task 1/4: completed in 42.0s [1/4], 1 iteration,",
    "           tokens 12,000 in/345 out/3 calls, cost –",
    "[12:00:43] task 2/4: error: HTTP 500",
    "[12:00:43] task 2/4: error in 43.0s [2/4], 1 iteration,",
    "           tokens 0 in/0 out/0 calls, cost $0.00 in/$0.00 out",
]


def test_three_scenes_at_80_by_24(open_screen: Callable[[int, int, int], Screen]) -> None:
    screen = open_screen(80, 24, 4)
    assert screen.wait(lambda lines: len(lines) >= 11) == FIRST_SCENE

    screen.tmux("send-keys", "Enter")
    lines = screen.wait(lambda lines: any(text.startswith("1 done") for text in lines))
    assert lines[:6] == [*SECOND_SCENE, RULE]
    assert lines[9:14] == [
        "            task              iter tokens  cost time",
        "✓ completed task-0            1/10  12.3k     – 0:42",
        "✗ error     整理[bold red]数… 1/10      0 $0.00 0:43 HTTP 500",
        "● coding    task-2            1/10      0 $0.00 0:41 waiting for rate limit 0:45",
        "· queued    task-3",
    ]

    screen.tmux("send-keys", "Enter")
    screen.wait(lambda lines: lines[-1].startswith("Resume with"))
    history = screen.tmux("capture-pane", "-p", "-S", "-100").splitlines()
    shown = [text.rstrip() for text in history]
    # Nothing of the live area is left: lines, the end, the summary.
    assert shown[:8] == [
        *SECOND_SCENE,
        "[12:00:50] run interrupted: 1 completed, 1 error, 2 not finished",
        "",
        "Summary of run 20270115-120000-ab12",
    ]
    assert RULE not in shown
    assert screen.tmux("display-message", "-p", "#{cursor_flag}") == "1\n"


def test_a_resized_terminal_shows_the_area_once(open_screen: Callable[[int, int, int], Screen]) -> None:
    screen = open_screen(100, 24, 200)
    screen.tmux("send-keys", "Enter")
    screen.wait(lambda lines: lines[-1].startswith("1 done"))
    screen.tmux("resize-window", "-x", "60", "-y", "20")
    narrow = "─" * 60
    lines = screen.wait(lambda lines: narrow in lines[-2:] and lines[-1].endswith("0:41"))
    assert lines.count(narrow) == 2
    for beginning in ("agentbatch run", "coder rehearsal", " rehearsal model", "● coding", "1 done"):
        assert sum(text.startswith(beginning) for text in lines) == 1
    # Getting wider, tmux brings back rows that it had pushed off the top; the area itself is whole again.
    screen.tmux("resize-window", "-x", "120", "-y", "30")
    wide = "─" * 120
    lines = screen.wait(lambda lines: wide in lines[-2:])
    assert [text[:12] for text in lines[-11:]] == [
        wide[:12],
        "agentbatch r",
        "coder rehear",
        " rehearsal m",
        "            ",
        "● coding    ",
        "✗ error     ",
        "✓ completed ",
        "… 197 more q",
        wide[:12],
        "1 done · 1 f",
    ]
