"""What a comparison says of each model, from the state of a run."""

from typing import Any

import pytest

from agentbatch.display.reports.bakeoff_text import render_bake_off
from agentbatch.runs.state.run_state import RunState
from agentbatch.tasks.bakeoff.bakeoff import BakeOff, bake_off
from agentbatch.tasks.bakeoff.document import bake_off_document
from tests.support.bake_offs import Attempt, compared

WRONG = {"hidden": False}
"""Completed, and by its hidden checks not solved."""
RIGHT = {"hidden": True}
UNSEEN = {"status": "timeout", "reason": "max_iterations", "hidden": True}
"""Not completed, though it was solved."""
BROKEN = {"status": "error", "reason": "model_error", "resumable": True}
OPEN = {"status": "coding", "reason": None, "finished_at": None}
CANCELLED = {"status": "cancelled", "reason": "cancelled"}
VERIFIED = {"has_verify": True}


def of(*tasks: list[list[Attempt]], models: tuple[str, ...] = ("a", "b")) -> BakeOff:
    found = bake_off(compared(models, tasks))
    assert found is not None
    return found


def test_a_run_that_compares_nothing_has_none() -> None:
    assert bake_off(RunState()) is None
    assert bake_off(compared((), [])) is None


@pytest.mark.parametrize(
    ("attempts", "solved", "counted", "left_out", "false"),
    [
        ([True, False, True], 2, 3, 0, None),
        ([RIGHT, WRONG, WRONG, UNSEEN], 2, 4, 0, 2),
        ([True, BROKEN, OPEN], 1, 1, 2, None),
        ([RIGHT, True], 1, 1, 1, 0),  # of a task with hidden checks, one on which they could not run
        ([CANCELLED, {"status": "timeout", "reason": "wall_clock"}], 0, 1, 1, None),
        ([], 0, 0, 0, None),
    ],
)  # fmt: skip
def test_what_counts(
    attempts: list[Any], solved: int, counted: int, left_out: int, false: int | None
) -> None:
    one = of([attempts, [True] * len(attempts)]).models[0]
    assert (one.solved, len(one.tries), one.left_out, one.false_completed) == (
        solved,
        counted,
        left_out,
        false,
    )


def test_a_models_figures() -> None:
    first, second = of([[True, True], [True, False]], [[True, False], [False, False]]).models
    assert (first.solved, second.solved) == (3, 1)
    assert (first.usage.total, first.cost) == (4000, 2.0)
    assert first.cost_per_solved == pytest.approx(2 / 3)
    assert (first.iterations, first.seconds) == (2.0, 30.0)
    assert [first.pass_at(k) for k in (1, 2, 3)] == [0.75, 1.0, None]
    assert second.pass_at(2) == 0.5


def test_what_says_that_a_task_is_solved() -> None:
    found = of([[RIGHT], [True]], [[VERIFIED], [True]], [[True], [True]])
    assert (found.tasks, found.attempts, found.hidden, found.verified) == (3, 1, 1, 1)


def test_pairs_are_of_the_tasks_that_both_have_tried() -> None:
    found = of([[True], [BROKEN]], [[True], [False]])
    (pair,) = found.pairs
    assert pair.difference.value == 1.0
    assert of([[True], [BROKEN]]).pairs == ()
    three = of([[True], [True], [False]], models=("a", "b", "c"))
    assert [(pair.first, pair.second) for pair in three.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]


def test_the_document() -> None:
    three: list[list[Attempt]] = [[True] * 3, [False] * 3]
    document = bake_off_document(of(*[three] * 4))
    assert document["solvedBy"] == {"hiddenVerify": 0, "verify": 0, "evaluator": 4}
    first, second = document["models"]
    assert (first["model"], first["solved"], first["attempts"], first["rate"]) == ("a", 12, 12, 1.0)
    assert first["passAtK"] == {"1": 1.0, "2": 1.0, "3": 1.0}
    assert second["costPerSolved"] is None
    (pair,) = document["pairs"]
    assert (pair["difference"], pair["shown"]) == (1.0, True)
    assert pair["interval"][0] > 0


def test_coders_are_compared_each_with_its_model() -> None:
    state = compared(("a", "b", "c"), [[[True, True], [False, True], [False, False]]])
    assert state.info is not None
    state.info = state.info.model_copy(
        update={"settings": {"coders": ["codex", "codex:m", "builtin"], "models": []}}
    )
    who = {"a": ("", "codex"), "b": ("m", "codex"), "c": ("", "builtin")}
    for name, one in list(state.attempts.items()):
        model, coder = who[one.model]
        state.attempts[name] = one.model_copy(update={"model": model, "coders": (coder,)})
    found = bake_off(state)
    assert found is not None
    assert found.what == "coder"
    assert [(one.model, one.solved, len(one.tries)) for one in found.models] == [
        ("codex", 2, 2),
        ("codex:m", 1, 2),
        ("builtin", 0, 2),
    ]
    assert render_bake_off(found)[0].startswith("coder")
