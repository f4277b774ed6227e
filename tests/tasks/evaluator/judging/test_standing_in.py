"""A small judge that quotes badly, where checks have run the work."""

from dataclasses import replace
from typing import Any

import pytest

from agentbatch.redaction import Redactor
from agentbatch.tasks.evaluator.checks.check import CheckResult
from agentbatch.tasks.evaluator.judging.evidence.evidence import Evidence
from agentbatch.tasks.evaluator.judging.judgement import judged
from agentbatch.tasks.evaluator.judging.proof import proven
from agentbatch.tasks.evaluator.judging.standing_in import standing_in, vouched_for
from agentbatch.tasks.evaluator.judging.verdict import Facts, refusals
from agentbatch.workspace.workspace import CommandRecord
from tests.tasks.evaluator.judging.scene import PROGRAM, TASK, snapshot
from tests.tasks.evaluator.judging.verdict_text import text

EXAMPLE = CheckResult("examples", 0, "`f(1)` gives 2", 0.1, "example")
OWN = CheckResult("calls of `f`", 0, "`f(3)` gives 4", 0.1, "own")
SOUND = CheckResult("the form of the changed files", 0, "prog.py", 0.1, "sound", ran=False)
LOAD = CheckResult("load prog.py", 0, "", 0.1, "load", ran=False)
TESTS = CheckResult("pytest", 0, "3 passed", 0.1, "tests")
FAILED = CheckResult("pytest", 1, "1 failed", 0.1, "tests", binding=False)
GUARD = replace(OWN, ran=False)
BAD = {"ref": "F1", "quote": "nine"}


@pytest.mark.parametrize(
    ("checks", "requirement", "quote", "ref"),
    [
        ([SOUND, EXAMPLE], "it adds", BAD, "K2"),
        ([SOUND, OWN, EXAMPLE], "it adds", BAD, "K3"),
        ([OWN], "prog.py adds", BAD, "K1"),
        ([OWN], "it adds", {"ref": "C9", "quote": "8"}, "K1"),
        ([], "it adds", BAD, ""),
        ([SOUND, LOAD], "it adds", BAD, ""),
        ([TESTS], "it adds", BAD, ""),
        ([GUARD], "it adds", BAD, ""),
        ([replace(EXAMPLE, binding=False)], "it adds", BAD, ""),
        ([EXAMPLE, FAILED], "it adds", BAD, ""),
        ([EXAMPLE], "README.md says how", BAD, ""),
        ([EXAMPLE], "it says how", {"ref": "F1", "quote": "see README.md"}, ""),
    ],
)
def test_what_ran_stands_in_for_its_quotes(
    checks: list[CheckResult], requirement: str, quote: dict[str, str], ref: str
) -> None:
    question = Evidence(1, 9, TASK, snapshot({}), snapshot({"prog.py": PROGRAM}), checks=checks)
    reply = text(requirements=[{"text": requirement, "met": True, "evidence": [quote]}])
    before = judged(reply, question, question.fit(30_000), Redactor([]))
    judgement = standing_in(before, question)
    assert judgement.verdict is not None
    assert (judgement is before) is not bool(ref)
    (found,) = judgement.verdict.requirements
    assert found.met is bool(ref)
    if ref:
        assert [(one.ref, one.where.partition("; ")[0]) for one in found.evidence] == [
            (ref, "its own quotes do not hold")
        ]
    assert (refusals(judgement.verdict, proven(Facts(), judgement, question, loaded=False)) == []) is bool(
        ref
    )


def test_what_is_not_called_met_stays_so() -> None:
    question = Evidence(1, 9, TASK, snapshot({}), snapshot({"prog.py": PROGRAM}), checks=[EXAMPLE])
    for name, changes in (
        ("b", {"complete": False}),
        ("b", {}),
        ("a", {}),
        ("b", {"missing": ["the tests"]}),
    ):
        requirements = [
            {"text": "a", "met": True, "evidence": [BAD]},
            {"text": name, "met": False, "evidence": []},
        ]
        reply = text(requirements=requirements, **changes)
        judgement = standing_in(judged(reply, question, question.fit(30_000), Redactor([])), question)
        assert refusals(judgement.verdict, proven(Facts(), judgement, question, loaded=False))


ONE_FILE = "Write prog.py with f(n). f(1) returns 2."
AFTER = {"prog.py": PROGRAM}


@pytest.mark.parametrize(
    ("changes", "vouched"),
    [
        ({}, True),
        ({"checks": [SOUND, EXAMPLE]}, False),
        ({"checks": [SOUND, OWN]}, False),
        ({"checks": [EXAMPLE, OWN, LOAD]}, True),
        ({"checks": [EXAMPLE, OWN, FAILED]}, False),
        ({"checks": [EXAMPLE, GUARD]}, False),
        ({"checks": [EXAMPLE, replace(OWN, exit_code=1)]}, False),
        ({"checks": [EXAMPLE, replace(OWN, binding=False)]}, False),
        ({"task": f"{ONE_FILE} Say in README.md how."}, False),
        ({"task": "Write f(n). f(1) returns 2."}, False),
        ({"after": snapshot({**AFTER, "more.py": PROGRAM})}, False),
        ({"after": snapshot({"other.py": PROGRAM})}, False),
        ({"before": snapshot(AFTER)}, False),
        ({"before": snapshot({"old.py": PROGRAM})}, False),
        ({"tampering": ("prog.py",)}, False),
        ({"left": ("prog.py",)}, False),
        ({"commands": [CommandRecord("python3 prog.py", 1, "8", 0.1)]}, False),
        ({"commands": [CommandRecord("python3 prog.py", 0, "8", 0.1)]}, True),
    ],
)
def test_a_small_judge_adds_nothing_where_checks_that_bind_have_run_all(
    changes: dict[str, Any], vouched: bool
) -> None:
    question = Evidence(1, 9, ONE_FILE, snapshot({}), snapshot(AFTER), checks=[SOUND, EXAMPLE, OWN])
    assert vouched_for(replace(question, **changes)) is vouched
