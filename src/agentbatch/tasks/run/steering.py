"""What commands from outside can do with a living engine."""

from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.runs.control.user_message import UserMessage
from agentbatch.runs.kind import MAX_TASKS_AT_ONCE
from agentbatch.runs.quota_events import QUOTA_TRIED
from agentbatch.runs.state.task_state import TaskState
from agentbatch.runs.visits import refuse_visited
from agentbatch.tasks.run.engine import TasksEngine
from agentbatch.tasks.run.user.user_messages import recipients, when_delivered, why_not_sent
from agentbatch.tasks.run.user.visiting import tell_visits, why_not_visited
from agentbatch.text import counted, nearest


class Steering:
    """Each method returns the sentence that says what happened; raises UserError for what cannot be."""

    def __init__(self, engine: TasksEngine) -> None:
        self._engine = engine

    def stop(self, now: bool) -> str:
        engine = self._engine
        if now:
            engine.stop_now()
            return "Stopping at once: calls and commands under way are cut off."
        if not engine.signals.draining:
            engine.signal()
        return "Stopping: nothing new starts, running iterations end first."

    def pause(self, task_id: str | None) -> str:
        engine = self._engine
        self._refuse_when_over()
        if task_id is not None:
            self._running(task_id)
        for name in self._with_attempts(task_id):
            engine.signals.pauses.pause(name)
            engine.context.store.emit(e.Paused(task_id=name))
        if task_id is None:
            engine.scheduler.pause()
        what = "Paused" if task_id is None else f"Task {task_id} is paused"
        return f"{what}: no model call begins until `agentbatch unpause`."

    def unpause(self, task_id: str | None) -> str:
        engine = self._engine
        self._refuse_when_over()
        holds = engine.signals.pauses
        if task_id is not None and task_id not in holds.tasks:
            self._known(task_id)
            raise UserError(f"The task {task_id} is not paused by itself.")
        for held in sorted({*holds.tasks, *engine.signals.running}) if task_id is None else [task_id]:
            self._refuse_visited(held)
        tried = [quota.try_now() for quota in engine.quotas] if task_id is None else []
        if task_id is None and not holds.everything and not holds.tasks and any(tried):
            return QUOTA_TRIED
        if task_id is None and not holds.everything and not holds.tasks:
            raise UserError("Nothing is paused.")
        released = (
            [None] if task_id is None else [n for n in self._with_attempts(task_id) if n in holds.tasks]
        )
        for name in [*sorted(holds.tasks), None] if task_id is None else released:
            engine.context.store.emit(e.Resumed(task_id=name))
        for name in engine.signals.running if task_id is None else released:
            if name is not None and holds.holds(name):
                tell_visits(engine.context.store, name)
        for name in released:
            holds.release(name)
        if task_id is None:
            engine.scheduler.resume()
        return "The run continues." if task_id is None else f"Task {task_id} continues."

    def cancel_task(self, task_id: str) -> str:
        engine = self._engine
        self._refuse_when_over()
        state = self._known(task_id)
        if state.finished:
            raise UserError(f"The task {task_id} is over: {state.status}.")
        self._refuse_visited(task_id)
        engine.cancel_task(task_id, "cancelled", "Cancelled by command.")
        return f"Task {task_id} is cancelled."

    def retry_task(self, task_id: str) -> str:
        engine = self._engine
        self._refuse_when_over()
        if engine.signals.draining:
            raise UserError("The run is stopping; nothing new starts.")
        state = self._known(task_id)
        planned = engine.by_id.get(task_id)
        if planned is None:
            raise UserError(f"Task {task_id} is not part of this session.")
        if planned.attempt_of:
            raise UserError(f"{task_id} is an attempt; retry the task {planned.attempt_of}.")
        if state.finished and engine.scheduler.is_at_it(task_id):
            raise UserError(f"Task {task_id} is still finishing; try again in a moment.")
        if not state.finished:
            raise UserError(f"The task {task_id} is not over yet: {state.status}.")
        self._refuse_visited(task_id)
        engine.begin_again(planned)
        return f"Task {task_id} waits for its turn, from its start."

    def say(self, task_id: str | None, message: UserMessage) -> str:
        store = self._engine.context.store
        state, length = store.state, len(message.text)
        ending = {name for name, task in self._engine.signals.running.items() if task.ending}
        self._refuse_when_over()
        if task_id is None:
            tasks = recipients(state, ending, length)
        else:
            tasks = [self._known(task_id)]
            if deaf := why_not_sent(state, tasks[0], ending, length):
                raise UserError(deaf)
        for task in tasks:
            text, by = store.redact(message.text), store.redact(message.by)
            store.emit(e.UserSaid(task_id=task.id, text=text, by=by, token=message.token))
        if task_id is None:
            return f"{counted(len(tasks), 'task')} will hear it."
        return when_delivered(state, tasks[0], ending)

    def visit(self, task_id: str) -> str:
        """Whether a person may have a shell in its place now."""
        engine, state = self._engine, self._known(task_id)
        whole = engine.context.store.state
        why = why_not_visited(
            state,
            tried=bool(whole.attempts_of(task_id)),
            running=task_id in engine.signals.running or engine.scheduler.is_at_it(task_id),
            paused=engine.signals.pauses.holds(task_id),
            still=task_id in engine.signals.held,
            awaits=bool(state.attempt_of) and not whole.by_id[state.attempt_of].finished,
        )
        if why:
            raise UserError(why)
        return f"Task {task_id} stands still."

    def _refuse_visited(self, task_id: str) -> None:
        """Raises UserError where a shell is open in its place, or in that of an attempt at it."""
        store = self._engine.context.store
        refuse_visited(store.folder, [task_id, *(one.id for one in store.state.attempts_of(task_id))])

    def set_concurrency(self, number: int) -> str:
        engine = self._engine
        self._refuse_when_over()
        if number > MAX_TASKS_AT_ONCE:
            raise UserError(f"From 1 to {MAX_TASKS_AT_ONCE} tasks at the same time.")
        engine.scheduler.set_concurrency(number)
        engine.on_concurrency(number)
        engine.context.store.emit(e.ConcurrencyChanged(max_concurrent=number))
        return f"Up to {number} at the same time from now on."

    def _refuse_when_over(self) -> None:
        if self._engine.over:
            raise UserError("The run is over.")

    def _known(self, task_id: str) -> TaskState:
        tasks = self._engine.context.store.state.by_id
        if task_id not in tasks:
            near = nearest(task_id, tasks)
            raise UserError(f"There is no task {task_id!r}{f'; did you mean {near}?' if near else '.'}")
        return tasks[task_id]

    def _with_attempts(self, task_id: str | None) -> list[str | None]:
        """A task that is tried more than once stands still where these do."""
        attempts = self._engine.context.store.state.attempts_of(task_id or "")
        return [task_id, *(one.id for one in attempts if not one.finished)]

    def _running(self, task_id: str) -> TaskState:
        state = self._known(task_id)
        if state.finished:
            raise UserError(f"The task {task_id} is over: {state.status}.")
        return state
