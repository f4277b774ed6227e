"""Which model each iteration is, by the steps of a task, of an attempt, of the run."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from agentbatch.config import load_settings
from agentbatch.config.contestants import contestants
from agentbatch.errors import UserError
from agentbatch.tasks.spec.attempts import with_attempts
from agentbatch.tasks.spec.escalation import Escalation, Stage, stage, steps_of
from agentbatch.tasks.spec.make_plan import make_plan
from agentbatch.tasks.spec.task import AttemptSpec, Task

STRONG = Escalation(after=2, coder_model="strong")
STRONGER = Escalation(after=4, coder_model="stronger")


@pytest.mark.parametrize(
    ("steps", "stages"),
    [
        ((), [("own", None)] * 6),
        ((STRONG, STRONGER), [("own", None)] * 2 + [("strong", None)] * 2 + [("stronger", None)] * 2),
        ((STRONG,), [("own", None)] * 2 + [("strong", None)] * 4),
        ((Escalation(after=1, coder_model="x"),), [("own", None), *[("x", None)] * 5]),
        (
            (Escalation(after=1, temperature=0.9), STRONG, Escalation(after=3, temperature=0.0)),
            [("own", None), ("own", 0.9), ("strong", 0.9), *[("strong", 0.0)] * 3],
        ),
        (
            steps_of(["1:@codex", "2:strong", "4:@builtin:ollama:8b"]),
            [
                ("own", None),
                ("own", None, "codex"),
                *[("strong", None, "codex")] * 2,
                *[("ollama:8b", None)] * 2,
            ],
        ),
    ],
)
def test_what_the_coder_is_in_each_iteration(
    steps: Sequence[Escalation], stages: list[tuple[str, float | None] | tuple[str, float | None, str]]
) -> None:
    assert [stage(steps, Stage("own"), iteration) for iteration in range(1, 7)] == [
        Stage(*one) for one in stages
    ]


def test_the_nearest_word_holds(tmp_path: Path) -> None:
    """The attempt's before the task's before the run's; an empty list is a word too."""
    run, own = steps_of(["1:of-run"]), (STRONG,)
    attempts = (AttemptSpec(), AttemptSpec(escalate=(STRONGER,)), AttemptSpec(escalate=()))
    plan = make_plan(
        [
            Task(first_prompt="a"),
            Task(first_prompt="b", escalate=()),
            Task(first_prompt="c", escalate=own, attempts=attempts),
        ],
        tmp_path / "task.json",
        max_iterations=10,
        escalate=run,
    )
    found = [task.escalate for task in with_attempts(plan).tasks]
    assert found == [run, (), own, own, (STRONGER,), ()]
    assert run == (Escalation(after=1, coder_model="of-run"),)


def test_models_that_are_compared_do_not_escalate(tmp_path: Path) -> None:
    tasks = [Task(first_prompt="a"), Task(first_prompt="b", escalate=(STRONG,))]
    file = tmp_path / "task.json"
    plan = make_plan(tasks, file, max_iterations=10, compared=contestants([], ["m", "n"]), escalate=(STRONG,))
    assert {task.escalate for task in with_attempts(plan).tasks} == {()}


def test_a_task_is_the_same_with_another_escalation(tmp_path: Path) -> None:
    """Like its limits: what was done in earlier iterations holds when a run is resumed with it."""

    def definitions(**given: object) -> list[str]:
        task = Task.model_validate({"first_prompt": "a", **given})
        plan = with_attempts(make_plan([task], tmp_path / "task.json", max_iterations=10))
        return [one.definition for one in plan.tasks]

    step = {"after": 1, "coder_model": "x"}
    assert definitions() == definitions(escalate=[step])
    assert definitions(attempts=[{}, {}]) == definitions(attempts=[{"escalate": [step]}, {}])


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("2:gpt-5", (("2", "gpt-5"),)),
        (" 2:qwen3:4b , 1000:a/b:free,", (("2", "qwen3:4b"), ("1000", "a/b:free"))),
        ("", ()),
    ],
)
def test_steps_as_a_flag(tmp_path: Path, text: str, steps: tuple[tuple[str, str], ...]) -> None:
    settings = load_settings({"escalate": text}, {}, folder=tmp_path)
    assert settings.escalate == tuple(f"{after}:{model}" for after, model in steps)
    assert steps_of(settings.escalate) == tuple(
        Escalation(after=int(after), coder_model=model) for after, model in steps
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *(
            (text, "must be AFTER:MODEL")
            for text in ("2", "2:", "2: ", ":m", "0:m", "02:m", "-1:m", "1001:m", "2:a,b")
        ),
        ("2:a,2:b", r"each number must be greater than the one before it \(2 follows 2\)"),
    ],
)
def test_a_flag_that_says_nothing_sound(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=f"--escalate: {said}"):
        load_settings({"escalate": text}, {}, folder=tmp_path)
