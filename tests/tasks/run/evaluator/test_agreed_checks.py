"""Checks of a small evaluator: values of the task's function on which its askings, or its own program, agree."""

from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall
from agentbatch.runs import events as e
from tests.tasks.run.awkward_moments import Hand
from tests.tasks.run.verdicts import COMPLETE

TASK = "Write prog.py with a function double(n) that returns twice n."
ASSERTS = "assert double(1) == 2\nassert double(4) == 8\nassert double(5) == 11\n"
PROGRAM = "```python\ndef double(n):\n    return n * 2\n```"
RIGHT = "def double(n):\n    return n * 2\n"
WRONG = "def double(n):\n    return n * n\n"


@pytest.fixture(autouse=True)
def small_evaluator(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents/evaluator.toml").write_text("[model]\ncontext_window = 8192\n")


def write(content: str, path: str = "prog.py") -> Say:
    done = {"path": path, "content": content}, {"command": f"cat {path}"}, {"summary": "Done."}
    names = ("write_file", "bash", "finish")
    return Say(calls=[ScriptedCall(name=name, arguments=one) for name, one in zip(names, done, strict=True)])


def once(content: str) -> Say:
    return Say(content=content, times=1)


def script(*coder: Say, checks: list[Any], task: str = TASK) -> Script:
    return Script(prompt=task, coder=list(coder), evaluator=[Say(verdict=COMPLETE)], checks=checks)


def task(prompt: str = TASK, **fields: Any) -> dict[str, Any]:
    return {"id": "t", "dir": "work", "first_prompt": prompt, **fields}


def own(ran: Any) -> list[tuple[bool, str]]:
    lines = [line for verdict in ran.of_type(e.VerdictReached) for line in verdict.checks]
    return [(line.passed, line.note) for line in lines if line.kind == "own"]


def values(ran: Any) -> list[str]:
    lines = [line for verdict in ran.of_type(e.VerdictReached) for line in verdict.checks]
    return [line.command.partition("sure of: ")[2] for line in lines if line.kind == "own"]


async def test_what_its_own_program_confirms_binds_and_the_coder_is_told_in_words(run_tasks: Any) -> None:
    checks = [once(ASSERTS), once(PROGRAM), Say()]
    ran = await run_tasks([task()], [script(write(WRONG), write(RIGHT), checks=checks)])
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    came = "`double(1)` should give 2; it gave 1; `double(4)` should give 8; it gave 16"
    assert own(ran) == [(False, came), (True, "")]
    assert ran.task.verdicts[0].refusals == [f"This is wrong: {came}"]
    assert values(ran) == ["double(1) == 2; double(4) == 8"] * 2
    assert len(ran.checks_requests()) == 2, "two values agreed on are enough"
    assert len(ran.evaluator_requests()) == 1, "a failed check needs no judge"
    follow_up = ran.of_type(e.IterationStarted)[1].prompt
    assert "`double(1)` should give 2; it gave 1" in follow_up
    assert "11" not in follow_up, "what nothing confirms is no check"
    (checked,) = {event.command for event in ran.of_type(e.CheckFinished) if event.kind == "own"}
    assert checked == "calls of `double` whose values the evaluator is sure of"
    assert sorted(path.name for path in (ran.folder / "work").iterdir()) == ["prog.py"]


async def test_what_two_askings_say_alike_binds(run_tasks: Any) -> None:
    checks = [
        once(ASSERTS),
        once("I do not know."),
        once("assert double(4) == 8\nassert double(1) == 3"),
        Say(),
    ]
    wrong = write("def double(n):\n    return n + 1\n")
    ran = await run_tasks([task()], [script(wrong, write(RIGHT), checks=checks)])
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    assert own(ran) == [(False, "`double(4)` should give 8; it gave 5"), (True, "")]
    follow_up = ran.of_type(e.IterationStarted)[1].prompt
    assert "`double(4)` should give 8; it gave 5" in follow_up
    assert "double(1)" not in follow_up, "its askings contradict each other"
    temperatures = [request["temperature"] for request in ran.checks_requests()]
    assert temperatures == [0.0, 0.0, 0.6]


@pytest.mark.parametrize(
    ("prompt", "iterations"), [(TASK, 2), (f"{TASK}\n\n    double(2) == 4", 3)], ids=["no example", "firm"]
)
async def test_a_value_that_the_coders_programs_contradict_alike_is_outvoted(
    run_tasks: Any, prompt: str, iterations: int
) -> None:
    """Later where a program confirms it that passes an example of the task: it is rather right."""
    wrong = "assert double(1) == 2\nassert double(3) == 7\nassert double(0) == 0\n"
    program = PROGRAM.replace("n * 2", "7 if n == 3 else n * 2")
    coder = [write(f"# {n}\n{RIGHT}") for n in range(4)]
    checks = [once(wrong), once(program), Say()]
    ran = await run_tasks([task(prompt)], [script(*coder, checks=checks, task=prompt)])
    assert (ran.task.status, ran.task.iteration) == ("completed", iterations)
    why = "`double(3)` gives 6 again and again, so 7 was wrong"
    came = "`double(3)` should give 7; it gave 6"
    assert own(ran) == [*[(False, came)] * (iterations - 1), (True, why)]
    notices = [event.text for event in ran.of_type(e.Notice) if event.task_id]
    assert notices == [f"A check of the evaluator's own is dropped: {why}."]


async def test_the_same_program_from_a_new_conversation_is_a_vote_of_its_own(run_tasks: Any) -> None:
    """A continuation is none: only after it a new conversation is opened."""
    checks = [
        once("assert double(1) == 2\nassert double(3) == 7\n"),
        once(PROGRAM.replace("n * 2", "7 if n == 3 else n * 2")),
    ]
    ran = await run_tasks([task()], [script(*[write(RIGHT)] * 3, checks=[*checks, Say()])])
    assert (ran.task.status, ran.task.iteration) == ("completed", 3)
    assert [passed for passed, _ in own(ran)] == [False, False, True]
    assert [event.anew for event in ran.of_type(e.VerdictReached)] == [False, True, False]
    assert len(ran.evaluator_requests()) == 1


@pytest.mark.parametrize(
    ("prompt", "checks", "asked"),
    [
        (TASK, [Say(content="I cannot.")], 2),
        (TASK, [Fault(status=400, message="no")], 1),
        (TASK, [once(ASSERTS), once("no program"), once("assert double(9) == 18"), Say()], 3),
        (f"{TASK}\n\n    double(3) == 6", [once(ASSERTS), once(PROGRAM.replace("* 2", "+ 6")), Say()], 3),
        (f"{TASK}\n\n    double(1) == 2\n    double(4) == 8\n    double(5) == 10", [Say(content=ASSERTS)], 2),
        ("Write a poem about Python into poem.txt.", [Say(content=ASSERTS)], 0),
        (f"{TASK} {'So it is. ' * 400}", [Say(content=ASSERTS)], 0),
    ],
    ids=[
        "no asserts",
        "a refusal",
        "nothing agrees",
        "its program is wrong by an example",
        "examples alone",
        "no function",
        "a long task",
    ],
)
async def test_without_agreement_there_is_no_check(
    run_tasks: Any, prompt: str, checks: list[Any], asked: int
) -> None:
    coder = write(f"{RIGHT}assert double(3) == 6\n")
    ran = await run_tasks([task(prompt)], [script(coder, checks=checks, task=prompt)])
    assert ran.task.status == "completed"
    told = [event.text for event in ran.of_type(e.Notice) if event.task_id]
    assert len(ran.checks_requests()) == asked
    if not asked:
        assert (own(ran), told) == ([], []), "there could be none"
        return
    ((passed, why),) = own(ran)
    assert (passed, told) == (False, [f"The evaluator has no checks of its own for this task: {why}."])
    if len(checks) > 1:
        assert why == "no value of `double` on which its askings agree"


async def test_with_examples_and_values_neither_a_run_of_the_coders_nor_a_judge_is_needed(
    run_tasks: Any,
) -> None:
    prompt = f"{TASK}\n\n    double(2) == 4"
    first = write(RIGHT)
    at_once = Say(calls=[first.calls[0], first.calls[2]])
    checks = [once(ASSERTS), once(PROGRAM), Say()]
    ran = await run_tasks([task(prompt)], [script(at_once, checks=checks, task=prompt)])
    assert (ran.task.status, ran.task.iteration) == ("completed", 1)
    assert len(ran.coder_requests()) == 1
    assert ran.evaluator_requests() == []
    (verdict,) = ran.task.verdicts
    assert (verdict.decided_by, verdict.verdict, verdict.refusals) == ("checks", None, [])
    assert [line.kind for line in verdict.checks] == ["sound", "example", "own"]
    assert ran.task.accepted_by == "checks"


@pytest.mark.slow
async def test_a_judge_is_asked_where_the_user_has_said_more_than_the_checks_know(run_tasks: Any) -> None:
    prompt, hand = (
        f"{TASK}\n\n    double(2) == 4",
        Hand(e.TaskStarted, lambda hand: hand.say("t", "In German.")),
    )
    at_once = Say(calls=[write(RIGHT).calls[0], write(RIGHT).calls[2]])
    checks = [once(ASSERTS), once(PROGRAM), Say()]
    ran = await run_tasks(
        [task(prompt)],
        [script(at_once, checks=checks, task=prompt)],
        on_start=hand.attach,
        on_event=hand.on_event,
    )
    assert [one.decided_by for one in ran.task.verdicts] == ["judge"]
    assert "\nIn German.\n" in ran.evaluator_requests()[0]["messages"][-1]["content"]


async def test_without_either_the_coder_is_told_to_run_its_work_first(run_tasks: Any) -> None:
    first = write(RIGHT)
    at_once = Say(calls=[first.calls[0], first.calls[2]])
    ran = await run_tasks([task()], [script(at_once, first, checks=[once("none"), once("none"), Say()])])
    assert ran.task.status == "completed"
    assert len(ran.coder_requests()) == 2
    assert len(ran.evaluator_requests()) == 1


async def test_a_small_judge_that_quotes_badly_is_not_asked_again_where_a_check_has_run_the_work(
    run_tasks: Any,
) -> None:
    """Asked to quote better, it rather gives up what was right."""
    prompt = f"{TASK}\n\n    double(2) == 4"
    requirement = {"text": "it doubles", "met": True, "evidence": [{"ref": "F1", "quote": "return n ** 9"}]}
    judge = Say(verdict={**COMPLETE, "requirements": [requirement]}, times=1)
    gives_up = Say(verdict={**COMPLETE, "complete": False})
    script = Script(prompt=prompt, coder=[write(RIGHT)], evaluator=[judge, gives_up], checks=[Say()])
    ran = await run_tasks([task(prompt)], [script])
    assert (ran.task.status, ran.task.iteration) == ("completed", 1)
    assert len(ran.evaluator_requests()) == 1
    (verdict,) = ran.task.verdicts
    assert verdict.verdict["requirements"][0]["evidence"][0]["where"].startswith("its own quotes do not hold")
