"""What a verdict is worth."""

from dataclasses import replace
from typing import Any

import pytest

from agentbatch.tasks.evaluator.judging.reply import parse_verdict
from agentbatch.tasks.evaluator.judging.verdict import (
    Facts,
    judges_fault,
    redacted,
    refusals,
    verdict_schema,
    what_is_missing,
)
from agentbatch.tasks.results.verdict import Verdict
from tests.tasks.evaluator.judging.verdict_text import GOOD, text


def verdict(**changes: Any) -> Verdict:
    return parse_verdict(text(**changes))


@pytest.mark.parametrize(
    ("changes", "facts", "why"),
    [
        ({"complete": False}, Facts(), "not complete"),
        ({"blocked": True}, Facts(), "blocked"),
        ({"missing": ["the tests"]}, Facts(), "something is missing: the tests"),
        ({"requirements": []}, Facts(), "no requirement was examined"),
        ({"score": 0.1}, Facts(), "score of 0.1"),
        ({"requirements": [{"text": "r", "met": False, "evidence": "x"}]}, Facts(), "not met: r"),
        ({"requirements": [{"text": "r", "met": True, "evidence": " "}]}, Facts(), "no evidence: r"),
        ({}, Facts(nothing_happened=True), "Nothing was changed"),
        ({}, Facts(verify_failure="The check failed."), "The check failed."),
        ({}, Facts(coder_failure="The Coder was stuck."), "stuck"),
        ({}, Facts(ungrounded=("It does not stand there.",)), "does not stand there"),
        ({}, Facts(unproven=("The last command failed.",)), "last command failed"),
    ],
)
def test_a_contradiction_is_not_an_acceptance(changes: dict[str, Any], facts: Facts, why: str) -> None:
    assert why in " ".join(refusals(verdict(**changes), facts))


BAD = Facts(ungrounded=("It stands nowhere.",), misquoted=True, unshown=("r",))


@pytest.mark.parametrize(
    ("changes", "facts", "fault"),
    [
        ({}, BAD, True),
        ({}, replace(BAD, misquoted=False), False),
        ({}, Facts(), False),
        ({}, replace(BAD, verify_failure="It failed."), False),
        ({}, replace(BAD, own_failure="It failed."), False),
        ({}, replace(BAD, coder_failure="It failed."), False),
        ({}, replace(BAD, unproven=("The last command failed.",)), False),
        ({"missing": ["the tests"]}, BAD, False),
        ({"complete": False}, BAD, False),
        ({"blocked": True}, BAD, False),
        ({"score": 0.1}, BAD, False),
    ],
)
def test_quotes_that_do_not_hold_are_the_judges_fault_where_nothing_else_speaks_against_it(
    changes: dict[str, Any], facts: Facts, fault: bool
) -> None:
    unmet = [{"text": "r", "met": False, "evidence": []}]
    found = judges_fault(verdict(**{"requirements": unmet, **changes}), facts)
    assert found == ("The evaluator's quotes did not hold. It stands nowhere." if fault else "")
    other = [*unmet, {"text": "s", "met": False, "evidence": "x"}]
    assert judges_fault(verdict(**{"requirements": other, **changes}), facts) == ""


def test_one_and_many_are_told_apart() -> None:
    unmet = [{"text": name, "met": False, "evidence": "x"} for name in "ab"]
    assert "but 1 requirement is not met: a." in refusals(verdict(requirements=unmet[:1]), Facts())[0]
    assert "but 2 requirements are not met: a; b." in refusals(verdict(requirements=unmet), Facts())[0]


def test_no_verdict_is_never_an_acceptance() -> None:
    assert refusals(None, Facts())
    assert refusals(None, Facts(unjudged="The evaluator could not be asked.")) == [
        "The evaluator could not be asked."
    ]


def test_where_the_checks_decide_the_gates_hold_all_the_same() -> None:
    assert refusals(None, Facts(checks_decide=True)) == []
    for facts in (
        Facts(checks_decide=True, verify_failure="no"),
        Facts(checks_decide=True, coder_failure="no"),
        Facts(checks_decide=True, nothing_happened=True),
    ):
        assert len(refusals(None, facts)) == 1


@pytest.mark.parametrize("brief", [False, True])
def test_the_schema_is_closed_and_bounded_for_small_windows(brief: bool) -> None:
    _, schema = verdict_schema(["F1", "C2"], weak_model=brief)
    assert set(schema["required"]) == set(schema["properties"]) == set(GOOD)
    assert schema["additionalProperties"] is False
    for name in ("requirements", "missing"):
        assert schema["properties"][name].get("maxItems") == (8 if brief else None)
    requirement = schema["properties"]["requirements"]["items"]
    assert requirement["required"] == ["text", "evidence", "met"]
    evidence = requirement["properties"]["evidence"]
    assert evidence["items"]["properties"]["ref"]["enum"] == ["F1", "C2"]
    assert evidence.get("maxItems") == (2 if brief else None)


def test_where_a_check_of_ours_failed_the_schema_asks_for_a_word_on_it() -> None:
    _, schema = verdict_schema(["K1"], ["K1"])
    assert "checks" in schema["required"]
    ruling = schema["properties"]["checks"]["items"]
    assert ruling["properties"]["ref"]["enum"] == ["K1"]
    assert ruling["required"] == ["ref", "wrong", "why", "mended"]


def test_with_nothing_to_quote_no_ref_is_right() -> None:
    _, schema = verdict_schema([])
    evidence = schema["properties"]["requirements"]["items"]["properties"]["evidence"]
    assert evidence["items"]["properties"]["ref"]["enum"] == ["-"]


def test_every_text_is_cleaned_of_keys() -> None:
    ruling = {"ref": "K1", "wrong": True, "why": "KEY", "mended": "KEY"}
    requirement = {"text": "KEY", "met": True, "evidence": [{"ref": "KEY", "quote": "KEY"}]}
    found = verdict(
        missing=["KEY"], complete=False, follow_up_prompt="KEY", requirements=[requirement], checks=[ruling]
    )
    assert "KEY" not in redacted(found, lambda text: text.replace("KEY", "x")).model_dump_json()


def test_what_is_missing_names_unproven_requirements_too() -> None:
    requirements = [
        {"text": "a", "met": True, "evidence": "seen"},
        {"text": "b", "met": False, "evidence": "not there"},
        {"text": "c", "met": True, "evidence": ""},
    ]
    assert what_is_missing(verdict(missing=["b", " d "], requirements=requirements)) == ["b", "d", "c"]
    assert what_is_missing(None) == []
    facts = Facts(unproven=("Run it.",))
    assert what_is_missing(verdict(), facts) == ["Run it."]
    assert what_is_missing(verdict(complete=False), facts) == []
