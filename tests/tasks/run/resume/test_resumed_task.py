"""Where a task was, told from its events and messages."""

from typing import Any

from agentbatch.runs import events as e
from agentbatch.runs.store.history import TaskHistory
from agentbatch.tasks.coders.builtin.stored_turn import stored_turn
from agentbatch.tasks.coders.coder import TurnOutcome
from agentbatch.tasks.evaluator.controller import Evaluated, TaskPosition
from agentbatch.tasks.run.resume.resumed_task import resumed_task
from agentbatch.usage import Usage

EVALUATED = Evaluated(
    position=TaskPosition.of("d1", ["b", "A  c"]),
    refusals=("one", "two"),
    judged=True,
    failed_check="pytest",
    stuck=True,
)


def history(*events: e.Event) -> TaskHistory:
    numbered = [event.model_copy(update={"seq": 10 + place}) for place, event in enumerate(events)]
    return TaskHistory(4, [{"role": "user", "content": "go"}], numbered)


def started(iteration: int, prompt: str = "go") -> e.IterationStarted:
    return e.IterationStarted(task_id="t", iteration=iteration, prompt=prompt)


def called(tokens: int = 10, cost: float | None = 0.5, **fields: Any) -> e.ModelCallFinished:
    usage = Usage(input=tokens, output=1, calls=1)
    values: dict[str, Any] = {"role": "coder", "model": "m", "usage": usage, "cost": cost, "latency": 1.0}
    return e.ModelCallFinished(task_id="t", attempts=1, **{**values, **fields})


def tool(call_id: str, **fields: Any) -> tuple[e.ToolCalled, e.ToolFinished]:
    return (
        e.ToolCalled(task_id="t", call_id=call_id, tool="bash", summary=""),
        e.ToolFinished(task_id="t", call_id=call_id, tool="bash", ok=True, seconds=0.1, **fields),
    )


def verdict(iteration: int, **fields: Any) -> e.VerdictReached:
    values: dict[str, Any] = {"accepted": False, "verdict": None, "decision": "continue"}
    return e.VerdictReached(
        task_id="t", iteration=iteration, evaluated=EVALUATED.record(), **{**values, **fields}
    )


def test_what_was_evaluated_comes_back_whole() -> None:
    assert Evaluated.of(EVALUATED.record()) == EVALUATED


def test_a_task_without_a_first_prompt_begins_from_the_start() -> None:
    assert resumed_task(history()) is None


def test_a_turn_under_way() -> None:
    record = {"command": "ls", "exit_code": 0, "tail": "x", "seconds": 0.1}
    found = resumed_task(
        history(
            started(1),
            called(),
            *tool("a", changed=True, command=record),
            called(20, purpose="compact"),
            called(30),
            called(0, usage=Usage(), error="failed"),
            e.ToolCalled(task_id="t", call_id="b", tool="bash", summary=""),
        )
    )
    assert found is not None
    assert (found.under_way, found.outcome, found.coder.generation) == (True, None, 4)
    turn = stored_turn(found.coder.turn)
    assert (turn.spent.steps, turn.spent.tokens, turn.spent.cost) == (2, 42, 1.0)
    assert turn.begun == {"a", "b"}
    assert turn.tools_used
    (trace,) = found.coder.tools
    assert trace.changed
    assert trace.command is not None
    assert (trace.command.command, trace.command.exit_code) == ("ls", 0)


def test_only_the_turn_under_way_counts_towards_its_limits() -> None:
    found = resumed_task(history(started(1), called(), *tool("a"), verdict(1), started(2, "more"), called(5)))
    assert found is not None
    turn = stored_turn(found.coder.turn)
    assert (turn.spent.steps, turn.begun, turn.tools_used) == (1, frozenset(), False)
    assert (found.prompt, found.under_way) == ("more", True)
    assert [Evaluated.of(event.evaluated) for event in found.verdicts] == [EVALUATED]


def test_an_unknown_price_stays_unknown() -> None:
    found = resumed_task(history(started(1), called(), called(cost=None)))
    assert found is not None
    assert stored_turn(found.coder.turn).spent.cost is None


def test_a_turn_that_is_over_is_not_repeated() -> None:
    over = e.TurnFinished(task_id="t", iteration=1, end="stuck", text="hm", circle="repeat")
    found = resumed_task(history(started(1), called(), over))
    assert found is not None
    assert found.under_way
    assert found.outcome == TurnOutcome("stuck", "hm", "repeat")


def test_between_iterations_the_follow_up_comes_next() -> None:
    over = e.TurnFinished(task_id="t", iteration=1, end="finished", text="done")
    found = resumed_task(history(started(1), over, verdict(1, follow_up="Do more.", anew=True)))
    assert found is not None
    assert (found.under_way, found.coder.turn, found.last_text) == (False, [], "done")
    (event,) = found.verdicts
    assert (event.follow_up, event.anew) == ("Do more.", True)
