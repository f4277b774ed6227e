"""Verdicts in words."""

from typing import Any

import pytest

from agentbatch.runs.events import CheckLine
from agentbatch.runs.verdict_words import MAX_ITEMS, MAX_PROOFS, Proof, required, why_not

C2 = {"ref": "C2", "quote": "8", "where": "command, exit 0: python3 prog.py"}
NOWHERE = {"ref": "C2", "quote": "9", "where": ""}


@pytest.mark.parametrize(
    ("evidence", "met", "proofs"),
    [
        ([C2], True, [Proof("8", "[C2] command, exit 0: python3 prog.py")]),
        ([NOWHERE], True, [Proof("9", "(not found in the evidence)")]),
        ([NOWHERE], False, [Proof("9")]),
        ([], True, []),
        ("tests pass", True, [Proof("tests pass")]),
        (" ", True, []),
        ([{"quote": None, "where": 7}, "x", None], False, [Proof("None", "[] 7")]),
        ({"quote": "x"}, True, []),
        (None, True, []),
        ([{**C2, "where": "\x1b[2J" + "w" * 1_000}], True, [Proof("8", f"[C2] {'w' * 79}…")]),
    ],
)
def test_what_shows_a_requirement(evidence: Any, met: bool, proofs: list[Proof]) -> None:
    (found,) = required({"requirements": [{"text": "it runs", "met": met, "evidence": evidence}]})
    assert (found.text, found.met, found.proofs) == ("it runs", met, proofs)


@pytest.mark.parametrize("verdict", [None, {}, {"requirements": 7}, {"requirements": ["x", None]}])
def test_no_requirements(verdict: Any) -> None:
    assert required(verdict) == []


def test_they_are_bounded() -> None:
    one = {"text": "a", "met": True, "evidence": [C2] * 1_000}
    found = required({"requirements": [one] * 1_000})
    assert len(found) == MAX_ITEMS
    assert {len(requirement.proofs) for requirement in found} == {MAX_PROOFS}


def test_a_quote_stands_before_its_place() -> None:
    assert Proof("8", "[C2] x").text == '"8" [C2] x'
    assert Proof("no code for it").text == "no code for it"


VERIFY = CheckLine(kind="verify", command="make test", passed=False, said="2 tests failed")
LACKING = {"complete": False, "blocked": False, "missing": ["no tests", "", "no tests", 7, "no README"]}


@pytest.mark.parametrize(
    ("verdict", "checks", "refusals", "why"),
    [
        (None, [VERIFY], ["The check `make test` failed."], "verify failed: 2 tests failed"),
        (LACKING, [VERIFY], ["x"], "verify failed: 2 tests failed"),
        (LACKING, [], ["The evaluator says ..."], "not complete: no tests and 1 more"),
        ({**LACKING, "blocked": True}, [VERIFY], ["x"], "blocked: no tests and 1 more"),
        (
            {"complete": False, "requirements": [{"text": "it runs", "met": False}]},
            [],
            ["x"],
            "not complete: it runs",
        ),
        ({"complete": False, "missing": "no list"}, [], ["", "x", "y"], "x"),
        ({"complete": True, "missing": ["a"]}, [], ["Called complete, but ..."], "Called complete, but ..."),
        (None, [], [], ""),
    ],
)
def test_why_work_was_not_accepted(
    verdict: dict[str, Any] | None, checks: list[CheckLine], refusals: list[str], why: str
) -> None:
    assert why_not(verdict, checks, refusals) == why
