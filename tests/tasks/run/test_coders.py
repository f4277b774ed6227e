"""Several coders in whole runs: the builtin one and agents of the Agent Client Protocol, compared, one after the other,
and in attempts."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.rehearsal_model import solves
from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.tasks.bakeoff.bakeoff import bake_off
from tests.support.acp import AGENT
from tests.tasks.run.verdicts import COMPLETE

PROMPT = "Change it."
TASK = {"id": "t", "dir": "work", "first_prompt": PROMPT, "verify": "grep right a.txt", "max_iterations": 1}
WORK = Say(calls=[ScriptedCall(name="bash", arguments={"command": "echo right > a.txt"})])
FINISH = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])
SCRIPT = Script(prompt=PROMPT, coder=[WORK, FINISH], evaluator=[Say(verdict=COMPLETE)])
RIGHT, WRONG = "echo right > a.txt", "echo draft > b.txt"


def agents(folder: Path, **commands: str) -> None:
    """Coders of the user's: each turn of one runs its command."""
    (folder / "agents").mkdir()
    (folder / "work").mkdir()
    tables = []
    for name, command in commands.items():
        script = folder / f"{name}.json"
        script.write_text(json.dumps({"turns": [[{"run": command}, {"say": "Done."}]]}))
        argv = json.dumps([sys.executable, "-I", "-S", str(AGENT), str(script)])
        tables.append(f'[{name}]\nprotocol = "acp"\ncommand = {argv}\ngateway = false\n')
    (folder / "agents" / "coders.toml").write_text("\n".join(tables))


def prompts(ran: Any) -> list[str]:
    """What the agents were asked, in order."""
    messages = [event.message for event in ran.of_type(e.MessageAdded)]
    return [str(message["content"]) for message in messages if message["role"] == "user"]


async def test_escalated_to_another_coder_which_is_told_what_was_done(run_tasks: Any, tmp_path: Path) -> None:
    agents(tmp_path, drafter=WRONG, finisher=RIGHT)
    task = {**TASK, "max_iterations": 3, "coder": "drafter"}
    ran = await run_tasks([task], [SCRIPT], escalate="1:@finisher", sandbox="none")
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    assert ran.task.coders == ("drafter", "finisher")
    assert "finisher takes over from iteration 2." in [notice.text for notice in ran.of_type(e.Notice)]
    first, told = prompts(ran)
    assert "Another coder" not in first
    assert told.startswith(PROMPT)
    assert "+draft" in told
    assert "grep right a.txt" in told
    result = ran.results["results"][0]["result"]
    assert (result["coder"], result["coders"]) == ("finisher", ["drafter", "finisher"])


@pytest.mark.slow
async def test_a_resumed_task_goes_on_with_who_began_it_whoever_begins_now(
    run_tasks: Any, tmp_path: Path
) -> None:
    agents(tmp_path, first=WRONG, second=RIGHT)
    engines: list[Any] = []

    def stop(event: e.Event, state: RunState) -> None:
        if isinstance(event, e.VerdictReached):
            engines[0].stop_now()

    tasks = [{**TASK, "max_iterations": 2}, {**TASK, "id": "u", "dir": "other"}]
    flags = {"parallel": 1, "sandbox": "none"}
    begun = await run_tasks(
        tasks, [SCRIPT], coder_name="first", on_start=engines.append, on_event=stop, **flags
    )
    again = await run_tasks(
        tasks, [SCRIPT], coder_name="second", resume_run=begun.outcome.run_folder, **flags
    )
    state = again.outcome.state
    assert {name: task.coders for name, task in state.tasks.items()} == {"t": ("first",), "u": ("second",)}
    assert (state.tasks["t"].iteration, state.tasks["t"].status) == (2, "timeout")
    assert (
        "1 task under way goes on with first, as begun; second works on those that begin now."
        in state.notices
    )


@pytest.mark.slow
async def test_attempts_of_different_coders(run_tasks: Any, tmp_path: Path) -> None:
    agents(tmp_path, mine=RIGHT)
    task = {**TASK, "attempts": [{"coder": "builtin", "coder_model": "rehearsal-coder-0"}, {"coder": "mine"}]}
    ran = await run_tasks([task], [SCRIPT], stop_at="all", sandbox="none")
    assert [one.coder for one in ran.outcome.state.attempts_of("t")] == ["builtin", "mine"]
    assert ran.task.choice is not None
    assert ran.task.choice.attempt == "t@2"
    assert ran.task.coders == ("mine",)
    assert (tmp_path / "work/a.txt").read_text() == "right\n"


ATTEMPTS = 6
HALF = 'case "$PWD" in *@3/*|*@9/*|*@15/*) echo right > a.txt;; *) echo draft > b.txt;; esac'


@pytest.mark.slow
async def test_a_mixed_comparison_finds_the_rates_that_there_are(run_tasks: Any, tmp_path: Path) -> None:
    agents(tmp_path, able=RIGHT, half=HALF)
    model = "rehearsal-coder-50"
    ran = await run_tasks(
        [TASK],
        [SCRIPT],
        coders=[f"builtin:{model}", "able", "half"],
        attempts=ATTEMPTS,
        parallel=4,
        sandbox="none",
    )
    found = bake_off(ran.outcome.state)
    assert found is not None
    own = sum(solves(model, PROMPT, seed) for seed in range(1, ATTEMPTS + 1))
    assert [(one.model, len(one.tries), one.solved) for one in found.models] == [
        (f"builtin:{model}", ATTEMPTS, own),
        ("able", ATTEMPTS, ATTEMPTS),
        ("half", ATTEMPTS, 3),
    ]
    assert found.what == "coder"
    asked = {event.model for event in ran.of_type(e.ModelCallStarted) if event.role == "coder"}
    assert asked == {model}
    document = ran.results["summary"]["comparison"]
    assert (document["of"], [one["model"] for one in document["models"]][1:]) == ("coders", ["able", "half"])
