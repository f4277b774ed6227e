"""Results files of other programs and of before, and what a screen takes from one."""

from typing import Any

from agentbatch.runs.listing import condition
from agentbatch.runs.state.run_state import RunState

OLD: dict[str, Any] = {
    "summary": {
        "totalTasks": 3,
        "completedTasks": 1,
        "failedTasks": 1,
        "timeoutTasks": 1,
        "maxConcurrent": 2,
        "timestamp": "2027-01-15T12:01:00.000Z",
        "totalTokenStats": {"totalTokens": 1500, "promptTokens": 1200, "completionTokens": 300, "calls": 6},
    },
    "results": [
        {
            "taskIndex": place,
            "task": {"dir": f"work/{name}", "first_prompt": f"write {name}"},
            "result": {
                "status": status,
                "iterations": place + 1,
                "tokenStats": {
                    "totalTokens": 500,
                    "promptTokens": 400,
                    "completionTokens": 100,
                    "calls": 2,
                    "averageTokensPerCall": 250,
                },
                "lastResponse": f"did {name}",
                "lastEvaluation": "it is there",
                **({"error": "HTTP 500"} if status == "error" else {}),
            },
            "duration": 20_000 * (place + 1),
            "timestamp": f"2027-01-15T12:00:{20 * place + 19}.000Z",
        }
        for place, (name, status) in enumerate([("a", "completed"), ("b", "error"), ("c", "timeout")])
    ],
}


def shown(state: RunState) -> dict[str, object]:
    """All that a run screen takes from a state, but for live things: what a task does now, what may still be spent."""
    assert state.info is not None
    assert state.finished is not None
    hidden = {
        "max_cost",
        "max_tokens",
        "definition",
        "depends_on",
        "since",
        "activity",
        "started_at",
        "seconds_before",
    }
    return {
        "info": state.info.model_dump(
            exclude={"seq", "ts", "settings", "flags", "task_file", "seconds_before", "session"}
        ),
        "tasks": {
            name: (task.model_dump(exclude=hidden), task.begun, task.duration(0.0), task.cost, task.usage)
            for name, task in state.tasks.items()
        },
        "bills": state.bills,
        "end": state.finished.model_dump(exclude={"seq"}),
        "notices": state.notices,
        "counts": {status: number for status, number in state.counts.items() if number},
        "seconds": state.seconds(0.0),
        "condition": condition(state, held=False),
    }
