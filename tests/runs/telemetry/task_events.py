"""Events of a task, as a run emits them."""

from typing import Any

from agentbatch.runs import events as e
from agentbatch.usage import Usage

SAID = "words that nobody should read elsewhere"


def queued(task_id: str, **fields: Any) -> e.TaskQueued:
    return e.TaskQueued(task_id=task_id, index=0, dir="d", first_prompt=SAID, max_iterations=4, **fields)


def turn(task_id: str, iteration: int = 1) -> list[e.Event]:
    """A turn with a model call, repeated once after a 429, and a tool call that fails; and its evaluation."""
    call = {"task_id": task_id, "role": "coder"}
    judge = {"task_id": task_id, "role": "evaluator", "model": "m-judge", "purpose": "judge"}
    usage = Usage(input=100, cached=40, output=20, calls=1)
    return [
        e.IterationStarted(task_id=task_id, iteration=iteration, prompt=SAID),
        e.ModelCallStarted(**call, model="m-coder"),
        e.ModelCallRetried(**call, attempt=1, wait=2.0, error=SAID, status=429),
        e.ModelCallFinished(
            **call, model="m-coder", usage=usage, cost=0.25, latency=1.0, attempts=2, finish_reason="stop"
        ),
        e.ToolCalled(task_id=task_id, call_id="c1", tool="bash", summary=SAID),
        e.ToolFinished(task_id=task_id, call_id="c1", tool="bash", ok=False, exit_code=1, seconds=1.0, summary=SAID),
        e.TurnFinished(task_id=task_id, iteration=iteration, end="finished", text=SAID),
        e.CheckStarted(task_id=task_id, command=SAID),
        e.CheckFinished(task_id=task_id, command=SAID, exit_code=0, tail=SAID, seconds=1.0),
        e.ModelCallStarted(**judge),
        e.ModelCallFinished(
            **judge, usage=usage, cost=None, latency=1.0, attempts=1, error=SAID, kind="rate", status=429
        ),
        e.VerdictReached(
            task_id=task_id, iteration=iteration, accepted=True, verdict={"score": 0.9}, refusals=[SAID],
            decision="done",
        ),
    ]  # fmt: skip


def finished(
    task_id: str, status: e.FinalStatus = "completed", reason: e.Reason = "accepted"
) -> e.TaskFinished:
    return e.TaskFinished(task_id=task_id, status=status, reason=reason, last_response=SAID, error=SAID)
