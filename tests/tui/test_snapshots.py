"""What every screen looks like, as text. `AGENTBATCH_UPDATE_SNAPSHOTS=1 pytest tests/tui/test_snapshots.py` writes
them anew; read the difference before you commit it."""

import asyncio
import difflib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from agentbatch.config import load_settings
from agentbatch.tui.app import AgentbatchApp
from agentbatch.tui.screens.launch import LaunchScreen
from tests.support.paths import CHECKOUT
from tests.support.screens import sees, shown, until
from tests.support.waiting import PATIENCE
from tests.tui.snapshot_run import NOW, over, scene

SNAPSHOTS = Path(__file__).parent / "snapshots"
SIZES = ((80, 24), (160, 48))
EACH = (SIZES[0], pytest.param(SIZES[1], marks=pytest.mark.slow))
SAMPLE = CHECKOUT / "task.json"


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch, utc: None) -> Iterator[Path]:
    """A folder whose path is as long at every run."""
    made = Path(tempfile.mkdtemp(prefix="agentbatch-", dir="/tmp"))
    monkeypatch.chdir(made)
    yield made
    shutil.rmtree(made)


def drawn(pilot: Pilot[Any], base: Path) -> str:
    lines = shown(pilot.app).replace(str(base), "/" + "-" * (len(str(base)) - 1)).splitlines()
    return "\n".join(line.rstrip() for line in lines).rstrip() + "\n"


async def check(pilot: Pilot[Any], base: Path, name: str, size: tuple[int, int]) -> None:
    """The screen comes to look as it did, and stays so: parts of it are blank for a moment while they are composed."""
    path = SNAPSHOTS / f"{name}-{size[0]}x{size[1]}.txt"
    if os.environ.get("AGENTBATCH_UPDATE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        await pilot.pause(1.0)
        path.write_text(drawn(pilot, base), encoding="utf-8")
    known = path.read_text(encoding="utf-8") if path.is_file() else ""
    deadline, alike, text = time.monotonic() + PATIENCE, 0, ""
    await pilot.pause()
    while alike < 2 and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
        text = drawn(pilot, base)
        alike = alike + 1 if text == known else 0
    difference = "\n".join(
        difflib.unified_diff(known.splitlines(), text.splitlines(), "known", "now", lineterm="")
    )
    assert text == known, f"{path.name} is not as it was:\n{difference}"


@pytest.mark.parametrize("size", EACH)
async def test_a_run(base: Path, size: tuple[int, int]) -> None:
    with scene(base) as made:
        async with over(made).run_test(size=size) as pilot:
            await sees(pilot, "agentbatch running")
            await check(pilot, base, "run", size)
            await pilot.press("3")
            await check(pilot, base, "run-verdicts", size)
            await pilot.press("4", "z")
            await sees(pilot, "m-dear")
            await check(pilot, base, "run-usage", size)
            await pilot.press("z", "question_mark")
            await sees(pilot, "esc closes")
            await check(pilot, base, "help", size)
            await pilot.press("escape", "slash")
            await pilot.press(*"state:x")
            await check(pilot, base, "filter-wrong", size)
            await pilot.press("ctrl+u", *"zebra")
            await check(pilot, base, "filter-empty", size)
        await made.store.close()


@pytest.mark.parametrize("size", EACH)
async def test_a_run_in_ascii_that_has_died_opens_on_what_failed(base: Path, size: tuple[int, int]) -> None:
    with scene(base) as made:
        await made.store.close()
        async with over(made, ascii_only=True).run_test(size=size) as pilot:
            await sees(pilot, "agentbatch died")
            await check(pilot, base, "died-ascii", size)


@pytest.mark.parametrize("size", EACH)
async def test_the_results_browser(base: Path, size: tuple[int, int]) -> None:
    with scene(base) as made:
        await made.store.close()
        (base / "old_results.json").write_text("{", encoding="utf-8")
        app = AgentbatchApp(lambda app: app.results_screen(base), now=lambda: NOW + 7_200)
        async with app.run_test(size=size) as pilot:
            await sees(pilot, "20270115-120000-ab12")
            await check(pilot, base, "results", size)


async def test_no_results_at_all(base: Path) -> None:
    app = AgentbatchApp(lambda app: app.results_screen(base), now=lambda: NOW)
    async with app.run_test(size=SIZES[0]) as pilot:
        await until(pilot, lambda: "Looking" not in shown(pilot.app), "it has looked")
        await check(pilot, base, "results-empty", SIZES[0])


def launch(base: Path) -> AgentbatchApp:
    environ = {"PATH": os.environ["PATH"], "HOME": str(base)}
    settings = load_settings({"sandbox": "none"}, environ, folder=base)
    return AgentbatchApp(
        lambda app: LaunchScreen(
            settings, ["--sandbox", "none"], glyphs=app.glyphs, folder=base, environ=environ
        )
    )


@pytest.mark.parametrize("size", EACH)
async def test_the_launch_screen(base: Path, size: tuple[int, int]) -> None:
    (base / "task.json").write_bytes(SAMPLE.read_bytes())
    async with launch(base).run_test(size=size) as pilot:
        await sees(pilot, "log-report")
        await check(pilot, base, "launch", size)


@pytest.mark.parametrize("size", EACH)
async def test_no_task_file_and_a_wrong_one(base: Path, size: tuple[int, int]) -> None:
    async with launch(base).run_test(size=size) as pilot:
        await sees(pilot, "agentbatch init")
        await check(pilot, base, "launch-empty", size)
        (base / "task.json").write_text('{"tasks": [\n  {"dir": "a" "first_prompt": "b"}]}', encoding="utf-8")
        await sees(pilot, "line 2")
        await check(pilot, base, "launch-wrong", size)


async def test_too_small(base: Path) -> None:
    with scene(base) as made:
        async with over(made).run_test(size=(59, 14)) as pilot:
            await sees(pilot, "too small")
            await check(pilot, base, "too-small", (59, 14))
        await made.store.close()
