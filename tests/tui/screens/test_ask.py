"""Questions: n and esc are no, whatever is asked."""

import pytest
from textual.app import App
from textual.events import Key

from agentbatch.tui.screens.ask import AskScreen, Choice


@pytest.mark.parametrize(("key", "answer"), [("n", ""), ("escape", ""), ("y", "yes")])
async def test_n_and_esc_are_no(key: str, answer: str) -> None:
    answers: list[str | None] = []
    app: App[None] = App()
    async with app.run_test() as pilot:
        app.push_screen(AskScreen("Really?", [Choice("y", "Yes", "yes")], "No"), answers.append)
        await pilot.pause()
        await pilot.press("x", key)
        await pilot.pause()
    assert answers == [answer]


@pytest.mark.parametrize("key", ["n", "escape", "y"])
async def test_a_key_typed_twice_answers_once_and_closes_nothing_else(key: str) -> None:
    answers: list[str | None] = []
    app: App[None] = App()
    async with app.run_test() as pilot:
        below = AskScreen("Below?", [], "No")
        app.push_screen(below)
        await pilot.pause()
        question = AskScreen("Really?", [Choice("y", "Yes", "yes")], "No")
        app.push_screen(question, answers.append)
        await pilot.pause()
        for _ in range(3):
            question.post_message(Key(key, None))
        await pilot.pause()
        assert app.screen is below
    assert len(answers) == 1


def test_no_choice_takes_the_key_of_no() -> None:
    with pytest.raises(ValueError, match="n is no"):
        AskScreen("Stop?", [Choice("n", "Stop now", "now")])
