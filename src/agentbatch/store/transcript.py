"""tasks/<id>/coder.traj.json: the coder's conversation, in the form that trajectory viewers open."""

from collections.abc import Sequence
from typing import Any

from agentbatch import __version__
from agentbatch.store.state import TaskState

TRAJECTORY_FORMAT = "mini-swe-agent-1.1"
"""messages + info, as mini-swe-agent's inspector and others of this field read them."""


def trajectory(task: TaskState, messages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The document. `messages` are as sent to the model."""
    return {
        "messages": list(messages),
        "info": {
            "exit_status": task.reason or task.status,
            "submission": task.last_response,
            "model_stats": {"instance_cost": task.cost, "api_calls": task.usage.calls},
            "agentbatch_version": __version__,
            "task": {"id": task.id, "dir": task.dir, "first_prompt": task.first_prompt},
            "status": task.status,
            "iterations": task.iteration,
            "verdicts": [record.model_dump() for record in task.verdicts],
        },
        "trajectory_format": TRAJECTORY_FORMAT,
    }

