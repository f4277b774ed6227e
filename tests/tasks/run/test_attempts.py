"""Several attempts at one task, whole runs: which work, which is taken, what becomes of the others."""

import asyncio
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.store.database import read_state
from agentbatch.runs.store.store import Store
from agentbatch.tasks.run.ending.choosing import CHANGED_SINCE, UNHEARD
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.run.steering import Steering
from agentbatch.tasks.run.workspaces.local import local_workspaces
from agentbatch.workspace.isolation.isolated_dir import read_isolated_dir, record_isolated_dir
from agentbatch.workspace.isolation.isolation import WORK
from agentbatch.workspace.workspace import Order, Workspaces
from tests.tasks.run.awkward_moments import Hand
from tests.tasks.run.verdicts import COMPLETE

RIGHT_ONCE = "case $PWD in *@2*) echo right > a.txt;; *) echo wrong > a.txt;; esac"
FINISH = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])
TASK = {"id": "t", "dir": "work", "first_prompt": "Change it.", "attempts": 3, "max_iterations": 1}
ONE_RIGHT = {**TASK, "verify": "grep right a.txt"}


def script(command: str, prompt: str = "Change it.", **more: Any) -> Script:
    work = Say(calls=[ScriptedCall(name="bash", arguments={"command": command})])
    return Script(prompt=prompt, coder=[work, FINISH], evaluator=[Say(verdict=COMPLETE)], **more)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "a.txt").write_text("old\n")
    return folder


def ends(state: RunState) -> dict[str, tuple[str, str | None]]:
    return {name: (one.status, one.reason) for name, one in state.by_id.items()}


async def test_the_one_that_is_right_is_brought_back(run_tasks: Any, work: Path) -> None:
    ran = await run_tasks([{**ONE_RIGHT, "stop_at": "all"}], [script(RIGHT_ONCE)])
    assert ends(ran.outcome.state) == {
        "t": ("completed", "accepted"),
        "t@1": ("timeout", "max_iterations"),
        "t@2": ("completed", "accepted"),
        "t@3": ("timeout", "max_iterations"),
    }
    assert (work / "a.txt").read_text() == "right\n"
    assert ran.outcome.exit_code == 0
    choice = ran.task.choice
    assert (choice.attempt, choice.why) == ("t@2", "Only attempt 2 of 3 was completed.")
    assert [one.attempt for one in choice.standings] == ["t@2", "t@1", "t@3"]
    assert (ran.task.iteration, ran.task.changed_files, ran.task.accepted_by) == (1, 1, "verify")
    whole = sum(one.usage.total for one in ran.outcome.state.attempts.values())
    assert ran.task.usage.total == whole == ran.outcome.state.usage.total
    assert "+right" in (ran.task_folder("t") / "changes.patch").read_text()
    assert "+wrong" in (ran.task_folder("t@1") / "changes.patch").read_text()
    assert not list(ran.outcome.run_folder.glob("tasks/*/work/**/a.txt"))


async def test_the_first_that_is_completed_ends_the_others(run_tasks: Any, work: Path) -> None:
    command = "case $PWD in *@2*) echo right > a.txt;; *) sleep 600;; esac"
    ran = await run_tasks([ONE_RIGHT], [script(command)], parallel=2)
    assert ends(ran.outcome.state) == {
        "t": ("completed", "accepted"),
        "t@1": ("cancelled", "superseded"),
        "t@2": ("completed", "accepted"),
        "t@3": ("cancelled", "superseded"),
    }
    assert (work / "a.txt").read_text() == "right\n"
    assert not any(isinstance(event, e.TaskStarted) and event.task_id == "t@3" for event in ran.events)


async def test_where_none_is_completed_the_best_is_what_the_task_ends_as(run_tasks: Any, work: Path) -> None:
    ran = await run_tasks([{**TASK, "verify": "false"}], [script(RIGHT_ONCE)])
    assert (ran.task.status, ran.task.reason) == ("timeout", "max_iterations")
    assert (work / "a.txt").read_text() == "old\n"
    assert ran.outcome.exit_code == 1
    assert ran.task.choice.why.startswith("No attempt was completed; attempt ")


Git = Callable[..., str]


@pytest.fixture
def git(work: Path) -> Git:
    def run(*words: str) -> str:
        identity = ("-c", "user.name=u", "-c", "user.email=u@e")
        done = subprocess.run(
            ["git", *identity, *words], cwd=work, check=True, capture_output=True, text=True
        )
        return done.stdout

    run("init", "-q")
    run("add", "-A")
    run("commit", "-qm", "start")
    return run


async def test_only_the_chosen_one_has_a_branch(run_tasks: Any, work: Path, git: Git) -> None:
    ran = await run_tasks([{**ONE_RIGHT, "isolation": "worktree", "stop_at": "all"}], [script(RIGHT_ONCE)])
    branch = f"agentbatch/{ran.outcome.run_folder.name}/t@2"
    assert git("branch", "--list", "agentbatch/*", "--format=%(refname:short)").split() == [branch]
    assert git("show", f"{branch}:a.txt") == "right\n"
    assert ran.task.branch == branch
    assert (work / "a.txt").read_text() == "old\n"
    assert len(git("worktree", "list").splitlines()) == 1


@pytest.mark.parametrize("half_made", [False, True])
async def test_a_place_stays_of_none_that_was_killed_before_it_was_known_to_have_begun(
    run_tasks: Any, work: Path, git: Git, half_made: bool
) -> None:
    made: list[Any] = []

    def keep(prepared: PreparedRun, store: Store) -> Workspaces:
        made.append((prepared, store))
        return local_workspaces(prepared, store)

    def plant(event: e.Event, _: RunState) -> None:
        if isinstance(event, e.TaskFinished) and event.task_id == "t@2":
            order = Order("t@3", str(work), "worktree", {}, (), 5.0)
            starting = local_workspaces(*made[0]).make(order).start
            thread = threading.Thread(target=lambda: asyncio.run(starting()))
            thread.start()
            thread.join()
            assert git("branch", "--list", "*t@3")
            isolated = read_isolated_dir(made[0][1].folder.task("t@3") / WORK)[0]
            assert isolated is not None
            record_isolated_dir(isolated, "making" if half_made else "made")

    task = {**ONE_RIGHT, "isolation": "worktree"}
    ran = await run_tasks([task], [script(RIGHT_ONCE)], parallel=1, on_event=plant, open_workspaces=keep)
    assert ends(ran.outcome.state)["t@3"] == ("cancelled", "superseded")
    branch = f"agentbatch/{ran.outcome.run_folder.name}/t@2"
    assert git("branch", "--list", "agentbatch/*", "--format=%(refname:short)").split() == [branch]
    assert len(git("worktree", "list").splitlines()) == 1


async def test_what_the_patch_of_another_does_not_hold_stays(run_tasks: Any, work: Path, git: Git) -> None:
    command = f"{RIGHT_ONCE}; printf 'a\\0b' > data.bin"
    task = {**ONE_RIGHT, "isolation": "worktree", "stop_at": "all", "attempts": 2}
    ran = await run_tasks([task], [script(command)])
    assert ran.task.choice.attempt == "t@2"
    (left,) = ran.outcome.run_folder.glob("tasks/t@*/work/**/data.bin")
    assert "t@1" in left.parts
    assert any(f"The files of task t@1 stay in {left.parent}" in one for one in ran.outcome.state.notices)


async def test_what_depends_on_it_waits_for_the_choice(run_tasks: Any, work: Path) -> None:
    after = {
        "id": "after",
        "dir": "work",
        "first_prompt": "Look at it.",
        "depends_on": ["t"],
        "verify": "grep right a.txt",
    }
    ran = await run_tasks([ONE_RIGHT, after], [script(RIGHT_ONCE), script("cat a.txt", "Look at it.")])
    assert ran.outcome.state.tasks["after"].status == "completed"


async def test_a_copy_that_was_asked_for_is_applied_on_request_only(run_tasks: Any, work: Path) -> None:
    task = {**ONE_RIGHT, "isolation": "copy"}
    ran = await run_tasks([task], [script(RIGHT_ONCE)])
    assert ran.task.status == "completed"
    assert (work / "a.txt").read_text() == "old\n"


async def test_attempts_share_the_budget_of_their_task(run_tasks: Any, work: Path) -> None:
    ran = await run_tasks([{**TASK, "verify": "false", "max_tokens": 4500}], [script(RIGHT_ONCE)], parallel=1)
    reasons = [one.reason for one in ran.outcome.state.attempts.values()]
    assert reasons == ["max_iterations", "budget", "budget"]
    assert ran.task.usage.total <= 4500


async def test_each_attempt_may_have_a_model_of_its_own(run_tasks: Any, work: Path) -> None:
    attempts = [{"coder_model": "rehearsal-other"}, {"temperature": 0.7, "seed": 5}]
    ran = await run_tasks([{**ONE_RIGHT, "attempts": attempts}], [script(RIGHT_ONCE)], parallel=1)
    assert ran.task.status == "completed"
    (sent,) = {(body.get("temperature"), body.get("seed")) for body in ran.coder_requests()}
    assert sent == (0.7, 5)
    asked = {
        (event.task_id, event.model) for event in ran.of_type(e.ModelCallStarted) if event.role == "coder"
    }
    assert asked == {("t@1", "rehearsal-other"), ("t@2", "rehearsal-coder")}


async def test_a_task_is_cancelled_with_its_attempts(run_tasks: Any, work: Path) -> None:
    engines: list[Any] = []

    def cancel(event: e.Event, _: RunState) -> None:
        if isinstance(event, e.ToolCalled):
            engines[0].cancel_task("t", "cancelled", "Cancelled by command.")

    ran = await run_tasks(
        [ONE_RIGHT], [script("sleep 600")], on_event=cancel, on_start=engines.append, parallel=2
    )
    assert {(one.status, one.reason) for one in ran.outcome.state.by_id.values()} == {
        ("cancelled", "cancelled")
    }
    assert (work / "a.txt").read_text() == "old\n"


async def test_an_interrupted_task_continues_with_its_attempts(
    run_tasks: Any, work: Path, tmp_path: Path
) -> None:
    engines: list[Any] = []
    command = f"case $PWD in *@2*) test -e {tmp_path}/go || sleep 600;; esac; {RIGHT_ONCE}"

    def stop(event: e.Event, state: RunState) -> None:
        if isinstance(event, e.TaskFinished) and event.task_id == "t@1":
            engines[0].stop_now()

    task = {**ONE_RIGHT, "attempts": 2}
    first = await run_tasks(
        [task], [script(command)], on_event=stop, on_start=engines.append, parallel=2, sandbox="none"
    )
    assert ends(first.outcome.state) == {
        "t": ("cancelled", "interrupted"),
        "t@1": ("timeout", "max_iterations"),
        "t@2": ("cancelled", "interrupted"),
    }
    assert first.outcome.exit_code == 130
    (tmp_path / "go").touch()
    ran = await run_tasks(
        [task], [script(command)], resume_run=first.outcome.run_folder, parallel=2, sandbox="none"
    )
    assert ran.task.status == "completed"
    assert (work / "a.txt").read_text() == "right\n"
    assert not any(event.task_id == "t@1" for event in ran.of_type(e.ModelCallStarted))
    over = await run_tasks(
        [task], [script(command)], resume_run=first.outcome.run_folder, parallel=2, sandbox="none"
    )
    assert "Nothing to do: 1 task had ended before." in [event.text for event in over.of_type(e.Notice)]


@pytest.mark.parametrize(
    "moment",
    ["before it begins", pytest.param("before the choice", marks=pytest.mark.slow), "during the choice"],
)
async def test_a_cancelled_task_leaves_nothing_of_its_attempts(
    run_tasks: Any, work: Path, git: Git, moment: str
) -> None:
    engines: list[Any] = []

    def cancel() -> None:
        engines[0].cancel_task("t", "cancelled", "Cancelled by command.")

    def act(event: e.Event, _: RunState) -> None:
        match moment, event:
            case ("before it begins", e.TaskStarted(task_id="first")) | (
                "during the choice",
                e.CheckStarted(task_id="t"),
            ):
                cancel()
            case "before the choice", e.TaskFinished(task_id="t@2"):
                asyncio.get_running_loop().call_soon(cancel)

    first = {"id": "first", "dir": "other", "first_prompt": "Look.", "verify": "true"}
    task = {**TASK, "verify": "true", "attempts": 2, "stop_at": "all", "depends_on": ["first"]}
    ran = await run_tasks(
        [first, {**task, "isolation": "worktree"}],
        [script(RIGHT_ONCE), script("true", "Look.")],
        on_event=act, on_start=engines.append, parallel=1,
    )  # fmt: skip
    assert ends(ran.outcome.state)["t"] == ("cancelled", "cancelled")
    assert ran.outcome.state.finished is not None
    assert (work / "a.txt").read_text() == "old\n"
    assert git("branch", "--list", "agentbatch/*") == ""
    assert len(git("worktree", "list").splitlines()) == 1
    assert not list(ran.outcome.run_folder.glob("tasks/*/work/*/*"))


async def test_what_was_changed_in_the_directory_meanwhile_is_not_overwritten(
    run_tasks: Any, work: Path
) -> None:
    def edit(event: e.Event, _: RunState) -> None:
        if isinstance(event, e.TaskFinished) and event.task_id == "t@1":
            (work / "a.txt").write_text("mine\n")

    after = {"id": "after", "dir": "work", "first_prompt": "Look.", "depends_on": ["t"], "verify": "true"}
    ran = await run_tasks(
        [{**ONE_RIGHT, "attempts": 2, "stop_at": "all"}, after],
        [script(RIGHT_ONCE), script("true", "Look.")],
        on_event=edit,
    )
    task = ran.outcome.state.tasks["t"]
    assert (task.status, task.reason) == ("error", "workspace_error")
    assert "a.txt: was changed in the directory meanwhile" in task.error
    assert (work / "a.txt").read_text() == "mine\n"
    assert ran.outcome.state.tasks["after"].reason == "dependency_failed"
    assert "+right" in (ran.task_folder("t") / "changes.patch").read_text()


async def test_tasks_in_one_directory_take_turns_with_all_their_attempts(run_tasks: Any, work: Path) -> None:
    tasks = [
        {
            **TASK,
            "id": name,
            "first_prompt": f"Add {name}.",
            "attempts": attempts,
            "verify": f"grep {name} a.txt",
        }
        for name, attempts in (("one", 2), ("two", 1), ("three", 2))
    ]
    scripts = [script(f"echo {name} >> a.txt", f"Add {name}.") for name in ("one", "two", "three")]
    ran = await run_tasks(tasks, scripts, parallel=6)
    assert {one.id: one.status for one in ran.outcome.state.tasks.values()} == dict.fromkeys(
        ("one", "two", "three"), "completed"
    )
    assert (work / "a.txt").read_text() == "old\none\ntwo\nthree\n"


async def test_one_that_was_changed_after_it_was_judged_is_not_taken(run_tasks: Any, work: Path) -> None:
    def edit(event: e.Event, _: RunState) -> None:
        if isinstance(event, e.TaskFinished) and event.task_id == "t@2":
            (copy,) = work.parent.glob(".agentbatch/runs/*/tasks/t@2/work/copy/work")
            (copy / "a.txt").write_text("evil\n")

    ran = await run_tasks(
        [{**TASK, "verify": "true", "attempts": 2, "stop_at": "all"}],
        [script("printf 'a\\r\\nb\\r\\n' > a.txt")],
        on_event=edit,
    )
    assert (ran.task.status, ran.task.choice.attempt) == ("completed", "t@1")
    assert [one.problem for one in ran.task.choice.standings] == ["", CHANGED_SINCE]
    assert (work / "a.txt").read_bytes() == b"a\r\nb\r\n"
    patch = "changes.patch"
    assert (ran.task_folder("t") / patch).read_bytes() == (ran.task_folder("t@1") / patch).read_bytes()
    assert b"+a\r\n" in (ran.task_folder("t") / patch).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(4, 2), (2, 3), (2, 1), (1, 2)])
async def test_a_resumption_with_other_attempts(run_tasks: Any, work: Path, before: int, after: int) -> None:
    """Nothing that was spent is lost from the task's bill, and nothing stays of attempts that it has no more."""
    engines: list[Any] = []

    def stop(event: e.Event, _: RunState) -> None:
        if isinstance(event, e.ToolFinished):
            engines[0].stop_now()

    def task(attempts: int) -> dict[str, Any]:
        return {**ONE_RIGHT, "attempts": attempts, "stop_at": "all"}

    command = RIGHT_ONCE if after > 1 else "echo right > a.txt"
    first = await run_tasks(
        [task(before)],
        [script(command)],
        on_event=stop,
        on_start=engines.append,
        parallel=before,
        sandbox="none",
    )
    assert first.outcome.exit_code == 130
    ran = await run_tasks(
        [task(after)], [script(command)], resume_run=first.outcome.run_folder, sandbox="none"
    )
    assert ran.task.status == "completed"
    assert (work / "a.txt").read_text() == "right\n"
    assert ran.task.usage.total == ran.outcome.state.usage.total
    assert read_state(ran.outcome.run_folder / "run.db").tasks["t"].usage == ran.task.usage
    assert not list(ran.outcome.run_folder.glob("tasks/*/work/*/*"))


async def test_a_paused_task_stands_still_with_its_attempts(run_tasks: Any, work: Path) -> None:
    engines: list[Any] = []
    held: list[str] = []

    def pause(event: e.Event, state: RunState) -> None:
        if isinstance(event, e.ToolCalled) and not state.tasks["t"].paused:
            hand = Steering(engines[0])
            hand.pause("t")

            def release() -> None:
                held.extend(name for name, one in state.by_id.items() if one.paused)
                hand.unpause("t")

            asyncio.get_running_loop().call_soon(release)

    task = {**TASK, "verify": "true", "attempts": 2}
    ran = await run_tasks([task], [script("true")], on_event=pause, on_start=engines.append, parallel=1)
    assert {"t", "t@1", "t@2"} == set(held)
    assert not any(one.paused for one in ran.outcome.state.by_id.values())
    assert ran.task.status == "completed"


@pytest.mark.slow
async def test_an_attempt_that_was_over_before_the_user_said_more_is_not_taken(
    run_tasks: Any, work: Path
) -> None:
    """Those after it hear it, also one that begins later, with its first prompt."""
    hand = Hand(e.TaskFinished, lambda hand: hand.say("t", "In German."))
    ran = await run_tasks(
        [{**TASK, "verify": "true", "attempts": 3, "stop_at": "all"}],
        [script("echo new > a.txt")],
        parallel=1,
        on_start=hand.attach,
        on_event=hand.on_event,
    )
    assert (ran.task.status, ran.task.choice.attempt) == ("completed", "t@2")
    problems = {one.attempt: one.problem for one in ran.task.choice.standings}
    assert problems == {"t@1": UNHEARD, "t@2": "", "t@3": ""}
    assert [(one.text, one.seq <= ran.task.heard) for one in ran.task.said] == [("In German.", True)]
    firsts = [body["messages"][1]["content"] for body in ran.coder_requests() if len(body["messages"]) == 2]
    assert ["In German." in first for first in firsts] == [False, True, True]
