"""Loops broken, in whole runs: a nudge, the end of the turn, the judge's fresh look, an honest end."""

import json
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.runs import events as e
from agentbatch.tasks.coders.builtin.conversation import assert_paired
from tests.tasks.run.verdicts import COMPLETE


def call(name: str, **arguments: Any) -> ScriptedCall:
    return ScriptedCall(name=name, arguments=arguments)


def write(content: str, path: str = "a.py") -> ScriptedCall:
    return call("write_file", path=path, content=content)


def bash(command: str) -> ScriptedCall:
    return call("bash", command=command)


def say(*scripted: ScriptedCall) -> Say:
    return Say(calls=list(scripted))


FINISH = call("finish", summary="Done.")
RUN = bash("python3 -B a.py")
BAD = "\n" * 2 + "x = {}\nprint(y)\n"


def script(*coder: Say, judge: tuple[Say, ...] = (Say(verdict=COMPLETE),)) -> Script:
    return Script(prompt="Do it.", coder=list(coder), evaluator=list(judge))


def task(**fields: Any) -> dict[str, Any]:
    return {"id": "t", "dir": "work", "first_prompt": "Do it.", **fields}


def incomplete(follow_up: str, *missing: str) -> Say:
    verdict = {**COMPLETE, "complete": False, "score": 0.2, "missing": list(missing)}
    return Say(verdict={**verdict, "follow_up_prompt": follow_up})


def last_word(ran: Any, request: int) -> str:
    text: str = ran.coder_requests()[request]["messages"][-1]["content"]
    return text


@pytest.mark.slow
async def test_a_command_that_fails_the_same_way_is_nudged_with_its_error(run_tasks: Any) -> None:
    rewritten = [say(write(BAD.format(n)), RUN) for n in range(3)]
    ran = await run_tasks([task()], [script(*rewritten, say(write("print(1)\n"), RUN), say(FINISH))])
    assert (ran.task.status, ran.task.iteration) == ("completed", 1)
    nudge = last_word(ran, 3)
    assert "failed the same way 3 times: python3 -B a.py\n" in nudge
    assert "The error: NameError: name 'y' is not defined\nWhere: a.py:4\n" in nudge
    warmth = [request.get("temperature") for request in ran.coder_requests()]
    assert warmth == [None, None, None, 0.8, None]
    users = [m["content"] for m in ran.coder_requests()[-1]["messages"] if m["role"] == "user"]
    assert users == ["Do it.", nudge]


@pytest.mark.slow
async def test_the_whole_way_from_a_loop_to_an_honest_end(run_tasks: Any) -> None:
    """Rewritten files that fail alike: nudged, ended, looked at, told to change the approach, stalled."""
    rewritten = [say(write(BAD.format(n)), RUN) for n in range(20)]
    judge = tuple(incomplete(f"Define y {n}.", f"y, look {n}") for n in range(3))
    ran = await run_tasks([task()], [script(*rewritten, judge=judge)])
    assert (ran.task.status, ran.task.reason, ran.task.iteration) == ("error", "stalled", 3)
    assert ran.task.steps == 15
    assert "3 turns in a row ended in circles" in ran.task.error
    refused = [v.refusals[0] for v in ran.task.verdicts]
    assert refused == ["The Coder ran the same failing command again and again until its turn was ended."] * 3
    follow_ups = [v.follow_up for v in ran.task.verdicts]
    assert "you ran the same failing command again and again" in follow_ups[0]
    assert "Define y 0." in follow_ups[0]
    assert ["change your approach" in text for text in follow_ups] == [False, True, False]
    looks = [r["messages"][1]["content"] for r in ran.evaluator_requests()]
    assert len(looks) == 3
    assert all("NameError" in text and "ran the same failing command" in text for text in looks)
    assert "- y, look 1" in looks[2]
    assert_paired(ran.coder_requests()[-1]["messages"])


@pytest.mark.parametrize(
    ("steps", "requests", "told", "refused"),
    [
        ([say(write("x\n"))], 4, "holds exactly that already", "wrote a file with what it held already"),
        (
            [say(write("A\n")), say(write("B\n"))], 6, "switching a.py back and forth", "switched a file",
        ),
        (
            [say(call("edit_file", path="a.py", old_string="o", new_string="n"))], 4,
            "has failed 2 times", "tried the same failing edit",
        ),
        (
            [say(call("read_file", path="b")), say(bash("ls"))], 10,
            "same result 3 times", "repeated the same call",
        ),
    ],
    ids=["same content", "back and forth", "failing edit", "two steps in turn"],
)  # fmt: skip
async def test_other_circles_are_nudged_and_ended(
    run_tasks: Any, steps: list[Say], requests: int, told: str, refused: str
) -> None:
    ran = await run_tasks([task(max_iterations=1)], [script(*steps * 9)])
    assert len(ran.coder_requests()) == requests
    nudges = [m["content"] for m in ran.coder_requests()[-1]["messages"][2:] if m["role"] == "user"]
    assert len(nudges) == 1
    assert told in nudges[0]
    assert refused in ran.task.verdicts[0].refusals[0]


async def test_finishing_without_a_run_is_asked_for_one_once(run_tasks: Any) -> None:
    coder = [say(write("1\n")), say(FINISH), say(write("2\n", "b.py")), say(FINISH)]
    ran = await run_tasks([task()], [script(*coder)])
    assert (ran.task.status, ran.task.iteration) == ("completed", 1)
    assert last_word(ran, 2).startswith("Not finished yet: nothing has been run since your last change.")
    assert [f.ok for f in ran.of_type(e.ToolFinished) if f.tool == "finish"] == [False, True]
    assert len(ran.coder_requests()) == 4


@pytest.mark.parametrize(
    ("coder", "fields"),
    [
        ([say(write("1\n"), RUN), say(FINISH)], {}),
        ([say(write("1\n")), say(FINISH)], {"verify": "true"}),
        ([say(write("A poem.\n", "poem.md")), say(FINISH)], {}),
        ([say(write("1\n"), RUN), say(write("Read me.\n", "README.md")), say(FINISH)], {}),
        ([say(write("1\n"), RUN, write("1\n"), FINISH)], {}),
    ],
    ids=["it ran", "verify runs it", "nothing to run", "only prose since", "unchanged since"],
)
async def test_finish_is_taken_at_once(run_tasks: Any, coder: list[Say], fields: dict[str, Any]) -> None:
    ran = await run_tasks([task(**fields)], [script(*coder)])
    assert (ran.task.status, ran.task.iteration) == ("completed", 1)
    assert len(ran.coder_requests()) == len(coder)


async def test_what_was_insisted_on_is_not_asked_again_in_the_next_turn(run_tasks: Any) -> None:
    coder = [say(write("1\n")), say(FINISH), say(FINISH), say(FINISH)]
    ran = await run_tasks([task()], [script(*coder, judge=(incomplete("More."), Say(verdict=COMPLETE)))])
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    assert len(ran.coder_requests()) == 4


async def test_nobody_finishes_on_a_failure_that_it_has_not_seen(run_tasks: Any) -> None:
    coder = [say(write("1/0\n"), RUN, FINISH), say(write("1\n"), RUN, FINISH)]
    ran = await run_tasks([task()], [script(*coder)])
    assert (ran.task.status, ran.task.iteration) == ("completed", 1)
    messages = ran.coder_requests()[1]["messages"]
    assert messages[-1]["content"].startswith("Not finished: a call before this one failed.")
    document = json.loads((ran.task_folder("t") / "coder.traj.json").read_text(encoding="utf-8"))
    assert_paired(document["messages"])
    assert ran.task.last_response == "Done."


async def test_a_failing_finish_again_and_again_ends_the_turn(run_tasks: Any) -> None:
    ran = await run_tasks([task(max_iterations=1)], [script(*[say(bash("exit 3"), FINISH)] * 9)])
    assert len(ran.coder_requests()) == 5
    assert "ran the same failing command" in ran.task.verdicts[0].refusals[0]


async def test_a_model_that_is_warm_already_stays_so(run_tasks: Any, tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents/coder.toml").write_text("[model]\ntemperature = 1.0\n")
    ran = await run_tasks([task(max_iterations=1)], [script(*[say(bash("ls"))] * 9)])
    assert [request["temperature"] for request in ran.coder_requests()] == [1.0] * 5
