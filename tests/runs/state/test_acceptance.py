"""By what work was accepted."""

from typing import Any

import pytest

from agentbatch.runs import events as e
from agentbatch.runs.state.acceptance import AcceptedBy, accepted_by, tasks_accepted


def quoted(ref: str, where: str, *, met: bool = True) -> dict[str, Any]:
    evidence = [{"ref": ref, "quote": "8", "where": where}]
    return {"requirements": [{"text": "it runs", "met": met, "evidence": evidence}]}


FILE = quoted("F1", "file prog.py (added)")
RAN = quoted("C2", "command, exit 0: python3 prog.py")


@pytest.mark.parametrize(
    ("kinds", "verdict", "by"),
    [
        (["sound", "verify"], None, "verify"),
        (["own", "verify"], RAN, "verify"),
        (["own"], FILE, "checks"),
        (["example"], FILE, "checks"),
        (["tests"], FILE, "checks"),
        (["sound", "steady"], RAN, "commands"),
        ([], quoted("R1", "run by the evaluator, exit 0: python3 prog.py"), "commands"),
        (["look"], quoted("R1", "run by the evaluator, exit 0: read_file prog.py"), "reading"),
        (["look"], FILE, "reading"),
        (["sound"], quoted("C2", "command, exit 0: ls", met=False), "reading"),
        (["sound"], quoted("C2", ""), "reading"),
        ([], {"requirements": [{"text": "it runs", "met": True, "evidence": "I saw it"}]}, None),
        ([], None, None),
    ],
)
def test_the_best_that_stood_behind_it(
    kinds: list[e.CheckKind], verdict: dict[str, Any] | None, by: AcceptedBy | None
) -> None:
    checks = [e.CheckLine(kind=kind, command="x", passed=True) for kind in kinds]
    assert accepted_by(verdict, checks) == by


def test_a_check_that_failed_accepts_nothing() -> None:
    checks = [e.CheckLine(kind="tests", command="x", passed=False, counts=False)]
    assert accepted_by(FILE, checks) == "reading"


def test_tasks_are_counted_the_best_first() -> None:
    assert tasks_accepted(["reading", "verify", None, "verify"]) == "2 by verify · 1 by reading only"
    assert tasks_accepted([None]) == ""
