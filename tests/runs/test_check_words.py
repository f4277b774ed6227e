"""Checks in words."""

from typing import get_args

import pytest

from agentbatch.runs import events as e
from agentbatch.runs.check_words import (
    DOING,
    KIND_WORDS,
    check_text,
    counted_checks,
    decided_by,
    failed_first,
    last_said,
    said_by,
    worth_a_line,
)
from agentbatch.runs.state.task_state import TaskState


def lines(*checks: tuple[e.CheckKind, bool]) -> list[e.CheckLine]:
    return [e.CheckLine(kind=kind, command="make", passed=passed) for kind, passed in checks]


@pytest.mark.parametrize(
    ("checks", "words"),
    [
        ([], ""),
        ([("verify", True)], "verify passed"),
        ([("sound", True), ("example", False)], "form passed; examples failed"),
        ([("verify", True)] * 3 + [("own", True)], "3 verify passed; evaluator's check passed"),
        ([("own", True)] * 2 + [("own", False)], "3 evaluator's checks: 2 passed, 1 failed"),
        ([("own", False)] * 2, "2 evaluator's checks failed"),
        ([("tests", True), ("steady", False)], "project's tests passed; steadiness failed"),
    ],
)
def test_checks_are_counted_by_kind(checks: list[tuple[e.CheckKind, bool]], words: str) -> None:
    assert counted_checks(lines(*checks)) == words


def test_what_runs_of_before_have_stored_is_a_verify_and_has_no_checks() -> None:
    ended = {
        "type": "verify_finished",
        "task_id": "t",
        "command": "make",
        "exit_code": 1,
        "tail": "",
        "seconds": 1.0,
    }
    assert e.CheckFinished.model_validate(ended).kind == "verify"
    verdict = {
        "type": "verdict",
        "task_id": "t",
        "iteration": 1,
        "accepted": True,
        "verdict": None,
        "decision": "done",
    }
    assert e.VerdictReached.model_validate(verdict).checks == []
    task = {
        "id": "t",
        "index": 0,
        "dir": "d",
        "first_prompt": "p",
        "max_iterations": 3,
        "activity": {"kind": "verify"},
    }
    assert TaskState.model_validate(task).activity.check is None


def test_every_kind_has_words() -> None:
    for kind in get_args(e.CheckKind):
        assert KIND_WORDS[kind]
        assert DOING[kind]
        assert counted_checks(lines((kind, True)))


def test_who_decided_names_the_kind_of_the_check_that_failed() -> None:
    overruled = e.CheckLine(kind="own", command="x", passed=False, note="Found wrong.", counts=False)
    failed = lines(("sound", True), ("example", False))
    assert decided_by("checks", [overruled, *failed]) == "failed: example of the task"
    assert decided_by("checks", []) == "a check that failed"
    for who in get_args(e.DecidedBy):
        assert decided_by(who, [])


def test_a_refusal_that_only_repeats_a_failed_command_is_known() -> None:
    (failed,) = lines(("verify", False))
    assert said_by("The check `make` failed: exit code 1.", [failed])
    assert not said_by("The check `make test` failed: exit code 1.", [failed])
    assert not said_by("The check `make` failed: exit code 1.", lines(("verify", True)))
    assert not said_by("Nothing was changed.", [failed])


def test_a_check_of_our_own_is_named_by_what_it_is_for() -> None:
    check = e.CheckLine(
        kind="own", command="set -e\n./run", passed=False, requirement="it runs", note="mended"
    )
    assert (
        counted_checks([check, check.model_copy(update={"counts": False})])
        == "2 evaluator's checks: 1 failed, 1 not counted"
    )
    assert check_text(check) == "evaluator's check: it runs (mended)"
    assert (
        check_text(check.model_copy(update={"requirement": "", "note": ""}))
        == "evaluator's check: set -e ./run"
    )
    passed = e.CheckLine(kind="verify", command="make", passed=True)
    assert worth_a_line([passed, check]) == [check]


@pytest.mark.parametrize(
    ("tail", "last"),
    [
        ("Traceback\nValueError: \x1b[1mno\x1b[0m\n\n", "ValueError: no"),
        ("  f(\n   ^\n", "f("),
        ("...\n---", "---"),
        ("AssertionError: 'A' != 'B'\n- A\n+ B\n", "AssertionError: 'A' != 'B'"),
        ("E   KeyError: 'a'\n1 failed in 0.1s", "E KeyError: 'a'"),
        ("no Error here\n2 failed", "2 failed"),
        ("", ""),
    ],
)
def test_the_last_line_that_says_something(tail: str, last: str) -> None:
    assert last_said(tail) == last


@pytest.mark.parametrize(
    ("kind", "said", "words"),
    [
        ("verify", "1 failed", "verify failed: 1 failed"),
        ("verify", "", "verify failed: make"),
        ("own", "3 != 4", "evaluator's check failed: it adds: 3 != 4"),
        ("own", "", "evaluator's check failed: it adds"),
    ],
)
def test_the_first_failed_check(kind: e.CheckKind, said: str, words: str) -> None:
    void = e.CheckLine(kind="tests", command="x", passed=False, counts=False)
    failed = e.CheckLine(kind=kind, command="make", passed=False, requirement="it adds", said=said)
    assert failed_first([*lines(("sound", True)), void, failed, void]) == words
    assert failed_first([void]) == ""
