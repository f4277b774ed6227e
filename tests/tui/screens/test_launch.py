"""The launch screen as a person uses it: keys in, text on the screen, real engines with the rehearsal model."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from textual import on
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Button, Input

from agentbatch.config import load_settings
from agentbatch.runs.folder import RunFolder, holder
from agentbatch.runs.listing import list_runs, open_run
from agentbatch.runs.services.background import Background
from agentbatch.tui.keys import bindings, keys_of
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.screens.launch import LaunchScreen
from agentbatch.tui.widgets.launch.launch_form import LaunchForm
from agentbatch.tui.widgets.launch.plan_list import PlanList
from tests.support.engines import end_engines
from tests.support.keys import without_settings
from tests.support.paths import CHECKOUT
from tests.support.screens import until
from tests.support.slow_start import waiting_at_start
from tests.support.waiting import PATIENCE
from tests.support.waiting import until as wait_for

HELD = "until [ -e go ]; do sleep 0.05; done"
"""A check that ends when the test says so."""


@dataclass
class Project:
    """A folder, and the variables of its user."""

    folder: Path
    environ: dict[str, str]
    started: list[Background] = field(default_factory=list)

    def write(self, *tasks: dict[str, Any]) -> None:
        (self.folder / "task.json").write_text(json.dumps({"tasks": tasks}))

    def app(self, *words: str, ascii_only: bool = False, **flags: Any) -> "LaunchApp":
        return LaunchApp(self, list(words), flags, ascii_only)


class LaunchApp(App[int]):
    """The launch screen alone."""

    BINDINGS = bindings(keys_of("everywhere"))

    def __init__(self, project: Project, words: list[str], flags: dict[str, Any], ascii_only: bool) -> None:
        super().__init__()
        self.project = project
        self.wants_results = 0
        settings = load_settings(flags, project.environ, folder=project.folder)
        self.launch = LaunchScreen(
            settings, words, glyphs=Glyphs(ascii_only), folder=project.folder, environ=project.environ
        )

    def on_mount(self) -> None:
        self.push_screen(self.launch)

    @on(LaunchScreen.Started)
    def _started(self, event: LaunchScreen.Started) -> None:
        self.project.started.append(event.background)

    @on(LaunchScreen.Results)
    def _results(self) -> None:
        self.wants_results += 1

    @property
    def text(self) -> str:
        lines = ("".join(part.text for part in strip) for strip in self.screen._compositor.render_strips())
        return "\n".join(line.rstrip() for line in lines)

    @property
    def flat(self) -> str:
        """With lines that were broken put together."""
        return " ".join(self.text.split())


async def checked(pilot: Pilot[int], app: LaunchApp) -> None:
    await until(pilot, lambda: app.launch._findings is not None and "Checking" not in app.text)
    await pilot.pause()
    await pilot.pause()  # what it has found is laid out


async def says(pilot: Pilot[int], app: LaunchApp, text: str) -> None:
    await until(pilot, lambda: text in app.flat)


async def has_lines(pilot: Pilot[int], app: LaunchApp, rows: int) -> None:
    await until(pilot, lambda: len(app.text.splitlines()) == rows)


def can_start(app: LaunchApp) -> bool:
    return not app.launch.query_one("#start", Button).disabled


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    folder = tmp_path / "project"
    folder.mkdir()
    (tmp_path / "home").mkdir()
    project = Project(folder, without_settings(tmp_path / "home"))
    yield project
    end_engines(folder, project.started)
    for background in project.started:
        background.ended()


def sample(task_id: str, **more: Any) -> dict[str, Any]:
    """A task that the rehearsal model plays."""
    tasks = json.loads((CHECKOUT / "task.json").read_text())["tasks"]
    return {"id": task_id, "dir": task_id, "first_prompt": tasks[0]["first_prompt"], **more}


async def test_it_shows_what_would_run_and_how(project: Project) -> None:
    (project.folder / "there").mkdir()
    project.write(
        sample("first", dir="there"),
        sample("second", dir="there"),
        sample("third", dir="gone", depends_on=["first"]),
    )
    project.environ["OPENAI_API_KEY"] = "sk-0123456789abcdef"
    app = project.app(coder_model="gpt-4o")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "at least" in app.text)
        lines = app.text.splitlines()
        assert lines[1] == " mode       (•) parallel  ( ) serial  ( ) test  at a time 3"
        assert lines[2].split()[-2:] == ["coder", "builtin"]
        assert lines[3].split() == ["its", "model", "gpt-4o", "at", "https://api.openai.com/v1"]
        assert "3 tasks · at least ≈" in app.text
        assert "! 2 tasks share the directory there" in app.flat
        rows = [line.split() for line in lines if line[:4].strip().isdecimal()]
        assert [row[1] for row in rows] == ["first", "second", "third"]
        assert "shared dir" in next(line for line in lines if "first " in line)
        assert "new dir, after" in next(line for line in lines if "third " in line)
        assert "No key" not in app.text
        assert can_start(app)


@pytest.mark.slow
async def test_without_a_key_it_says_that_this_is_a_rehearsal(project: Project) -> None:
    project.write(sample("t"))
    app = project.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await checked(pilot, app)
        await until(pilot, lambda: "No key is set (rehearsal model: scripted replies, no AI)" in app.flat)
        assert "rehearsal-coder " in app.text.splitlines()[3]
        # A key that comes into .env is seen.
        (project.folder / ".env").write_text("OPENAI_API_KEY=sk-0123456789abcdef\n")
        await until(pilot, lambda: "No key" not in app.text)
        assert "gpt-5-mini" in app.text.splitlines()[3]
        assert can_start(app)


@pytest.mark.slow
async def test_a_run_is_started_named_while_under_way_and_resumed_and_choices_are_remembered(
    project: Project,
) -> None:
    project.write(sample("t", verify=HELD), sample("u"))
    app = project.app("--sandbox", "none", "--parallel", "2", sandbox="none")
    async with app.run_test(size=(80, 24)) as pilot:
        await checked(pilot, app)
        await pilot.press("right")  # serial
        assert "(•) serial" in app.text
        assert "at a time" not in app.text
        app.launch.query_one("#max_iterations", Input).value = "4"
        await pilot.press("ctrl+s")  # before the check is over
        await until(pilot, lambda: bool(project.started))
        assert not app.launch.query_one(LaunchForm).disabled
    (run,) = list_runs(project.folder)
    assert project.started[0].run_folder == run.path
    info = open_run(run).state.info
    assert info is not None
    assert (info.mode, info.settings["max_iterations"], info.sandbox) == ("serial", 4, "none")
    remembered = json.loads((project.folder / ".agentbatch" / "tui.json").read_text())
    assert remembered == {"mode": "serial", "max_iterations": "4"}
    await is_named_while_it_is_under_way(project)
    await wait_for(lambda: open_run(run).state.tasks["t"].status in ("coding", "evaluating"))
    project.started[0].stop_now()
    await wait_for(lambda: project.started[0].ended() is not None)
    await is_resumed_with_what_was_chosen(project, run)
    assert not holder(run)


async def is_named_while_it_is_under_way(project: Project) -> None:
    """And not started a second time. What is given on the command line comes before what is remembered."""
    other = project.app(
        "--sandbox", "none", "--test", "--max-iterations", "5", mode="test", max_iterations="5"
    )
    async with other.run_test(size=(100, 24)) as pilot:
        await until(pilot, lambda: "is under way: `agentbatch attach" in other.text)
        assert not other.launch.query_one("#resume").display
        await checked(pilot, other)
        assert "(•) test" in other.text
        assert other.launch.query_one("#max_iterations", Input).value == "5"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "is working in" in other.flat)
        assert len(project.started) == 1


async def is_resumed_with_what_was_chosen(project: Project, run: RunFolder) -> None:
    again = project.app()
    async with again.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: f"Run {run.run_id} was interrupted: " in again.text)
        await checked(pilot, again)
        assert "(•) serial" in again.text
        assert again.launch.query_one("#max_iterations", Input).value == "4"
        await pilot.click("#resume")
        await until(pilot, lambda: len(project.started) == 2)
        assert project.started[1].run_folder == run.path
        assert open_run(run).state.info.session == 2  # type: ignore[union-attr]
        (project.folder / "t" / "go").touch()
        await until(pilot, lambda: project.started[1].ended() is not None)


@pytest.mark.slow
async def test_escape_calls_a_start_off(project: Project) -> None:
    project.write(sample("t"))
    _, project.environ = waiting_at_start(project.folder.parent, project.environ)
    app = project.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await checked(pilot, app)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.launch._starting is not None)
        process = app.launch._starting.process  # type: ignore[union-attr]
        assert "Starting the engine" in app.text
        assert "Esc calls it off" in app.text
        assert app.launch.query_one(LaunchForm).disabled
        await pilot.press("escape")
        await until(pilot, lambda: app.launch._starting is None)
        assert process.returncode is not None
        assert can_start(app)
        assert not project.started
    assert not (project.folder / ".agentbatch").exists()


async def test_leaving_while_it_starts_ends_what_was_started(project: Project) -> None:
    project.write(sample("t"))
    _, project.environ = waiting_at_start(project.folder.parent, project.environ)
    app = project.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await checked(pilot, app)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.launch._starting is not None)
        process = app.launch._starting.process  # type: ignore[union-attr]
        app.exit(0)
    await asyncio.to_thread(process.wait, PATIENCE)
    assert not project.started


async def test_what_the_engine_says_when_it_cannot_start_is_shown(project: Project) -> None:
    project.write(sample("t"))
    app = project.app("--limit", "none-such")
    async with app.run_test(size=(80, 24)) as pilot:
        await checked(pilot, app)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "--limit: must be a whole number, not 'none-such'." in app.flat)
        assert "agentbatch: " not in app.text


@pytest.mark.slow
async def test_a_wrong_value_is_told_and_nothing_starts(project: Project) -> None:
    project.write(sample("t"))
    app = project.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await checked(pilot, app)
        for field, value, said in (
            ("parallel", "many", "at a time: must be a whole number, not 'many'."),
            ("max_iterations", "0", "iterations: must be 1 or more, not '0'."),
            ("coder_endpoint", "[red]nowhere", "coder at: must be a URL like https://host/v1"),
            ("evaluation_base_url", "http://localhost:1/v1", "No API key for the evaluator"),
        ):
            entry = app.launch.query_one(f"#{field}", Input)
            before = entry.value
            entry.value = value
            await says(pilot, app, said)
            assert not can_start(app)
            assert entry.has_class("wrong") == ("No API" not in said)
            await pilot.press("ctrl+s")
            await pilot.pause()
            assert app.launch._starting is None
            assert "Starting the engine" not in app.text
            entry.value = before
            await until(pilot, lambda: can_start(app))
            assert said not in app.flat
            assert not entry.has_class("wrong")


async def test_an_empty_folder_offers_the_files_of_init(project: Project) -> None:
    app = project.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await checked(pilot, app)
        assert "There is no task file" in app.flat
        assert not can_start(app)
        await until(pilot, lambda: app.focused is app.launch.query_one("#init"))
        await pilot.press("enter")
        await until(pilot, lambda: "10 tasks" in app.text)
        assert (project.folder / "task.json").is_file()
        assert (project.folder / ".env").is_file()
        assert can_start(app)
        assert not app.launch.query_one("#init").display


@pytest.mark.slow
async def test_a_bad_task_file_is_explained_and_read_again_when_it_changes(project: Project) -> None:
    bad = (
        ('{"tasks": [\n  {"first_prompt": "x",}\n]}', "line 2, column "),
        ('{"tasks": [{"first_promt": "x", "first_prompt": "y"}]}', "did you mean 'first_prompt'?"),
        ("", "is empty. A task file looks like"),
    )
    (project.folder / "task.json").write_text(bad[0][0])
    app = project.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await checked(pilot, app)
        for text, said in bad:
            (project.folder / "task.json").write_text(text)
            await says(pilot, app, said)
            assert not can_start(app)
            assert not app.launch.query_one("#init").display
        project.write(sample("mended"))
        await until(pilot, lambda: "mended" in app.text and can_start(app))
        assert not [said for _, said in bad if said in app.flat]


async def test_foreign_text_is_plain_and_harmless(project: Project) -> None:
    hostile = "[bold red]x[/] [/nothing] \x1b]0;title\x07\x1b[2J end"
    project.environ["OPENAI_API_KEY"] = "sk-0123456789abcdef"
    project.write(sample("t", first_prompt=hostile, dir="[b]d"))
    app = project.app()
    async with app.run_test(size=(160, 24)) as pilot:
        await checked(pilot, app)
        await until(pilot, lambda: "[bold red]x[/] [/nothing] end" in app.text)
        assert "[b]d" in app.text
        assert "\x1b" not in app.text


async def test_nothing_to_do_is_said(project: Project) -> None:
    project.write(sample("t", inputs=["in"], outputs=["out"]))
    (project.folder / "in").touch()
    (project.folder / "out").touch()
    app = project.app("--stale", stale=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await checked(pilot, app)
        assert "✓" in app.text
        assert "up to date" in app.flat
        assert not can_start(app)


async def test_a_role_that_nobody_can_choose_says_why(project: Project) -> None:
    project.write(sample("t", verify="true"))
    app = project.app("--evaluator", "none", judge="none")
    async with app.run_test(size=(80, 24)) as pilot:
        await checked(pilot, app)
        assert "evaluator  none: each task's verify decides" in app.text
        assert not app.launch.query("#evaluation_model")
        assert can_start(app)


@pytest.mark.slow
async def test_ten_thousand_tasks_open_and_scroll(project: Project) -> None:
    project.write(*(sample(f"task-{n}", dir=f"d{n}") for n in range(10_000)))
    app = project.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await checked(pilot, app)
        await until(pilot, lambda: "task-0 " in app.text)
        await until(pilot, lambda: "10,000 tasks" in app.text)
        plan = app.launch.query_one(PlanList)
        plan.focus()
        await pilot.press("end")
        await until(pilot, lambda: "task-9999 " in app.text)
        await pilot.press("home")
        await until(pilot, lambda: "task-0 " in app.text)
        assert len(list(app.screen.query("*"))) < 60


async def test_every_size_has_its_start_and_too_small_a_terminal_says_so(project: Project) -> None:
    project.write(*(sample(f"task-{n}", dir=f"d{n}") for n in range(50)))
    app = project.app(ascii_only=True)
    async with app.run_test(size=(59, 24)) as pilot:
        await until(pilot, lambda: "This terminal is too small" in app.text)
        assert "mode" not in app.text
        await checked(pilot, app)
        for columns, rows in ((60, 15), (80, 24), (160, 48)):
            await pilot.resize_terminal(columns, rows)
            await has_lines(pilot, app, rows)
            await says(pilot, app, "task-0 ")
            assert "(*) parallel" in app.text
            assert "at a time 3" in app.text
            await until(pilot, lambda: "Start" in app.text.splitlines()[-2])
            assert max(map(len, app.text.splitlines())) <= columns


async def test_another_missing_task_file_is_not_made_and_the_results_key_is_told_to_the_app(
    project: Project,
) -> None:
    app = project.app("-t", "other.json", tasks="other.json")
    async with app.run_test(size=(80, 24)) as pilot:
        await checked(pilot, app)
        assert "There is no task file" in app.flat
        assert not app.launch.query_one("#init").display  # another missing task file is not made
        await pilot.press("f2")
        await until(pilot, lambda: app.wants_results == 1)
