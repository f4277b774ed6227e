"""Why tasks failed, grouped: the same cause once, with how many it met. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from agentbatch.patterns import regex
from agentbatch.runs.log_lines import cause_text, reason_text
from agentbatch.runs.state.task_state import TaskState
from agentbatch.text import clip, first_line, fold

MAX_NUMBERS = 10
"""Tasks that are named of one cause."""


class Cause(NamedTuple):
    """Tasks that failed for the same cause."""

    text: str
    """The cause in words, with the first task's error where errors tell causes apart."""
    numbers: tuple[int, ...]
    """Places in task.json, from 1."""


_REFUSED = frozenset({"max_iterations", "stalled", "blocked"})
"""Reasons of work that was not accepted. What each lacks is its own; what kind of thing spoke against it, a cause."""

_TOLD_APART_BY_ERROR = frozenset(
    {"", "model_error", "workspace_error", "no_machine", "coder_error", "setup", "internal_error"}
)
"""Reasons with many causes. Of the others, the reason is the cause and the error only the task's detail."""

_VARYING = regex(r"\b(?=\w*\d)(?=\w*[^\W\d])\w+|\d{4,}")
"""What differs between two occurrences of one error: words with digits in them (request ids), long numbers.
Short numbers stay: 500 and 503 are two causes."""


def group_causes(tasks: Sequence[TaskState]) -> list[Cause]:
    """Failed tasks by reason, and where a reason has many causes by error text (without its numbers), or by what spoke
    against the work; the most frequent first."""
    groups: dict[tuple[str, str], list[TaskState]] = {}
    for task in tasks:
        if not task.finished or task.status == "completed" or task.reason == "interrupted":
            continue  # an interruption is no cause: the headline says that the run ended before
        detail = _detail(task)
        apart = detail.partition(":")[0] if task.reason in _REFUSED else _VARYING.sub("#", detail)
        groups.setdefault((task.reason or task.status, apart), []).append(task)
    causes = [
        Cause(_told(reason, found), tuple(task.index + 1 for task in found))
        for (reason, _), found in groups.items()
    ]
    return sorted(causes, key=lambda cause: -len(cause.numbers))


def _detail(task: TaskState) -> str:
    """What the reason leaves open; empty where it is the cause."""
    reason = task.reason or ""
    if reason not in _TOLD_APART_BY_ERROR | _REFUSED or not task.error:
        return ""
    return first_line(cause_text(task)).removeprefix(f"{reason}: ")


def _told(reason: str, tasks: Sequence[TaskState]) -> str:
    """The reason by its name, which --reason takes, and the detail of all of them, or as an example that of the first;
    where it has none, the reason in words."""
    details = [_detail(task) for task in tasks]
    alike = len({_VARYING.sub("#", detail) for detail in details}) == 1
    lead = "" if alike else "such as "
    words = f"{lead}{details[0]}" if details[0] else reason_text(reason).removeprefix(f"{reason}: ")
    return reason if words == reason else f"{reason}: {words}"


def cause_lines(causes: Sequence[Cause], width: int) -> list[str]:
    """A paragraph each: how many, why, which."""
    lines = []
    for cause in causes:
        shown = ", ".join(map(str, cause.numbers[:MAX_NUMBERS]))
        more = " …" if len(cause.numbers) > MAX_NUMBERS else ""
        noun = "task" if len(cause.numbers) == 1 else "tasks"
        text = f"  {len(cause.numbers):>3} x {clip(cause.text, 300)} ({noun} {shown}{more})"
        lines += fold(text, width, 8)
    return lines
