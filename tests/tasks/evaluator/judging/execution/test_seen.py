"""What an agent only tells of is run by us, and that is what counts: without a process."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.tasks.evaluator.checks.check import CheckResult, CheckRunner
from agentbatch.tasks.evaluator.checks.round import Round
from agentbatch.tasks.evaluator.judging.evidence.evidence import Evidence
from agentbatch.tasks.evaluator.judging.execution.seen import MAX_RUN, seen, to_be_seen
from agentbatch.tasks.evaluator.judging.unrun import Unrun
from agentbatch.workspace.workspace import CommandRecord, CommandResult, WorkspaceInfo
from tests.tasks.evaluator.judging.scene import PROGRAM, ran, snapshot

TESTS = "pytest -q"


def told(command: str, code: int | None = 0, tail: str = "9 passed") -> CommandRecord:
    return replace(ran(command, tail, code), told=True)


class Place(CheckRunner):
    """Ends of what is run, by the command; each time another where there are several. Others are not found."""

    info = WorkspaceInfo("/w/t", "Linux", "none", network=True)

    def __init__(self, ends: Mapping[str, list[tuple[int | None, str]]]) -> None:
        self.events: list[e.Event] = []
        super().__init__("t", self.events.append, Redactor(["sk-secret-secret"]), cast(Any, self))
        self.ends = {command: [*several] for command, several in ends.items()}
        self.ran: list[str] = []

    async def fork(self) -> "Place":
        return self

    async def close(self) -> None: ...

    async def execute(self, command: str, timeout: float, fork: Any = None) -> CommandResult:
        assert fork is self, "in a copy"
        if command.startswith("if command -v python3"):  # it is loaded
            return CommandResult(0, "", False, False, 0.1, "")
        self.ran.append(command)
        several = self.ends.get(command, [(127, "not found")])
        code, output = several.pop(0) if len(several) > 1 else several[0]
        return CommandResult(code, output, code is None, False, 0.5, "")


@pytest.mark.parametrize(
    ("commands", "since", "places"),
    [
        ([told(TESTS)], 0, {TESTS: [0]}),
        ([told(TESTS)], 1, {}),
        ([ran(TESTS)], 0, {}),
        ([told(TESTS, 1), told("ls"), told(f"cd /w/t && {TESTS} 2>&1 | tail -3")], 0, {TESTS: [0, 2]}),
        ([told("echo pytest"), told("cat test_a.py"), told("pytest; rm -rf x")], 0, {}),
        ([told(f"pytest t{n}") for n in range(MAX_RUN + 2)], 0, {"pytest t2": [2], "pytest t3": [3], "pytest t4": [4]}),
    ],
)  # fmt: skip
def test_which_are_run(commands: list[CommandRecord], since: int, places: dict[str, list[int]]) -> None:
    assert to_be_seen(commands, since, "/w/t") == places


@pytest.mark.parametrize(
    ("code", "ends", "becomes", "times"),
    [
        (0, [(0, "1 passed")], (False, True, 0, "1 passed"), 1),
        (0, [(1, "1 failed")], (False, True, 1, "1 failed"), 2),
        (0, [(1, "1 failed"), (0, "1 passed")], (False, True, 0, "1 passed"), 2),
        (1, [(0, "1 passed")], (False, True, 0, "1 passed"), 1),
        (None, [(0, "1 passed")], (False, True, 0, "1 passed"), 1),
        (0, [(0, "sk-secret-secret")], (False, True, 0, "[redacted]"), 1),
        # What cannot be run here, or has no end, stays a claim.
        (0, [(127, "pytest: not found")], (True, False, 0, "9 passed"), 2),
        (0, [(1, "No module named pytest")], (True, False, 0, "9 passed"), 2),
        (0, [(5, "no tests ran in 0.01s")], (True, False, 0, "9 passed"), 2),
        (0, [(None, "...")], (True, False, 0, "9 passed"), 1),
    ],
)
async def test_what_becomes_of_a_claim(
    code: int | None, ends: list[tuple[int | None, str]], becomes: tuple[bool, bool, int | None, str], times: int
) -> None:  # fmt: skip
    place = Place({TESTS: ends})
    (record,) = await seen([told(TESTS, code)], {TESTS: [0]}, place, 1.0)
    assert (record.told, record.again, record.exit_code, record.tail) == becomes
    assert place.ran == [TESTS] * times
    assert [event.type for event in place.events] == ["verify_started", "verify_finished"]


RUN = "python3 prog.py 3 5"
TEST = "python3 test_prog.py"
PASSED = CheckResult("make test", 0, "", 0.1)


@pytest.mark.parametrize(
    ("commands", "files", "checks", "rerun", "has_run", "must_run"),
    [
        # A lie: there are no tests. Nothing has run, and that the program loads is all there is to be asked for.
        ([told(TESTS)], {"prog.py": PROGRAM}, [], [TESTS, TESTS], False, False),
        ([told(TESTS)], {"prog.py": PROGRAM, "test_prog.py": "import prog\n"}, [], [TESTS, TESTS], False, False),
        # It is true.
        ([told(TEST)], {"prog.py": PROGRAM, "test_prog.py": ""}, [], [TEST], True, True),
        # A check has run already.
        ([told(TESTS)], {"prog.py": PROGRAM}, [PASSED], [], False, False),
        ([told(TESTS)], {"prog.py": PROGRAM}, [replace(PASSED, exit_code=1)], [], False, True),
        # It cannot be told whether it loads: what the agent tells of running it is run.
        ([told(RUN)], {"prog.py": PROGRAM, "lacks": ""}, [], [RUN], True, True),
        ([told("make deploy"), told("rm prog.py")], {"prog.py": PROGRAM, "lacks": ""}, [], [], False, True),
    ],
)  # fmt: skip
async def test_what_has_run_is_what_was_seen(
    commands: list[CommandRecord],
    files: dict[str, str],
    checks: list[CheckResult],
    rerun: list[str],
    has_run: bool,
    must_run: bool,
) -> None:
    place = Place({TEST: [(0, "ok")], RUN: [(0, "8")]})
    before, after = snapshot({}), snapshot(files)
    question = Evidence(1, 9, "task", before, after, commands, checks)
    unrun = Unrun(place, judged=True, loads="lacks" not in files, timeout=1.0)
    _, found = await unrun.load(Round(tuple(checks), after), question)
    assert (place.ran, found.has_run, found.must_run) == (rerun, has_run, must_run)
    assert [line.command for line in unrun.lines] == ([rerun[0]] if has_run else [])
