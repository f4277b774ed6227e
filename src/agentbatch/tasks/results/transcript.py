"""tasks/<id>/coder.traj.json: the coder's conversation, in the form that trajectory viewers open."""

from collections.abc import Mapping, Sequence
from typing import Any

from agentbatch import __version__
from agentbatch.files import json_line
from agentbatch.runs.state.task_state import TaskState

TRANSCRIPT = "coder.traj.json"
"""In the task's folder."""

TRAJECTORY_FORMAT = "mini-swe-agent-1.1"
"""messages + info, as mini-swe-agent's inspector and others of this field read them."""


def trajectory(task: TaskState, messages: Sequence[Mapping[str, Any]]) -> str:
    """The document as JSON, a message a line. `messages` are as sent to the model."""
    lines = ",\n".join(json_line(message) for message in messages)
    rest = {"info": _info(task), "trajectory_format": TRAJECTORY_FORMAT}
    return f'{{"messages": [\n{lines}\n],\n{json_line(rest)[1:]}\n'


def _info(task: TaskState) -> dict[str, Any]:
    return {
        "exit_status": task.reason or task.status,
        "submission": task.last_response,
        "model_stats": {"instance_cost": task.cost, "api_calls": task.usage.calls},
        "agentbatch_version": __version__,
        "task": {"id": task.id, "dir": task.dir, "first_prompt": task.first_prompt},
        "status": task.status,
        "iterations": task.iteration,
        "verdicts": [record.model_dump() for record in task.verdicts],
    }
