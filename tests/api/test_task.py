"""Tasks as Python writes them are those of a task file, with the same sentences about what is wrong."""

from pathlib import Path
from typing import Any

import pytest

from agentbatch import Task, UserError
from agentbatch.api.task import entries
from agentbatch.tasks.spec.task_file import check_tasks

FULL: dict[str, Any] = {
    "id": "a",
    "first_prompt": "Do it.",
    "verify": "true",
    "depends_on": ["b"],
    "attempts": [{"coder_model": "m", "temperature": 0.5}],
    "escalate": [{"after": 2, "coder_model": "n"}],
    "env": {"X": "1"},
    "memory": "512m",
    "timeout": 2,
    "resources": {"gpu": 1},
}


def test_a_task_is_the_same_behind_its_entry(tmp_path: Path) -> None:
    task = Task(**FULL, dir=Path("work/a"), protected_paths=("x",))
    other = {"first_prompt": "Do b.", "id": "b", "dir": Path("work/b")}
    known, _ = check_tasks(entries([task, other]), tmp_path)
    assert known.model_dump() == task.model_dump()
    assert (task.dir, task.verify, task.memory) == ("work/a", ("true",), 512 * 1024**2)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "Task: first_prompt is missing."),
        ({"frist_prompt": "x"}, "Task: unknown field frist_prompt; did you mean 'first_prompt'?"),
        ({"first_prompt": "x", "verify": 3}, "Task: verify: must be text, or a list of texts, not 3."),
        (
            {"first_prompt": " ", "max_iterations": 0},
            "Task: 2 mistakes:\n  first_prompt: must not be empty.\n  max_iterations: must be 1 or more, not 0.",
        ),
    ],
)
def test_what_is_wrong_is_a_sentence(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as error:
        Task(**fields)
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("tasks", "sentence"),
    [
        (
            [{"frist_prompt": "x"}],
            "The batch: tasks[0]: unknown key frist_prompt; did you mean 'first_prompt'?",
        ),
        ([{"first_prompt": "x"}, {"dir": "a"}], "The batch: tasks[1]: first_prompt is missing."),
        (
            [{"first_prompt": "x", "id": "a"}] * 2,
            "The batch: tasks[1]: the id 'a' is already that of tasks[0].",
        ),
        ([3], "The batch: tasks[0]: must be an object, not 3."),
        (
            [object()],
            "The batch: a task is a Task, or a mapping of what JSON can have: not object.",
        ),
    ],
)
def test_what_is_wrong_in_a_batch_names_the_task(tmp_path: Path, tasks: list[Any], sentence: str) -> None:
    with pytest.raises(UserError) as error:
        check_tasks(entries(tasks), tmp_path)
    assert str(error.value) == sentence
