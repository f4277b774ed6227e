"""Tasks in copies of their directory."""

from pathlib import Path
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.runs import events as e
from tests.tasks.run.verdicts import COMPLETE

CHANGE = Say(
    calls=[
        ScriptedCall(name="write_file", arguments={"path": "a.txt", "content": "new\n"}),
        ScriptedCall(name="bash", arguments={"command": "rm b.txt; mkdir -p sub; echo c > sub/c.txt"}),
    ]
)
FINISH = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])
SCRIPT = Script(prompt="Change it.", coder=[CHANGE, FINISH], evaluator=[Say(verdict=COMPLETE)])
TASK = {
    "id": "t",
    "dir": "work",
    "first_prompt": "Change it.",
    "isolation": "copy",
    "verify": "grep new a.txt",
}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "a.txt").write_text("old\n")
    (folder / "b.txt").write_text("b\n")
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


async def test_a_copy_leaves_the_directory_alone_and_a_patch_behind(run_tasks: Any, work: Path) -> None:
    ran = await run_tasks([TASK], [SCRIPT])
    assert ran.task.status == "completed"
    assert contents(work) == {"a.txt": "old\n", "b.txt": "b\n"}
    patch = (ran.task_folder("t") / "changes.patch").read_text()
    assert "-old\n+new\n" in patch
    assert "sub/c.txt" in patch
    assert not list(ran.task_folder("t").glob("work/*/a.txt"))


async def test_apply_brings_it_back(run_tasks: Any, work: Path) -> None:
    ran = await run_tasks([TASK], [SCRIPT], apply=True)
    assert ran.task.status == "completed"
    assert contents(work) == {"a.txt": "new\n", "sub/c.txt": "c\n"}


async def test_apply_touches_nothing_that_somebody_else_changed(run_tasks: Any, work: Path) -> None:
    def meanwhile(event: e.Event, _: Any) -> None:
        if isinstance(event, e.CheckFinished):
            (work / "b.txt").write_text("mine\n")

    ran = await run_tasks([TASK], [SCRIPT], apply=True, on_event=meanwhile)
    assert ran.task.status == "completed"
    assert contents(work) == {"a.txt": "old\n", "b.txt": "mine\n"}
    (text,) = [n.text for n in ran.of_type(e.Notice) if "not applied" in n.text]
    assert "b.txt" in text


async def test_what_is_not_completed_is_not_applied(run_tasks: Any, work: Path) -> None:
    task = {**TASK, "verify": "false", "max_iterations": 1}
    ran = await run_tasks([task], [SCRIPT], apply=True)
    assert ran.task.status == "timeout"
    assert contents(work) == {"a.txt": "old\n", "b.txt": "b\n"}
    (copy,) = ran.task_folder("t").glob("work/**/a.txt")
    assert copy.read_text() == "new\n"


async def test_copies_of_one_directory_work_at_the_same_time(run_tasks: Any, work: Path) -> None:
    tasks = [{**TASK, "id": f"t{n}"} for n in range(3)]
    ran = await run_tasks(tasks, [SCRIPT], parallel=3, server={"latency": 0.2})
    assert ran.outcome.exit_code == 0
    assert ran.server.peak_in_flight == 3


async def test_apply_without_copies_is_a_mistake(run_tasks: Any, work: Path) -> None:
    with pytest.raises(UserError, match="no task has isolation copy"):
        await run_tasks([{**TASK, "isolation": "none"}], [SCRIPT], apply=True)


async def test_a_worktree_needs_a_repository(run_tasks: Any, work: Path) -> None:
    with pytest.raises(UserError, match="lies in no git repository"):
        await run_tasks([{**TASK, "isolation": "worktree"}], [SCRIPT])
