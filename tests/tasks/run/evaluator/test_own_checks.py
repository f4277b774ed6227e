"""Checks that the evaluator's model writes before the work: tried before it, run after it, mended once by the judge."""

from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall
from agentbatch.runs import events as e
from tests.tasks.run.verdicts import COMPLETE

FAILS = {
    "requirement": "a says yes",
    "language": "bash",
    "script": "grep -qx yes a || { echo 'no yes in a'; exit 1; }",
}
WRONG = {"requirement": "a says no", "language": "bash", "script": "grep -qx no a"}


def write(content: str, path: str = "a") -> Say:
    done = {"path": path, "content": content}, {"command": f"cat {path}"}, {"summary": "Done."}
    names = ("write_file", "bash", "finish")
    return Say(calls=[ScriptedCall(name=name, arguments=one) for name, one in zip(names, done, strict=True)])


def script(
    *coder: Say, checks: list[Any] | None = None, judge: tuple[dict[str, Any], ...] = (COMPLETE,)
) -> Script:
    return Script(
        prompt="Do it.",
        coder=list(coder),
        evaluator=[Say(verdict=verdict) for verdict in judge],
        checks=[Say(checks=checks)] if checks is not None else [],
    )


def task(**fields: Any) -> dict[str, Any]:
    return {"id": "t", "dir": "work", "first_prompt": "Do it.", **fields}


def lines(ran: Any) -> list[list[tuple[str, bool, str]]]:
    return [
        [(line.requirement, line.passed, line.note) for line in verdict.checks]
        for verdict in ran.of_type(e.VerdictReached)
    ]


def notices(ran: Any) -> list[str]:
    return [event.text for event in ran.of_type(e.Notice) if event.task_id]


async def test_a_failed_check_refuses_what_the_judge_calls_complete(run_tasks: Any) -> None:
    ran = await run_tasks([task()], [script(write("no\n"), write("yes\n"), checks=[FAILS])])
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    assert lines(ran) == [[("a says yes", False, "")], [("a says yes", True, "")]]
    first, second = (event.prompt for event in ran.of_type(e.IterationStarted))
    assert first == "Do it."
    assert "A check of this requirement failed: a says yes. It said:\nno yes in a" in second
    assert "grep" not in second, "the script is not for the coder"
    verdict = ran.of_type(e.VerdictReached)[0]
    assert verdict.refusals == ["A check of the evaluator's own failed: a says yes."]
    assert not list(Path(ran.folder / "work").glob("*check*"))


async def test_checks_are_asked_for_once_before_the_work(run_tasks: Any) -> None:
    ran = await run_tasks([task()], [script(write("no\n"), write("yes\n"), checks=[FAILS])])
    calls = [(call.role, call.purpose) for call in ran.of_type(e.ModelCallFinished)]
    assert calls == [
        ("evaluator", "checks"),
        ("coder", "code"),
        ("evaluator", "judge"),
        ("coder", "code"),
        ("evaluator", "judge"),
    ]


@pytest.mark.parametrize(
    ("fields", "settings"),
    [({"verify": "true"}, {}), ({}, {"evaluator": "none"}), ({}, {"toml": "[limits]\nchecks = 0\n"})],
    ids=["verify", "no judge", "checks = 0"],
)
async def test_nothing_is_asked_where_no_checks_are_wanted(
    run_tasks: Any, tmp_path: Path, fields: dict[str, Any], settings: dict[str, Any]
) -> None:
    if toml := settings.pop("toml", ""):
        (tmp_path / "agents").mkdir()
        (tmp_path / "agents/evaluator.toml").write_text(toml)
    if settings:
        fields = {"verify": "true"}
    ran = await run_tasks([task(**fields)], [script(write("no\n"), checks=[FAILS])], **settings)
    assert ran.task.status == "completed"
    assert "checks" not in [call.purpose for call in ran.of_type(e.ModelCallFinished)]


async def test_a_check_that_passes_before_any_work_is_a_guard(run_tasks: Any, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work/old").write_text("keep\n")
    guard = {"requirement": "old stays", "language": "bash", "script": "grep -q keep old"}
    coder = (write("gone\n", "old"), write("keep\n", "old"))
    ran = await run_tasks([task()], [script(*coder, checks=[guard])])
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    assert lines(ran) == [[("old stays", False, "")], [("old stays", True, "")]]


async def test_a_check_that_cannot_run_is_left_out_with_a_notice(run_tasks: Any) -> None:
    broken = {"requirement": "broken", "language": "python", "script": "def f(:"}
    ran = await run_tasks([task()], [script(write("yes\n"), checks=[broken, FAILS])])
    assert lines(ran) == [[("a says yes", True, "")]]
    assert notices(ran) == [
        "1 check of the evaluator's own cannot run and is left out: the check of “broken”: it has a syntax error."
    ]


@pytest.mark.parametrize(
    ("answers", "asked", "why"),
    [
        ([Say(checks=[])], 1, "wrote no checks"),
        ([Say(content="I will not."), Say(content="No.")], 2, "task: its answer has no JSON object."),
        ([Say(content="I will not."), Say(checks=[FAILS])], 2, ""),
        ([Fault(status=400, times=9), Say(checks=[FAILS])], 1, "400"),
    ],
    ids=["none to write", "no list", "mended", "the endpoint refuses"],
)
async def test_a_task_goes_on_without_checks(
    run_tasks: Any, answers: list[Any], asked: int, why: str
) -> None:
    played = Script(
        prompt="Do it.", coder=[write("yes\n")], evaluator=[Say(verdict=COMPLETE)], checks=answers
    )
    ran = await run_tasks([task()], [played])
    assert ran.task.status == "completed"
    calls = [call for call in ran.of_type(e.ModelCallFinished) if call.purpose == "checks"]
    assert len(calls) == asked
    (told,) = notices(ran) or [""]
    assert why in told
    lost = [line.note for line in ran.task.verdicts[-1].checks if line.command == "none"]
    assert lost == ([told.partition(": ")[2].rstrip(".")] if ": " in told else [])
    assert not any(line.counts for line in ran.task.verdicts[-1].checks if line.note)


async def test_the_judge_mends_a_wrong_check_once_on_the_record(run_tasks: Any) -> None:
    better = {"ref": "K1", "wrong": True, "why": "The task asks for yes", "mended": "grep -qx yes a"}
    ran = await run_tasks(
        [task()], [script(write("yes\n"), checks=[WRONG], judge=({**COMPLETE, "checks": [better]},))]
    )
    assert (ran.task.status, ran.task.iteration) == ("completed", 1)
    assert lines(ran) == [
        [
            (
                "a says no",
                True,
                f"Found wrong and mended by the evaluator: The task asks for yes. It was: {WRONG['script']}",
            )
        ]
    ]
    assert notices(ran) == [
        "The evaluator mended its check of “a says no”, which passes: The task asks for yes."
    ]


async def test_a_mended_check_counts_and_is_not_mended_again(run_tasks: Any) -> None:
    def ruled(mended: str) -> dict[str, Any]:
        return {**COMPLETE, "checks": [{"ref": "K1", "wrong": True, "why": "no", "mended": mended}]}

    judge = (ruled("grep -qx maybe a"), ruled("true"))
    ran = await run_tasks([task()], [script(write("yes\n"), write("yes!\n"), checks=[WRONG], judge=judge)])
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    assert lines(ran) == [
        [("a says no", False, f"Found wrong and mended by the evaluator: no. It was: {WRONG['script']}")],
        [("a says no", False, "Found wrong by the evaluator, it does not count: no.")],
    ]
