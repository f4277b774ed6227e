"""The results browser, driven by its keys."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from agentbatch.tasks.results.reading import read_results_file
from agentbatch.tui.app import AgentbatchApp
from agentbatch.tui.screens.comparing.compare_runs import CompareRunsScreen, ComparisonView
from agentbatch.tui.screens.results import ResultsScreen
from agentbatch.tui.screens.run import RunScreen
from agentbatch.tui.widgets.results_table import ResultsTable
from tests.runs.stored_runs import begin, end, finished, interrupted, left_behind, work
from tests.support.results_files import OLD
from tests.support.screens import messages, sees, until
from tests.tui.results_browser import browser, choose, listed, ready


def shown(app: AgentbatchApp) -> str:
    """All text of the screen."""
    width, height = app.size
    lines = app.screen._compositor.render_strips()
    assert (width, height) == (lines[0].cell_length, len(lines))
    return "\n".join(line.text.rstrip() for line in lines)


def marked(app: AgentbatchApp) -> list[str]:
    return [line for line in listed(app) if "◉" in line]


async def a_folder(base: Path) -> tuple[str, str, str]:
    """An interrupted run, a finished one, an unreadable one, an old results file, a broken one, one of another kind.

    Returns the runs' ids."""
    first = await interrupted(base, datetime(2026, 1, 1))
    second = await finished(base, datetime(2026, 1, 2), tasks=4)
    broken = await finished(base, datetime(2026, 1, 3))
    broken.database.write_bytes(b"nothing")
    (base / "batch_results.json").write_text(json.dumps(OLD), encoding="utf-8")
    (base / "test_results.json").write_text('{"summary": }', encoding="utf-8")
    (base / "search_results.json").write_text('{"hits": 3}', encoding="utf-8")
    return first.run_id, second.run_id, broken.run_id


async def test_runs_and_results_files_are_listed_with_what_cannot_be_read(tmp_path: Path) -> None:
    first, second, broken = await a_folder(tmp_path)
    app = browser(tmp_path)
    async with app.run_test(size=(100, 24)) as pilot:
        await ready(pilot, 5)
        lines = listed(app)
        assert [next(name for name in (first, second, broken) if name in line) for line in lines[:3]] == [
            broken,
            second,
            first,
        ]
        assert "✗ unreadable" in lines[0]
        assert "run.db is not a run database" in lines[0]
        assert "✓ finished" in lines[1]
        assert "‖ interrupted" in lines[2]
        assert "1/4" in lines[2]
        assert "$0.7500" in lines[2]
        files = {line.split()[2]: line for line in lines[3:]}
        assert set(files) == {"batch_results.json", "test_results.json"}
        assert "1/3         –  –" in files["batch_results.json"]  # neither price nor models are known
        assert "not valid JSON at line 1, column 13" in files["test_results.json"]
        await until(pilot, lambda: "enter Open" in shown(app))


@pytest.mark.slow
async def test_a_run_under_way_is_marked_and_followed(tmp_path: Path) -> None:
    await finished(tmp_path, datetime(2026, 1, 1))
    store = begin(tmp_path, 2, datetime(2026, 1, 2))
    work(store, "t0")
    app = browser(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, 2)
        assert "● running" in listed(app)[0]
        assert "0/2" in listed(app)[0]
        await choose(pilot, "finished")
        end(store, "t0")
        store.flush()
        await until(pilot, lambda: "1/2" in listed(app)[0])
        later = begin(tmp_path, 1, datetime(2026, 1, 3))
        await until(pilot, lambda: len(listed(app)) == 3)
        chosen = app.screen.query_one(ResultsTable).highlighted_option
        assert chosen is not None
        assert "finished" in str(chosen.prompt)  # the cursor stays where it was put
        await store.close()
        await until(pilot, lambda: "died" in listed(app)[1])
        await later.close()


async def test_an_empty_folder_says_how_to_start_and_q_leaves(tmp_path: Path) -> None:
    app = browser(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "There are no runs" in shown(app))
        assert app.screen.query_one("#results-empty", Static).display
        assert "`agentbatch` starts a run" in shown(app)
        await pilot.press("enter", "space", "c", "e")
        assert isinstance(app.screen, ResultsScreen)
        assert messages(app) == ["Mark two runs with space, then compare them; nothing is marked."]
        await pilot.press("q")
    assert app.return_value == 0


@pytest.mark.slow
async def test_enter_opens_runs_and_results_files_and_says_what_cannot_be_read(tmp_path: Path) -> None:
    _, second, broken = await a_folder(tmp_path)
    app = browser(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, 5)
        await choose(pilot, broken)
        for key in ("enter", "space", "e"):
            await pilot.press(key)
            await until(pilot, lambda: messages(app))
            assert all("is not a run database" in message for message in messages(app))
            app.clear_notifications()
        assert isinstance(app.screen, ResultsScreen)
        await choose(pilot, second)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        assert isinstance(app.screen, RunScreen)
        assert (app.screen.view.title, app.screen.control) == (second, False)
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, ResultsScreen))
        await choose(pilot, "batch_results.json")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await until(pilot, lambda: "a-13257dff" in shown(app))
        assert isinstance(app.screen, RunScreen)
        assert app.screen.view.folder is None


async def test_a_run_that_has_gone_meanwhile_is_told(tmp_path: Path) -> None:
    run = await finished(tmp_path)
    app = browser(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, 1)
        run.database.unlink()
        await pilot.press("enter")
        await until(pilot, lambda: any("There is no run database" in text for text in messages(app)))
        assert isinstance(app.screen, ResultsScreen)


async def test_two_marked_runs_are_compared_the_older_one_first(tmp_path: Path) -> None:
    first, second, _ = await a_folder(tmp_path)
    app = browser(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, 5)
        for name in ("batch_results.json", second, first):  # a third mark takes the place of the first
            await choose(pilot, name)
            await pilot.press("space")
        await until(pilot, lambda: len(marked(app)) == 2)
        assert [second in marked(app)[0], first in marked(app)[1]] == [True, True]
        assert isinstance(app.screen, ResultsScreen)
        before = app.screen._listed
        await pilot.press("r")  # marks outlive a new look
        await until(pilot, lambda: isinstance(app.screen, ResultsScreen) and app.screen._listed is not before)
        assert len(marked(app)) == 2
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, CompareRunsScreen))
        await until(pilot, lambda: "Better, completed now (3): t1, t2, t3" in shown(app))
        text = shown(app)
        assert text.index(first) < text.index(second)
        heads = next(line for line in text.splitlines() if "iterations   tokens" in line)
        assert heads.endswith("time")  # nothing stands beyond the edge
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, ResultsScreen))
        await pilot.press("space")
        assert len(marked(app)) == 1


async def test_one_marked_run_is_compared_with_the_chosen_one(tmp_path: Path) -> None:
    first, second, _ = await a_folder(tmp_path)
    app = browser(tmp_path)
    async with app.run_test(size=(160, 48)) as pilot:
        await ready(pilot, 5)
        await choose(pilot, first)
        await pilot.press("c")
        assert not isinstance(app.screen, CompareRunsScreen)
        await pilot.press("space")
        await choose(pilot, second)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, CompareRunsScreen))
        await until(pilot, lambda: "t1 " in shown(app))
        row = next(line for line in shown(app).splitlines() if line.lstrip().startswith("t1 "))
        assert ["✗ error" in row, "✓ completed" in row, row.rstrip().endswith("better")] == [True] * 3


@pytest.mark.slow
async def test_a_comparison_of_many_tasks_scrolls(tmp_path: Path) -> None:
    many = await finished(tmp_path, datetime(2026, 1, 1), tasks=300)
    few = await finished(tmp_path, datetime(2026, 1, 2), tasks=2)
    app = browser(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, 2)
        for name in (many.run_id, few.run_id):
            await choose(pilot, name)
            await pilot.press("space")
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, CompareRunsScreen))
        await pilot.press("end")
        await until(pilot, lambda: "t299 " in shown(app))
        view = app.screen.query_one(ComparisonView)
        assert view.virtual_size.width <= view.size.width


async def asks_for_the_path(pilot: Pilot[int], key: str) -> Input:
    """After the kind has been chosen."""
    await pilot.press("e")
    await sees(pilot, "Export")
    await pilot.press(key)
    await until(pilot, lambda: pilot.app.screen.query("#export-path"))
    return pilot.app.screen.query_one(Input)


@pytest.mark.slow
async def test_an_export_asks_for_the_kind_and_the_path_and_says_what_it_cannot_write(tmp_path: Path) -> None:
    first, _, _ = await a_folder(tmp_path)
    app = browser(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, 5)
        await choose(pilot, first)
        for key, kind, begins in (("m", "md", f"# {first}"), ("c", "csv", "task,id,"), ("j", "json", "{")):
            entry = await asks_for_the_path(pilot, key)
            assert entry.value == f"{first}-export.{kind}"
            entry.value = f"out/mine.{kind}"
            await pilot.press("enter")
            await until(pilot, lambda: any(message.startswith("Written: ") for message in messages(app)))
            path = tmp_path / "out" / f"mine.{kind}"
            assert path.read_text(encoding="utf-8").startswith(begins)
            app.clear_notifications()
        assert list(read_results_file(path).tasks) == ["t0", "t1", "t2", "t3"]
        for key, name, inside in (
            ("h", f"{first}.html", ""),
            ("u", f"{first}-junit.xml", ""),
            ("a", f"{first}-trajectories", "task-t0.json"),
            ("p", f"{first}-predictions.jsonl", ""),
        ):
            entry = await asks_for_the_path(pilot, key)
            assert entry.value == name
            await pilot.press("enter")
            await until(pilot, lambda: any(message.startswith("Written: ") for message in messages(app)))
            assert "t0" in (tmp_path / name / inside).read_text(encoding="utf-8")
            app.clear_notifications()
        entry = await asks_for_the_path(pilot, "j")
        entry.value = "/proc/none/x.json"
        await pilot.press("enter")
        await until(pilot, lambda: any("cannot be written" in message for message in messages(app)))


@pytest.mark.slow
async def test_an_export_overwrites_only_after_asking(tmp_path: Path) -> None:
    (tmp_path / "batch_results.json").write_text(json.dumps(OLD), encoding="utf-8")
    there = tmp_path / "batch_results-export.md"
    there.write_text("mine", encoding="utf-8")
    app = browser(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, 1)
        for answer in ("escape", "o"):
            await asks_for_the_path(pilot, "m")
            await pilot.press("enter")
            await sees(pilot, "exists already")
            assert there.read_text(encoding="utf-8") == "mine"
            await pilot.press(answer)
            await until(pilot, lambda: isinstance(app.screen, ResultsScreen))
        await until(pilot, lambda: there.read_text(encoding="utf-8").startswith("# batch_results.json"))


async def test_hostile_names_and_models_are_plain_text(tmp_path: Path) -> None:
    await finished(tmp_path, coder_model="[red]\x1b[31mm[/red]\n$error", evaluator_model="x")
    name = "[bold]results.json"
    (tmp_path / name).write_text(json.dumps(OLD), encoding="utf-8")
    app = browser(tmp_path)
    async with app.run_test(size=(160, 24)) as pilot:
        await ready(pilot, 2)
        text = shown(app)
        assert "[red]m[/red] $error, x" in text  # the control sequence is gone
        assert name in text


async def test_plain_ascii_and_a_small_terminal(tmp_path: Path) -> None:
    await left_behind(tmp_path)
    app = browser(tmp_path, ascii_only=True)
    async with app.run_test(size=(60, 15)) as pilot:
        await ready(pilot, 1)
        assert "x died" in shown(app)
        await pilot.press("space")
        table = [line for line in shown(app).splitlines() if "died" in line]
        assert table[0].strip().startswith("* x died")
        await pilot.resize_terminal(59, 15)
        await until(pilot, lambda: "too small" in shown(app))
