import pytest

from agentbatch.tasks.evaluator.controller import Evaluated, TaskController, TaskPosition
from agentbatch.tasks.evaluator.evaluator import Done


def evaluated(
    digest: str = "d",
    missing: tuple[str, ...] = ("m",),
    refusals: tuple[str, ...] = ("not yet",),
    *,
    blocked: bool = False,
    failure: str = "",
    failed_check: str = "",
    stuck: bool = False,
    why: str = "",
) -> Evaluated:
    return Evaluated(
        position=TaskPosition.of(digest, missing),
        refusals=refusals,
        judged=not failure and not failed_check,
        blocked=blocked,
        failure=failure,
        failed_check=failed_check,
        stuck=stuck,
        why=why,
    )


ACCEPTED = evaluated(refusals=())
FAILED = evaluated(refusals=("no verdict",), failure="no verdict")
BLOCKED = evaluated(blocked=True, refusals=("blocked",))


def in_a_loop(digest: str) -> Evaluated:
    return evaluated(digest=digest, stuck=True)


def check_fails(digest: str = "d", check: str = "make") -> Evaluated:
    """A failed check that went back without the judge."""
    return evaluated(digest=digest, missing=(check,), failed_check=check)


def moves(n: int) -> list[Evaluated]:
    return [evaluated(digest=str(i)) for i in range(n)]


@pytest.mark.parametrize(
    ("rounds", "expected"),
    [
        ([ACCEPTED], [("completed", "accepted")]),
        ([evaluated(), ACCEPTED], ["follow_up", ("completed", "accepted")]),
        ([BLOCKED], [("error", "blocked")]),
        ([evaluated()] * 3, ["follow_up", "change_approach", ("error", "stalled")]),
        (
            [evaluated(), evaluated(digest="x"), evaluated(), evaluated()],
            ["follow_up", "follow_up", "follow_up", "change_approach"],
        ),
        (
            [evaluated(missing=("a  B", "c")), evaluated(missing=("c", "A b"))],
            ["follow_up", "change_approach"],
        ),
        ([FAILED, FAILED], ["follow_up", ("error", "evaluation_failed")]),
        (
            [FAILED, evaluated(), FAILED, ACCEPTED],
            ["follow_up", "follow_up", "follow_up", ("completed", "accepted")],
        ),
        (moves(5), ["follow_up"] * 4 + [("timeout", "max_iterations")]),
        ([*moves(4), FAILED], ["follow_up"] * 4 + [("error", "evaluation_failed")]),
        ([*moves(4), ACCEPTED], ["follow_up"] * 4 + [("completed", "accepted")]),
        # An evaluation that failed says nothing about progress: it neither counts nor breaks a row.
        (
            [evaluated(), FAILED, evaluated(), evaluated()],
            ["follow_up", "follow_up", "change_approach", ("error", "stalled")],
        ),
        ([check_fails()] * 3, ["follow_up", "change_approach", ("error", "stalled")]),
        ([check_fails(), check_fails("x"), ACCEPTED], ["follow_up", "follow_up", ("completed", "accepted")]),
        # A round without the judge says nothing about the evaluator.
        ([FAILED, check_fails(), FAILED], ["follow_up", "follow_up", ("error", "evaluation_failed")]),
        # Turns that end in a loop, whatever they do to the files.
        (
            [in_a_loop("1"), in_a_loop("2"), in_a_loop("3")],
            ["follow_up", "change_approach", ("error", "stalled")],
        ),
        (
            [in_a_loop("1"), in_a_loop("2"), evaluated(digest="3"), in_a_loop("4"), in_a_loop("5")],
            ["follow_up", "change_approach", "follow_up", "follow_up", ("timeout", "max_iterations")],
        ),
    ],
)
def test_decisions(rounds: list[Evaluated], expected: list[object]) -> None:
    controller = TaskController(max_iterations=5)
    got: list[object] = []
    for round_ in rounds:
        decision = controller.after_turn(round_)
        got.append((decision.status, decision.reason) if isinstance(decision, Done) else decision)
    assert got == expected


def test_an_ending_says_why() -> None:
    controller = TaskController(max_iterations=1)
    done = controller.after_turn(evaluated(refusals=("The check `x` failed: exit code 1.", "Not complete.")))
    assert done == Done("timeout", "max_iterations", "Not accepted after 1 iteration. Not complete.")
    told = evaluated(refusals=("A.", "B."), why="not complete: no tests", blocked=True)
    assert TaskController(max_iterations=5).after_turn(told) == Done(
        "error", "blocked", "not complete: no tests"
    )
    assert Evaluated.of(told.record()) == told


@pytest.mark.parametrize(
    ("limit", "before", "check", "needed"),
    [
        (1, [], "make", False),
        (1, ["make"], "make", True),
        (1, ["make", "make"], "make", True),
        (1, ["make"], "test", False),
        (1, ["make", "", ], "make", False),
        (2, ["make"], "make", False),
        (2, ["make", "make"], "make", True),
        (0, [], "make", True),
    ],
)  # fmt: skip
def test_a_failed_check_goes_back_without_the_judge(
    limit: int, before: list[str], check: str, needed: bool
) -> None:
    controller = TaskController(max_iterations=10, unjudged_failed_checks=limit)
    for place, earlier in enumerate(before):
        controller.after_turn(evaluated(digest=str(place), failed_check=earlier))
    assert controller.judge_is_needed(check, len(before) + 1) is needed


@pytest.mark.parametrize(("iteration", "needed"), [(9, True), (10, False), (11, False)])
def test_after_the_last_iteration_a_failed_check_needs_no_judge(iteration: int, needed: bool) -> None:
    assert TaskController(10, unjudged_failed_checks=0).judge_is_needed("make", iteration) is needed
