"""A directory that cannot be copied is not checked, and so not accepted."""

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.tasks.evaluator.checks.check import CheckResult, CheckRunner, Work
from agentbatch.tasks.evaluator.checks.copying import NoCopy, copy_of
from agentbatch.tasks.evaluator.checks.facts.examples import COPIED, StatedExamples
from agentbatch.tasks.evaluator.checks.facts.project_tests import KEY, ProjectTests
from agentbatch.tasks.evaluator.checks.own.script import OwnCheck
from agentbatch.tasks.evaluator.checks.own.written import WrittenChecks
from agentbatch.tasks.evaluator.evaluator import Start
from agentbatch.tasks.evaluator.judging.execution.loading import load
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.tasks.spec.task import Task
from agentbatch.workspace.workspace import Snapshot
from tests.support.workspaces import local_workspace

NOTHING: Any = None


@dataclass
class Failing:
    """A workspace of which there are no copies."""

    error: Exception

    class info:  # noqa: N801
        directory = "/d"

    async def fork(self) -> None:
        raise self.error


def of(cause: OSError) -> UserError:
    error = UserError("/d cannot be copied: a sentence.")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (of(OSError(errno.EACCES, "Permission denied", "/d/a/b")), "a/b: Permission denied"),
        (of(OSError(errno.ENAMETOOLONG, "too long", "/s/fork-3/files/d/x")), "x: too long"),
        (OSError(errno.EIO, "I/O error"), "I/O error"),
        (UserError("It cannot be."), "It cannot be"),
    ],
)
async def test_why_there_is_no_copy(error: Exception, why: str) -> None:
    place: Any = Failing(error)
    with pytest.raises(NoCopy) as raised:
        await copy_of(place)
    assert raised.value.why == why


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), of(OSError(errno.EDQUOT, "full"))])
async def test_a_full_disk_is_no_fault_of_the_task(error: Exception) -> None:
    place: Any = Failing(error)
    with pytest.raises(OSError, match="full|sentence") as raised:
        await copy_of(place)
    assert raised.value.errno in (errno.ENOSPC, errno.EDQUOT)


async def test_a_directory_that_can_be_copied_no_more_has_failed(tmp_path: Path) -> None:
    root = tmp_path / "work"
    root.mkdir()
    workspace = local_workspace(root, tmp_path / "outputs")
    events: list[e.Event] = []
    runner = CheckRunner("t", events.append, Redactor([]), workspace)
    task = Task(first_prompt="Write a.py: add(2, 3) == 5.")
    planned = PlannedTask("t", 0, task, root, 1, None)
    examples = StatedExamples(task.first_prompt, 30.0)
    assert await examples.prepare(Start(planned, workspace, Snapshot({})), runner) == {COPIED: True}
    (root / "a.py").write_text("def add(a, b):\n    return 1\n", encoding="utf-8")
    make_deep(root)
    work = Work(1, Snapshot({}), await workspace.snapshot(), runner)
    tests = ProjectTests(30.0)
    record = {KEY: [{"command": "true", "passed": True}]}
    await tests.prepare(Start(planned, workspace, Snapshot({}), record=record), runner)
    own = WrittenChecks(NOTHING, NOTHING, Redactor([]), 5, 30.0, [OwnCheck("a", "true")])
    loaded = await load(["a.py"], runner)
    assert loaded is not None
    found = [*[await source.run(work) for source in (examples, tests, own)], [loaded.result]]
    for (result,) in found:
        assert isinstance(result, CheckResult)
        assert (result.passed, result.binding) == (False, True)
        assert "cannot be copied" in result.told
        assert "dddd…: File name too long" in result.told
    assert len(events) == 2 * len(found)

    before = StatedExamples(task.first_prompt, 30.0)
    await before.prepare(Start(planned, workspace, Snapshot({})), runner)
    assert await before.run(work) == (), "it could not be copied before"


def make_deep(root: Path) -> None:
    folder = os.open(root, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=folder)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
