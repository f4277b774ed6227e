"""The models that a run compares, as lines and as a screen."""

from pathlib import Path

import pytest

from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.tasks.bakeoff.bakeoff import bake_off
from agentbatch.tui.app import AgentbatchApp
from agentbatch.tui.lines.bake_off import bake_off_lines
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.screens.comparing.bake_off import BakeOffScreen
from tests.runs import stored_runs
from tests.support.bake_offs import compared
from tests.support.screens import sees, until


def test_it_uses_the_signs_that_the_terminal_has() -> None:
    found = bake_off(compared(("a" * 90, "b"), [[[True], [True]]]))
    assert found is not None
    assert all(line.text.isascii() for line in bake_off_lines(found, 80, Glyphs(ascii=True)))


@pytest.mark.slow
async def test_it_is_a_key_away_and_follows_the_run(tmp_path: Path) -> None:
    store = stored_runs.begin(tmp_path, 1, settings={"models": ["small", "large"]})
    for number, model in enumerate(("small", "large"), 1):
        name = e.attempt_id("t0", number)
        store.emit(
            e.TaskQueued(
                task_id=name,
                index=0,
                dir="d",
                first_prompt="p",
                max_iterations=4,
                attempt_of="t0",
                model=model,
            )
        )
    stored_runs.work(store, "t0@1")
    stored_runs.end(store, "t0@1")
    store.flush()
    app = AgentbatchApp.watching(store.folder, control=False, ascii_only=False, redact=store.redact)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("b")
        await sees(pilot, "Attempts that are not counted")
        await sees(pilot, "1/1")
        stored_runs.work(store, "t0@2")
        stored_runs.end(store, "t0@2", status="error", reason="blocked")
        store.flush()
        await sees(pilot, "no difference shown")
        await pilot.press("b")
        await until(pilot, lambda: not isinstance(app.screen, BakeOffScreen))
    await store.close()


async def test_a_run_like_others_says_so(tmp_path: Path) -> None:
    folder = await stored_runs.finished(tmp_path)
    app = AgentbatchApp.watching(folder, control=False, ascii_only=False, redact=Redactor([]))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("b")
        await sees(pilot, "This run compares no models")
