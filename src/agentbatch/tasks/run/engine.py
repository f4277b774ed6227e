"""The engine: runs a plan's tasks in this process, on one event loop, and ends the run."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from agentbatch.model.limits.quota import QuotaGate
from agentbatch.runs import events as e
from agentbatch.runs.state.task_state import TaskState
from agentbatch.spending.failure_limit import MAX_UNANSWERED_TASKS, FailureLimit, Outage
from agentbatch.tasks.run.context import RunContext
from agentbatch.tasks.run.ending.choosing import Choosing
from agentbatch.tasks.run.ending.task_end import in_words
from agentbatch.tasks.run.resume.resume_plan import ResumePlan
from agentbatch.tasks.run.schedule.scheduler import Outcome, Scheduler
from agentbatch.tasks.run.schedule.task_queue import TaskQueue
from agentbatch.tasks.run.task_loop import EndpointUnusable, TaskLoop
from agentbatch.tasks.spec.plan import Plan, PlannedTask
from agentbatch.text import counted


class TasksEngine:
    """Runs a plan's tasks; an `Engine` of its session. Everything that happens is an event in the store."""

    def __init__(
        self,
        context: RunContext,
        plan: Plan,
        *,
        max_concurrent: int,
        rest: float,
        resume_plan: ResumePlan,
        failure_limit: FailureLimit | None,
        on_concurrency: Callable[[int], None],
        quotas: Sequence[QuotaGate],
    ) -> None:
        """`rest`: seconds between two task starts. `on_concurrency` is called when a command changes how many run
        at the same time. `quotas`: of its endpoints."""
        self.quotas = quotas
        self.context = context
        self.signals = context.signals
        self.signals.on_drain = self._drain
        self._plan = plan
        self.by_id = {task.id: task for task in plan.tasks}
        self.queue = TaskQueue(context.store, plan, resume_plan)
        known = context.store.state.by_id
        self.scheduler = Scheduler(
            plan,
            self._run_task,
            max_concurrent=max_concurrent,
            rest=rest,
            skip=self._skip,
            ended={
                task_id: task_id in known and known[task_id].status == "completed"
                for task_id, action in self.queue.actions.items()
                if action == "keep"
            },
        )
        self.signals.on_wait = lambda task_id, waits: self.scheduler.step_aside(task_id, waits=waits)
        self._failure_limit = failure_limit
        self.on_concurrency = on_concurrency
        self._starting: asyncio.Future[None] | None = None
        self._failures = 0
        self._outage = Outage(MAX_UNANSWERED_TASKS, "task")
        self.over = False

    @property
    def run_folder(self) -> Path:
        return self.context.store.folder.path

    def signal(self) -> None:
        """First call: running tasks end after their iteration. Second call: stop at once."""
        self.signals.stops += 1
        if self.signals.stops == 1:
            text = (
                "Stopping: nothing new starts, running iterations end first. Another Ctrl-C, or "
                "`agentbatch stop --now`, stops at once."
            )
            self.context.store.emit(e.Notice(text=text, warning=False))
            self._drain()
        else:
            self.stop_now()

    def stop_now(self) -> None:
        """As the second `signal`, whatever came before."""
        self.signals.stops = max(self.signals.stops, 2)
        self.scheduler.cancel()
        self._end_start()

    def abort(self, error: str) -> None:
        """Stop everything at once for this cause."""
        self.signals.set_error(error)
        self.scheduler.cancel()
        self._end_start()

    async def run(self) -> None:
        store = self.context.store
        for task_id, reason, text in self.queue.begin():
            self._end(task_id, "cancelled", reason, text, resumable=reason == "interrupted")
        for task in self._plan.tasks:
            self._supersede_rest(task)  # what a kill came before
        await self._remove_leftovers()
        if self.queue.actions and not self.scheduler.pending:
            tasks = sum(not task.attempt_of for task in self._plan.tasks)
            text = f"Nothing to do: {counted(tasks, 'task')} had ended before."
            store.emit(e.Notice(text=text, warning=False))
        given_up: asyncio.CancelledError | None = None
        try:
            await self._start_coders()
            await self.scheduler.run()
        except asyncio.CancelledError as error:
            given_up, self.signals.stops = error, 2
        finally:
            self.over = True
        for task in self.scheduler.pending:
            begun = store.state.by_id[task.id].begun
            text = f"{'' if begun else 'Not begun. '}{self.signals.stop_cause}"
            self.end_task(task.id, "cancelled", "interrupted", text, resumable=True)
        await self.context.beginnings.close()
        store.emit(e.RunFinished(interrupted=self.signals.stops > 0, error=self.signals.error))
        if given_up is not None:
            raise given_up

    async def _remove_leftovers(self) -> None:
        if self.queue.actions:
            state = self.context.store.state
            over = {one.id for one in state.tasks.values() if one.finished and not one.resumable}
            gone = {one.id for one in state.tasks.values() if not one.may_continue}
            owners = {one.id: one.attempt_of or one.id for one in state.by_id.values()}
            await self.context.workspaces.remove_leftovers([one for one, of in owners.items() if of in over])
            await self.context.beginnings.drop(*(one for one, of in owners.items() if of in gone))
            begun = {one.attempt_of for one in state.attempts.values() if one.begun}
            for task in self._plan.tasks:
                if task.id in begun:
                    await self._give_up_leftovers(task, is_over=task.id in over)

    async def _give_up_leftovers(self, task: PlannedTask, *, is_over: bool) -> None:
        """Of its attempts: those of a task that was cancelled, and those that it does not have any more."""
        if task.after and is_over and self.context.store.state.tasks[task.id].status == "cancelled":
            await self._choosing(task).give_up()
        stale = [_as_attempt(task, one.id) for one in self._attempts(task, stale=True) if one.begun]
        if stale:
            await Choosing(self.context, task, stale).give_up()

    def begin_again(self, task: PlannedTask) -> None:
        """Put a task that is over back into the queue, and with it what was skipped because of it."""
        known = self.context.store.state.tasks
        attempts = [self.by_id[name] for name in task.after]
        for one in (task, *attempts):
            self.queue.add(one)
            self.signals.pauses.tasks.discard(one.id)
        for one in (*attempts, task):
            self.scheduler.add(one)
        again = {task.id}
        running = {other.id for other in self.scheduler.running}
        waiting = [
            other
            for other in self._plan.tasks
            if known[other.id].reason == "dependency_failed" and other.id not in running
        ]
        while found := [other for other in waiting if not again.isdisjoint(other.depends_on)]:
            for other in found:
                self.queue.add_again(other)
                self.scheduler.add(other)
            again = {other.id for other in found}
            waiting = [other for other in waiting if other not in found]

    async def _start_coders(self) -> None:
        """Before any task starts; stopping ends it at once."""
        if self.signals.draining or not self.scheduler.pending:
            return
        self._starting = asyncio.ensure_future(self.context.coders.start(self._plan.tasks))
        try:
            await asyncio.wait({self._starting})
        except asyncio.CancelledError:
            self._starting.cancel()
            raise
        started, self._starting = self._starting, None
        error = None if started.cancelled() else started.exception()
        if error is not None:
            self.abort(self.context.store.redact(f"The coder could not be started: {in_words(error)}"))

    async def _run_task(self, planned: PlannedTask) -> Outcome:
        history = self.queue.history(planned.id)
        loop: TaskLoop | Choosing = (
            self._choosing(planned) if planned.after else TaskLoop(self.context, planned, history)
        )
        self.signals.running[planned.id] = loop
        try:
            await loop.run()
        except EndpointUnusable as error:
            self.abort(str(error))
        except OSError as error:
            text = f"The task's files could not be written: {in_words(error)}"
            self.end_task(planned.id, "error", "workspace_error", text)
        finally:
            self.signals.placeless.discard(planned.id)
            del self.signals.running[planned.id]
        if planned.attempt_of:
            self._supersede_rest(self.by_id[planned.attempt_of])
        return self._outcome(planned, denied=loop.denied)

    def _choosing(self, task: PlannedTask) -> Choosing:
        """Among those too that an earlier session has begun and that are more than the task has now."""
        more = [
            _as_attempt(task, one.id) for one in self._attempts(task, stale=False) if one.id not in self.by_id
        ]
        return Choosing(self.context, task, [*(self.by_id[name] for name in task.after), *more])

    def _attempts(self, task: PlannedTask, *, stale: bool) -> list[TaskState]:
        """Those at the task as it is; or those (`stale`) of before it began again, or that were taken from it."""
        state = self.context.store.state
        since = state.by_id[task.id].since

        def is_stale(one: TaskState) -> bool:
            return one.since < since or not task.after or (one.reason == "left_out" and one.finished)

        return [one for one in state.attempts_of(task.id) if is_stale(one) == stale]

    def _supersede_rest(self, task: PlannedTask) -> None:
        """End what is still at work on a task of which an attempt was completed, where the first one is enough."""
        attempts = self._attempts(task, stale=False) if task.after else []
        if task.stop_at == "first" and any(one.status == "completed" for one in attempts):
            for one in attempts:
                if not one.finished or one.resumable:
                    self.cancel_task(one.id, "superseded", "Another attempt was completed first.")

    def cancel_task(self, task_id: str, reason: e.Reason, text: str) -> None:
        """End a task with the attempts at it, or one of these, that is not over."""
        attempts = self.context.store.state.attempts_of(task_id)
        for one in attempts:
            if not one.finished:
                self.cancel_task(one.id, reason, text)
        if any(one.begun for one in attempts) and task_id not in self.signals.running:
            # Its turn still comes: it gives up what they have left.
            self.end_task(task_id, "cancelled", reason, text)
            return
        loop = self.signals.running.get(task_id)
        if loop is not None:
            loop.cancel(reason, text)
        if self.scheduler.cancel_task(task_id) != "running":
            self.end_task(task_id, "cancelled", reason, text)

    def _outcome(self, planned: PlannedTask, *, denied: bool) -> Outcome:
        state = self.context.store.state.by_id[planned.id]
        if state.status == "completed":
            return "completed"
        if state.reason == "model_error" and state.resumable:
            gone = self._outage.unanswered(self.context.store.state.usage.calls, refused=denied)
            if gone:
                self.signals.drain_for(gone)
        if state.reason == "no_machine" and self._is_stranded(planned.need):
            self.signals.drain_for(state.error)
        if state.resumable:
            return "interrupted"
        if state.status in ("error", "timeout") and not planned.attempt_of:
            self._failures += 1
            reached = self._failure_limit.reached(self._failures) if self._failure_limit else ""
            if reached:
                self.signals.drain_for(reached)
        return "failed"

    def _is_stranded(self, need: tuple[object, ...]) -> bool:
        """Nobody is at work, and who is left has no machine either, where there is none for this need."""
        placeless, left = self.signals.placeless, self.scheduler.pending
        needs = {need, *(self.by_id[task_id].need for task_id in placeless)}
        return (
            bool(placeless or left)
            and self.signals.running.keys() <= placeless
            and all(task.need in needs for task in left)
        )

    def _skip(self, planned: PlannedTask, dependency: str) -> None:
        state = self.context.store.state.by_id[dependency]
        error = f"It depends on {dependency}, which was not completed ({state.status})."
        self.end_task(planned.id, "skipped", "dependency_failed", error)

    def _drain(self) -> None:
        self.scheduler.drain()
        self._end_start()
        # Paused tasks, those whose quota is used up, and those without a machine would wait for ever, or for hours.
        for task_id in [*self.signals.held, *self.signals.placeless]:
            self.scheduler.cancel_task(task_id)

    def _end_start(self) -> None:
        if self._starting is not None:
            self._starting.cancel()

    def end_task(
        self, task_id: str, status: e.FinalStatus, reason: e.Reason, error: str, *, resumable: bool = False
    ) -> None:
        """Say that a task has ended, unless it has."""
        if not self.context.store.state.by_id[task_id].finished:
            self._end(task_id, status, reason, error, resumable=resumable)

    def _end(
        self, task_id: str, status: e.FinalStatus, reason: e.Reason, error: str, *, resumable: bool = False
    ) -> None:
        store = self.context.store
        known = store.state.by_id[task_id]
        store.emit(
            e.TaskFinished(
                task_id=task_id,
                status=status,
                reason=reason,
                error=store.redact(error),
                resumable=resumable,
                last_response=known.last_response,
                last_evaluation=known.last_evaluation,
                changed_files=known.changed_files,
                branch=known.branch,
            )
        )


def _as_attempt(task: PlannedTask, name: str) -> PlannedTask:
    """An attempt at it that it does not have any more."""
    isolation = "copy" if task.isolation == "none" else task.isolation
    return replace(task, id=name, attempts=(), after=(), attempt_of=task.id, isolation=isolation)
