"""Whole runs with an agent that speaks the Agent Client Protocol as their coder."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from tests.support.acp import AGENT, lives
from tests.tasks.run.verdicts import COMPLETE

PROMPT = "Change it."
TASK = {"id": "t", "dir": "work", "first_prompt": PROMPT, "verify": "grep right a.txt", "max_iterations": 5}
SCRIPT = Script(prompt=PROMPT, coder=[Say(content="Words.")], evaluator=[Say(verdict=COMPLETE)])
CALL = {"call": PROMPT}
RIGHT = {"run": "echo right > a.txt"}

ENTRY = """
[fake]
protocol = "acp"
command = {command}
env = {{FAKE_URL = "{{url}}", FAKE_TOKEN = "{{token}}", FAKE_MODEL = "some-small-one"}}
"""


class Stage:
    """A project whose coder is the fake agent."""

    def __init__(self, folder: Path, *turns: list[dict[str, Any]], **script: Any) -> None:
        self.folder = folder
        self.file = folder / "heard.jsonl"
        place = folder / "script.json"
        place.write_text(json.dumps({"turns": turns, "heard": str(self.file), **script}))
        command = json.dumps([sys.executable, "-I", "-S", str(AGENT), str(place)])
        (folder / "agents").mkdir()
        (folder / "agents" / "coders.toml").write_text(ENTRY.format(command=command))
        (folder / "work").mkdir()

    def heard(self, method: str) -> list[dict[str, Any]]:
        lines = self.file.read_text().splitlines()
        return [one for one in map(json.loads, lines) if one["method"] == method]

    @property
    def prompts(self) -> list[tuple[str, str]]:
        return [(one["session"], one["text"]) for one in self.heard("session/prompt")]


FLAGS = {"coder_name": "fake", "sandbox": "none"}


async def test_refused_and_mended_in_the_same_session_with_a_true_bill(
    run_tasks: Any, tmp_path: Path
) -> None:
    stage = Stage(tmp_path, [CALL, CALL, {"say": "Done, I promise."}], [CALL, RIGHT, {"say": "Now it is."}])
    ran = await run_tasks([TASK], [SCRIPT], **FLAGS)
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    assert [verdict.accepted for verdict in ran.task.verdicts] == [False, True]
    (first, prompt), (second, follow_up) = stage.prompts
    assert (first == second, PROMPT in prompt, "grep right a.txt" in follow_up) == (True, True, True)
    told = [one["usage"] for one in stage.heard("call")]
    (bill,) = [bill for bill in ran.task.bills if bill.role == "coder"]
    assert bill.usage.calls == len(told) == 3
    assert bill.usage.input == sum(usage["prompt_tokens"] for usage in told)
    assert bill.usage.output == sum(usage["completion_tokens"] for usage in told)
    assert len(ran.coder_requests()) == 3, "whatever it calls its model, it is the run's"
    messages = json.loads((ran.task_folder("t") / "coder.traj.json").read_text())["messages"]
    assert [one["role"] for one in messages] == [
        "user",
        "assistant",
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    assert ran.task.last_response == "Now it is."


@pytest.mark.slow
async def test_stopped_in_a_turn_and_resumed_in_its_session(run_tasks: Any, tmp_path: Path) -> None:
    """And what it had left running is gone."""
    left = {"spawn": "echo $$ > pid; exec sleep 600"}
    work = {"run": "until [ -s pid ]; do sleep 0.01; done; echo wrong > a.txt"}
    stage = Stage(
        tmp_path,
        [left, work, {"sleep": 600}],
        [RIGHT, {"say": "Done."}],
    )
    engines: list[Any] = []

    def stop(event: e.Event, state: RunState) -> None:
        if isinstance(event, e.ToolFinished):
            engines[0].stop_now()

    first = await run_tasks([TASK], [SCRIPT], on_start=engines.append, on_event=stop, **FLAGS)
    assert (first.task.status, first.task.resumable) == ("cancelled", True)
    assert not lives(int((tmp_path / "work" / "pid").read_text()))
    again = await run_tasks([TASK], [SCRIPT], resume_run=first.outcome.run_folder, **FLAGS)
    assert (again.task.status, again.task.iteration) == ("completed", 1)
    (session, _), (taken_up, prompt) = stage.prompts
    assert session == taken_up
    assert prompt.startswith("You were interrupted in the middle of this")
    assert [len(stage.heard(method)) for method in ("session/new", "session/load", "session/cancel")] == [
        1,
        1,
        1,
    ]
    messages = json.loads((again.task_folder("t") / "coder.traj.json").read_text())["messages"]
    assert [one["role"] for one in messages] == [
        "user",
        "assistant",
        "tool",
        "user",
        "assistant",
        "tool",
        "assistant",
    ]


@pytest.mark.slow
async def test_what_it_tells_of_its_tests_is_a_claim_until_they_run_here(
    run_tasks: Any, tmp_path: Path
) -> None:
    """It tells of `pytest -q` with exit code 0, and never ran it; then of tests that are there and fail, then pass."""
    said = {"type": "content", "content": {"type": "text", "text": "9 passed in 0.10s"}}
    tells = {
        "sessionUpdate": "tool_call", "kind": "execute", "status": "completed", "content": [said],
        "rawOutput": {"exit_code": 0},
    }  # fmt: skip

    def turn(number: int, command: str, *steps: dict[str, Any]) -> list[dict[str, Any]]:
        lie = {**tells, "toolCallId": f"c{number}", "rawInput": {"command": command}}
        return [*steps, {"update": lie}, {"say": "Done: all the tests pass."}]

    tests = {
        "write": "test_prog.py",
        "text": "import prog\nassert prog.f() == 8\nprint('9 passed in 0.10s')\n",
    }
    Stage(
        tmp_path,
        turn(1, "pytest -q", {"write": "prog.py", "text": "def f(): return 7\n"}),
        turn(2, "python3 test_prog.py 2>&1 | tail -3", tests),
        turn(3, "python3 test_prog.py", {"write": "prog.py", "text": "def f(): return 8\n"}),
    )
    quotes = {"text": "does it", "met": True, "evidence": "@9 passed in 0.10s"}
    believes = Say(verdict={**COMPLETE, "requirements": [quotes]})
    first = {**quotes, "evidence": [{"ref": "C1", "quote": "9 passed in 0.10s"}]}
    careless = Say(verdict={**COMPLETE, "requirements": [first]})
    script = SCRIPT.model_copy(update={"evaluator": [careless, careless, believes]})
    task = {"id": "t", "dir": "work", "first_prompt": PROMPT, "max_iterations": 5}
    ran = await run_tasks([task], [script], **FLAGS)
    assert [verdict.accepted for verdict in ran.task.verdicts] == [False, False, True]
    refused = [" ".join(verdict.refusals) for verdict in ran.task.verdicts]
    assert "only what the Coder's program tells of, and nobody has seen: [C1]" in refused[0]
    assert (
        "The last command after the last change failed with exit code 1: python3 test_prog.py" in refused[1]
    )
    looks = [[check.passed for check in v.checks if check.kind == "look"] for v in ran.task.verdicts]
    assert looks == [[], [False], [True]]


async def test_over_its_budget_it_is_answered_no_more(run_tasks: Any, tmp_path: Path) -> None:
    stage = Stage(tmp_path, [{**CALL, "times": 20}, RIGHT])
    long = SCRIPT.model_copy(update={"coder": [Say(content="word " * 300)]})
    ran = await run_tasks([TASK], [long], task_max_tokens=1500, **FLAGS)
    assert (ran.task.status, ran.task.reason) == ("timeout", "budget")
    calls = stage.heard("call")
    assert calls[-1]["status"] == 402
    assert json.loads(calls[-1]["body"])["error"]["type"] == "invalid_request_error"
    assert not (tmp_path / "work" / "a.txt").exists()


@pytest.mark.slow
async def test_a_stronger_model_takes_over_behind_the_gateway(run_tasks: Any, tmp_path: Path) -> None:
    stage = Stage(tmp_path, [CALL, {"say": "Done."}], [CALL, RIGHT, {"say": "Done."}])
    task = {**TASK, "escalate": [{"after": 1, "coder_model": "rehearsal-coder"}]}
    ran = await run_tasks([task], [SCRIPT], coder_model="rehearsal-coder-0", **FLAGS)
    assert ran.task.status == "completed"
    asked = [event.model for event in ran.of_type(e.ModelCallStarted) if event.role == "coder"]
    assert asked == ["rehearsal-coder-0", "rehearsal-coder"]
    assert len({session for session, _ in stage.prompts}) == 1


@pytest.mark.slow
async def test_a_refused_key_ends_the_run(run_tasks: Any, tmp_path: Path) -> None:
    Stage(tmp_path, [CALL, {"say": "Done."}])
    ran = await run_tasks([TASK], [SCRIPT], coder_endpoint="http://127.0.0.1:9/v1", **FLAGS)
    assert (ran.task.status, ran.task.reason, ran.task.resumable) == ("error", "model_error", True)


async def test_it_takes_over_from_the_builtin_coder(run_tasks: Any, tmp_path: Path) -> None:
    """And is told what was changed."""
    stage = Stage(tmp_path, [RIGHT, {"say": "Done."}])
    wrong = Say(calls=[ScriptedCall(name="bash", arguments={"command": "echo wrong > a.txt"})])
    finish = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])
    script = Script(prompt=PROMPT, coder=[wrong, finish], evaluator=[Say(verdict=COMPLETE)])
    task = {**TASK, "coder": "builtin", "escalate": [{"after": 1, "coder": "fake"}]}
    ran = await run_tasks([task], [script], sandbox="none")
    assert (ran.task.status, ran.task.coders) == ("completed", ("builtin", "fake"))
    ((_, prompt),) = stage.prompts
    assert "+wrong" in prompt
    added = [(one.generation, one.index) for one in ran.of_type(e.MessageAdded)]
    assert len(set(added)) == len(added), "nobody's conversation is stored over another's"


@pytest.mark.slow
async def test_twenty_agents_at_once_and_a_budget_for_half_of_them(run_tasks: Any, tmp_path: Path) -> None:
    """At most one call each is beyond it, and nothing of what is counted is lost."""
    long = SCRIPT.model_copy(update={"coder": [Say(content="word " * 300)]})
    Stage(tmp_path, [{**CALL, "times": 10}, RIGHT])
    tasks = [{**TASK, "id": f"t{n}", "dir": f"t{n}"} for n in range(20)]
    whole = 20 * 10 * 310
    given = {"max_tokens": whole // 2, "parallel": 20, "max_in_flight": 20, **FLAGS}
    ran = await run_tasks(tasks, [long], server={"latency": 0.05}, **given)
    calls = [
        event for event in ran.of_type(e.ModelCallFinished) if event.role == "coder" and event.usage.calls
    ]
    spent = ran.outcome.state.usage.total
    one = max(event.usage.total for event in calls)
    assert whole // 2 - 21 * one < spent <= whole // 2 + 20 * one
    assert len(calls) == len(ran.coder_requests())
    statuses = {task.status for task in ran.outcome.state.tasks.values()}
    assert statuses <= {"cancelled", "completed"}
    assert "cancelled" in statuses
