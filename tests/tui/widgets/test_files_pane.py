"""The pane of changed files, over a stored run."""

import asyncio
import os
import time
from pathlib import Path

import pytest
from textual.pilot import Pilot

from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.store.store import Store
from agentbatch.tasks.results.changes import PATCH, write_changes
from agentbatch.tasks.run.beginning.baseline import NAME, Baseline
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.reading.view import FileView, RunView, open_view
from agentbatch.tui.widgets.files.changed_tree import ChangedTree
from agentbatch.tui.widgets.files.diff_view import DiffView
from agentbatch.tui.widgets.files.files_pane import FilesPane
from agentbatch.workspace.files.diff.diff import file_changes, render_patch
from agentbatch.workspace.files.snapshot.snapshot import take_snapshot
from agentbatch.workspace.workspace import Snapshot
from tests.runs import stored_runs
from tests.runs.finished_run import a_finished_run
from tests.support.screens import sees, shown, until
from tests.tui.pane_app import HiddenPaneApp, PaneApp, news

WROTE = {"call_id": "c", "tool": "write_file", "ok": True, "seconds": 0.1, "changed": True}


def under_way(base: Path, *tasks: str) -> Store:
    """A run whose tasks are at work in directories with a file of two lines each."""
    store = stored_runs.begin(base, 3, task_file=str(base / "task.json"))
    for task_id in tasks:
        root = base / task_id.replace("t", "d")
        root.mkdir()
        (root / "kept.txt").write_text("one\ntwo\n")
        folder = store.folder.task(task_id)
        folder.mkdir(parents=True)
        Baseline(take_snapshot(root)).save(folder, Redactor([]))
        store.emit(e.TaskStarted(task_id=task_id))
    store.flush()
    return store


def wrote(store: Store, pane: FilesPane, view: RunView, task_id: str = "t0") -> None:
    """The coder has changed something, and the pane is told."""
    store.emit(e.ToolFinished.model_validate({"task_id": task_id, **WROTE}))
    store.flush()
    pane.changed(news(view, task_id))


@pytest.mark.slow
async def test_it_follows_a_task_and_shows_the_patch_of_its_end(tmp_path: Path) -> None:
    store = under_way(tmp_path, "t0")
    root = tmp_path / "d0"
    view, pane = open_view(store.folder), FilesPane()
    async with PaneApp(pane).run_test(size=(78, 14)) as pilot:
        pane.show(view, "t0")
        await sees(pilot, "Nothing has been changed so far.")
        (root / "kept.txt").write_text("one\n2\n")
        wrote(store, pane, view)
        await sees(pilot, "1 file: 1 changed; +1 -1")
        for part in (str(root)[:30], "~ kept.txt", "-two", "+2"):
            await sees(pilot, part)
        (root / "kept.txt").unlink()
        wrote(store, pane, view)  # at most every two seconds, but it does come
        await sees(pilot, "1 file: 1 deleted; +0 -2")
        folder = store.folder.task("t0")
        (root / "ended.txt").write_text("x\n")
        await write_changes(folder, file_changes(Snapshot({}), take_snapshot(root)), Redactor([]))
        (root / "late.txt").write_text("after the end\n")
        stored_runs.end(store, "t0", changed_files=1)
        store.flush()
        pane.changed(news(view, "t0"))
        await sees(pilot, "1 file: 1 added; +1 -0")
        await sees(pilot, "ended.txt")
        assert "late.txt" not in shown(pilot.app)
    view.close()
    await store.close()


async def test_a_run_of_an_earlier_version_shows_its_patch(tmp_path: Path) -> None:
    store = under_way(tmp_path, "t0")
    (tmp_path / "d0" / "a\x1b[2J.txt").write_text("[bold]x\n")
    text = render_patch(file_changes(Snapshot({}), take_snapshot(tmp_path / "d0")))
    (store.folder.task("t0") / PATCH).write_text(text)
    stored_runs.end(store, "t0", changed_files=1)
    store.flush()
    view, pane = open_view(store.folder), FilesPane()
    async with PaneApp(pane).run_test(size=(78, 20)) as pilot:
        pane.show(view, "t0")
        await sees(pilot, "all changes in one patch")
        for line in ("diff --git ", "new file mode 100644", "+[bold]x", "+one"):
            await sees(pilot, line)
    view.close()
    await store.close()


async def test_the_cursor_goes_from_file_to_file_and_into_the_diff(tmp_path: Path) -> None:
    store = under_way(tmp_path, "t0")
    root = tmp_path / "d0"
    (root / "src").mkdir()
    (root / "src" / "a[red].py").write_text("[bold]x[/bold] \x1b[2J\n")
    (root / "src" / "long.py").write_text("".join(f"line {n} {'x' * 200}\n" for n in range(200)))
    view, pane = open_view(store.folder), FilesPane()
    async with PaneApp(pane).run_test(size=(78, 20)) as pilot:
        pane.show(view, "t0")
        await sees(pilot, "2 files: 2 added")
        pane.focus()
        await pilot.pause()
        assert isinstance(pilot.app.focused, ChangedTree)
        assert "▸   + a[red].py" in shown(pilot.app)
        assert "+[bold]x[/bold]" in shown(pilot.app)
        await pilot.press("down")
        await sees(pilot, "▸   + long.py")
        await sees(pilot, "+line 0 xxx")
        await pilot.press("down", "enter")
        diff = pilot.app.query_one(DiffView)
        await until(pilot, lambda: pilot.app.focused is diff)
        await pilot.press("end")
        await sees(pilot, "+line 199 xxx")
        await pilot.press("right", "right", "right")
        await until(pilot, lambda: diff.scroll_offset.x > 0)
        await until(pilot, lambda: "+line 199" not in shown(pilot.app))
        pilot.app.query_one(ChangedTree).focus()
        await pilot.press("home")
        await sees(pilot, "+[bold]x[/bold]")
        assert diff.scroll_offset == (0, 0)
        await pilot.click(ChangedTree, offset=(8, 2))
        await sees(pilot, "▸   + long.py")
    view.close()
    await store.close()


@pytest.mark.slow
async def test_what_is_read_stays_where_it_is_while_other_files_come(tmp_path: Path) -> None:
    store = under_way(tmp_path, "t0")
    root = tmp_path / "d0"
    (root / "m.py").write_text("".join(f"line {n}\n" for n in range(100)))
    (root / "z.py").write_text("x\n")
    view, pane = open_view(store.folder), FilesPane()
    async with PaneApp(pane).run_test(size=(78, 20)) as pilot:
        pane.show(view, "t0")
        await sees(pilot, "+line 0")
        pilot.app.query_one(DiffView).scroll_to(y=50, animate=False)
        (root / "a.py").write_text("new\n")
        wrote(store, pane, view)
        await sees(pilot, "3 files: 3 added")
        assert "▸ + m.py" in shown(pilot.app)
        assert pilot.app.query_one(DiffView).scroll_offset.y == 50
    view.close()
    await store.close()


@pytest.mark.parametrize(("columns", "beside"), [(78, False), (109, False), (110, True)])
async def test_the_diff_stands_beside_the_tree_where_there_is_room(
    tmp_path: Path, columns: int, beside: bool
) -> None:
    store = under_way(tmp_path, "t0")
    (tmp_path / "d0" / "a.py").write_text("x\n")
    view, pane = open_view(store.folder), FilesPane(glyphs=Glyphs(ascii=True))
    async with PaneApp(pane).run_test(size=(columns, 11)) as pilot:
        pane.show(view, "t0")
        await sees(pilot, "+x")
        tree, diff = pilot.app.query_one(ChangedTree).region, pilot.app.query_one(DiffView).region
        assert (diff.x > tree.x, diff.y > tree.y + 1) == (beside, not beside)
        assert diff.height >= 5
        assert all(character.isascii() or character in "▔▁▂▃▄▅▆▇█\n" for character in shown(pilot.app))
    view.close()
    await store.close()


async def test_a_hidden_pane_does_nothing_until_it_is_seen(tmp_path: Path) -> None:
    store = under_way(tmp_path, "t0")
    (tmp_path / "d0" / "a.py").write_text("x\n")
    view, pane = open_view(store.folder), FilesPane()

    app = HiddenPaneApp(pane)
    async with app.run_test(size=(78, 20)) as pilot:
        await pilot.pause()
        pane.show(view, "t0")
        wrote(store, pane, view)
        await pilot.pause(0.5)
        assert pane._directory is None
        app.turn_to("pane")
        await sees(pilot, "1 file: 1 added")
    view.close()
    await store.close()


async def test_where_there_is_nothing_to_look_at_a_sentence_says_why(tmp_path: Path) -> None:
    store = under_way(tmp_path, "t0")
    (tmp_path / "d0" / "kept.txt").unlink()
    (tmp_path / "d0").rmdir()
    store.emit(e.TaskStarted(task_id="t1"))
    stored_runs.end(store, "t2", status="error", reason="blocked", changed_files=3)
    store.flush()
    view, pane = open_view(store.folder), FilesPane()
    told = FileView(tmp_path / "results.json", a_finished_run())
    async with PaneApp(pane).run_test(size=(200, 14)) as pilot:
        for look_at, task_id, text in (
            (view, "t0", f"The directory {tmp_path / 'd0'} is not there any more."),
            (view, "t1", "Its directory is being prepared."),
            (view, "t2", "changes.patch cannot be read: No such file or directory."),
            (view, None, "No task is chosen."),
            (told, "parser", "A results file says only that 4 files were changed."),
            (told, "docs", "A results file has no diffs; this one names no file that was changed."),
        ):
            pane.show(look_at, task_id)
            await sees(pilot, text)
            assert "▸" not in shown(pilot.app)
    view.close()
    await store.close()


async def test_a_selection_that_moves_fast_ends_with_the_last_one(tmp_path: Path) -> None:
    store = under_way(tmp_path, "t0", "t1", "t2")
    for name in ("d0", "d1", "d2"):
        (tmp_path / name / f"of_{name}.py").write_text("x\n")
    view, pane = open_view(store.folder), FilesPane()
    async with PaneApp(pane).run_test(size=(78, 14)) as pilot:
        for task_id in ("t0", "t1", "t2", "t0", "t1", "t2"):
            pane.show(view, task_id)
        await sees(pilot, "of_d2.py")
        await pilot.pause(0.5)
        assert "of_d2.py" in shown(pilot.app)
        pane.show(view, "t1")
        await sees(pilot, "of_d1.py")
        assert "of_d2.py" not in shown(pilot.app)
    view.close()
    await store.close()


async def lag(over: "asyncio.Task[None]") -> float:
    """Seconds of processor time of the longest step that the loop took until `over` is done."""
    longest = 0.0
    while not over.done():
        before = time.thread_time()
        await asyncio.sleep(0.01)
        longest = max(longest, time.thread_time() - before)
    return longest


@pytest.mark.slow
async def test_a_large_directory_does_not_hold_up_the_screen(tmp_path: Path) -> None:
    store = under_way(tmp_path, "t0")
    root = tmp_path / "d0"
    for folder in range(60):
        (root / f"p{folder}").mkdir()
        for number in range(100):
            (root / f"p{folder}" / f"f{number}.txt").write_text(f"{number}\n" * 30)
    view, pane = open_view(store.folder), FilesPane()

    async def look(pilot: Pilot[None]) -> None:
        pane.show(view, "t0")
        await sees(pilot, "6,000 files: 6,000 added")

    async with PaneApp(pane).run_test(size=(78, 20)) as pilot:
        longest = await lag(asyncio.create_task(look(pilot)))
        assert longest < 1.5
        pane.focus()
        await pilot.press("end")
        await sees(pilot, "▸   + f99.txt")
    view.close()
    await store.close()


class Slow:
    """A beginning that takes its time: who reads it waits until `goes_on`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._text = self.path.read_bytes()
        self.path.unlink()
        os.mkfifo(self.path)

    def opened(self) -> int:
        """The writing end, once somebody reads; else 0."""
        try:
            return os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return 0

    async def goes_on(self, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: self._feed(self.opened()))

    def _feed(self, end: int) -> bool:
        if end:
            self.path.unlink()
            self.path.write_bytes(self._text)
            os.write(end, self._text)
            os.close(end)
        return bool(end)


async def test_what_was_looked_for_before_is_not_told_of_another_task(tmp_path: Path) -> None:
    store = under_way(tmp_path, "t0")
    slow = Slow(store.folder.task("t0"))
    (tmp_path / "d0" / "kept.txt").unlink()
    view, pane = open_view(store.folder), FilesPane()
    async with PaneApp(pane).run_test(size=(78, 20)) as pilot:
        pane.show(view, "t0")
        await until(pilot, lambda: pane._one.locked())
        pane.show(view, "t1")  # somebody does not wait for it
        await sees(pilot, "This task has not begun.")
        await slow.goes_on(pilot)
        await until(pilot, lambda: not pane._one.locked())
        await pilot.pause(0.2)
        assert "This task has not begun." in shown(pilot.app)
        pane.show(view, "t0")
        await sees(pilot, "1 file: 1 deleted")
    view.close()
    await store.close()


@pytest.mark.slow
async def test_what_comes_up_during_a_look_is_looked_for_afterwards(tmp_path: Path) -> None:
    store = under_way(tmp_path, "t0")
    slow = Slow(store.folder.task("t0"))
    view, pane = open_view(store.folder), FilesPane()
    async with PaneApp(pane).run_test(size=(78, 20)) as pilot:
        pane.show(view, "t0")
        await until(pilot, lambda: pane._one.locked())
        wrote(store, pane, view)
        await slow.goes_on(pilot)
        await sees(pilot, "Nothing has been changed so far.")
        (tmp_path / "d0" / "new.txt").write_text("after that look\n")
        await sees(pilot, "1 file: 1 added")
    view.close()
    await store.close()
