"""Whole runs whose judge has to show what it says."""

from typing import Any

import pytest

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.runs import events as e
from tests.tasks.run.verdicts import COMPLETE

BARE = "[limits]\nchecks = 0\nsteps = 0\n"
"""No checks but of the form, and none at all: what is tried here comes after them."""
UNDISCOVERED = f"[checks]\ndiscover = false\n{BARE}"
FINISH = ScriptedCall(name="finish", arguments={"summary": "Done."})


@pytest.fixture(autouse=True)
def _bare(tmp_path: Any) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents/evaluator.toml").write_text(BARE)


UNQUOTED = "The evaluator quotes nothing of what ran well after the last change."
NINE = 'Requirement "does it" quotes "nine" from [F1], where it does not stand.'


def write(path: str, content: str) -> ScriptedCall:
    return ScriptedCall(name="write_file", arguments={"path": path, "content": content})


def bash(command: str) -> ScriptedCall:
    return ScriptedCall(name="bash", arguments={"command": command})


def says(*evidence: tuple[str, str]) -> dict[str, Any]:
    quotes = [{"ref": ref, "quote": quote} for ref, quote in evidence]
    return {**COMPLETE, "requirements": [{"text": "does it", "met": True, "evidence": quotes}]}


async def run(run_tasks: Any, turns: list[list[ScriptedCall]], *judge: Say, most: int = 1) -> Any:
    # The first finish of a turn may be refused by the coder's own rules; another one is taken.
    coder = [say for turn in turns for say in (Say(calls=turn), Say(calls=[FINISH]))]
    script = Script(prompt="Do it.", coder=coder, evaluator=list(judge))
    task = {"id": "t", "dir": "work", "first_prompt": "Do it.", "max_iterations": most}
    return await run_tasks([task], [script])


def checks(ran: Any) -> list[tuple[str, bool]]:
    return [(line.command, line.passed) for line in ran.task.verdicts[-1].checks if line.kind != "sound"]


async def test_a_quote_that_does_not_stand_there_may_be_mended_once(run_tasks: Any) -> None:
    turn = [write("a.txt", "8\n")]
    judge = Say(verdict=says(("F1", "nine")), times=1), Say(verdict=says(("F1", "8")))
    ran = await run(run_tasks, [turn], *judge)
    assert (ran.task.status, ran.task.iteration) == ("completed", 1)
    first, second = ran.evaluator_requests()
    refs = first["response_format"]["json_schema"]["schema"]["properties"]["requirements"]["items"]
    assert refs["properties"]["evidence"]["items"]["properties"]["ref"]["enum"] == ["F1"]
    assert (
        'Requirement "does it" quotes "nine" from [F1], where it does not stand.'
        in second["messages"][-1]["content"]
    )
    (quote,) = ran.task.verdicts[0].verdict["requirements"][0]["evidence"]
    assert quote == {"ref": "F1", "quote": "8", "where": "file a.txt (added)"}


async def test_one_that_still_does_not_is_not_met_and_the_coder_is_to_show_it(run_tasks: Any) -> None:
    turns = [[write("a.txt", "8\n")], [bash("cat a.txt")]]
    ran = await run(
        run_tasks, turns, Say(verdict=says(("F1", "nine"))), Say(verdict=says(("C1", "8"))), most=2
    )
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    assert len(ran.evaluator_requests()) == 3
    refused = ran.task.verdicts[0]
    assert refused.verdict["requirements"][0]["met"] is False
    assert refused.refusals == [f"The evaluator's quotes did not hold. {NINE}"]
    told = ran.of_type(e.IterationStarted)[1].prompt
    assert "- does it (not shown yet: run it, so that it can be seen)" in told


async def test_a_judge_that_quotes_badly_twice_has_failed_and_not_the_coder(run_tasks: Any) -> None:
    turns = [[write("a.txt", "8\n")], [bash("cat a.txt")], [bash("cat a.txt")]]
    ran = await run(run_tasks, turns, Say(verdict=says(("F1", "nine"))), most=9)
    assert (ran.task.status, ran.task.reason, ran.task.iteration) == ("error", "evaluation_failed", 2)
    assert ran.task.error == f"The evaluator's quotes did not hold. {NINE}"


async def test_a_program_that_nobody_ran_is_loaded_before_it_is_judged(run_tasks: Any) -> None:
    ran = await run(run_tasks, [[bash("echo 'print(8)' > a.py")]], Say(verdict=says(("F1", "print(8)"))))
    assert ran.task.status == "completed"
    assert checks(ran) == [("load a.py", True)]
    assert "[K2] check load, passed: load a.py\n8\n" in ran.evaluator_requests()[0]["messages"][1]["content"]


async def test_one_that_does_not_load_goes_back_to_the_coder_without_the_judge(run_tasks: Any) -> None:
    turns = [[bash("echo 'raise ValueError(9)' > a.py")], [write("a.py", "print(8)\n"), bash("python3 a.py")]]
    ran = await run(run_tasks, turns, Say(verdict=says(("C2", "8"))), most=2)
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    assert len(ran.evaluator_requests()) == 1
    assert ran.task.verdicts[0].refusals == ["The check `load a.py` failed: exit code 1."]
    assert "ValueError: 9" in ran.of_type(e.IterationStarted)[1].prompt
    assert checks(ran) == []


async def test_a_run_that_the_judge_does_not_quote_is_made_up_for(run_tasks: Any) -> None:
    turn = [write("a.py", "print(8)\n"), bash("python3 a.py")]
    ran = await run(run_tasks, [turn], Say(verdict=says(("F1", "print(8)"))))
    assert (ran.task.status, len(ran.evaluator_requests())) == ("completed", 2)
    assert (
        "what ran after the last change with exit 0: [C1]"
        in ran.evaluator_requests()[1]["messages"][-1]["content"]
    )
    assert checks(ran) == [("load a.py", True)]


async def test_each_program_has_to_be_run_or_loaded(run_tasks: Any) -> None:
    turns = [
        [
            write("run.py", "raise RuntimeError('crash')\n"),
            write("ok.py", "print(8)\n"),
            bash("python3 ok.py"),
        ],
        [write("run.py", "import ok\n"), bash("python3 run.py")],
    ]
    ran = await run(run_tasks, turns, Say(verdict=says(("C2", "8"))), most=2)
    assert [record.refusals for record in ran.task.verdicts] == [
        ["The check `load run.py` failed: exit code 1."],
        [],
    ]
    assert ran.task.status == "completed"
    assert checks(ran) == []


async def test_where_nothing_is_loaded_the_judge_has_to_quote_a_run(run_tasks: Any, tmp_path: Any) -> None:
    (tmp_path / "agents/evaluator.toml").write_text(UNDISCOVERED)
    turns = [[bash("echo 'print(8)' > a.py")], [bash("python3 a.py")]]
    judge = Say(verdict=says(("F1", "print(8)")))
    ran = await run(run_tasks, turns, judge, most=2)
    assert [record.refusals for record in ran.task.verdicts] == [
        ["Nothing has run after the last change that could show that it works: run it."],
        [f"The evaluator's quotes did not hold. {UNQUOTED}"],
    ]
    assert checks(ran) == []


async def test_a_last_command_that_failed_speaks_against_it_and_the_coder_is_told(run_tasks: Any) -> None:
    turns = [
        [write("a.txt", "8\n"), bash("python3 -c 'raise SystemExit(3)'")],
        [bash("python3 -c 'print(8)'")],
    ]
    ran = await run(run_tasks, turns, Say(verdict=says(("F1", "8"))), most=2)
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    (refusal,) = ran.task.verdicts[0].refusals
    assert refusal.startswith("The last command after the last change failed with exit code 3: python3 -c")
    assert f"- {refusal}" in ran.of_type(e.IterationStarted)[1].prompt


async def test_a_source_that_nobody_could_see_forbids_it(run_tasks: Any) -> None:
    turn = [write("notes.txt", "8\n"), bash("head -c 100000 /dev/zero > big.css")]
    ran = await run(run_tasks, [turn], Say(verdict=says(("C1", "exit 0"))))
    assert ran.task.verdicts[0].refusals == [
        "The evaluator could not see what is in these changed files: big.css."
    ]
