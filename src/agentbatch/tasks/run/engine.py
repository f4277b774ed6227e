"""The engine: runs a plan's tasks in this process, on one event loop, and ends the run."""

import asyncio
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agentbatch.runs import events as e
from agentbatch.runs.store.history import TaskHistory
from agentbatch.spending.failure_limit import MAX_UNANSWERED_TASKS, FailureLimit, Outage
from agentbatch.tasks.run.context import RunContext
from agentbatch.tasks.run.resume.resume_plan import ResumeAction
from agentbatch.tasks.run.schedule.scheduler import Outcome, Scheduler
from agentbatch.tasks.run.task_loop import EndpointUnusable, TaskLoop
from agentbatch.tasks.spec.plan import Plan, PlannedTask
from agentbatch.text import counted


@dataclass(frozen=True)
class ResumePlan:
    """How an interrupted run resumes: what becomes of each task, and what is known of those under way."""

    resume_actions: Mapping[str, ResumeAction] = field(default_factory=dict)
    histories: Mapping[str, TaskHistory] = field(default_factory=dict)


class TasksEngine:
    """Runs a plan's tasks; an `Engine` of its session. Everything that happens is an event in the store."""

    def __init__(
        self,
        context: RunContext,
        plan: Plan,
        *,
        max_concurrent: int,
        rest: float,
        resume_plan: ResumePlan | None = None,
        failure_limit: FailureLimit | None = None,
        on_concurrency: Callable[[int], None] | None = None,
    ) -> None:
        """`rest`: seconds between two task starts. `on_concurrency` is called when a command changes how many run
        at the same time."""
        self.context = context
        self.signals = context.signals
        self.signals.on_drain = self._drain
        self._plan = plan
        self.by_id = {task.id: task for task in plan.tasks}
        self._dispositions = resume_plan.resume_actions if resume_plan else {}
        self._histories = dict(resume_plan.histories) if resume_plan else {}
        known = context.store.state.tasks
        self._numbers = {state.index for state in known.values()}
        """Taken: `task i/N` means one task for as long as the run lasts."""
        self.scheduler = Scheduler(
            plan,
            self._run_task,
            max_concurrent=max_concurrent,
            rest=rest,
            skip=self._skip,
            ended={
                task_id: known[task_id].status == "completed"
                for task_id, disposition in self._dispositions.items()
                if disposition == "keep"
            },
        )
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
        self._queue()
        await self._remove_leftovers()
        if self._dispositions and not self.scheduler.pending:
            text = f"Nothing to do: {counted(len(self._plan.tasks), 'task')} had ended before."
            store.emit(e.Notice(text=text, warning=False))
        try:
            await self._start_coders()
            await self.scheduler.run()
        finally:
            self.over = True
        for task in self.scheduler.pending:
            begun = store.state.tasks[task.id].begun
            text = f"{'' if begun else 'Not begun. '}{self.signals.stop_cause}"
            self.end_task(task.id, "cancelled", "interrupted", text, resumable=True)
        store.emit(e.RunFinished(interrupted=self.signals.stops > 0, error=self.signals.error))

    async def _remove_leftovers(self) -> None:
        if self._dispositions:
            known = self.context.store.state.tasks.values()
            ended = [task.id for task in known if task.finished and not task.resumable]
            await self.context.workspaces.remove_leftovers(ended)

    def _queue(self) -> None:
        """Say of every task what becomes of it."""
        store = self.context.store
        known = store.state.tasks
        for task_id, state in list(known.items()):
            if task_id in self.by_id or (state.finished and not state.resumable):
                continue
            if task_id not in self._plan.left_out:
                self._end(task_id, "cancelled", "left_out", "It is not in the task file any more.")
            elif not state.finished:
                self._end(task_id, "cancelled", "interrupted", "Not chosen this time.", resumable=True)
        for task in self._plan.tasks:
            disposition = self._dispositions.get(task.id, "new")
            if disposition in ("new", "rerun", "changed"):
                if disposition == "changed":
                    text = f"The task {task.id} is not the same as before: it runs afresh."
                    store.emit(e.Notice(task_id=task.id, text=text, warning=False))
                self.queue_anew(task)
            elif disposition == "start":
                self._requeue(task, 0.0)
            elif disposition == "continue":
                state = known[task.id]
                self._requeue(task, state.duration(state.activity.since))

    def _requeue(self, task: PlannedTask, seconds: float) -> None:
        self.context.store.emit(
            e.TaskRequeued(
                task_id=task.id,
                seconds_before=seconds,
                max_cost=task.max_cost,
                max_tokens=task.max_tokens,
                max_iterations=task.max_iterations,
            )
        )

    def begin_again(self, task: PlannedTask) -> None:
        """Put a task that is over back into the queue, and with it what was skipped because of it."""
        known = self.context.store.state.tasks
        self.queue_anew(task)
        self.scheduler.add(task)
        again = {task.id}
        running = {other.id for other in self.scheduler.running}
        waiting = [
            other
            for other in self._plan.tasks
            if known[other.id].reason == "dependency_failed" and other.id not in running
        ]
        while found := [other for other in waiting if not again.isdisjoint(other.depends_on)]:
            for other in found:
                self._requeue(other, 0.0)
                self.scheduler.add(other)
            again = {other.id for other in found}
            waiting = [other for other in waiting if other not in found]

    def _number(self, task: PlannedTask) -> int:
        """Its place in the file, unless another task of the run has had that number."""
        known = self.context.store.state.tasks
        if task.id in known:
            return known[task.id].index
        if task.index not in self._numbers:
            return task.index
        return max(self._numbers) + 1

    def queue_anew(self, task: PlannedTask) -> None:
        self._histories.pop(task.id, None)
        self.signals.pauses.tasks.discard(task.id)
        number = self._number(task)
        self._numbers.add(number)
        self.context.store.emit(
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
            )
        )

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
        if not self._starting.cancelled():
            self._starting.result()
        self._starting = None

    async def _run_task(self, planned: PlannedTask) -> Outcome:
        loop = TaskLoop(self.context, planned, self._histories.pop(planned.id, None))
        self.signals.running[planned.id] = loop
        try:
            await loop.run()
        except EndpointUnusable as error:
            self.abort(str(error))
        except asyncio.CancelledError:
            raise
        except OSError as error:
            text = f"The task's files could not be written: {error}"
            self.end_task(planned.id, "error", "workspace_error", text)
        except Exception as error:  # noqa: BLE001 - the border of a task: one broken task must not end the others
            self._report_bug(planned, error)
        finally:
            del self.signals.running[planned.id]
        return self._outcome(planned.id)

    def _outcome(self, task_id: str) -> Outcome:
        state = self.context.store.state.tasks[task_id]
        if state.status == "completed":
            return "completed"
        if state.reason == "model_error" and state.resumable:
            gone = self._outage.unanswered(self.context.store.state.usage.calls)
            if gone:
                self.signals.drain_for(gone)
        if state.resumable:
            return "interrupted"
        if state.status in ("error", "timeout"):
            self._failures += 1
            reached = self._failure_limit.reached(self._failures) if self._failure_limit else ""
            if reached:
                self.signals.drain_for(reached)
        return "failed"

    def _skip(self, planned: PlannedTask, dependency: str) -> None:
        state = self.context.store.state.tasks[dependency]
        error = f"It depends on {dependency}, which is {state.status}."
        self.end_task(planned.id, "skipped", "dependency_failed", error)

    def _drain(self) -> None:
        self.scheduler.drain()
        self._end_start()
        for task_id in list(
            self.signals.pauses.waiting
        ):  # They stand between two calls and would wait for ever.
            self.scheduler.cancel_task(task_id)

    def _end_start(self) -> None:
        if self._starting is not None:
            self._starting.cancel()

    def _report_bug(self, planned: PlannedTask, error: Exception) -> None:
        store = self.context.store
        text = store.redact("".join(traceback.format_exception(error)))
        store.emit(e.Notice(task_id=planned.id, text=f"Internal error in task {planned.id}:\n{text}"))
        self.end_task(
            planned.id, "error", "internal_error", f"Internal error: {type(error).__name__}: {error}"
        )

    def end_task(
        self, task_id: str, status: e.FinalStatus, reason: e.Reason, error: str, *, resumable: bool = False
    ) -> None:
        """Say that a task has ended, unless it has."""
        if not self.context.store.state.tasks[task_id].finished:
            self._end(task_id, status, reason, error, resumable=resumable)

    def _end(
        self, task_id: str, status: e.FinalStatus, reason: e.Reason, error: str, *, resumable: bool = False
    ) -> None:
        store = self.context.store
        known = store.state.tasks[task_id]
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
