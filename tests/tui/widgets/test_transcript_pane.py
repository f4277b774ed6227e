"""The transcript on the screen, driven by keys and by the mouse."""

import re
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.events import MouseScrollUp
from textual.pilot import Pilot

from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState, VerdictRecord
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.reading.view import FileView, RunView, open_view
from agentbatch.tui.widgets.transcript.block import BlockWidget
from agentbatch.tui.widgets.transcript.block_window import MAX_MOUNTED
from agentbatch.tui.widgets.transcript.transcript_pane import LIVE_EVERY, TranscriptPane
from tests.runs import stored_runs
from tests.support.screens import until
from tests.support.waiting import PATIENCE
from tests.tui.transcript_run import Talk


class PaneApp(App[None]):
    """Nothing but the pane."""

    def __init__(self, view: RunView, task_id: str | None = "t0", *, plain: bool = False) -> None:
        super().__init__()
        self.view = view
        self.task_id = task_id
        self.pane = TranscriptPane(glyphs=Glyphs(plain))
        self.told: list[bool] = []

    def compose(self) -> ComposeResult:
        yield self.pane

    def on_mount(self) -> None:
        self.pane.focus()
        self.pane.show(self.view, self.task_id)
        self.watch(self.pane, "follow", lambda follow: self.told.append(follow), init=False)


async def settled(pilot: Pilot[None]) -> None:
    """The transcript is read and laid out."""
    await until(pilot, lambda: not pane_of(pilot).reading)
    for _ in range(3):  # read, laid out, scrolled to where it belongs
        await pilot.pause()


def shown(pilot: Pilot[None]) -> str:
    """The rows of the screen."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


def pane_of(pilot: Pilot[None]) -> TranscriptPane:
    return pilot.app.query_one(TranscriptPane)


def mounted(pilot: Pilot[None]) -> list[int]:
    return [block.place for block in pilot.app.query(BlockWidget) if block.place >= 0]


def at_end(pane: TranscriptPane) -> bool:
    return pane.max_scroll_y > 0 and pane.scroll_y == pane.max_scroll_y


@asynccontextmanager
async def on_screen(
    talk: Talk, task_id: str | None = "t0", *, plain: bool = False, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[PaneApp, Pilot[None]]]:
    """The transcript as it is so far, settled; what was said is over in the end."""
    app = PaneApp(view_of(talk), task_id, plain=plain)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        yield app, pilot
    await talk.store.close()


def view_of(talk: Talk) -> RunView:
    talk.flush()
    return open_view(RunFolder(talk.store.folder.path))


def step(talk: Talk, n: int, said: str = "") -> None:
    talk.bash(f"make step-{n}", f"output of {n}\nsecond line", said=said)


def talk_of(base: Path, steps: Iterable[int]) -> Talk:
    talk = Talk(base)
    talk.begin("p")
    for n in steps:
        step(talk, n)
    return talk


async def test_a_finished_task_from_its_end(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.begin("Write the file.")
    step(talk, 1, "I run it.")
    talk.verdict(
        True, verdict={"requirements": [{"text": "written", "met": True, "evidence": "seen"}], "score": 1}
    )
    talk.end()
    async with on_screen(talk) as (_, pilot):
        screen = shown(pilot)
        for text in (
            "Iteration 1 of 4", "Write the file.", "I run it.", "▸ ✓ bash make step-1", "exit 0", "✓ Accepted",
            "✓ met: written", "seen", "The task has ended: completed: accepted",
        ):  # fmt: skip
            assert text in screen
        assert "second line" not in screen


async def test_the_keyboard_goes_through_the_blocks_and_opens_them(tmp_path: Path) -> None:
    talk = talk_of(tmp_path, (1, 2))
    async with on_screen(talk) as (_, pilot):
        await pilot.press("up", "up", "enter")
        await pilot.pause()
        assert "$ make step-1" in shown(pilot)
        assert "output of 1" in shown(pilot)
        assert "output of 2" not in shown(pilot)
        (cursor,) = pilot.app.query(".-cursor").results(BlockWidget)
        assert cursor.place == 1
        await pilot.press("space")
        await pilot.pause()
        assert "output of 1" not in shown(pilot)
        await pilot.press("down", "space")
        await pilot.pause()
        assert "output of 2" in shown(pilot)


async def test_a_click_opens_a_call(tmp_path: Path) -> None:
    talk = talk_of(tmp_path, (1,))
    async with on_screen(talk) as (app, pilot):
        (call,) = [block for block in app.query(BlockWidget) if block.place == 1]
        assert await pilot.click(call)
        await pilot.pause()
        assert "output of 1" in shown(pilot)


async def test_what_comes_up_is_followed_until_somebody_scrolls_up(tmp_path: Path) -> None:
    talk = talk_of(tmp_path, range(40))
    async with on_screen(talk) as (app, pilot):
        pane = pane_of(pilot)
        await until(pilot, lambda: at_end(pane))
        for n in range(40, 45):
            step(talk, n)
        talk.flush()
        pane.changed(app.view.poll())
        await until(pilot, lambda: "make step-44" in shown(pilot) and at_end(pane))
        await pilot.press("pageup")
        await pilot.pause()
        assert not pane.follow
        place = pane.scroll_y
        step(talk, 45, "Something new.")
        talk.flush()
        pane.changed(app.view.poll())
        await settled(pilot)
        assert pane.scroll_y == place
        assert "Something new." not in shown(pilot)
        await pilot.press("end")
        await until(pilot, lambda: "Something new." in shown(pilot) and at_end(pane))
        assert pane.follow
        assert app.told == [False, True]
        pane.follow = False
        pane.follow = True
        await until(pilot, lambda: app.told == [False, True, False, True])


async def test_the_mouse_wheel_ends_the_following_too(tmp_path: Path) -> None:
    talk = talk_of(tmp_path, range(40))
    async with on_screen(talk) as (_, pilot):
        pane = pane_of(pilot)
        await until(pilot, lambda: at_end(pane))
        await pilot._post_mouse_events([MouseScrollUp], pane, (5, 5))
        await until(pilot, lambda: not pane.follow)
        assert not at_end(pane)


async def test_a_call_under_way_gets_its_end(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.begin("p")
    (call_id,) = talk.say("", ("bash", {"command": "sleep 9"}))
    talk.call(call_id, "bash", "sleep 9")
    async with on_screen(talk) as (app, pilot):
        assert "● bash sleep 9" in shown(pilot)
        assert "running" in shown(pilot)
        talk.done(call_id, "bash", "woke up", exit_code=0)
        talk.flush()
        pane_of(pilot).changed(app.view.poll())
        await until(pilot, lambda: "✓ bash sleep 9" in shown(pilot) and "exit 0" in shown(pilot))


async def test_what_came_up_while_another_pane_was_shown_is_not_missed(tmp_path: Path) -> None:
    talk = talk_of(tmp_path, (1,))
    async with on_screen(talk) as (app, pilot):
        step(talk, 2)
        talk.flush()
        app.view.poll()  # the screen gave these events to another pane
        step(talk, 3)
        talk.flush()
        pane_of(pilot).show(app.view, "t0")
        await until(pilot, lambda: "make step-2" in shown(pilot) and "make step-3" in shown(pilot))
        assert mounted(pilot) == [0, 1, 2, 3]


@pytest.mark.slow
async def test_a_long_transcript_pages_and_keeps_few_widgets(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.begin("The very first prompt.")
    for n in range(400):
        step(talk, n)
    async with on_screen(talk) as (app, pilot):
        pane = pane_of(pilot)
        assert mounted(pilot)[-1] == 400
        await pilot.press("home")
        await until(pilot, lambda: "The very first prompt." in shown(pilot))
        assert mounted(pilot)[0] == 0
        (later,) = [line for line in app.query(".-more").results(BlockWidget) if line.display]
        assert "341 later: press down, or click" in str(later.render())
        for _ in range(4):
            pane.scroll_end(animate=False, immediate=True)
            await pilot.press("pagedown")
            await settled(pilot)
            places = mounted(pilot)
            assert len(places) <= MAX_MOUNTED
            assert places == list(range(places[0], places[-1] + 1))
        assert places[0] > 0
        await pilot.press("end")
        await until(pilot, lambda: "make step-399" in shown(pilot) and at_end(pane))


@pytest.mark.slow
async def test_earlier_blocks_come_by_a_key_and_by_a_click_and_nothing_jumps(tmp_path: Path) -> None:
    talk = talk_of(tmp_path, range(200))
    async with on_screen(talk) as (app, pilot):
        pane = pane_of(pilot)
        pane.follow = False
        pane.scroll_home(animate=False, immediate=True)
        await settled(pilot)
        first = mounted(pilot)[0]
        assert f"… {first} earlier: press up, or click" in shown(pilot)
        here = f"make step-{first - 1}"
        row = shown(pilot).splitlines().index(next(r for r in shown(pilot).splitlines() if here in r))
        (line,) = [block for block in app.query(".-more").results(BlockWidget) if block.display]
        assert await pilot.click(line)
        await until(pilot, lambda: mounted(pilot)[0] < first)
        await settled(pilot)
        assert here in shown(pilot).splitlines()[row]
        pane.scroll_home(animate=False, immediate=True)
        await settled(pilot)
        first = mounted(pilot)[0]
        await pilot.press("up", "up")
        await until(pilot, lambda: mounted(pilot)[0] < first)
        (cursor,) = app.query(".-cursor").results(BlockWidget)
        assert cursor.place in (first - 1, first)


@pytest.mark.slow
async def test_ten_thousand_messages_hold_nothing_up(tmp_path: Path) -> None:
    talk = Talk(tmp_path, tasks=2)
    talk.begin("p")
    for n in range(5_000):
        step(talk, n)
    async with on_screen(talk, "t1") as (app, pilot):
        pane_of(pilot).show(app.view, "t0")
        deadline, turns = time.monotonic() + PATIENCE, 0
        while "make step-4999" not in shown(pilot):
            await pilot.pause(0.01)
            turns += 1
            assert time.monotonic() < deadline
        assert turns > 3, "the app could do something else meanwhile"
        assert len(mounted(pilot)) <= MAX_MOUNTED
        assert pane_of(pilot).search("output of 17") == 111


@pytest.mark.slow
async def test_a_search_finds_what_is_closed_and_what_is_far(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.begin("p")
    step(talk, 0, "A NEEDLE in the words.")
    for n in range(1, 150):
        step(talk, n)
    talk.bash("cat hay", "straw\nthe needle is here\nstraw")
    talk.emit(e.CheckFinished(task_id="t0", command="v", exit_code=0, tail="no needle", seconds=0.1))
    for n in range(150, 250):
        step(talk, n)
    async with on_screen(talk) as (_, pilot):
        pane = pane_of(pilot)
        assert pane.search("needle") == 3
        await until(pilot, lambda: "no needle" in shown(pilot))
        assert not pane.follow
        pane.search_next(-1)
        await until(pilot, lambda: "the needle is here" in shown(pilot))
        pane.search_next(-1)
        await until(pilot, lambda: "A NEEDLE in the words." in shown(pilot))
        pane.search_next(-1)
        await until(pilot, lambda: "no needle" in shown(pilot))
        pane.search_next(1)
        await until(pilot, lambda: "A NEEDLE in the words." in shown(pilot))
        assert pane.search("not in it anywhere") == 0
        assert pane.search('"[') == 0
        assert pane.search("") == 0


@pytest.mark.parametrize("text", ["字", 'say "hi"', "a\\b", "caf\u00e9 x"])
async def test_a_search_for_what_json_writes_otherwise(tmp_path: Path, text: str) -> None:
    talk = Talk(tmp_path)
    talk.begin("p")
    talk.bash(f"echo {text}", "nothing", said="")
    talk.bash("true", f"got {text} back")
    async with on_screen(talk) as (_, pilot):
        assert pane_of(pilot).search(text) == 3  # two heads and bodies of the first call, one output


async def test_the_whole_transcript_as_text(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.begin("The prompt.")
    for n in range(120):
        step(talk, n, f"words {n}")
    talk.end()
    async with on_screen(talk) as (app, pilot):
        text = pane_of(pilot).text()
        places = [
            text.index(word) for word in ("The prompt.", "words 0", "output of 0", "words 119", "has ended")
        ]
        assert places == sorted(places)
        pane_of(pilot).show(app.view, None)
        assert pane_of(pilot).text() == ""


async def test_a_reply_that_streams_in_is_the_last_block(tmp_path: Path) -> None:
    talk = Talk(tmp_path, tasks=2)
    talk.begin("p")
    talk.emit(e.ModelCallStarted(task_id="t0", role="coder", model="m"))
    async with on_screen(talk) as (app, pilot):
        pane = pane_of(pilot)
        for n in range(50):
            text = f"word {n} [bold]\x1b[31m"
            progress = e.ModelCallProgressed(task_id="t0", role="coder", tokens=n + 1, seconds=1.0, text=text)
            app.view.state.apply(progress.model_copy(update={"seq": app.view.state.last_seq}))
            pane.live(app.view.state.tasks["t0"])
        pane.live(app.view.state.tasks["t1"])  # another task's
        await until(pilot, lambda: "word 49 [bold]" in shown(pilot) and "≈50 tokens" in shown(pilot))
        drawn: list[float] = []
        began = time.monotonic()
        while time.monotonic() - began < 5 * LIVE_EVERY:
            pane.live(app.view.state.tasks["t0"])
            drawn.append(pane._live_drawn)
            await pilot.pause(0.005)
        assert len(set(drawn)) <= 7
        talk.say("The whole answer.")
        talk.flush()
        pane.changed(app.view.poll())
        pane.live(app.view.state.tasks["t0"])
        await until(pilot, lambda: "The whole answer." in shown(pilot) and "word 49" not in shown(pilot))


@pytest.mark.parametrize(
    ("columns", "rows"),
    [(40, 20), pytest.param(80, 24, marks=pytest.mark.slow), pytest.param(160, 48, marks=pytest.mark.slow)],
)
async def test_hostile_text_is_only_text(tmp_path: Path, columns: int, rows: int) -> None:
    text = (
        "[bold red]loud[/] [@click=app.quit]x[/] \x1b]52;c;aGFsbG8=\x07 \u202egnp.exe \x9b31m \ud800 "
        + "x" * 100_000
    )
    talk = Talk(tmp_path)
    talk.begin(text)
    talk.say(text, ("bash", {"command": text}), reasoning=text)
    talk.call("c0", "bash", text)
    talk.done("c0", "bash", f"{text}\n" * 3, exit_code=0, summary=text)
    talk.verdict(verdict={"requirements": [{"text": text, "met": False, "evidence": text}]}, refusals=[text])
    talk.end(status="error", reason="model_error", error=text)
    async with on_screen(talk, size=(columns, rows)) as (app, pilot):
        seen = ""
        for key in ("home", "enter", "down", "enter", "down", "down", "enter", "pagedown", "pagedown", "end"):
            await pilot.press(key)
            await settled(pilot)
            seen += app.export_screenshot() + shown(pilot)
        assert "[bold" in seen.replace("&#160;", " ")
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", seen)
        assert "aGFsbG8" not in seen
        assert pane_of(pilot).max_scroll_x == 0


async def test_ascii_has_no_other_signs_on_the_screen(tmp_path: Path) -> None:
    talk = talk_of(tmp_path, range(100))
    talk.verdict(True)
    talk.end()
    async with on_screen(talk, plain=True, size=(60, 15)) as (_, pilot):
        await pilot.press("up", "up", "up", "enter")
        await settled(pilot)
        rows = [row[:-1] for row in shown(pilot).splitlines()]  # the scrollbar is Textual's own
        assert all(row.isascii() for row in rows), rows
        assert "> + bash make step-98" in "\n".join(rows)


async def test_a_task_that_has_not_begun_and_then_does(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    async with on_screen(talk) as (app, pilot):
        assert "This task has not begun. It waits for its turn." in shown(pilot)
        talk.begin("Now.")
        talk.flush()
        pane_of(pilot).changed(app.view.poll())
        await until(pilot, lambda: "Iteration 1 of 4" in shown(pilot))
        assert "has not begun" not in shown(pilot)


async def test_no_task_and_another_task(tmp_path: Path) -> None:
    talk = Talk(tmp_path, tasks=2)
    talk.begin("The first task.")
    other = Talk(tmp_path, store=talk.store, task_id="t1")
    other.begin("The other task.")
    async with on_screen(talk, None) as (app, pilot):
        assert "No task is chosen." in shown(pilot)
        for _ in range(5):  # quickly through the tasks: only the last one counts
            pane_of(pilot).show(app.view, "t0")
            pane_of(pilot).show(app.view, "t1")
        await settled(pilot)
        assert "The other task." in shown(pilot)
        assert "The first task." not in shown(pilot)


async def test_a_results_file_shows_what_it_has() -> None:
    state = RunState()
    verdict: dict[str, object] = {
        "requirements": [{"text": "done", "met": True, "evidence": "seen"}],
        "score": 0.9,
    }
    record = VerdictRecord(
        iteration=1, accepted=True, verdict=verdict, refusals=[], tampering=[], follow_up=""
    )
    state.put(
        TaskState(
            id="t0",
            index=0,
            dir="d",
            first_prompt="The [bold]prompt.",
            max_iterations=3,
            status="completed",
            reason="accepted",
            last_response="The response.",
            verdicts=(record,),
            finished_at=1.0,
        )
    )
    old = TaskState(
        id="t1", index=1, dir="d", first_prompt="p", max_iterations=3, status="error", error="It broke.",
        last_evaluation='{"complete": false}', finished_at=1.0,
    )  # fmt: skip
    state.put(old)
    app = PaneApp(FileView(Path("results.json"), state))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for text in (
            "A results file has no transcript; this is what it holds:", "The [bold]prompt.", "The response.",
            "✓ Accepted", "✓ met: done", "The task has ended: completed",
        ):  # fmt: skip
            assert text in shown(pilot)
        pane_of(pilot).show(app.view, "t1")
        await settled(pilot)
        assert '"complete": false' in shown(pilot)
        assert "It broke." in shown(pilot)


async def test_a_database_that_cannot_be_read_any_more_is_told_of(tmp_path: Path) -> None:
    talk = talk_of(tmp_path, (1,))
    app = PaneApp(view_of(talk))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await talk.store.close()
        talk.store.folder.database.rename(tmp_path / "gone.db")
        pane_of(pilot).changed(())
        await until(pilot, lambda: "There is no run database" in shown(pilot))
        await pilot.press("up", "enter")
        await until(pilot, lambda: shown(pilot).count("There is no run database") == 2)
        assert pane_of(pilot).search("x") == 0
        assert pane_of(pilot).text() == ""


async def test_the_width_changes(tmp_path: Path) -> None:
    store = stored_runs.begin(tmp_path)
    talk = Talk(tmp_path, store=store)
    talk.begin("words " * 30)
    app = PaneApp(view_of(talk))
    async with app.run_test(size=(120, 24)) as pilot:
        await settled(pilot)
        wide = len([row for row in shown(pilot).splitlines() if "words" in row])
        await pilot.resize_terminal(40, 24)
        await settled(pilot)
        narrow = [row for row in shown(pilot).splitlines() if "words" in row]
        assert len(narrow) > wide
        assert sum(row.count("words") for row in narrow) == 30
    await store.close()
