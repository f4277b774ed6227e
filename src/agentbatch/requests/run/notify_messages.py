"""What notifications say of a batch of plain requests: of the first failure, and of the end. Pure.

As in notification.py: nothing that a model or a server wrote but for the error that ended the batch.
"""

from pathlib import Path

from agentbatch.requests.spec.result import BatchResult
from agentbatch.runs.resume_hint import resume_command, retry_command
from agentbatch.runs.services.notify_messages import TITLE_WIDTH, Kind, Message, body, quiet, run_name
from agentbatch.runs.state import RunState
from agentbatch.text import clip, counted, duration, money, tokens

MAX_ID = 100
"""Cells."""


def request_failure_message(state: RunState, result: BatchResult) -> Message:
    """A request is the first of this session to fail."""
    name = quiet(clip(result.id, MAX_ID))
    session = state.info.session if state.info is not None else 1
    since = f"since run {run_name(state)} went on" if session > 1 else f"of run {run_name(state)}"
    lines = [
        f"Request {name} failed ({_reason(result)}), the first {since}.",
        f"Look with: agentbatch status {run_name(state)}",
    ]
    return Message(clip(f"agentbatch: request {name} failed", TITLE_WIDTH), body(lines), "failure")


def requests_end_message(state: RunState, output: Path, now: float) -> Message:
    """A batch is over. `output`: the file with its answers; `now`: epoch seconds."""
    end, figures = state.finished, state.requests
    ok, failed, total = (figures.ok, figures.failed, figures.total) if figures is not None else (0, 0, 0)
    what, kind = _ending(state, whole=ok == total)
    left = total - ok - failed
    counts = [
        f"{ok:,} answered",
        f"{failed:,} failed" if failed else "",
        f"{left:,} not asked" if left else "",
    ]
    commands = [command for command in (resume_command(state), retry_command(state)) if command]
    usage = state.usage
    lines = [
        f"Run {run_name(state)}: {counted(total, 'request')}: {', '.join(filter(None, counts))}",
        *([f"Stopped: {quiet(end.error)}"] if end is not None and end.error else []),
        f"Time {duration(state.seconds(now))}, cost {money(state.cost)}, "
        f"{tokens(usage.total, estimated=usage.estimated)} tokens",
        f"Answers: {output}",
        *([f"What failed, and why: agentbatch status {run_name(state)}"] if failed else []),
        *([f"Go on with: {commands[0]}"] if commands else []),
    ]
    title = f"agentbatch: {what}, {ok:,} of {counted(total, 'request')} answered"
    return Message(clip(title, TITLE_WIDTH), body(lines), kind)


def _ending(state: RunState, *, whole: bool) -> tuple[str, Kind]:
    end = state.finished
    if end is not None and end.error:
        return "the batch was stopped", "failure"
    if end is not None and end.interrupted and not whole:
        return "the batch was interrupted", "warning"
    return "the batch is over", "success" if whole else "failure"


def _reason(result: BatchResult) -> str:
    """In our words."""
    if result.status_code is not None and result.status_code != 200:
        return f"the endpoint answered {result.status_code}"
    return "there was no usable answer"
