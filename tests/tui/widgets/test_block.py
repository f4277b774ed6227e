"""One block of a transcript: when the screen is laid out for it."""

from textual.app import App, ComposeResult
from textual.screen import Screen

from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.render import Line
from agentbatch.tui.widgets.transcript.block import BlockWidget


class BlockApp(App[None]):
    def compose(self) -> ComposeResult:
        yield BlockWidget(Glyphs(), [Line("bash pytest …")])


async def test_the_screen_is_laid_out_once_for_a_block_of_another_height_and_not_for_another_word() -> None:
    app = BlockApp()
    laid_out: list[Screen[object]] = []
    async with app.run_test(size=(40, 8)) as pilot:
        await pilot.pause()
        app.screen.screen_layout_refresh_signal.subscribe(app.screen, laid_out.append)
        block = app.query_one(BlockWidget)

        async def show(*texts: str) -> tuple[list[str], int]:
            """The rows that are seen then, and how often the screen was laid out for it."""
            laid_out.clear()
            block.set_lines([Line(text) for text in texts])
            await pilot.pause(0.1)
            rows = [strip.text.strip() for strip in app.screen._compositor.render_strips()]
            return [row for row in rows if row], len(laid_out)

        assert await show("bash pytest ✓ 1.5 s") == (["bash pytest ✓ 1.5 s"], 0)
        assert await show("bash pytest ✗", "1 failed") == (["bash pytest ✗", "1 failed"], 1)
        assert await show("bash pytest ✗", "2 failed") == (["bash pytest ✗", "2 failed"], 0)
        assert await show("bash pytest ✓") == (["bash pytest ✓"], 1)
        assert await show() == ([], 1)
        assert await show("again") == (["again"], 1)
