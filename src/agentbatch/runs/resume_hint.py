"""The exact command that goes on with a run."""

from agentbatch.runs.state import RunState
from agentbatch.text import clip

MAX_ID = 60
"""Cells. Ours are shorter."""


def resume_command(state: RunState) -> str:
    """`agentbatch resume RUN` when tasks, or plain requests, are not at their end, or their output is not; empty when
    there is nothing to go on with."""
    under_way = state.open_requests > 0 or state.output_missing
    under_way = under_way or any(not task.finished or task.resumable for task in state.tasks.values())
    if state.info is None or not under_way:
        return ""
    return f"agentbatch resume {clip(state.info.run_id, MAX_ID)}"


def retry_command(state: RunState) -> str:
    """The command that runs what failed again; empty when nothing failed for good."""
    failed = (state.requests is not None and state.requests.failed > 0) or any(
        task.finished
        and not task.resumable
        and task.status in ("error", "timeout", "cancelled")
        and task.reason != "left_out"
        for task in state.tasks.values()
    )
    return (
        f"agentbatch resume {clip(state.info.run_id, MAX_ID)} --retry-failed" if state.info and failed else ""
    )
