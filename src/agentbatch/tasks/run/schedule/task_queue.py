"""Which tasks a session of a run starts with: each is queued, queued again, or over; an event says so of every one."""

from collections.abc import Iterator
from typing import Literal

from agentbatch.runs import events as e
from agentbatch.runs.store.history import TaskHistory
from agentbatch.runs.store.store import Store
from agentbatch.tasks.run.resume.resume_plan import ResumePlan
from agentbatch.tasks.spec.plan import Plan, PlannedTask

Ended = tuple[str, Literal["left_out", "interrupted"], str]
"""Id of a task that is over for this session, and why: the reason, and a sentence."""


class TaskQueue:
    """Emits what becomes of tasks before they start."""

    def __init__(self, store: Store, plan: Plan, resume_plan: ResumePlan) -> None:
        self.actions = resume_plan.resume_actions
        """What a resumed run does with each task, by id; empty: the run is new."""
        self._store = store
        self._plan = plan
        self._histories = dict(resume_plan.histories)
        self._numbers = {state.index for state in store.state.tasks.values()}
        """Taken: `task i/N` means one task for as long as the run lasts."""

    def begin(self) -> Iterator[Ended]:
        """Queue the plan's tasks; first, the known tasks that it does not have and that are to be ended."""
        known, planned = self._store.state.by_id, {task.id for task in self._plan.tasks}
        for task_id, state in list(known.items()):
            if task_id in planned or (state.finished and not state.resumable):
                continue
            if task_id not in self._plan.left_out:
                yield task_id, "left_out", "It is not in the task file any more."
            elif not state.finished:
                yield task_id, "interrupted", "Not chosen this time."
        for task in self._plan.tasks:
            action = self.actions.get(task.id, "new")
            if action in ("new", "rerun", "changed"):
                if action == "changed":
                    text = f"The task {task.id} is not the same as before: it runs afresh."
                    self._store.emit(e.Notice(task_id=task.id, text=text, warning=False))
                self.add(task)
            elif action == "start":
                self.add_again(task)
            elif action == "continue":
                state = known[task.id]
                self.add_again(task, state.duration(state.activity.since))

    def add(self, task: PlannedTask) -> None:
        """It runs from its start, whatever was before."""
        self._histories.pop(task.id, None)
        number = self._number(task)
        self._numbers.add(number)
        self._store.emit(
            e.TaskQueued(
                task_id=task.id,
                index=number,
                dir=task.shown_dir,
                first_prompt=task.task.first_prompt,
                max_iterations=task.max_iterations,
                definition=task.definition,
                depends_on=list(task.depends_on),
                max_cost=task.max_cost,
                max_tokens=task.max_tokens,
                attempt_of=task.attempt_of,
                has_verify=bool(task.task.verify),
                tried=bool(task.attempts),
                coder=task.coder,
                model=(task.attempt and task.attempt.coder_model) or "",
            )
        )

    def add_again(self, task: PlannedTask, seconds_before: float = 0.0) -> None:
        """It is resumed, or starts after all. `seconds_before`: what it was at work in earlier sessions."""
        self._store.emit(
            e.TaskRequeued(
                task_id=task.id,
                seconds_before=seconds_before,
                max_cost=task.max_cost,
                max_tokens=task.max_tokens,
                max_iterations=task.max_iterations,
                coder=task.coder,
            )
        )

    def history(self, task_id: str) -> TaskHistory | None:
        """What an earlier session left of the task; once, when it is resumed."""
        return self._histories.pop(task_id, None)

    def _number(self, task: PlannedTask) -> int:
        """Its place in the file, unless another task of the run has had that number."""
        known = self._store.state.tasks
        if (name := task.attempt_of or task.id) in known:
            return known[name].index
        if task.index not in self._numbers:
            return task.index
        return max(self._numbers) + 1
