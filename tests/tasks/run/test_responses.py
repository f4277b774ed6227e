"""Whole runs by the Responses API: what is asked, what comes back, and what a later session makes of it."""

from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall
from tests.tasks.run.verdicts import COMPLETE

WRITE = ScriptedCall(name="write_file", arguments={"path": "a.txt", "content": "x\n"})
LOOK = ScriptedCall(name="bash", arguments={"command": "cat a.txt"})
FINISH = ScriptedCall(name="finish", arguments={"summary": "Done."})
CODER = [
    Say(content="First.", calls=[WRITE, LOOK], reasoning="I think."),
    Say(calls=[FINISH], reasoning="I am done."),
]


def script(*coder: Say | Fault) -> Script:
    return Script(prompt="Do it.", coder=list(coder or CODER), evaluator=[Say(verdict=COMPLETE)])


TASK = {"id": "t", "dir": "work", "first_prompt": "Do it."}


def asked(ran: Any, path: str) -> list[dict[str, Any]]:
    return [
        r.body for r in ran.server.requests if r.path == path and r.body.get("model") == "rehearsal-coder"
    ]


@pytest.mark.parametrize("no_stream", [False, True])
async def test_reasoning_goes_back_as_it_came(run_tasks: Any, no_stream: bool) -> None:
    ran = await run_tasks([TASK], [script()], api="responses", no_stream=no_stream)
    assert ran.task.status == "completed"
    assert {r.path for r in ran.server.requests} == {"/v1/responses"}
    first, second = asked(ran, "/v1/responses")
    assert (first["store"], first["include"]) == (False, ["reasoning.encrypted_content"])
    assert second["input"][: len(first["input"])] == first["input"]  # a prefix cache goes on serving
    reasoning, words, write, look, *outputs = second["input"][len(first["input"]) :]
    assert reasoning["type"] == "reasoning"
    assert reasoning["encrypted_content"]
    assert words["content"][0]["text"] == "First."
    assert [(call["type"], call["name"]) for call in (write, look)] == [
        ("function_call", "write_file"),
        ("function_call", "bash"),
    ]
    assert [one["call_id"] for one in outputs] == [write["call_id"], look["call_id"]]
    used = ran.task.usage
    assert min(used.reasoning, used.cached) > 0
    assert not used.estimated


async def test_a_judge_without_hands_is_asked_for_a_schema(run_tasks: Any, tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents/evaluator.toml").write_text("[limits]\nchecks = 0\nsteps = 0\n", encoding="utf-8")
    ran = await run_tasks([TASK], [script()], environ={"EVALUATION_API": "responses"})
    assert ran.task.status == "completed"
    (asked_for,) = [r.body for r in ran.server.requests if r.path == "/v1/responses"]
    form = asked_for["text"]["format"]
    assert (form["type"], form["name"]) == ("json_schema", "verdict")
    assert form["schema"]["type"] == "object"
