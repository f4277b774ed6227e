"""Evaluators with small context windows, and evaluators that cannot produce a verdict."""

import json
from pathlib import Path
from typing import Any

import pytest

from agentbatch.model.tokens import estimate_messages
from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall
from agentbatch.tasks.agents.role_models import ANSWER_ROOM
from tests.tasks.run.verdicts import COMPLETE


def call(name: str, **arguments: Any) -> ScriptedCall:
    return ScriptedCall(name=name, arguments=arguments)


def say(*scripted: ScriptedCall) -> Say:
    return Say(calls=list(scripted))


FINISH = say(call("finish", summary="It says " + "very " * 2000 + "much."))
WORK = say(
    call("write_file", path="small.py", content="print(1)\n"),
    call("write_file", path="large.py", content="".join(f"value_{n} = {n}\n" for n in range(3000))),
    call("bash", command="seq 4000; echo the end of it"),
)


def window(tmp_path: Path, tokens: int, more: str = "") -> None:
    (tmp_path / "agents").mkdir(exist_ok=True)
    (tmp_path / "agents/evaluator.toml").write_text(f"[model]\ncontext_window = {tokens}\n{more}")


def task(prompt: str = "Do it.", **fields: Any) -> dict[str, Any]:
    return {"id": "t", "dir": "work", "first_prompt": prompt, **fields}


@pytest.mark.parametrize("tokens", [4096, 8192])
async def test_the_evidence_shrinks_to_a_small_window(run_tasks: Any, tmp_path: Path, tokens: int) -> None:
    window(tmp_path, tokens)
    script = Script(prompt="Do it.", coder=[WORK, FINISH], evaluator=[Say(verdict=COMPLETE)])
    ran = await run_tasks([task("Do it. " + "Well. " * 100, verify="seq 3000; true")], [script])
    assert (ran.task.status, ran.task.iteration) == ("completed", 1)
    (request,) = ran.evaluator_requests()
    used = estimate_messages(request["messages"])
    assert tokens * 0.6 - ANSWER_ROOM < used <= tokens - tokens // 8 - ANSWER_ROOM + 20
    shown = request["messages"][1]["content"]
    assert f"word for word]\nDo it. {'Well. ' * 100}\n[/" in shown
    for whole in (
        "small.py (added)\nprint(1)\n",
        "[V1] verify, passed: seq 3000; true\n",
        "3000\n[/",
        "small.py (9 bytes)",
        " much.\n",
    ):
        assert whole in shown
    assert shown.count("left out") >= 3
    assert "the end of it" not in shown, "its own checks have passed, which tells more than its commands"
    assert "on one line" in shown


async def test_in_a_small_window_the_answer_is_bounded(run_tasks: Any, tmp_path: Path) -> None:
    script = Script(prompt="Do it.", coder=[WORK, FINISH], evaluator=[Say(verdict=COMPLETE)])
    sizes = []
    for tokens in (8192, 200_000):
        window(tmp_path, tokens, "[limits]\nchecks = 0\nsteps = 0\n")
        ran = await run_tasks([task()], [script])
        request = ran.evaluator_requests()[-1]
        schema = request["response_format"]["json_schema"]["schema"]
        most = schema["properties"]["requirements"].get("maxItems")
        sizes.append((most, request.get("max_completion_tokens") or request.get("max_tokens")))
    assert sizes == [(8, ANSWER_ROOM), (None, None)]


async def test_a_task_that_does_not_fit_is_no_success_and_says_why(run_tasks: Any, tmp_path: Path) -> None:
    window(tmp_path, 4096)
    prompt = "Do it. " + "Well. " * 2500
    script = Script(prompt=prompt, coder=[WORK, FINISH], evaluator=[Say(verdict=COMPLETE)])
    ran = await run_tasks([task(prompt)], [script])
    assert (ran.task.status, ran.task.reason, ran.task.iteration) == ("error", "evaluation_failed", 2)
    assert "context window of 4,096 tokens is too small" in ran.task.error
    assert ran.evaluator_requests() == []


CUT = json.dumps(COMPLETE)[:-30]


WHITESPACE = Say(content=" \n" * 3000, finish_reason="length")
PROSE = Say(content="The work is complete. Well done! " * 200)
NO_SCHEMA = frozenset({"json_schema", "json_object"})


@pytest.mark.parametrize(
    ("answer", "again", "refuse"),
    [
        (WHITESPACE, "Be much shorter", ()),
        pytest.param(Say(content=CUT, finish_reason="length"), "Be much shorter", (), marks=pytest.mark.slow),
        pytest.param(
            Say(content=json.dumps(COMPLETE), finish_reason="length"),
            "Be much shorter",
            (),
            marks=pytest.mark.slow,
        ),
        (Say(content=CUT), "That is not a valid verdict", ()),
        pytest.param(Say(content=""), "no JSON object", (), marks=pytest.mark.slow),
        (PROSE, "no JSON object", ()),
        (Say(content='{"complete": true}'), "is missing", ()),
        (WHITESPACE, "Be much shorter", NO_SCHEMA),
        (PROSE, "no JSON object", NO_SCHEMA),
    ],
)
async def test_a_judge_that_finds_no_verdict_is_no_success(
    run_tasks: Any, tmp_path: Path, answer: Say, again: str, refuse: frozenset[str]
) -> None:
    window(tmp_path, 8192)
    script = Script(prompt="Do it.", coder=[WORK, FINISH, FINISH], evaluator=[answer])
    ran = await run_tasks([task()], [script], server={"refuse": refuse})
    assert (ran.task.status, ran.task.reason, ran.task.iteration) == ("error", "evaluation_failed", 2)
    asked = [r["messages"] for r in ran.evaluator_requests() if len(r["messages"]) == 6]
    assert len(asked) == 2
    assert again in asked[0][-1]["content"]
    assert ("Be much shorter" in asked[0][-1]["content"]) == (answer.finish_reason == "length")
    assert sum(len(m["content"]) for m in asked[0][2:]) < 2500
    assert ran.results["results"][0]["result"]["verdicts"][0]["decided_by"] == "judge"


async def test_a_judge_that_is_shorter_the_second_time_is_heard(run_tasks: Any) -> None:
    judge = [Say(content=CUT, finish_reason="length", times=1), Say(verdict=COMPLETE)]
    script = Script(prompt="Do it.", coder=[WORK, FINISH], evaluator=judge)
    ran = await run_tasks([task()], [script])
    assert (ran.task.status, ran.task.iteration) == ("completed", 1)


async def test_a_window_that_nobody_knew_is_learnt(run_tasks: Any) -> None:
    overflow = Fault(status=400, code="context_length_exceeded", message="This is too long.", times=2)
    first = Say(verdict={**COMPLETE, "complete": False, "missing": ["more"]})
    script = Script(
        prompt="Do it.",
        coder=[WORK, FINISH, say(call("bash", command="true")), FINISH],
        evaluator=[overflow, first, Say(verdict=COMPLETE)],
    )
    ran = await run_tasks([task()], [script])
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    sizes = [estimate_messages(r["messages"]) for r in ran.evaluator_requests()]
    assert len(sizes) == 4
    assert sizes[0] / 2 > sizes[1] > 2 * sizes[2]
    assert sizes[3] <= sizes[1]


async def test_without_checks_a_small_judge_sees_the_latest_command_in_short(
    run_tasks: Any, tmp_path: Path
) -> None:
    window(tmp_path, 8192)
    long = say(call("bash", command="echo first"), call("bash", command="echo last #" + "x" * 2000))
    script = Script(prompt="Do it.", coder=[WORK, long, FINISH], evaluator=[Say(verdict=COMPLETE)])
    ran = await run_tasks([task()], [script])
    shown = ran.evaluator_requests()[0]["messages"][1]["content"]
    assert "echo first" not in shown
    assert "\n[C3] command, exit 0: echo last" in shown
    assert "x" * 300 not in shown
