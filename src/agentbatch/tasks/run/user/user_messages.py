"""What a user says to tasks under way: who can still hear it, when they do, and that no task is over before. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from agentbatch.config import BUILTIN
from agentbatch.errors import UserError
from agentbatch.runs.control.user_message import MAX_MESSAGES
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.tasks.evaluator.evaluator import Continue, Decision, Done, Found
from agentbatch.text import clip, counted

FILE_INSTEAD = "put it into a file in its directory, and say where it is."
SAID_SINCE = "The user has said more, which the Coder has not heard yet."


def why_not_sent(state: RunState, task: TaskState, ending: Collection[str], length: int) -> str:
    """Why a text of this length cannot be said to the task, or to an attempt at one; empty: it can.

    `ending`: ids of those under way that are at their end."""
    retry = f"`agentbatch retry {task.attempt_of or task.id}` begins it again, and then it can be told."
    if task.finished:
        return f"The task {task.id} is over: {task.status}. {retry}"
    attempts = state.attempts_of(task.id)
    if attempts and not _at_work(attempts, ending):
        return f"The attempts at the task {task.id} are over: the best of them is being chosen."
    if task.id in ending and not attempts:
        return f"The task {task.id} is at its end, and its coder hears nothing any more. {retry}"
    known = sum(len(one.text) for one in state.said_to(task.id))
    if known + length > MAX_MESSAGES:
        return f"The task {task.id} was told {known:,} characters already, at most {MAX_MESSAGES:,} are: {FILE_INSTEAD}"
    return ""


def recipients(state: RunState, ending: Collection[str], length: int) -> list[TaskState]:
    """Of a text that is said to all tasks. Raises UserError when there are none."""
    found = [task for task in state.tasks.values() if not why_not_sent(state, task, ending, length)]
    if not found:
        raise UserError("No task is under way that could hear it.")
    return found


def when_delivered(state: RunState, task: TaskState, ending: Collection[str]) -> str:
    """When the task's coder is told what was just said to it, as a sentence."""
    name = f"Task {clip(task.id, 60)}"
    attempts = state.attempts_of(task.id)
    if attempts:
        at_work = len(_at_work(attempts, ending))
        over = " What is over without it is not chosen." if at_work < len(attempts) else ""
        return f"{name}: {counted(at_work, 'attempt')} at it will hear it.{over}"
    if task.status == "queued":
        return f"{name} hears it with its {'next' if task.begun else 'first'} prompt."
    if task.status == "evaluating":
        return f"{name} is being evaluated: it hears this in another iteration, and is not accepted before."
    if task.coder != BUILTIN:
        return f"{name} hears it with {clip(task.coder, 40)}'s next prompt, and is not accepted before."
    held = ", when it continues" if state.paused or task.paused else ""
    return f"{name} hears it before its next model call{held}."


def _at_work(attempts: Iterable[TaskState], ending: Collection[str]) -> list[TaskState]:
    return [one for one in attempts if not one.finished and one.id not in ending]


def unless_unread(decision: Decision, *, waiting: bool) -> Decision:
    """A task is not over while something that was said to it `waiting`s for its coder: it goes out with another
    prompt, also behind the last iteration."""
    return Continue(decision.error) if waiting and isinstance(decision, Done) else decision


def found_unless_unread(found: Found, *, waiting: bool) -> Found:
    """The same of what an evaluation found; work that does not have what was asked for last is not accepted."""
    decision = unless_unread(found.decision, waiting=waiting)
    if decision is found.decision:
        return found
    return replace(found, decision=decision, refusals=(*found.refusals, SAID_SINCE))
