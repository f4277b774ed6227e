"""What needs no model is known before a judge is asked: the form of files, the task's examples, the project's tests."""

from pathlib import Path
from shlex import quote
from typing import Any

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.runs import events as e
from tests.tasks.run.verdicts import COMPLETE

PROMPT = "Write double.py with a function double(n): double(4) returns 8."


FINISH = ScriptedCall(name="finish", arguments={"summary": "Done."})


def turn(path: str, content: str) -> Say:
    write = ScriptedCall(name="bash", arguments={"command": f"printf %s {quote(content)} > {path}"})
    return Say(calls=[write, FINISH])


def task(prompt: str, **fields: Any) -> dict[str, Any]:
    return {"id": "t", "dir": "work", "first_prompt": prompt, **fields}


def checks(ran: Any) -> list[list[tuple[str, bool]]]:
    return [[(line.kind, line.passed) for line in event.checks] for event in ran.of_type(e.VerdictReached)]


async def test_what_is_unsound_or_fails_an_example_goes_back_without_a_judge(run_tasks: Any) -> None:
    coder = [
        turn("double.py", "def double(n)\n    return n\n"),
        turn("double.py", "def double(n):\n    return n * n\n"),
        turn("double.py", "def double(n):\n    return n * 2\n"),
    ]
    script = Script(prompt=PROMPT, coder=coder, evaluator=[Say(verdict=COMPLETE)])
    ran = await run_tasks([task(PROMPT)], [script])
    assert (ran.task.status, ran.task.iteration) == ("completed", 3)
    assert checks(ran) == [
        [("sound", False)],
        [("sound", True), ("example", False)],
        [("sound", True), ("example", True)],
    ]
    told = [event.prompt for event in ran.of_type(e.IterationStarted)][1:]
    assert "A file is not sound:\ndouble.py, line 1: " in told[0]
    assert (
        "An example of the task does not come out as stated:\n`double(4)` should give 8; it gave 16"
        in told[1]
    )
    assert "exit code" not in told[1]
    assert [v.decided_by for v in ran.of_type(e.VerdictReached)] == ["checks", "checks", "judge"]
    (evidence,) = [request["messages"][1]["content"] for request in ran.evaluator_requests()]
    assert "`double(4)` gives 8" in evidence
    assert "1 file is sound in its form: double.py (Python)" in evidence


async def test_the_projects_own_tests_hold(run_tasks: Any, tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "tests").mkdir(parents=True)
    (work / "tests/note.txt").write_text("x")
    (work / "Makefile").write_text("test:\n\t@grep -q kept a.txt\n")
    (work / "a.txt").write_text("kept")
    script = Script(
        prompt="Change a.txt.",
        coder=[turn("a.txt", "new"), turn("a.txt", "new, and kept")],
        evaluator=[Say(verdict=COMPLETE)],
    )
    ran = await run_tasks([task("Change a.txt.")], [script])
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    assert checks(ran) == [[("tests", False)], [("tests", True)]]
    assert "$ make -s test\n" in [event.prompt for event in ran.of_type(e.IterationStarted)][1]


async def test_a_switch_leaves_them_out(run_tasks: Any, tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents/evaluator.toml").write_text("[checks]\ndiscover = false\n")
    script = Script(prompt=PROMPT, coder=[turn("data.json", "{")], evaluator=[Say(verdict=COMPLETE)])
    ran = await run_tasks([task(PROMPT)], [script])
    assert (ran.task.status, checks(ran)) == ("completed", [[]])
