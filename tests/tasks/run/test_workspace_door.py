"""The loop does everything in a task's directory through the Workspace door, with data that can be sent anywhere."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agentbatch.config import load_settings
from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.runs import events as e
from agentbatch.runs.store.store import Store
from agentbatch.tasks.run.prepare.prepare import prepare
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.run.run_batch import RunOutcome, run_batch
from agentbatch.tasks.run.workspaces.local import local_workspaces
from agentbatch.workspace.workspace import NoPlace, Order, Workspaces
from tests.support.clocks import MovedClock
from tests.support.paths import CHECKOUT
from tests.support.sent_workspaces import ELSEWHERE, SentTaskWorkspace, SentWorkspace, SentWorkspaces
from tests.tasks.run.conftest import RunTasks
from tests.tasks.run.verdicts import COMPLETE

LIMIT = 600.0
"""Seconds that a task has, where it has a limit: more than it needs on a machine under load."""


class Sending:
    """Opens a run's workspaces as sent ones, and keeps them."""

    workspaces: SentWorkspaces

    def __call__(self, prepared: PreparedRun, store: Store) -> Workspaces:
        self.workspaces = SentWorkspaces(local_workspaces(prepared, store))
        return self.workspaces


async def sample_batch(
    folder: Path, open_workspaces: Callable[[PreparedRun, Store], Workspaces]
) -> RunOutcome:
    folder.mkdir()
    shutil.copy(CHECKOUT / "task.json", folder)
    environ = {**os.environ, "XDG_CACHE_HOME": f"{folder}-cache"}
    settings = load_settings({"rehearsal": True, "mode": "parallel"}, environ, folder=folder)
    prepared = prepare(settings, folder=folder, environ=environ)
    return await run_batch(prepared, open_workspaces=open_workspaces)


def made_by(folder: Path) -> dict[str, bytes]:
    root = folder / "workspace"
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


@pytest.mark.slow
async def test_the_sample_batch_with_every_call_and_answer_through_pickle(tmp_path: Path) -> None:
    sending = Sending()
    outcome = await sample_batch(tmp_path / "sent", sending)
    assert outcome.exit_code == 0
    assert [task.status for task in outcome.state.tasks.values()] == ["completed"] * 10
    used = sending.workspaces.used
    assert set(used) == {"start", "info", "call", "run", "snapshot", "fork", "leave", "close", "run closed"}
    assert (used["start"], used["leave"], used["run closed"]) == (10, 10, 1)
    assert used["close"] == 10 + used["fork"]
    assert used["run"] >= 10, "each task has checks of its own"
    assert not Path(ELSEWHERE).exists(), "nothing at home took the directory's name for a path"
    usual = await sample_batch(tmp_path / "usual", local_workspaces)
    assert usual.exit_code == 0
    assert made_by(tmp_path / "sent") == made_by(tmp_path / "usual") != {}


class Late(SentWorkspaces):
    """There is no place for a task yet when it asks for one, longer than its time limit."""

    def __init__(self, there: Workspaces, store: Store) -> None:
        super().__init__(there)
        self._store = store

    def make(self, order: Order) -> SentTaskWorkspace:
        place, store = super().make(order), self._store
        start = place.start

        async def wait() -> SentWorkspace:
            store.emit(e.TaskPlaced(task_id=order.task_id, place="waiting for a node", waits=True))
            MovedClock().move_on(LIMIT * 1.5)
            await asyncio.sleep(0.2)
            store.emit(e.TaskPlaced(task_id=order.task_id, place="node far away"))
            return await start()

        place.start = wait  # type: ignore[method-assign]
        return place


@pytest.mark.slow
async def test_the_time_limit_of_a_task_that_waits_for_a_place_stands_still(run_tasks: RunTasks) -> None:
    finish = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])
    write = Say(calls=[ScriptedCall(name="write_file", arguments={"path": "a.txt", "content": "new\n"})])
    script = Script(prompt="Change it.", coder=[write, finish], evaluator=[Say(verdict=COMPLETE)])
    task = {"id": "t", "dir": "work", "first_prompt": "Change it.", "timeout": LIMIT}
    ran = await run_tasks(
        [task],
        [script],
        open_workspaces=lambda prepared, store: Late(local_workspaces(prepared, store), store),
    )
    assert (ran.task.status, ran.task.place) == ("completed", "node far away")


class Nowhere(SentWorkspaces):
    """There is no place for tasks that want two processors, as long as anybody waits."""

    def __init__(self, there: Workspaces, store: Store) -> None:
        super().__init__(there)
        self._store = store

    def make(self, order: Order) -> SentTaskWorkspace:
        place, store = super().make(order), self._store

        async def give_up() -> SentWorkspace:
            store.emit(e.TaskPlaced(task_id=order.task_id, place="waiting for a node", waits=True))
            raise NoPlace("No machine has come.")

        if order.limits.cpus == 2:
            place.start = give_up  # type: ignore[method-assign]
        return place


async def test_a_run_in_which_nobody_has_a_place_stops_and_can_be_resumed(run_tasks: RunTasks) -> None:
    """Those that were not begun are not tried one after another."""
    ran = await run_tasks(
        [
            {"id": f"t{n}", "dir": f"t{n}", "first_prompt": f"Go {n}.", "cpus": 2}
            for n in range(3)
        ],
        [],
        open_workspaces=lambda prepared, store: Nowhere(local_workspaces(prepared, store), store),
        parallel="1",
    )  # fmt: skip
    state = ran.outcome.state
    assert state.finished is not None
    assert (state.finished.error, state.finished.interrupted) == ("No machine has come.", False)
    assert ran.outcome.exit_code == 1
    assert [(task.status, task.reason, task.resumable) for task in state.tasks.values()] == [
        ("error", "no_machine", True), *2 * [("cancelled", "interrupted", True)],
    ]  # fmt: skip
    assert state.tasks["t1"].error == "Not begun. No machine has come."


async def test_a_run_goes_on_with_tasks_that_want_another_place(run_tasks: RunTasks) -> None:
    finish = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])
    ran = await run_tasks(
        [
            {"id": "wide", "dir": "wide", "first_prompt": "Go wide.", "cpus": 2},
            {"id": "t", "dir": "t", "first_prompt": "Go.", "verify": "true"},
        ],
        [Script(prompt="Go.", coder=[finish], evaluator=[Say(verdict=COMPLETE)])],
        open_workspaces=lambda prepared, store: Nowhere(local_workspaces(prepared, store), store),
        parallel="1",
    )
    state = ran.outcome.state
    assert state.finished is not None
    assert not state.finished.error
    assert state.tasks["wide"].reason == "no_machine"
    assert state.tasks["t"].finished


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=A", "-c", "user.email=a@localhost")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize("isolation", ["copy", "worktree"])
async def test_protected_files_and_isolated_work_too(
    run_tasks: RunTasks, tmp_path: Path, isolation: str
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "a.txt").write_text("old\n")
    (work / "spec.md").write_text("as it was\n")
    git(work, "init", "-q")
    git(work, "add", ".")
    git(work, "commit", "-qm", "first")
    calls = [
        ScriptedCall(name="write_file", arguments={"path": "a.txt", "content": "new\n"}),
        ScriptedCall(name="bash", arguments={"command": "echo changed > spec.md"}),
    ]
    finish = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])
    script = Script(prompt="Change it.", coder=[Say(calls=calls), finish], evaluator=[Say(verdict=COMPLETE)])
    task = {
        "id": "t",
        "dir": "work",
        "first_prompt": "Change it.",
        "isolation": isolation,
        "protected_paths": ["*.md"],
        "verify": "seq 20000; grep -q new a.txt && grep -q 'as it was' spec.md",  # longer than is shown
    }
    sending = Sending()
    ran = await run_tasks([task], [script], open_workspaces=sending, apply=isolation == "copy")
    assert ran.task.status == "completed"
    assert (ran.task.branch != "") == (isolation == "worktree")
    assert (work / "a.txt").read_text() == ("new\n" if isolation == "copy" else "old\n")
    assert (work / "spec.md").read_text() == "as it was\n"
    assert sending.workspaces.used["protect"] == 1
    assert sending.workspaces.used["restore"] == 3, "after the turn, before the command and after it"
    assert not (ran.task_folder("t") / "work/copy").exists()
    assert not (ran.task_folder("t") / "work/trees").exists()
