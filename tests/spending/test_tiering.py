"""What a cheap model's drafts saved: which tasks count, what is known, what is said."""

from pathlib import Path

import pytest

from agentbatch.display.reports.tiering_words import escalation_words, handover_words, tiering_words
from agentbatch.runs import events as e
from agentbatch.runs.state.bills import Bill, DraftBill, add_call, merge_bills
from agentbatch.runs.state.task_state import TaskState
from agentbatch.spending.tiering import handover, tiering
from agentbatch.tasks.spec.escalation import steps_of
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.tasks.spec.task import Task
from agentbatch.usage import Usage

SEEN = {"index": 0, "dir": ".", "first_prompt": "x", "max_iterations": 5}


def call(
    model: str,
    cost: float | None,
    *,
    stronger: str = "",
    there: float | None = None,
    role: e.Role = "coder",
) -> e.ModelCallFinished:
    return e.ModelCallFinished(
        task_id="t",
        role=role,
        model=model,
        usage=Usage(input=900, output=100, calls=1),
        cost=cost,
        stronger=stronger,
        stronger_cost=there,
        latency=1.0,
        attempts=1,
    )


def task(*calls: e.ModelCallFinished, status: e.Status = "completed") -> TaskState:
    bills: tuple[Bill, ...] = ()
    for one in calls:
        bills = add_call(bills, one)
    return TaskState(id="t", status=status, bills=bills, **SEEN)


DRAFT = call("cheap", 1.0, stronger="dear", there=10.0)
UNPRICED = call("cheap", 1.0, stronger="dear")
OWN_SERVER = call("cheap", None, stronger="dear", there=10.0)
FINISH = call("dear", 12.0)
JUDGE = call("dear", 3.0, role="evaluator")
THRIFTY = call("cheap", 1.0, stronger="odd", there=0.25)


@pytest.mark.parametrize(
    ("tasks", "counts", "saved", "saved_before"),
    [
        ([task(DRAFT, DRAFT, JUDGE)], (1, 1, 0), 18.0, 18.0),
        ([task(DRAFT, FINISH, JUDGE)], (1, 0, 1), 9.0, None),
        ([task(DRAFT, status="error")], (1, 0, 0), 9.0, None),
        ([task(DRAFT), task(DRAFT, FINISH), task(FINISH), task(call("cheap", 1.0))], (2, 1, 1), 18.0, 9.0),
        ([task(DRAFT), task(UNPRICED)], (2, 2, 0), None, None),
        ([task(DRAFT), task(UNPRICED, FINISH)], (2, 1, 1), None, 9.0),
        ([task(OWN_SERVER)], (1, 1, 0), None, None),
        ([task(THRIFTY)], (1, 1, 0), -0.75, -0.75),
    ],
)
def test_what_counts(
    tasks: list[TaskState],
    counts: tuple[int, int, int],
    saved: float | None,
    saved_before: float | None,
) -> None:
    found = tiering(tasks)
    assert found is not None
    assert (found.tasks, found.spared, found.taken_over) == counts
    assert found.drafts.saved == saved
    assert (found.spared_drafts and found.spared_drafts.saved) == saved_before


def test_without_a_stronger_model_nothing_is_said() -> None:
    assert tiering([task(FINISH, JUDGE), task()]) is None
    assert tiering_words(None) == []


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        (
            [task(DRAFT), task(DRAFT, FINISH)],
            [
                "1 of 2 tasks completed before dear took over; it did in 1",
                "drafts of those completed before: $1.00 for 1.0k tokens, ≈$10.00 for as many on dear: ≈$9.00 saved",
                "all drafts: $2.00 for 2.0k tokens, ≈$20.00 for as many on dear: ≈$18.00 less",
            ],
        ),
        (
            [task(DRAFT)],
            [
                "dear did not take over",
                "drafts of it: $1.00 for 1.0k tokens, ≈$10.00 for as many on dear: ≈$9.00 saved",
            ],
        ),
        (
            [task(DRAFT, FINISH)],
            [
                "dear took over",
                "its drafts: $1.00 for 1.0k tokens, ≈$10.00 for as many on dear: ≈$9.00 less",
            ],
        ),
        (
            [task(UNPRICED), task(THRIFTY, status="error")],
            ["1 of 2 tasks completed before dear, odd took over; it did in 0"],
        ),
        (
            [task(THRIFTY, status="error")],
            [
                "odd did not take over",
                "its drafts: $1.00 for 1.0k tokens, ≈$0.2500 for as many on odd: ≈$0.7500 more",
            ],
        ),
    ],
)
def test_what_is_said(tasks: list[TaskState], words: list[str]) -> None:
    assert tiering_words(tiering(tasks)) == words


def test_a_line_of_the_bill_knows_its_drafts_whatever_else_is_in_it() -> None:
    """At the run, one model drafts in some tasks and stands alone in others."""
    (merged,) = merge_bills([task(DRAFT).bills, task(THRIFTY).bills, task(call("cheap", 5.0)).bills])
    assert (merged.cost, merged.usage.calls) == (7.0, 3)
    assert merged.drafted == DraftBill(
        models=("dear", "odd"),
        usage=Usage(input=1800, output=200, calls=2),
        cost=2.0,
        stronger_cost=10.25,
    )


def by(coder: str, cost: float | None, next_coder: str = "", **usage: int) -> e.ModelCallFinished:
    used = Usage(**(usage or {"input": 900, "output": 100, "calls": 1}))
    return call("m", cost).model_copy(update={"coder": coder, "next_coder": next_coder, "usage": used})


CHEAP, DEAR = by("pi", 1.0, "codex"), by("codex", 12.0)
BACK = by("pi", 2.0, "builtin")
SILENT = by("gemini", None, "codex", calls=1, untold=1)


@pytest.mark.parametrize(
    ("tasks", "saved", "words"),
    [
        ([task(by("pi", 1.0)), task(by("", 1.0))], None, []),
        (
            [task(CHEAP), task(CHEAP, CHEAP, DEAR, JUDGE), task(DEAR)],
            11.0,
            [
                "1 of 2 tasks completed before codex took over; it did in 1",
                "drafts of those completed before: $1.00 for 1.0k tokens, and codex takes ≈$12.00 a task: "
                "≈$11.00 saved",
                "all drafts: $3.00 for 3.0k tokens; codex took $12.00 for 1.0k tokens where it took over",
            ],
        ),
        ([task(CHEAP)], None, ["codex did not take over", "drafts of it: $1.00 for 1.0k tokens"]),
        (
            [task(BACK, by("", 1.0))],
            None,
            ["builtin took over", "the drafts: $2.00 for 1.0k tokens; builtin took $1.00 for 1.0k tokens"],
        ),
        (
            [task(SILENT, DEAR)],
            None,
            ["codex took over", "the drafts: 1 turn of unknown size; codex took $12.00 for 1.0k tokens"],
        ),
        (
            [task(CHEAP, status="error")],
            None,
            ["codex did not take over", "the drafts: $1.00 for 1.0k tokens"],
        ),
        (
            [task(by("pi", 20.0, "codex")), task(CHEAP, DEAR)],
            -8.0,
            [
                "1 of 2 tasks completed before codex took over; it did in 1",
                "drafts of those completed before: $20.00 for 1.0k tokens, and codex takes ≈$12.00 a task: ≈$8.00 more",
                "all drafts: $21.00 for 2.0k tokens; codex took $12.00 for 1.0k tokens where it took over",
            ],
        ),
    ],
)
def test_what_a_cheaper_coder_drafted(tasks: list[TaskState], saved: float | None, words: list[str]) -> None:
    found = handover(tasks)
    assert (found and found.saved) == saved
    assert handover_words(found) == words
    assert escalation_words(tasks) == words


@pytest.mark.parametrize(
    ("steps", "coder", "name"),
    [
        ("", "a", ""),
        ("2:@b", "a", "b"),
        ("2:@b", "b", ""),
        ("2:@b,4:@a", "b", ""),
        ("2:@b,4:m", "a", "b"),
        ("12:@b", "a", ""),
    ],
)
def test_who_takes_over_for_good(steps: str, coder: str, name: str) -> None:
    planned = PlannedTask(
        "t",
        0,
        Task(id="t", first_prompt="x"),
        Path("/t"),
        10,
        None,
        coder="a",
        escalate=steps_of(steps.split(",")),
    )
    assert planned.next_coder(coder) == name


def test_a_bill_a_coder() -> None:
    """Also where several ask the same model; of one that calls it itself the coder's name is all that is known."""
    bills = task(CHEAP, DEAR, by("", 1.0), by("", 1.0)).bills
    assert [(bill.coder, bill.cost, bill.spender) for bill in bills] == [
        ("pi", 1.0, "pi with m"),
        ("codex", 12.0, "codex with m"),
        ("", 2.0, "m"),
    ]
    assert Bill(role="coder", model="gemini", coder="gemini").spender == "gemini"
