"""tasks/<id>/coder.traj.json: the coder's conversation, in the form that trajectory viewers open."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agentbatch import __version__
from agentbatch.files import json_line
from agentbatch.runs.state.bills import Bill
from agentbatch.runs.state.task_state import TaskState
from agentbatch.tasks.results.steps import Step, TranscriptItem, calls_of, text_of

TRANSCRIPT = "coder.traj.json"
"""In the task's folder."""

TRAJECTORY_FORMAT = "mini-swe-agent-1.1"
"""messages + info, as mini-swe-agent's inspector reads them, and Harbor's converter for its agent."""


def trajectory(
    task: TaskState, messages: Sequence[Mapping[str, Any]], happened: Iterable[TranscriptItem] = ()
) -> str:
    """The document as JSON, a message a line. `messages` are as sent to the model; what a call cost by which one came
    stands in its `extra`, as far as `happened` has it."""
    costs = {
        _mark(step.message): step for step in happened if isinstance(step, Step) and step.call is not None
    }
    lines = ",\n".join(json_line(_with_cost(message, costs)) for message in messages)
    rest = {"info": _info(task), "trajectory_format": TRAJECTORY_FORMAT}
    return f'{{"messages": [\n{lines}\n],\n{json_line(rest)[1:]}\n'


def _mark(message: Mapping[str, Any]) -> str:
    """What tells a model's answer from others: the id of its first tool call; else what it says."""
    return next((call_id for call_id, _, _ in calls_of(message)), "") or text_of(message)


def _with_cost(message: Mapping[str, Any], costs: Mapping[str, Step]) -> Mapping[str, Any]:
    step = (
        costs.get(_mark(message)) if message.get("role") == "assistant" and "extra" not in message else None
    )
    if step is None or step.call is None:
        return message
    call, usage = step.call, step.call.usage
    counts = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
    response = {"model": call.model, **({} if usage.unknown else {"usage": counts})}
    extra = {"response": response, "cost": call.cost, "timestamp": step.ts}
    return {**message, "extra": extra}


def _info(task: TaskState) -> dict[str, Any]:
    coders = [bill for bill in task.bills if bill.role == "coder"]
    return {
        "exit_status": task.reason or task.status,
        "submission": task.last_response,
        "model_stats": {"instance_cost": task.cost, "api_calls": task.usage.calls},
        "config": {"model": {"model_name": coders[0].model}} if coders else {},
        "usage": [_bill(bill) for bill in task.bills],
        "agentbatch_version": __version__,
        "task": {"id": task.id, "dir": task.dir, "first_prompt": task.first_prompt},
        "status": task.status,
        "iterations": task.iteration,
        "said": [record.model_dump(include={"ts", "by", "text"}) for record in task.said],
        "setup": [record.model_dump() for record in task.setup],
        "verdicts": [record.model_dump() for record in task.verdicts],
    }


def _bill(bill: Bill) -> dict[str, Any]:
    coder = {"coder": bill.coder} if bill.coder else {}
    return {"role": bill.role, "model": bill.model, **coder, "cost": bill.cost, **bill.usage.document()}
