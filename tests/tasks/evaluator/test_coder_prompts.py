"""What a coder is asked first, and how a new conversation opens."""

from pathlib import Path

import pytest

from agentbatch.redaction import Redactor
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.coders.builtin.action_words import action_words
from agentbatch.tasks.coders.coder import PromptStyle, TurnOutcome
from agentbatch.tasks.evaluator.checks.check import CheckResult
from agentbatch.tasks.evaluator.coder_prompts import follow_up_prompt, fresh_prompt, opening_prompt
from agentbatch.tasks.spec.task import Task

UNITTEST = """\
E
======================================================================
ERROR: test_words (test_words.TestWords.test_words)
----------------------------------------------------------------------
Traceback (most recent call last):
  File "/work/t/test_words.py", line 5, in test_words
    self.assertEqual(words(1), ["1"])
                     ^^^^^
NameError: name 'words' is not defined

----------------------------------------------------------------------
Ran 1 test in 0.000s

FAILED (errors=1)
"""
PLAIN = "Traceback (most recent call last):\nAssertionError: words(1) returned 2, expected 1\n"


@pytest.mark.parametrize(
    ("tail", "shown"),
    [
        (UNITTEST, "test_words.py:5\nNameError: name 'words' is not defined\n"),
        (PLAIN, "AssertionError: words(1) returned 2, expected 1\n"),
    ],
)
def test_a_new_conversation_gets_the_error_and_not_only_the_counts(
    tmp_path: Path, tail: str, shown: str
) -> None:
    prompts = Prompts(tmp_path, ["coder.md"], ["evaluator.md"])
    task = Task(dir="t", first_prompt="Write words.py.", verify=("python3 -m unittest",))
    failed = CheckResult("python3 -m unittest", 1, tail, 0.1)
    told = fresh_prompt(prompts, task, Redactor([]), PromptStyle(action_words("text")), failed, "/work/t")
    assert told.startswith("Write words.py.\n\nWhen you write `DONE:`")
    assert shown in told
    assert told.count(shown) == 1
    assert told.index("An earlier attempt") < told.index("Error: ")


def test_a_small_coder_with_tool_calls_is_told_of_finish_and_not_of_blocks(tmp_path: Path) -> None:
    prompts = Prompts(tmp_path, ["coder.md"], ["evaluator.md"])
    task = Task(dir="t", first_prompt="Write words.py.", verify=("make",))
    told = opening_prompt(prompts, task, Redactor([]), PromptStyle(action_words("native"), weak_model=True))
    assert "When you call `finish`, your work is checked" in told
    assert "DONE" not in told


@pytest.mark.parametrize(("checked", "weak", "told"), [(1, 1, True), (1, 0, False), (0, 1, False)])
def test_a_weak_model_is_told_that_its_work_will_be_run(
    tmp_path: Path, checked: bool, weak: bool, told: bool
) -> None:
    prompts = Prompts(tmp_path, ["coder.md"], ["evaluator.md"])
    task, style = (
        Task(dir="t", first_prompt="Write a.py."),
        PromptStyle(action_words("text"), weak_model=bool(weak)),
    )
    prompt = opening_prompt(prompts, task, Redactor([]), style, checked=bool(checked))
    assert prompt.startswith("Write a.py.")
    assert ("you need not test it yourself" in prompt) is told


def test_a_check_that_has_words_for_it_is_told_in_these(tmp_path: Path) -> None:
    prompts = Prompts(tmp_path, ["coder.md"], ["evaluator.md"])
    style = PromptStyle(action_words("native"), weak_model=True)
    failed = CheckResult(
        "the form of files", 1, "a.py: bad", 0.1, "sound", told="A file is not sound:\na.py: bad"
    )
    outcome = TurnOutcome("finished", "Done.")
    told = follow_up_prompt(prompts, style, outcome, "follow_up", None, failed, (), judged=True)
    assert told.startswith(
        "Your work is not accepted yet.\n\nA file is not sound:\na.py: bad\n\nRead the error"
    )
    task = Task(dir="t", first_prompt="Write a.py.")
    anew = fresh_prompt(prompts, task, Redactor([]), style, failed, "/work/t")
    assert anew.startswith(
        "Write a.py.\n\nAn earlier attempt of yours failed:\nA file is not sound:\na.py: bad\n"
    )
    assert "exit code" not in told + anew
    assert anew.endswith("write the file anew in another way, and call `finish`.")
