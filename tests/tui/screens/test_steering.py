"""Every key that steers, from the key to the run's results: a real engine in a process of its own."""

import asyncio
from pathlib import Path

import pytest

from agentbatch.config import load_settings
from agentbatch.runs.folder import RunFolder, holder
from agentbatch.tui.app import AgentbatchApp
from agentbatch.tui.widgets.task_table import TaskTable
from tests.support.screens import messages, sees, shown, until
from tests.support.waiting import PATIENCE
from tests.tui.steered_run import HELD, app_over, at_work, bash, project, run_screen, script, tasks_shown

SIZE = (100, 30)


@pytest.mark.slow
async def test_one_task_or_all_are_paused_and_go_on_and_what_is_over_runs_again(tmp_path: Path) -> None:
    async with project(tmp_path, [script("a"), script("b", HELD), script("c", HELD)]) as made:
        engine = await made.start("--parallel", "3")
        app = app_over(engine)
        async with app.run_test(size=SIZE, notifications=True) as pilot:
            await until(pilot, lambda: made.task("a").status == "completed", "a ends")
            await tasks_shown(pilot)
            answer = "still finishing"
            while "still finishing" in answer:  # it is just being put away
                app.clear_notifications()
                await pilot.press("r")
                await until(pilot, lambda: messages(app), "an answer to r")
                answer = messages(app)[0]
            assert "waits for its turn, from its start" in answer
            await until(
                pilot, lambda: (made.task("a").reruns, made.task("a").status) == (1, "completed"), "a again"
            )
            await at_work(pilot, made, "b")
            await at_work(pilot, made, "c")
            await pilot.press("P")
            await sees(pilot, "agentbatch paused")
            await pilot.press("P")
            await sees(pilot, "agentbatch running")
            await pilot.press("down", "p")
            await sees(pilot, "Task b is paused")
            await sees(pilot, "‖ paused")
            made.let_go("b", "c")
            await until(pilot, lambda: made.task("c").status == "completed", "c ends")
            assert made.task("b").paused
            await pilot.press("p")
            await until(pilot, lambda: made.task("b").status == "completed", "b ends")
            await sees(pilot, "agentbatch finished")


@pytest.mark.slow
async def test_more_and_fewer_at_the_same_time_and_one_task_is_cancelled_after_a_question(
    tmp_path: Path,
) -> None:
    async with project(tmp_path, [script("a", HELD), script("b", HELD)]) as made:
        engine = await made.start("--parallel", "1")
        async with app_over(engine).run_test(size=SIZE, notifications=True) as pilot:
            await at_work(pilot, made, "a")
            assert not (made.folder / "b" / "begun").exists()
            await pilot.press("plus")
            await sees(pilot, "2 at a time")
            await at_work(pilot, made, "b")
            await pilot.press("minus")
            await sees(pilot, "1 at a time")
            await pilot.press("minus")
            await sees(pilot, "From 1 to 1000")
            await pilot.press("down", "c")
            await sees(pilot, "Cancel the task b?")
            await pilot.press("escape")
            await until(pilot, lambda: "Cancel the task b?" not in shown(pilot.app), "the question is gone")
            assert not made.task("b").finished
            await pilot.press("c")
            await sees(pilot, "Cancel the task b?")
            await pilot.press("y")
            await until(pilot, lambda: made.task("b").reason == "cancelled", "b is cancelled")
            made.let_go("a")
            await sees(pilot, "agentbatch finished")
            assert made.task("a").status == "completed"
            assert run_screen(pilot).exit_code == 1


@pytest.mark.slow
async def test_the_whole_run_is_stopped(tmp_path: Path) -> None:
    async with project(tmp_path, [script("a", HELD, bash("true")), script("b")]) as made:
        engine = await made.start("--serial")
        async with app_over(engine).run_test(size=SIZE, notifications=True) as pilot:
            await at_work(pilot, made, "a")
            await pilot.press("C")
            await sees(pilot, "Stop the whole run?")
            await pilot.press("n")
            await until(pilot, lambda: "Stop the whole run?" not in shown(pilot.app), "n is no")
            assert made.state().finished is None
            await pilot.press("C")
            await sees(pilot, "Stop the whole run?")
            await pilot.press("x")
            await sees(pilot, "agentbatch interrupted")
            assert [task.status for task in made.state().tasks.values()] == ["cancelled", "cancelled"]
            await pilot.press("p")
            await sees(pilot, "The run is over. `agentbatch resume")


@pytest.mark.slow
async def test_who_only_looks_on_cannot_steer_and_a_run_that_is_kept_goes_on(tmp_path: Path) -> None:
    async with project(tmp_path, [script("a", HELD)]) as made:
        engine = await made.start("--serial")
        viewer = app_over(engine, control=False, own=False)
        async with viewer.run_test(size=SIZE, notifications=True) as pilot:
            await sees(pilot, "read-only")
            assert " Cancel" not in shown(pilot.app)
            for key in ("p", "P", "c", "C", "r", "t", "plus", "minus"):
                await pilot.press(key)
            await pilot.pause()
            assert len(pilot.app.screen_stack) == 2
            await viewer.workers.wait_for_complete()
            await pilot.pause()
            assert {"only looking on" in text for text in messages(viewer)} == {True}
            assert made.state().paused is False
            await pilot.press("q")
        assert holder(RunFolder(engine.run_folder))  # nobody asked before leaving, and it goes on
        app = app_over(engine)
        async with app.run_test(size=SIZE, notifications=True) as pilot:
            await at_work(pilot, made, "a")
            await pilot.press("q")
            await sees(pilot, "Keep it running in the background")
            await pilot.press("b")
            await until(pilot, lambda: not app.is_running, "the app ends")
        assert app.return_value == 0
        made.let_go("a")
        assert await asyncio.to_thread(engine.process.wait, PATIENCE) == 0
        assert made.task("a").status == "completed"


@pytest.mark.slow
async def test_leaving_asks_what_becomes_of_the_run(tmp_path: Path) -> None:
    async with project(tmp_path, [script("a", HELD), script("b")]) as made:
        engine = await made.start("--serial")
        app = app_over(engine)
        async with app.run_test(size=SIZE, notifications=True) as pilot:
            await at_work(pilot, made, "a")
            await pilot.press("q")
            await sees(pilot, "Keep it running in the background")
            await pilot.press("escape")
            await pilot.pause()
            assert pilot.app.is_running
            await pilot.press("q")
            await sees(pilot, "Keep it running in the background")
            await pilot.press("s")
            await sees(pilot, "Stopping")
            made.let_go("a")
            await until(pilot, lambda: not app.is_running, "the app ends")
        assert app.return_value == 130
        assert made.task("a").status == "completed"
        assert made.task("b").resumable


@pytest.mark.slow
async def test_back_to_the_launch_screen_and_the_run_is_resumed_or_a_new_one_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with project(tmp_path, [script("a", HELD)]) as made:
        monkeypatch.chdir(made.folder)
        for name, value in made.environ.items():
            monkeypatch.setenv(name, value)
        app = AgentbatchApp.launching(load_settings({"parallel": 1}, made.environ), [])
        async with app.run_test(size=SIZE, notifications=True) as pilot:
            await sees(pilot, "1 task · ")
            await pilot.press("ctrl+s")
            await until(pilot, lambda: app.engine is not None, "the engine")
            assert app.engine is not None
            made.engines.append(app.engine)
            await at_work(pilot, made, "a")
            await pilot.press("C")
            await sees(pilot, "Stop the whole run?")
            await pilot.press("x")
            await sees(pilot, "agentbatch interrupted")
            await pilot.press("escape")
            await sees(pilot, "was interrupted: 1 of 1 task can go on")
            await pilot.press("ctrl+s")
            await sees(pilot, "Start a new run: all tasks from their beginning")
            await pilot.press("n")
            await until(pilot, lambda: "Start a new run" not in shown(app), "neither")
            await pilot.press("ctrl+s")
            await sees(pilot, "Start a new run: all tasks from their beginning")
            await pilot.press("r")
            await until(pilot, lambda: app.engine is not made.engines[-1], "another session")
            made.engines.append(app.engine)
            made.let_go("a")
            await sees(pilot, "agentbatch finished")
            assert made.task("a").status == "completed"
            await pilot.press("escape")
            await sees(pilot, "1 task · ")
            await pilot.press("q")
            await until(pilot, lambda: not app.is_running, "the app ends")
        assert app.return_value == 0


@pytest.mark.slow
async def test_what_a_killed_engine_leaves(tmp_path: Path) -> None:
    async with project(tmp_path, [script("a", HELD)]) as made:
        engine = await made.start("--serial")
        async with app_over(engine).run_test(size=SIZE, notifications=True) as pilot:
            await at_work(pilot, made, "a")
            engine.process.kill()
            await sees(pilot, "agentbatch died")
            await sees(pilot, "engine.log")
            await sees(pilot, "‖ interrupted")
            assert pilot.app.screen.query_one(TaskTable).selected == "a"
            made.let_go("a")
