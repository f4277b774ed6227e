"""The app around its screens: crashes, the command palette, help."""

import subprocess
import sys
from pathlib import Path

import pytest
from textual.command import CommandPalette

from agentbatch.tui.app import AgentbatchApp, KeyCommands, keys_on
from agentbatch.tui.keys import keys_of
from agentbatch.tui.widgets.entry_bar import EntryBar
from tests.support.screens import sees, until
from tests.tui.snapshot_run import over, scene
from tests.tui.steered_run import run_screen

CRASH = """
import sys
from textual.screen import Screen
from agentbatch.redaction import Redactor
from agentbatch.tui.app import AgentbatchApp

class Broken(Screen):
    def on_mount(self):
        secret_of_a_local = "local-" + "value"
        raise RuntimeError("it broke with sk-very-secret-0123456789")

app = AgentbatchApp(lambda app: Broken(), redact=Redactor(["sk-very-secret-0123456789"]))
app.run(headless=True)
sys.exit(app.return_code)
"""


def test_the_trace_of_a_crash_shows_neither_locals_nor_keys() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CRASH], capture_output=True, text=True, timeout=300, check=False
    )
    told = done.stdout + done.stderr
    assert done.returncode == 1
    assert "RuntimeError" in told
    assert "it broke with" in told
    assert "local-value" not in told
    assert "sk-very-secret" not in told


@pytest.mark.slow
async def test_the_palette_finds_what_keys_do(tmp_path: Path) -> None:
    with scene(tmp_path) as made:
        async with over(made).run_test(size=(100, 40), notifications=True) as pilot:
            await sees(pilot, "agentbatch running")
            wanted = {key.label for key in [*keys_of("run"), *keys_of("everywhere")]}
            screen = run_screen(pilot)
            assert {key.label for key in keys_on(screen)} == wanted
            found = [hit async for hit in KeyCommands(screen).search("verdicts")]
            assert [str(hit.help) for hit in found][:1] == ["What the evaluator said (3)"]
            await pilot.press("ctrl+p")
            await until(pilot, lambda: isinstance(pilot.app.screen, CommandPalette), "the palette")
            await pilot.press(*"zoom")
            await sees(pilot, "Give the details the whole screen")
            await pilot.press("enter", "enter")
            await until(pilot, lambda: screen.has_class("zoomed"), "the command is done")
        await made.store.close()


async def test_the_palette_of_who_only_looks_on_cannot_steer(tmp_path: Path) -> None:
    with scene(tmp_path) as made:
        async with over(made).run_test(size=(100, 40)) as pilot:
            await sees(pilot, "agentbatch running")
            run_screen(pilot).control = False
            assert "Cancel" not in {key.label for key in keys_on(run_screen(pilot))}
        await made.store.close()


async def test_copying_and_the_folder_of_a_task(tmp_path: Path) -> None:
    with scene(tmp_path) as made:
        app: AgentbatchApp = over(made)
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await sees(pilot, "The task has ended")
            await pilot.press("y")
            await sees(pilot, "in the clipboard")
            assert "I'll look at what is there first." in app.clipboard
            await pilot.press("o")
            await until(
                pilot, lambda: app.clipboard == str(tmp_path / "parse-dates"), "the folder's path is copied"
            )
            assert any("(copied)" in note.message for note in app._notifications)
        await made.store.close()


@pytest.mark.slow
async def test_searching_the_transcript_from_the_keyboard(tmp_path: Path) -> None:
    with scene(tmp_path) as made:
        async with over(made).run_test(size=(120, 40)) as pilot:
            await sees(pilot, "The task has ended")
            await pilot.press("s", *"wrong date", "enter")
            await sees(pilot, " found")
            await pilot.press("n", "N", "escape")
            await until(pilot, lambda: not run_screen(pilot).query_one(EntryBar).is_open, "the search closed")
        await made.store.close()
