"""What notifications say of a run of tasks or plain requests: at the first failure, and at the end. Pure.

Not what a model or a server wrote but for the error that ended a run: a message goes to places where text can call
people (@everyone) or be a link.
"""

from pathlib import Path
from typing import Literal, NamedTuple

from agentbatch.runs.events import QuotaUsedUp
from agentbatch.runs.kind import kind_of, resume_command, retry_command
from agentbatch.runs.log_lines import reason_text
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.text import clip, clock_text, counted, duration, money

LISTED = 10
"""Failed tasks that a message names."""

TITLE_WIDTH = 100
LINE_WIDTH = 300
"""Cells. Paths and commands are longer than a screen's line at times, and people copy them."""

Kind = Literal["success", "warning", "failure"]


class Message(NamedTuple):
    title: str
    body: str
    """Lines of plain text, at most some 5,000 characters."""
    kind: Kind


def failure_message(state: RunState, task: TaskState) -> Message:
    """A task is the first of its run to fail."""
    lines = [
        f"Task {_name(task.id)} failed ({_reason(task)}), the first of run {_run(state)}.",
        _counts(state),
        f"Look with: agentbatch status {_run(state)}",
    ]
    title = f"agentbatch: task {_name(task.id)} failed"
    return _message(title, lines, "failure")


def asleep_message(state: RunState, quota: QuotaUsedUp) -> Message:
    """The run sleeps until a quota is back."""
    when = clock_text(quota.until, quota.ts)
    lines = [
        f"Run {_run(state)} sleeps until {when} ({duration(quota.until - quota.ts)}) and goes on by itself: the quota "
        f"of {_quiet(clip(quota.endpoint, 100))} is used up.",
        f"Try at once with: agentbatch unpause {_run(state)}",
    ]
    return _message(f"agentbatch: asleep until {when}", lines, "warning")


def urgent_message(state: RunState, text: str) -> Message:
    """The run needs somebody. `text`: a sentence of ours."""
    lines = [
        f"Run {_run(state)}: {_quiet(text)}",
        _counts(state),
        f"Look with: agentbatch status {_run(state)}",
    ]
    return _message("agentbatch: the run waits", lines, "warning")


def alert_message(state: RunState, alert: str, figures: str, now: float) -> Message:
    """Something that the user wants to know of has come about. `figures`: the values that say so."""
    lines = [
        f"Run {_run(state)}: {_quiet(alert)}, since {figures}.",
        *([_counts(state)] if kind_of(state.info).has_tasks else []),
        *_figures(state, now),
        f"Look with: agentbatch status {_run(state)}",
    ]
    return _message(f"agentbatch: {_quiet(alert)}", lines, "warning")


def end_message(state: RunState, results_file: Path, now: float) -> Message:
    """A run is over. `results_file`: of plain requests the file with the answers; `now`: epoch seconds."""
    words = _tasks_end if kind_of(state.info).has_tasks else _requests_end
    return words(state, results_file, now)


def _tasks_end(state: RunState, results_file: Path, now: float) -> Message:
    end = state.finished
    completed, total = state.count("completed"), len(state.tasks)
    kind: Kind = "success" if completed == total else "failure"
    what = "the run is over"
    if end is not None and end.error:
        what, kind = "the run was stopped", "failure"
    elif end is not None and end.interrupted and completed < total:
        what, kind = "the run was interrupted", "warning"
    failed = [task for task in state.tasks.values() if failed_for_good(task)]
    command = resume_command(state) or retry_command(state)
    lines = [
        f"Run {_run(state)}: {_counts(state)}",
        *_figures(state, now),
        *(["Not completed:"] if failed else []),
        *(f"- {_name(task.id)}: {_reason(task)}" for task in failed[:LISTED]),
        *([f"- and {len(failed) - LISTED:,} more"] if len(failed) > LISTED else []),
        f"Results: {results_file}",
        *([f"Resume with: {command}"] if command else []),
    ]
    title = f"agentbatch: {what}, {completed:,} of {counted(total, 'task')} completed"
    return _message(title, lines, kind)


def request_failure_message(state: RunState, request_id: str, status_code: int | None) -> Message:
    """A request is the first of this session to fail. `status_code`: of its answer; None: there was none."""
    name = _name(request_id)
    session = state.info.session if state.info is not None else 1
    answered = status_code is not None and status_code != 200
    reason = f"the endpoint answered {status_code}" if answered else "there was no usable answer"
    since = f"since run {_run(state)} was resumed" if session > 1 else f"of run {_run(state)}"
    lines = [
        f"Request {name} failed ({reason}), the first {since}.",
        f"Look with: agentbatch status {_run(state)}",
    ]
    return _message(f"agentbatch: request {name} failed", lines, "failure")


def _requests_end(state: RunState, output: Path, now: float) -> Message:
    total, ok, failed, left = kind_of(state.info).counts(state)
    what, kind = _requests_ending(state, whole=ok == total)
    counts = [
        f"{ok:,} answered",
        f"{failed:,} failed" if failed else "",
        f"{left:,} not asked" if left else "",
    ]
    commands = [command for command in (resume_command(state), retry_command(state)) if command]
    lines = [
        f"Run {_run(state)}: {counted(total, 'request')}: {', '.join(filter(None, counts))}",
        *_figures(state, now),
        f"Answers: {output}",
        *([f"What failed, and why: agentbatch status {_run(state)}"] if failed else []),
        *([f"Resume with: {commands[0]}"] if commands else []),
    ]
    title = f"agentbatch: {what}, {ok:,} of {counted(total, 'request')} answered"
    return _message(title, lines, kind)


def _requests_ending(state: RunState, *, whole: bool) -> tuple[str, Kind]:
    end = state.finished
    if end is not None and end.error:
        return "the batch was stopped", "failure"
    if end is not None and end.interrupted and not whole:
        return "the batch was interrupted", "warning"
    return "the batch is over", "success" if whole else "failure"


def failed_for_good(task: TaskState) -> bool:
    """It did not reach its goal, and a resumption would not continue it."""
    return task.finished and not task.resumable and task.status != "completed"


def _counts(state: RunState) -> str:
    tasks = state.tasks.values()
    ends = {"completed": "completed", "error": "failed", "timeout": "timed out", "cancelled": "cancelled",
            "skipped": "skipped"}  # fmt: skip
    numbers = dict.fromkeys((*ends.values(), "not finished"), 0)
    for task in tasks:
        numbers[ends[task.status] if task.at_its_end else "not finished"] += 1
    shown = ", ".join(f"{number:,} {word}" for word, number in numbers.items() if number)
    return f"{counted(len(tasks), 'task')}{f': {shown}' if shown else ''}"


def _run(state: RunState) -> str:
    """Its id."""
    return state.info.run_id if state.info is not None else "?"


def _name(task_id: str) -> str:
    return _quiet(clip(task_id, 100))


def _reason(task: TaskState) -> str:
    return reason_text(task.reason or task.status)


def _figures(state: RunState, now: float) -> list[str]:
    """Why it was stopped, if it was; what it took."""
    end, usage = state.finished, state.usage
    return [
        *([f"Stopped: {_quiet(end.error)}"] if end is not None and end.error else []),
        f"Time {duration(state.seconds(now))}, cost {money(state.cost)}, {usage.shown(usage.total)} tokens",
    ]


def _message(title: str, lines: list[str], kind: Kind) -> Message:
    return Message(clip(title, TITLE_WIDTH), "\n".join(clip(line, LINE_WIDTH) for line in lines), kind)


def _quiet(text: str) -> str:
    """Foreign text for a chat: it calls nobody, nothing in it is a tag."""
    return text.translate(_QUIET)


_QUIET = str.maketrans({"@": "＠", "<": "‹", ">": "›"})
