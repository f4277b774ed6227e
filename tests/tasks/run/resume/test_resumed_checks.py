"""Checks that the evaluator had written are known to a resumed task, with what became of them."""

from pathlib import Path
from typing import Any

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.runs import events as e
from tests.tasks.run.awkward_moments import Stopper, when
from tests.tasks.run.verdicts import COMPLETE

RIGHT = "def double(n):\n    return n * 2\n"
TASK = "Write prog.py with a function double(n) that returns twice n."


def write(content: str, path: str = "prog.py") -> Say:
    done = {"path": path, "content": content}, {"command": f"cat {path}"}, {"summary": "Done."}
    names = ("write_file", "bash", "finish")
    return Say(calls=[ScriptedCall(name=name, arguments=one) for name, one in zip(names, done, strict=True)])


async def in_two_sessions(run_tasks: Any, script: Script) -> tuple[Any, Any]:
    """The first is stopped after its first evaluation."""
    tasks = [{"id": "t", "dir": "work", "first_prompt": script.prompt}]
    stopper = Stopper()
    listen = when(e.VerdictReached, stopper.drain)
    first = await run_tasks(tasks, [script], on_start=stopper.attach, on_event=listen)
    assert first.outcome.exit_code == 130
    second = await run_tasks(tasks, [script], resume_run=first.outcome.run_folder)
    return first, second


async def test_scripts_and_their_results(run_tasks: Any) -> None:
    check = {"requirement": "a says yes", "language": "bash", "script": "grep -qx yes a"}
    script = Script(
        prompt="Do it.",
        coder=[write("no\n", "a"), write("yes\n", "a")],
        evaluator=[Say(verdict=COMPLETE)],
        checks=[Say(checks=[check])],
    )
    first, second = await in_two_sessions(run_tasks, script)
    assert (len(first.checks_requests()), len(second.checks_requests())) == (1, 0)
    assert (second.task.status, second.task.iteration) == ("completed", 2)
    (line,) = [line for line in second.of_type(e.VerdictReached)[0].checks if line.kind == "own"]
    assert (line.requirement, line.passed) == ("a says yes", True)


async def test_votes_against_a_value(run_tasks: Any, tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents/evaluator.toml").write_text("[model]\ncontext_window = 8192\n")
    wrong = "assert double(1) == 2\nassert double(3) == 7\nassert double(0) == 0\n"
    program = "def double(n):\n    return 7 if n == 3 else n * 2"
    script = Script(
        prompt=TASK,
        coder=[write(RIGHT), write(f"# Doubling.\n{RIGHT}")],
        evaluator=[Say(verdict=COMPLETE)],
        checks=[Say(content=wrong, times=1), Say(content=program, times=1), Say()],
    )
    first, second = await in_two_sessions(run_tasks, script)
    assert (len(first.checks_requests()), len(second.checks_requests())) == (2, 0)
    assert (second.task.status, second.task.iteration) == ("completed", 2)
    (line,) = [line for line in second.of_type(e.VerdictReached)[0].checks if line.kind == "own"]
    assert line.note == "`double(3)` gives 6 again and again, so 7 was wrong"
