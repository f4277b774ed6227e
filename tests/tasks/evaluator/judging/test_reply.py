"""Reading a verdict out of what a model says."""

import json
from typing import Any

import pytest

from agentbatch.tasks.evaluator.judging.reply import MAX_REPLY, NoVerdict, parse_verdict
from agentbatch.tasks.evaluator.judging.verdict import Facts, refusals
from tests.tasks.evaluator.judging.verdict_text import GOOD, text


@pytest.mark.parametrize(
    "content",
    [
        text(),
        f"```json\n{text()}\n```",
        f'<think>maybe {{"complete": false}} {text(complete=False)}</think>\n{text()}',
        f"a lost opening {text(complete=False)} </think> {text()}",
        f"The file says {{'a': 1}} and {{}} is empty. My verdict:\n{text()}\n```",
        json.dumps({"verdict": GOOD}),
        text(
            missing=[],
            requirements=[{**GOOD["requirements"][0], "text": "strip.py removes </think> tags and <think>"}],
        ),
        f'The code opens with " and {{, and never closes it. {text()}',
        f"}} is how it ends. {text()}",
        text(follow_up_prompt="None."),
        text(checks=[{"ref": "K1", "wrong": True, "why": "7 is right", "mended": ""}]),
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
        ('{"complete": true}', "is missing"),
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
        (json.dumps({"example": GOOD, "verdict": "see above"}), "is missing"),
        (f"<think>{text()}</think>", "no JSON object"),
        (text(follow_up_prompt="Add the tests."), "one of them is wrong"),
        (" " * MAX_REPLY + text(), "longer than 200,000 characters"),
        (json.dumps({"answer": GOOD}), "is missing"),
        (json.dumps([GOOD, "and more"]), "something follows"),
        (text()[:-1] + ', "complete": true}', "'complete' is in it twice"),
        (text().replace('"met": true', '"met": false, "met": true'), "'met' is in it twice"),
        (
            text(requirements=[{"text": "a", "met": True, "evidence": [7]}]),
            r"requirements\[0\]\.evidence\[0\]",
        ),
        (text(requirements=[{"text": "a", "met": True, "evidence": None}]), r"evidence\[0\]"),
        (
            text(requirements=[{"text": "a", "met": True, "evidence": [{"ref": "C1"}]}]),
            "quote: is missing",
        ),
        (text(checks=[{"ref": "K1", "wrong": "yes"}]), r"checks\[0\]\.wrong"),
    ],
)
def test_anything_else_is_no_verdict(content: str, problem: str) -> None:
    with pytest.raises(NoVerdict, match=problem):
        parse_verdict(content)


LONG = [
    "{" * 1_000_000,
    "}" * 1_000_000,
    '{"a":' * 200_000,
    '{"' * 500_000,
    "{}" * 500_000,
    '"' * 1_000_000,
    "\\" * 1_000_000,
    "<think>" * 140_000,
    "</think>" * 120_000,
    '{"a": "' + "x" * 1_000_000,
    text() * 3000,
    "[" * 1_000_000,
    '"complete"' * 100_000,
]


@pytest.mark.parametrize("long", LONG, ids=lambda text: text[:12])
def test_however_long_it_is_it_is_read_at_once(long: str) -> None:
    """What takes more than one look at each character would take minutes here."""
    for content in (long, long[:MAX_REPLY], long[: MAX_REPLY - len(text())] + text()):
        try:
            found = parse_verdict(content)
        except NoVerdict:
            continue
        assert found.complete


def test_of_evidence_a_text_alone_is_one_quote() -> None:
    def evidence(value: Any) -> list[tuple[str, str]]:
        found = parse_verdict(text(requirements=[{"text": "a", "met": True, "evidence": value}]))
        return [(quote.ref, quote.quote) for quote in found.requirements[0].evidence]

    assert evidence("it printed 8") == [("", "it printed 8")]
    assert evidence(["8", {"ref": "C2", "quote": "9"}, " "]) == [("", "8"), ("C2", "9")]
    assert evidence({"ref": "C2", "quote": "9"}) == [("C2", "9")]
    assert evidence("") == evidence([]) == []
