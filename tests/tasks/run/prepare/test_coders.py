"""The coders that tasks name, before a run."""

from pathlib import Path
from typing import Any

import pytest

from agentbatch.config import load_settings
from agentbatch.errors import UserError
from agentbatch.tasks.run.prepare.coders import kept
from agentbatch.tasks.run.prepare.prepare import prepare
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.tasks.spec.task import Task

ENVIRON = {"OPENAI_API_KEY": "sk-test-0123456789abcdef", "PATH": "/usr/bin:/bin"}


def refusal(folder: Path, task: str, **given: Any) -> str:
    (folder / "task.json").write_text(task)
    with pytest.raises(UserError) as error:
        prepare(load_settings(given, ENVIRON, folder=folder), folder=folder, environ=ENVIRON)
    return str(error.value)


@pytest.mark.parametrize(
    ("task", "given", "told"),
    [
        ("{}", {"coder_name": "claud"}, "--coder: there is no coder 'claud'; did you mean 'claude'?"),
        ("{}", {"escalate": "2:@xyz"}, "Task t: there is no coder 'xyz'; there are builtin, "),
        ('{"coder": "codexx"}', {}, "Task t: there is no coder 'codexx'; did you mean 'codex'?"),
        ('{"attempts": [{"coder": "x"}]}', {}, "Task t@1: there is no coder 'x'; there are"),
        ('{"escalate": [{"after": 1, "coder": "x"}]}', {}, "Task t: there is no coder 'x'; there are"),
    ],
)
def test_a_coder_that_there_is_not(tmp_path: Path, task: str, given: Any, told: str) -> None:
    whole = task.replace("{", '{"id": "t", "first_prompt": "p", ', 1).replace(", }", "}")
    assert told in refusal(tmp_path, f'{{"tasks": [{whole}]}}', **given)


@pytest.mark.parametrize(
    ("own", "coder", "before", "told"),
    [
        (
            None,
            "codex",
            {"t": ("builtin",)},
            "1 task under way goes on with builtin, as begun; codex works on",
        ),
        (None, "codex", {"t": ("builtin", "codex")}, ""),
        (None, "codex", {"u": ("builtin",)}, ""),
        ("codex", "codex", {"t": ("builtin",)}, ""),
    ],
)
def test_who_began_a_task_goes_on_with_it(own: str | None, coder: str, before: Any, told: str) -> None:
    task = PlannedTask("t", 0, Task(first_prompt="p", coder=own), Path("/t"), 3, None, coder=coder)
    found = kept([task], before)
    assert found.startswith(told) if told else found == ""
