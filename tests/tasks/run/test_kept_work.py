"""Whatever fails on the way into a task's directory: what was done in it before is kept, and named."""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.runs import events as e
from agentbatch.runs.session import Engine
from agentbatch.runs.store.store import Store
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.workspace.local_workspace import SandboxRules
from agentbatch.workspace.local_workspaces import LocalWorkspaces
from agentbatch.workspace.workspace import Ending, Order, Snapshot, Workspaces
from tests.support.workspaces import UNSANDBOXED, local_workspaces
from tests.tasks.run.conftest import Ran, RunTasks
from tests.tasks.run.verdicts import COMPLETE
from tests.workspace.repositories import git, make_repository, needs_git

pytestmark = needs_git

TASK = {"id": "t", "dir": "work", "first_prompt": "Make it.", "isolation": "worktree"}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "work", {"a.txt": "old\n"})


MADE = Say(calls=[ScriptedCall(name="write_file", arguments={"path": "made.txt", "content": "x\n"})])
FINISH = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])
SCRIPT = Script(prompt="Make it.", coder=[MADE, FINISH], evaluator=[Say(verdict=COMPLETE)])


async def interrupted(run_tasks: RunTasks) -> Ran:
    """A run that was stopped when its task had made a file."""
    engines: list[Engine] = []

    def stop(event: e.Event, _: object) -> None:
        if isinstance(event, e.ToolFinished):
            engines[0].signal()
            engines[0].signal()

    return await run_tasks([TASK], [SCRIPT], on_start=engines.append, on_event=stop)


def without_walls(prepared: PreparedRun, store: Store) -> Workspaces:
    """Commands shall not reach the network, and no sandbox is there to see to that: no workspace can be started."""
    rules = SandboxRules(UNSANDBOXED, False, store.folder.path, (), ())
    tasks, redact = store.folder.path / "tasks", Redactor([])
    return LocalWorkspaces(
        store.folder.run_id, tasks, prepared.environ, rules, secret_names=(), redact=redact
    )


def nothing(_: Path) -> None:
    pass


def lose_baseline(task_folder: Path) -> None:
    (task_folder / "beginning.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "flags", "error"),
    [
        (nothing, {"open_workspaces": without_walls}, "needs the sandbox"),
        (lose_baseline, {}, "the record of its directory at the beginning is lost"),
    ],
)
async def test_a_resumed_task_that_cannot_start_leaves_its_work_on_its_branch(
    run_tasks: RunTasks, work: Path, spoil: Callable[[Path], None], flags: dict[str, Any], error: str
) -> None:
    first = await interrupted(run_tasks)
    assert first.task.resumable
    spoil(first.task_folder("t"))
    run = first.outcome.run_folder
    ran = await run_tasks([TASK], [], resume_run=run, **flags)
    assert (ran.task.status, ran.task.reason, ran.task.resumable) == ("error", "workspace_error", False)
    assert error in ran.task.error
    assert ran.task.branch == f"agentbatch/{run.name}/t"
    assert git(work, "show", f"{ran.task.branch}:made.txt") == "x"
    assert not (ran.task_folder("t") / "work/trees").exists(), "it is kept: its files may go"


async def test_a_task_that_starts_again_leaves_what_it_did_before_on_its_branch(
    run_tasks: RunTasks, work: Path
) -> None:
    """Interrupted, it was not left: no end of it was seen to, and now there is none."""
    first = await interrupted(run_tasks)
    run = first.outcome.run_folder
    ran = await run_tasks([TASK], [SCRIPT], resume_run=run, force=True)
    branch = f"agentbatch/{run.name}/t"
    assert (ran.task.status, ran.task.branch) == ("completed", f"{branch}-2")
    assert git(work, "log", "--format=%s", f"main..{branch}") == "agentbatch: t, before it started again"
    assert git(work, "show", f"{branch}:made.txt") == git(work, "show", f"{branch}-2:made.txt") == "x"


async def test_a_copy_whose_changes_cannot_be_written_down_stays(
    run_tasks: RunTasks, tmp_path: Path, work: Path
) -> None:
    def stand_in_the_way(event: e.Event, _: object) -> None:
        if isinstance(event, e.TaskStarted):
            (folder,) = (tmp_path / ".agentbatch/runs").iterdir()
            (folder / "tasks/t/changes.patch/x").mkdir(parents=True)

    ran = await run_tasks([{**TASK, "isolation": "copy"}], [SCRIPT], on_event=stand_in_the_way)
    assert (ran.task.status, ran.task.reason) == ("error", "workspace_error")
    assert ran.task.error == "The record of its changes could not be written."
    (copy,) = (ran.task_folder("t") / "work/copy").iterdir()
    assert (copy / "made.txt").read_text() == "x\n"
    texts = [notice.text for notice in ran.of_type(e.Notice)]
    assert f"The files of task t stay in {copy}." in texts
    assert any(text.startswith("The record of its changes could not be written: ") for text in texts)


@pytest.mark.parametrize("isolation", ["none", "worktree"])
async def test_work_that_changes_after_it_was_judged_is_no_completed_work(
    run_tasks: RunTasks, tmp_path: Path, work: Path, isolation: str
) -> None:
    """By a process that it left behind, say."""
    places: list[Path] = []

    def change(event: e.Event, _: object) -> None:
        if isinstance(event, e.VerdictReached):
            assert event.accepted
            places.extend(path for path in tmp_path.rglob("made.txt") if path.is_file())
            places[0].write_text("something else\n")
            places[0].with_name("late.txt").write_text("late\n")

    ran = await run_tasks([{**TASK, "isolation": isolation}], [SCRIPT], on_event=change)
    assert (ran.task.status, ran.task.reason) == ("error", "workspace_error")
    assert ran.task.error == "Changed after it was judged, so it is not what was accepted: made.txt."
    assert "+something else" in (ran.task_folder("t") / "changes.patch").read_text()
    if isolation == "worktree":
        assert git(work, "show", f"{ran.task.branch}:made.txt") == "something else"


async def test_what_comes_beside_the_judged_work_is_named_and_not_committed(
    run_tasks: RunTasks, tmp_path: Path, work: Path
) -> None:
    def add(event: e.Event, _: object) -> None:
        if isinstance(event, e.VerdictReached):
            (made,) = (path for path in tmp_path.rglob("made.txt") if path.is_file())
            made.with_name("late.txt").write_text("late\n")

    ran = await run_tasks([TASK], [SCRIPT], on_event=add)
    assert ran.task.status == "completed"
    assert git(work, "ls-tree", "--name-only", ran.task.branch).split() == ["a.txt", "made.txt"]
    texts = [notice.text for notice in ran.of_type(e.Notice)]
    assert "Changed after the work was judged, and not looked at: late.txt." in texts
    assert any("Not committed, because it is no part of what was judged: late.txt" in text for text in texts)


async def test_work_that_its_checks_format_is_judged_and_kept_as_they_left_it(
    run_tasks: RunTasks, work: Path
) -> None:
    verify = "sed -i 's/^x$/formatted/' made.txt && grep -q formatted made.txt && date +%N > report.txt"
    ran = await run_tasks([{**TASK, "verify": verify}], [SCRIPT])
    (verdict,) = ran.of_type(e.VerdictReached)
    assert (ran.task.status, verdict.tampering) == ("completed", [])
    assert git(work, "show", f"{ran.task.branch}:made.txt") == "formatted"
    assert git(work, "show", f"{ran.task.branch}:report.txt").isdigit()
    assert len([event for event in ran.of_type(e.CheckFinished) if event.kind == "verify"]) == 2


@pytest.mark.parametrize("changed", [True, False])
async def test_accepted_before_a_crash_its_work_is_what_was_judged_then(
    run_tasks: RunTasks, tmp_path: Path, work: Path, changed: bool
) -> None:
    """Killed when the verdict was stored, before the end was."""
    task = {**TASK, "isolation": "copy"}

    def keep(event: e.Event, _: object) -> None:
        if isinstance(event, e.TaskFinished):  # not yet committed, what came before it is
            shutil.copytree(tmp_path / ".agentbatch/runs", tmp_path / "crashed", symlinks=True)

    first = await run_tasks([task], [SCRIPT], on_event=keep)
    run = first.outcome.run_folder
    shutil.rmtree(run.parent)
    (tmp_path / "crashed").rename(run.parent)
    if changed:
        (made,) = run.rglob("made.txt")
        made.write_text("something else\n")
    ran = await run_tasks([task], [], resume_run=run)
    assert ran.coder_requests() == []
    if changed:
        assert (ran.task.status, ran.task.reason) == ("error", "workspace_error")
        assert ran.task.error.startswith("Its directory has changed since its work was accepted")
    else:
        assert ran.task.status == "completed"
        assert not [notice for notice in ran.of_type(e.Notice) if notice.task_id]


def order(directory: Path, **changed: Any) -> Order:
    given = {"task_id": "t", "directory": str(directory), "isolation": "worktree", "env": {}, **changed}
    return Order(tools=(), command_timeout=60.0, **given)


ENDING = Ending(False, False, Snapshot({}), Snapshot({}), "Kept.\n", "changes.patch")
"""Of a task that came to nothing."""


async def test_cancelled_on_the_way_in_its_work_is_kept_all_the_same(tmp_path: Path, work: Path) -> None:
    first = local_workspaces(tmp_path / "tasks", os.environ).make(order(work))
    started = await first.start()
    Path(started.info.directory, "made.txt").write_text("x\n")
    again = local_workspaces(tmp_path / "tasks", os.environ).make(order(work, resume=True))
    starting = asyncio.ensure_future(again.start())
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    left = await again.leave(ENDING)
    assert git(work, "show", f"{left.branch}:made.txt") == "x"
    assert await again.close() == ()
    assert not Path(started.info.directory).exists()


async def test_what_was_never_started_leaves_nothing(tmp_path: Path, work: Path) -> None:
    for given in (order(work), order(work, isolation="none"), order(work, resume=True)):
        workspace = local_workspaces(tmp_path / "tasks", os.environ).make(given)
        left = await workspace.leave(ENDING)
        assert (left.branch, left.notices, await workspace.close()) == ("", (), ())


async def test_a_worktree_that_git_has_forgotten_is_not_touched(tmp_path: Path, work: Path) -> None:
    first = local_workspaces(tmp_path / "tasks", os.environ).make(order(work))
    started = await first.start()
    nested = Path(started.info.directory, "lib/.git")
    nested.mkdir(parents=True)
    for admin in (work / ".git/worktrees").iterdir():
        admin.rename(tmp_path / "forgotten")
    again = local_workspaces(tmp_path / "tasks", os.environ).make(order(work, resume=True))
    with pytest.raises(UserError, match="take what you need"):
        await again.start()
    assert (await again.leave(ENDING)).branch == ""
    assert await again.close() == ()
    assert nested.is_dir()
