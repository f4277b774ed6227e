"""What is said to a coder, from the key to the run."""

from pathlib import Path

import pytest
from textual.app import App
from textual.events import Paste
from textual.screen import Screen

from agentbatch.tui.screens.say import DraftMessage, SayScreen
from tests.support.screens import messages, sees, shown, until
from tests.tui.steered_run import HELD, app_over, at_work, project, script


async def asked(*steps: str, draft: str = "", size: tuple[int, int] = (80, 24)) -> tuple[list[object], str]:
    """What comes of the keys, and of texts that are pasted (those with more than one word); the screen at their end."""
    answers: list[object] = []
    app: App[None] = App()
    async with app.run_test(size=size) as pilot:
        below: Screen[None] = Screen()
        app.push_screen(below)
        app.push_screen(SayScreen("Say to the coder of a:", draft), answers.append)
        await pilot.pause()
        for step in steps:
            if " " in step:
                app.post_message(Paste(step))
                await pilot.pause()
            else:
                await pilot.press(step)
        await pilot.pause()
        assert answers == [] or app.screen is below
        return answers, shown(app)


@pytest.mark.parametrize(
    ("steps", "draft", "written"),
    [
        (
            ("请 用中文\nline two\r\n  three", "f5"),
            "",
            DraftMessage("请 用中文\nline two\n  three", is_said=True),
        ),
        (("enter", "b", "ctrl+s", "ctrl+s"), "Draft", DraftMessage("Draft\nb", is_said=True)),
        (("x", "escape", "escape"), "", DraftMessage("x", is_said=False)),
    ],
    ids=["pasted", "typed", "left"],
)
async def test_what_is_written_is_said_once_or_kept(
    steps: tuple[str, ...], draft: str, written: DraftMessage
) -> None:
    answers, _ = await asked(*steps, draft=draft)
    assert answers == [written]


async def test_what_cannot_be_said_is_told_and_stays() -> None:
    answers, screen = await asked("ctrl+s", "word " * 4000)
    assert ("at most 10,000 characters" in " ".join(screen.split()), answers) == (True, [])


@pytest.mark.slow
async def test_the_key_reaches_the_coder(tmp_path: Path) -> None:
    async with project(tmp_path, [script("a", HELD), script("b")]) as made:
        engine = await made.start("--parallel", "2")
        async with app_over(engine).run_test(size=(80, 24), notifications=True) as pilot:
            await at_work(pilot, made, "a")
            await pilot.press("t", "t")
            await until(pilot, lambda: isinstance(pilot.app.screen, SayScreen), "the question")
            await pilot.press("backspace", *"German", "escape")
            await until(pilot, lambda: not isinstance(pilot.app.screen, SayScreen), "it is closed")
            await pilot.press("t")
            await sees(pilot, "German")
            await pilot.press("!", "ctrl+s", "ctrl+s")
            await until(pilot, lambda: made.task("a").said, "it was said")
            assert made.task("a").said[0].text == "German!"
            await sees(pilot, "hears it before its next model call")
            made.let_go("a")
            await until(pilot, lambda: made.task("a").status == "completed", "a ends")
            assert made.task("a").heard
            await pilot.press("t")
            await until(
                pilot, lambda: any("is over" in text for text in messages(pilot.app)), "a word why not"
            )
