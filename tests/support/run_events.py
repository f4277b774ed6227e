"""A run's first event, for tests to which little of it matters."""

from typing import Any

from agentbatch.runs import events as e

NOON = 1_800_014_400.0
"""2027-01-15 12:00:00 UTC."""

URL = "https://models.example.com/v1"


def run_started(tasks: int = 1, /, **fields: Any) -> e.RunStarted:
    """A run of tasks, unless `fields` say otherwise."""
    usual: dict[str, Any] = {
        "run_id": "r1",
        "version": "0",
        "mode": "parallel",
        "max_concurrent": 3,
        "coder_model": "m-coder",
        "evaluator_model": "m-judge",
        "coder_endpoint": URL,
        "evaluator_endpoint": URL,
    }
    return e.RunStarted.model_validate({"total_tasks": tasks} | usual | fields)
