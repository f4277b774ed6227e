"""The project's own tests, before the work and after it."""

from pathlib import Path
from typing import Any

import pytest

from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.tasks.evaluator.checks.check import CheckResult, CheckRunner, Work
from agentbatch.tasks.evaluator.checks.facts.project_tests import (
    ProjectTest,
    ProjectTests,
    can_run,
    of_record,
    weighed,
)
from agentbatch.tasks.evaluator.evaluator import Start
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.tasks.spec.task import Task
from agentbatch.workspace.workspace import CommandResult
from tests.support.workspaces import local_workspace


@pytest.mark.parametrize(
    ("exit_code", "passed_before", "tests_changed", "binding", "tail"),
    [
        (0, True, False, True, "out"),
        (0, False, True, True, "out"),
        (1, True, False, True, "out"),
        (None, True, False, True, "out"),
        (1, False, False, False, "(Failed before the work began too.)\nout"),
        (1, True, True, False, "(The tests themselves were changed.)\nout"),
    ],
)
def test_what_a_result_says(
    exit_code: int | None, passed_before: bool, tests_changed: bool, binding: bool, tail: str
) -> None:
    result = CheckResult("make test", exit_code, "out", 1.0, "tests")
    found = weighed(result, ProjectTest("make test", passed_before), tests_changed=tests_changed)
    assert (found.binding, found.tail, found.exit_code) == (binding, tail, exit_code)


@pytest.mark.parametrize(
    ("exit_code", "output", "can"),
    [
        (0, "1 passed", True),
        (1, "1 failed", True),
        (127, "npm: command not found", False),
        (1, "python3: No module named pytest", False),
        (5, "no tests ran in 0.01s", False),
        (0, "Ran 0 tests in 0.000s", False),
    ],
)
def test_whether_there_are_tests(exit_code: int, output: str, can: bool) -> None:
    assert can_run(CommandResult(exit_code, output, False, False, 1.0, "")) is can


def test_a_record_of_nothing_is_nothing() -> None:
    assert of_record({"tests": []}) == of_record({}) == ()


MAKEFILE = "test:\n\t@echo run >> log; grep -q right a || { grep -q twice a && grep -qz 'run.run' log; }\n"


async def rounds(
    tmp_path: Path, *contents: str, record: dict[str, Any] | None = None
) -> tuple[Any, list[Any]]:
    """The first is the file at the beginning; what is kept, and what was found after each of the rest."""
    root = tmp_path / "work"
    (root / "tests").mkdir(parents=True, exist_ok=True)
    (root / "Makefile").write_text(MAKEFILE)
    (root / "tests/a").write_text("")
    (root / "a").write_text(contents[0])
    workspace = local_workspace(root, tmp_path / "outputs")
    before = await workspace.snapshot()
    events: list[e.Event] = []
    runner = CheckRunner("t", events.append, Redactor([]), workspace)
    source = ProjectTests(30.0)
    task = PlannedTask("t", 0, Task(first_prompt="Do it."), root, 1, None)
    kept = await source.prepare(Start(task, workspace, before, record=record or {}), runner)
    found = []
    for content in contents[1:]:
        (root / "a").write_text(content)
        results = await source.run(Work(1, before, await workspace.snapshot(before), runner))
        found.append([(result.passed, result.binding) for result in results])
    assert not (root / "log").exists(), "they run in a copy"
    return kept, found


async def test_what_passed_must_pass_still(tmp_path: Path) -> None:
    kept, found = await rounds(tmp_path, "right", "broken", "right, too", "twice", "right")
    assert kept == {"tests": [{"command": "make -s test", "passed": True}]}
    assert found == [[(False, True)], [(True, True)], [(True, True)], []]


async def test_what_failed_before_is_no_fault_and_a_resumed_task_knows_it(tmp_path: Path) -> None:
    kept, found = await rounds(tmp_path, "wrong", "broken", "right")
    assert kept == {"tests": [{"command": "make -s test", "passed": False}]}
    assert found == [[(False, False)], [(True, True)]]
    again, found = await rounds(tmp_path, "right", "broken", record=kept)
    assert (again, found) == (kept, [[(False, False)]])
