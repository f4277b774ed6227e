"""Whole runs with an agent that is a command as their coder."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Say, Script
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from tests.support.command_coder import AGENT
from tests.support.programs import alive
from tests.tasks.run.awkward_moments import Hand
from tests.tasks.run.verdicts import COMPLETE

PROMPT = "Change it."
TASK = {"id": "t", "dir": "work", "first_prompt": PROMPT, "verify": "grep right a.txt", "max_iterations": 5}
SCRIPT = Script(prompt=PROMPT, coder=[Say(content="Words.")], evaluator=[Say(verdict=COMPLETE)])
FLAGS = {"coder_name": "fake", "sandbox": "none"}

ENTRY = """
[fake]
protocol = "command"
command = {command}
resume = {resume}
prompt = "stdin"
reader = "codex"
env = {{FAKE_URL = "{{url}}", FAKE_TOKEN = "{{token}}", HEARD = "{heard}"}}
"""

BEGINS = {"line": {"type": "thread.started", "thread_id": "th-1"}}
CALL = {"call": PROMPT}
RIGHT = {"write": "a.txt", "text": "right\n"}
SAYS = {"line": {"type": "item.completed", "item": {"id": "i", "type": "agent_message", "text": "Done."}}}
ENDS = {"line": {"type": "turn.completed"}}


def project(folder: Path, *runs: list[dict[str, Any]]) -> Path:
    """Whose coder is the fake agent; where it notes what it is asked."""
    script, heard = folder / "script.json", folder / "heard.jsonl"
    script.write_text(json.dumps(runs))
    command = [sys.executable, "-I", "-S", str(AGENT), str(script)]
    (folder / "agents").mkdir()
    (folder / "work").mkdir()
    (folder / "agents/coders.toml").write_text(
        ENTRY.format(
            command=json.dumps(command), resume=json.dumps([*command, "resume", "{session}"]), heard=heard
        )
    )
    return heard


def asked(heard: Path) -> list[tuple[list[str], str]]:
    return [(one["arguments"], one["stdin"]) for one in map(json.loads, heard.read_text().splitlines())]


async def test_refused_and_mended_in_the_same_session_with_a_true_bill(
    run_tasks: Any, tmp_path: Path
) -> None:
    heard = project(
        tmp_path, [BEGINS, CALL, CALL, SAYS, ENDS], [BEGINS, CALL, RIGHT, SAYS, ENDS, {"exit": 1}]
    )
    ran = await run_tasks([TASK], [SCRIPT], **FLAGS)
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    (first, prompt), (second, follow_up) = asked(heard)
    assert (first, second) == ([], ["resume", "th-1"])
    assert (PROMPT in prompt, "grep right a.txt" in follow_up) == (True, True)
    (bill,) = [bill for bill in ran.task.bills if bill.role == "coder"]
    assert bill.usage.calls == len(ran.coder_requests()) == 3
    assert not (ran.task_folder("t") / "homes").exists()


@pytest.mark.slow  # as an agent of the Agent Client Protocol is, always
async def test_stopped_in_a_turn_and_resumed_in_its_session(run_tasks: Any, tmp_path: Path) -> None:
    word = f"left-by-{tmp_path.name}"
    long: list[dict[str, Any]] = [BEGINS, {"daemon": word}, SAYS, {"sleep": 600}]
    heard = project(tmp_path, long, [BEGINS, RIGHT, SAYS, ENDS])
    engines: list[Any] = []

    def stop(event: e.Event, state: RunState) -> None:
        if isinstance(event, e.AgentSession):
            engines[0].stop_now()

    first = await run_tasks([TASK], [SCRIPT], on_start=engines.append, on_event=stop, **FLAGS)
    assert (first.task.status, first.task.resumable) == ("cancelled", True)
    assert alive(word) == []
    again = await run_tasks([TASK], [SCRIPT], resume_run=first.outcome.run_folder, **FLAGS)
    assert (again.task.status, again.task.iteration) == ("completed", 1)
    _, (arguments, prompt) = asked(heard)
    assert arguments == ["resume", "th-1"]
    assert prompt.startswith("You were interrupted in the middle of this")


@pytest.mark.slow
async def test_what_the_user_says_stands_in_its_next_prompt(run_tasks: Any, tmp_path: Path) -> None:
    """It does what is asked at once: without what was said, that would have been accepted."""
    heard = project(tmp_path, [BEGINS, RIGHT, SAYS, ENDS], [BEGINS, SAYS, ENDS])
    hand = Hand(e.CheckStarted, lambda hand: hand.say("t", "In German."))
    ran = await run_tasks([TASK], [SCRIPT], on_start=hand.attach, on_event=hand.on_event, **FLAGS)
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    (_, first), (_, second) = asked(heard)
    assert "In German." not in first
    assert second == "The user says:\n\nIn German."
