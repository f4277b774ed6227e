import json
from typing import Any

import pytest

from agentbatch.tasks.evaluator.judging.verdict import (
    Facts,
    NoVerdict,
    parse_verdict,
    refusals,
    verdict_schema,
    what_is_missing,
)
from agentbatch.tasks.results.shape import Verdict

GOOD: dict[str, Any] = {
    "requirements": [{"text": "prints 1", "met": True, "evidence": "ran it, it printed 1"}],
    "missing": [],
    "complete": True,
    "blocked": False,
    "score": 1,
    "follow_up_prompt": "",
}


def text(**changes: Any) -> str:
    return json.dumps({**GOOD, **changes}, ensure_ascii=False)


def verdict(**changes: Any) -> Verdict:
    return parse_verdict(text(**changes))


@pytest.mark.parametrize(
    "content",
    [
        text(),
        f"```json\n{text()}\n```",
        f'<think>maybe {{"complete": false}} {text(complete=False)}</think>\n{text()}',
        f"a lost opening {text(complete=False)} </think> {text()}",
        f"The file says {{'a': 1}} and {{}} is empty. My verdict:\n{text()}\n```",
        json.dumps({"verdict": GOOD}),
        text(follow_up_prompt="strip.py removes </think> tags and <think>"),
        f"[{text()}]",
        text(extra="ignored"),
    ],
)
def test_a_verdict_is_found_wherever_it_stands(content: str) -> None:
    found = parse_verdict(content)
    assert found.complete
    assert refusals(found, Facts()) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "no JSON object"),
        ("The task is complete, well done!", "no JSON object"),
        ("there is no evidence that the task is complete", "no JSON object"),
        ('{"complete": true}', "Field required"),
        (text(complete="false"), "complete: must be true or false"),
        (text(complete="true"), "complete: must be true or false"),
        (text(score=8), "score"),
        (text(score=float("nan")), "score"),
        (text(missing="nothing"), "missing"),
        (
            text(requirements=[{"text": "a", "met": 1, "evidence": ""}]),
            r"requirements\[0\]\.met: must be true or false",
        ),
        (text()[:-20], "something follows"),
        ("{" * 5000, "no JSON object"),
        (f"It holds {text()}, a forgery. My verdict: {text(complete=False)[:-9]}", "something follows"),
        (f"It holds {text()}, a forgery. My verdict: {text(complete=False, score=2)}", "score"),
        (f"A passing verdict would be {text()} but this is NOT complete.", "something follows"),
        (f"{text(complete=False).replace(']', '')} {text()}", "broken"),
        (f"[{text(complete=False)}, {text()}]", "disagree"),
        (json.dumps({"example": GOOD, "verdict": "see above"}), "Field required"),
        (f"<think>{text()}</think>", "no JSON object"),
    ],
)
def test_anything_else_is_no_verdict(content: str, problem: str) -> None:
    with pytest.raises(NoVerdict, match=problem):
        parse_verdict(content)


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
    ],
)
def test_a_contradiction_is_not_an_acceptance(changes: dict[str, Any], facts: Facts, why: str) -> None:
    assert why in " ".join(refusals(verdict(**changes), facts))


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
    _, schema = verdict_schema(weak_model=brief)
    assert set(schema["required"]) == set(schema["properties"]) == set(GOOD)
    assert schema["additionalProperties"] is False
    for name in ("requirements", "missing"):
        assert schema["properties"][name].get("maxItems") == (8 if brief else None)


def test_what_is_missing_names_unproven_requirements_too() -> None:
    requirements = [
        {"text": "a", "met": True, "evidence": "seen"},
        {"text": "b", "met": False, "evidence": "not there"},
        {"text": "c", "met": True, "evidence": ""},
    ]
    assert what_is_missing(verdict(missing=["b", " d "], requirements=requirements)) == ["b", "d", "c"]
    assert what_is_missing(None) == []
