"""Models compared on the same tasks, whole runs: each attempt its model's, nothing chosen, nothing brought back."""

from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.rehearsal_model import solves
from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.runs import events as e
from agentbatch.tasks.bakeoff.bakeoff import bake_off
from tests.tasks.run.verdicts import COMPLETE

WORK = Say(calls=[ScriptedCall(name="bash", arguments={"command": "echo right > a.txt"})])
FINISH = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])
SCRIPT = Script(prompt="Change it.", coder=[WORK, FINISH], evaluator=[Say(verdict=COMPLETE)])
TASK = {
    "id": "t",
    "dir": "work",
    "first_prompt": "Change it.",
    "verify": "grep right a.txt",
    "max_iterations": 1,
}
MODELS = ("rehearsal-coder", "rehearsal-coder-50")
SEEDS = range(1, 5)
EXPECTED = {
    (model, seed): solves(model, "Change it.", seed) for seed in SEEDS for model in MODELS
}  # in their order


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "a.txt").write_text("old\n")
    return folder


async def test_each_model_tries_and_nothing_is_brought_back(run_tasks: Any, work: Path) -> None:
    assert 0 < sum(EXPECTED[MODELS[1], seed] for seed in SEEDS) < 4, "the seeds are to show both"
    ran = await run_tasks([TASK], [SCRIPT], models=MODELS, attempts=4, parallel=4)
    attempts = ran.outcome.state.attempts_of("t")
    assert {
        (one.model, place // 2 + 1): one.status == "completed" for place, one in enumerate(attempts)
    } == EXPECTED
    assert (ran.task.status, ran.task.reason, ran.task.choice) == ("completed", "compared", None)
    assert ran.outcome.exit_code == 0
    assert (work / "a.txt").read_text() == "old\n"
    assert not list(ran.outcome.run_folder.glob("tasks/*/work/**/a.txt"))
    assert "+right" in (ran.task_folder("t@1") / "changes.patch").read_text()
    asked = {
        (event.task_id, event.model) for event in ran.of_type(e.ModelCallStarted) if event.role == "coder"
    }
    assert asked == {(one.id, one.model) for one in attempts}
    found = bake_off(ran.outcome.state)
    assert found is not None
    assert (found.tasks, found.attempts, found.verified) == (1, 4, 1)
    assert [(one.model, len(one.tries), one.solved) for one in found.models] == [
        (model, 4, sum(EXPECTED[model, seed] for seed in SEEDS)) for model in MODELS
    ]


async def test_where_no_model_completes_a_task_it_says_so(run_tasks: Any, work: Path) -> None:
    ran = await run_tasks([TASK], [SCRIPT], models=["rehearsal-coder-0"], attempts=1)
    assert (ran.task.status, ran.task.reason, ran.task.error) == (
        "error",
        "compared",
        "No model completed it.",
    )
    assert ran.outcome.exit_code == 1
