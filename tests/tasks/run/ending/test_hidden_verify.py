"""What says in the end whether a task is solved, and what no model ever sees."""

import json
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.runs import events as e
from tests.tasks.run.verdicts import COMPLETE

WORK = Say(calls=[ScriptedCall(name="bash", arguments={"command": "echo wrong > a.txt; ls -a"})])
FINISH = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])
SCRIPT = Script(prompt="Write it.", coder=[WORK, FINISH], evaluator=[Say(verdict=COMPLETE)])


@pytest.mark.parametrize(
    ("commands", "passed"),
    [("grep wrong a.txt", True), (["true", "touch here; echo not-for-models; grep right a.txt"], False)],
)
async def test_it_is_run_once_and_seen_by_no_model(run_tasks: Any, commands: Any, passed: bool) -> None:
    task = {
        "id": "t",
        "dir": "w",
        "first_prompt": "Write it.",
        "verify": "test -s a.txt",
        "hidden_verify": commands,
    }
    ran = await run_tasks([task], [SCRIPT])
    assert (ran.task.status, ran.task.hidden) == ("completed", passed)
    (event,) = ran.of_type(e.HiddenVerified)
    assert (event.passed, "not-for-models" in event.tail) == (passed, not passed)
    sent = json.dumps([request.body for request in ran.server.requests])
    assert "grep" not in sent
    assert "not-for-models" not in sent
    assert sorted(path.name for path in (ran.folder / "w").iterdir()) == ["a.txt"]
    assert ran.results["results"][0]["result"]["hiddenVerify"] is passed
    assert ran.outcome.exit_code == 0


PLANT = """\
import importlib.util, pathlib, py_compile
pathlib.Path("fake.py").write_text("")
place = importlib.util.cache_from_source("test_it.py")
py_compile.compile("fake.py", place, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
"""


async def test_nothing_that_was_compiled_stands_for_a_hidden_test(run_tasks: Any) -> None:
    """Where `verify` runs the coder's program, that can leave it there after the last look."""
    plant = Say(calls=[ScriptedCall(name="write_file", arguments={"path": "plant.py", "content": PLANT})])
    script = SCRIPT.model_copy(update={"coder": [plant, FINISH]})
    hidden = "echo 'raise SystemExit(1)' > test_it.py; python3 -c 'import test_it'"
    task = {
        "id": "t", "dir": "w", "first_prompt": "Write it.", "verify": "python3 plant.py",
        "hidden_verify": hidden,
    }  # fmt: skip
    ran = await run_tasks([task], [script])
    assert list((ran.folder / "w/__pycache__").iterdir()), "it was there"
    assert ran.task.hidden is False


async def test_work_that_was_not_accepted_is_verified_too(run_tasks: Any) -> None:
    task = {
        "id": "t", "dir": "w", "first_prompt": "Write it.", "verify": "false", "max_iterations": 1,
        "hidden_verify": "grep wrong a.txt",
    }  # fmt: skip
    ran = await run_tasks([task], [SCRIPT])
    assert (ran.task.status, ran.task.hidden) == ("timeout", True)


async def test_it_has_the_time_of_verify(run_tasks: Any, tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    task = {
        "id": "t", "dir": "w", "first_prompt": "Write it.", "verify": "true", "max_iterations": 1,
        "hidden_verify": "echo begun; sleep 100; true",
    }  # fmt: skip
    for seconds in ("0.5", "5", "50"):  # in the first of them a busy machine may not have begun it
        limits = f"[limits]\nchecks = 0\nverify_timeout = {seconds}\n"
        (tmp_path / "agents/evaluator.toml").write_text(limits)
        ran = await run_tasks([task], [SCRIPT])
        (event,) = ran.of_type(e.HiddenVerified)
        if "begun" in event.tail:
            break
    assert (event.passed, event.tail) == (False, f"begun\n(not ended after {seconds} s)")


async def test_a_coder_that_can_read_the_task_file_is_told_of(run_tasks: Any) -> None:
    task = {"id": "t", "first_prompt": "Write it.", "verify": "true", "hidden_verify": "true"}
    ran = await run_tasks([task], [SCRIPT])
    assert any("Their hidden_verify is not hidden" in text for text in ran.outcome.state.notices)


async def test_the_one_of_the_chosen_attempt_is_the_tasks(run_tasks: Any) -> None:
    where = Say(calls=[ScriptedCall(name="bash", arguments={"command": "pwd > a.txt"})])
    script = SCRIPT.model_copy(update={"coder": [where, FINISH]})
    task = {
        "id": "t", "dir": "w", "first_prompt": "Write it.", "verify": "grep @2 a.txt", "max_iterations": 1,
        "hidden_verify": "grep @2 a.txt", "attempts": 2, "stop_at": "all",
    }  # fmt: skip
    ran = await run_tasks([task], [script])
    assert {name: one.hidden for name, one in ran.outcome.state.by_id.items()} == {
        "t": True,
        "t@1": False,
        "t@2": True,
    }
