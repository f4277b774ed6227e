"""Comparisons of models as a run's state has them."""

from collections.abc import Mapping, Sequence
from typing import Any

from agentbatch.runs import events as e
from agentbatch.runs.state.bills import Bill
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.usage import Usage

Attempt = bool | Mapping[str, Any]
"""Whether it was completed; or what of its state is another than of one that was."""

BILL = Bill(role="coder", model="m", usage=Usage(input=900, output=100, calls=2), cost=0.5)


def compared(models: Sequence[str], tasks: Sequence[Sequence[Sequence[Attempt]]]) -> RunState:
    """`tasks`: of each, of each model, its attempts."""
    state = RunState()
    settings = {"models": list(models)}
    state.apply(
        e.RunStarted(
            run_id="r", version="1", max_concurrent=2, total_tasks=len(tasks), coder_model="m",
            evaluator_model="judge", coder_endpoint="", mode="parallel", settings=settings, ts=1000.0,
        )
    )  # fmt: skip
    for index, by_model in enumerate(tasks):
        name = f"t{index}"
        state.put(_task(name, index, {"reason": "compared", "bills": (), "iteration": 0}))
        for place, attempts in enumerate(by_model):
            for number, given in enumerate(attempts):
                own = {"attempt_of": name, "model": models[place], **_as_fields(given)}
                state.put(_task(e.attempt_id(name, number * len(models) + place + 1), index, own))
    state.bills = (BILL,)
    state.apply(e.RunFinished(ts=1100.0))
    return state


def _as_fields(given: Attempt) -> Mapping[str, Any]:
    if not isinstance(given, bool):
        return given
    return {} if given else {"status": "timeout", "reason": "max_iterations"}


def _task(name: str, index: int, own: Mapping[str, Any]) -> TaskState:
    fields = {
        "id": name, "index": index, "dir": "d", "first_prompt": "Do it.", "max_iterations": 3, "status": "completed",
        "reason": "accepted", "iteration": 2, "started_at": 1000.0, "finished_at": 1030.0, "bills": (BILL,), **own,
    }  # fmt: skip
    return TaskState(**fields)
