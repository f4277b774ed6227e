"""A user's shell in the place of a task: when it may be opened, and what the task is told of it."""

from agentbatch.runs import events as e
from agentbatch.runs.state.task_state import TaskState
from agentbatch.runs.store.store import Store
from agentbatch.runs.visits import said_of, take_visits
from agentbatch.tasks.run.user.user_messages import why_not_sent
from agentbatch.text import clip


def why_not_visited(
    task: TaskState, *, tried: bool, running: bool, paused: bool, still: bool, awaits: bool = False
) -> str:
    """Why nobody can have a shell in the task's place now, a sentence; empty: somebody can. Pure.

    `tried`: it has attempts; `running`: it is under way in this engine; `paused`: it, or the run; `still`: it waits
    there, at its next model call; `awaits`: it is an attempt, and the best is still to be chosen in this engine."""
    short = clip(task.id, 60)
    name = f"Task {short}"
    if tried:
        return f"{name} is tried several times, each in a place of its own: name an attempt, {short}@1."
    if task.finished and awaits:
        return f"{name} is over, and its place may go any moment, when the best attempt is chosen."
    if task.finished:
        return f"{name} is still finishing; try again in a moment." if running else ""
    if not running:
        return "" if task.begun else f"{name} waits for its turn: it has no place yet."
    if not paused:
        return f"{name} is being worked on. Pause it first: agentbatch pause {short} (or --pause)."
    if task.status == "evaluating":
        return f"{name} is being evaluated, and what is judged must not change. Try again when its coder has its turn."
    if not still:
        return f"{name} is paused, and its call or command under way ends first. Try again in a moment."
    return ""


def tell_visits(store: Store, task_id: str) -> None:
    """What was done in its place meanwhile is recorded, and told to its coder and its judge as words of the user's.
    Before the task goes on."""
    for visit in take_visits(store.folder, task_id):
        changed = None if visit.changed is None else [store.redact(path) for path in visit.changed]
        store.emit(e.Visited(task_id=task_id, seconds=visit.seconds, changed=changed))
        if changed == []:
            continue
        text = said_of(changed)
        if deaf := why_not_sent(store.state, store.state.by_id[task_id], (), len(text)):
            store.emit(e.Notice(task_id=task_id, text=store.redact(f"Not told of your changes: {deaf}")))
        else:
            store.emit(e.UserSaid(task_id=task_id, text=text, by="agentbatch shell"))
