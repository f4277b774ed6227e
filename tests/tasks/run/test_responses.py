"""Whole runs by the Responses API: what is asked, what comes back, and what a later session makes of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall
from agentbatch.runs import events as e
from agentbatch.runs.session import Engine
from agentbatch.runs.state.run_state import RunState
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


@pytest.mark.parametrize("no_stream", [False, pytest.param(True, marks=pytest.mark.slow)])
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


def stopped_after(results: int) -> tuple[Callable[[Engine], None], Callable[[e.Event, RunState], None]]:
    """Stops the engine at once after so many results of tools."""
    engines: list[Engine] = []
    seen: list[e.Event] = []

    def listen(event: e.Event, _: RunState) -> None:
        if isinstance(event, e.ToolFinished):
            seen.append(event)
            if len(seen) == results:
                engines[0].signal()
                engines[0].signal()

    return engines.append, listen


@pytest.mark.parametrize(
    ("begun", "continued", "thinks"),
    [
        ("responses", "responses", True),
        pytest.param("responses", "chat", False, marks=pytest.mark.slow),
        pytest.param("chat", "responses", False, marks=pytest.mark.slow),
    ],
)
async def test_a_later_session_goes_on_by_either(
    run_tasks: Any, begun: str, continued: str, thinks: bool
) -> None:
    on_start, on_event = stopped_after(2)
    first = await run_tasks([TASK], [script()], api=begun, on_start=on_start, on_event=on_event)
    assert first.task.resumable
    second = await run_tasks([TASK], [script()], api=continued, resume_run=first.outcome.run_folder)
    assert second.task.status == "completed"
    if continued == "chat":
        (asked_for,) = asked(second, "/v1/chat/completions")
        (message,) = [m for m in asked_for["messages"] if m["role"] == "assistant"]
        assert set(message) == {"role", "content", "tool_calls", "reasoning_content"}
        return
    (asked_for,) = asked(second, "/v1/responses")
    kinds = [item["type"] for item in asked_for["input"]]
    outputs = ["function_call_output"] * 2
    assert kinds == ["message", *["reasoning"] * thinks, "message", *["function_call"] * 2, *outputs]


async def test_a_conversation_that_is_too_long_is_made_short(run_tasks: Any) -> None:
    """As by chat completions: old results are cut, a summary takes the place of the middle."""
    overflow = Fault(status=400, code="context_length_exceeded", message="This is too long.")
    looks = [Say(calls=[LOOK], reasoning=f"Look {n}.") for n in range(6)]
    ran = await run_tasks(
        [TASK], [script(CODER[0], *looks, overflow, CODER[1])], api="responses", tool_mode="auto"
    )
    assert ran.task.status == "completed"
    assert max(added.generation for added in ran.of_type(e.MessageAdded)) > 0
    assert {r.path for r in ran.server.requests} == {"/v1/responses"}, "the probe of tools, too"
