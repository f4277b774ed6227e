"""The tests that the project had when the task began: what passed then has to pass still."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from agentbatch.tasks.evaluator.checks.check import CheckResult, CheckRunner, Work
from agentbatch.tasks.evaluator.checks.copying import NoCopy, copy_of, not_copied
from agentbatch.tasks.evaluator.checks.facts.found_tests import found_tests
from agentbatch.tasks.evaluator.checks.tampering import is_test
from agentbatch.tasks.evaluator.evaluator import Start
from agentbatch.workspace.workspace import CommandResult, Workspace

KEY = "tests"
CANNOT_RUN = ("No module named pytest", "no tests ran", "Ran 0 tests", "NO TESTS RAN")
"""What runners say that found nothing to run, or are not there themselves."""
NO_TESTS = (126, 127)
FAILED_BEFORE = "failed before the work began too"
FAILED_FIRST = "failed at first, and passed when they ran again"
TESTS_CHANGED = "the tests themselves were changed"


class ProjectTest(NamedTuple):
    """One command that runs tests of the project."""

    command: str
    passed: bool
    """When the task began."""


class ProjectTests:
    """Run at the task's beginning and after each turn, in a copy of the directory both times: what tests write is
    nobody's work, and the two runs can be compared."""

    runs_work = False

    def __init__(self, timeout: float) -> None:
        """`timeout`: seconds for one command."""
        self._timeout = timeout
        self._tests: tuple[ProjectTest, ...] = ()

    async def prepare(self, start: Start, runner: CheckRunner) -> Mapping[str, Any]:
        if start.record:
            self._tests = of_record(start.record)
            return start.record
        commands = found_tests(start.before)
        if not commands:
            return {}
        self._tests = await self._at_the_beginning(commands, start.workspace, runner)
        return {KEY: [{"command": test.command, "passed": test.passed} for test in self._tests]}

    async def _at_the_beginning(
        self, commands: Sequence[str], workspace: Workspace, runner: CheckRunner
    ) -> tuple[ProjectTest, ...]:
        found = []
        try:
            fork = await copy_of(workspace)
        except NoCopy as error:
            runner.notice(f"The project's own tests are not run: {error}")
            return ()
        try:
            for command in commands:
                done = await fork.run(command, self._timeout)
                if done.exit_code is None:
                    runner.notice(
                        f"The project's own tests ({command}) took too long before the work began: they are left out."
                    )
                elif can_run(done):
                    found.append(ProjectTest(command, done.exit_code == 0))
        finally:
            await fork.close()
        return tuple(found)

    async def run(self, work: Work) -> Sequence[CheckResult]:
        if not self._tests or not work.changes:
            return ()
        try:
            fork = await copy_of(work.workspace)
        except NoCopy as error:
            return (not_copied(error, work.runner),)
        changed = any(map(is_test, (*work.changes.modified, *work.changes.deleted)))
        results = []
        try:
            for test in self._tests:
                result = await self._run(test, work, fork, tests_changed=changed)
                results.append(result)
                if result.binding and not result.passed:
                    break
        finally:
            await fork.close()
        return results

    async def _run(
        self, test: ProjectTest, work: Work, fork: Workspace, *, tests_changed: bool
    ) -> CheckResult:
        """Tests that fail now and then must not refuse right work: what would bind has failed twice."""
        ran, _ = await work.runner.run(test.command, self._timeout, "tests", fork=fork)
        result = weighed(ran, test, tests_changed=tests_changed)
        if result.passed or not result.binding or result.exit_code is None:
            return result
        again, _ = await work.runner.run(test.command, self._timeout, "tests", fork=fork)
        return replace(again, note=FAILED_FIRST) if again.passed else result


def of_record(record: Mapping[str, Any]) -> tuple[ProjectTest, ...]:
    listed = record.get(KEY)
    return tuple(ProjectTest(str(test["command"]), test["passed"] is True) for test in listed or ())


def can_run(done: CommandResult) -> bool:
    """There are tests, and what runs them is there."""
    return done.exit_code not in NO_TESTS and not any(words in done.output for words in CANNOT_RUN)


def weighed(result: CheckResult, test: ProjectTest, *, tests_changed: bool) -> CheckResult:
    """What a result says of the work. A failure that was there before is not the work's; nor does one bind where the
    coder has changed the tests, which may be the task, and is reported."""
    if result.passed:
        return result
    note = TESTS_CHANGED if tests_changed else "" if test.passed else FAILED_BEFORE
    if not note:
        return replace(result, note="passed before the work began")
    return replace(result, binding=False, note=note, tail=f"({note[0].upper()}{note[1:]}.)\n{result.tail}")
