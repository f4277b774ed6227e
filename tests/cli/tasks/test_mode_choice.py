"""The question for the mode: its words as text in, text out; and once in a real terminal."""

import io
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agentbatch.cli.tasks.batch import choose_mode
from agentbatch.tasks.spec.make_plan import make_plan
from agentbatch.tasks.spec.plan import Plan
from agentbatch.tasks.spec.task import Task
from tests.support.keys import without_settings
from tests.support.paths import CHECKOUT
from tests.support.waiting import PATIENCE


def plan(count: int) -> Plan:
    tasks = [Task(id=f"t{n}", dir=f"d{n}", first_prompt="p") for n in range(count)]
    return make_plan(tasks, Path("/base/task.json"), max_iterations=1)


def ask(answers: str, count: int = 5) -> tuple[dict[str, Any], str]:
    out = io.StringIO()
    return choose_mode(plan(count), 4, io.StringIO(answers), out), out.getvalue()


@pytest.mark.parametrize(
    ("answers", "chosen"),
    [
        ("1\n", {"mode": "serial"}),
        ("3\n", {"mode": "test"}),
        (" Serial \n", {"mode": "serial"}),
        ("\n\n", {"mode": "parallel"}),
        ("2\n7\n", {"mode": "parallel", "parallel": 7}),
        ("parallel\n1000\n", {"mode": "parallel", "parallel": 1000}),
    ],
)
def test_answers(answers: str, chosen: dict[str, Any]) -> None:
    assert ask(answers)[0] == chosen


def test_a_wrong_answer_is_asked_again() -> None:
    chosen, text = ask("4\nx\n2\n0\n1001\n-1\nmany\n6\n")
    assert chosen == {"mode": "parallel", "parallel": 6}
    assert text.count("Answer 1, 2 or 3.") == 2
    assert text.count("Answer with a whole number from 1 to 1000.") == 4


@pytest.mark.parametrize("answers", ["", "2\n", "9\n"])
def test_the_end_of_input_is_an_interruption(answers: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        ask(answers)


def test_the_question_tells_what_each_mode_would_run() -> None:
    assert "5 tasks to run" in ask("1\n")[1]
    assert "4 at the same time" in ask("1\n")[1]
    assert "the first 3 only" in ask("1\n")[1]
    assert "1 task to run" in ask("1\n", count=1)[1]
    assert "all of them: there are no more than 3" in ask("1\n", count=1)[1]


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs the package tmux")
@pytest.mark.slow
def test_on_a_terminal_that_cannot_draw_the_answer_is_what_runs(tmp_path: Path) -> None:
    sample = json.loads((CHECKOUT / "task.json").read_text(encoding="utf-8"))["tasks"]
    (tmp_path / "task.json").write_text(json.dumps({"tasks": sample[:1]}), encoding="utf-8")
    environ = without_settings(tmp_path)

    def tmux(*arguments: str) -> str:
        command = ["tmux", "-S", str(tmp_path / "tmux"), *arguments]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout

    def wait_for(text: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in (screen := tmux("capture-pane", "-p")):
            assert time.monotonic() < deadline, screen
            time.sleep(0.05)

    command = f"cd {tmp_path}; TERM=dumb {sys.executable} -m agentbatch; echo code $?; cat"
    tmux("-u", "-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "50", command)
    try:
        wait_for("Mode [2]:")
        tmux("send-keys", "3", "Enter")
        wait_for("code 0")
        assert (tmp_path / "test_results.json").is_file()
    finally:
        tmux("kill-server")
