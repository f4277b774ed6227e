"""The local engine: all tasks in this process, on one event loop."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable

from agentbatch.batch.context import RunContext
from agentbatch.batch.loop import EndpointUnusable, TaskLoop
from agentbatch.batch.plan import Plan, PlannedTask
from agentbatch.batch.scheduler import Scheduler
from agentbatch.store import events as e


class LocalEngine:
    """Runs a plan's tasks as coroutines. See `Engine` for the protocol."""

    def __init__(
        self,
        context: RunContext,
        plan: Plan,
        *,
        max_concurrent: int,
        rest: float,
        first: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`rest`: seconds between two task starts. `first` is done before any task starts; stopping ends it at
        once."""
        self._context = context
        self._plan = plan
        self._scheduler = Scheduler(plan, self._run_task, max_concurrent=max_concurrent, rest=rest)
        self._first = first
        self._doing_first: asyncio.Future[None] | None = None
        self._stops = 0
        self._error = ""

    @property
    def draining(self) -> bool:
        return self._stops > 0

    @property
    def stop_cause(self) -> str:
        return self._error or "The run was interrupted."

    def stop(self) -> None:
        self._stops += 1
        if self._stops == 1:
            text = (
                "Stopping: nothing new starts, running iterations end first. Interrupt again to stop at once."
            )
            self._context.store.emit(e.Notice(text=text, warning=False))
            self._scheduler.drain()
            self._end_first()
        else:
            self._scheduler.cancel()

    def abort(self, error: str) -> None:
        """Stop everything at once for this cause."""
        self._stop_for(error)

    async def run(self) -> None:
        store = self._context.store
        for task in self._plan.tasks:
            store.emit(
                e.TaskQueued(
                    task_id=task.id,
                    index=task.index,
                    dir=task.shown_dir,
                    first_prompt=task.task.first_prompt,
                    max_iterations=task.max_iterations,
                )
            )
        watch = asyncio.ensure_future(self._watch_store())
        try:
            await self._do_first()
            await self._scheduler.run()
        finally:
            watch.cancel()
        for task in self._scheduler.pending:
            store.emit(
                e.TaskFinished(
                    task_id=task.id,
                    status="cancelled",
                    reason="cancelled",
                    error=f"Never started. {self.stop_cause}",
                )
            )
        store.emit(e.RunFinished(interrupted=self._stops > 0, error=self._error))

    async def _do_first(self) -> None:
        if self._first is None or self.draining or self._error:
            return
        self._doing_first = asyncio.ensure_future(self._first())
        try:
            await asyncio.wait({self._doing_first})
        except asyncio.CancelledError:
            self._doing_first.cancel()
            raise
        if not self._doing_first.cancelled():
            self._doing_first.result()
        self._doing_first = None

    async def _run_task(self, planned: PlannedTask) -> None:
        try:
            await TaskLoop(self._context, planned).run()
        except EndpointUnusable as error:
            self._stop_for(str(error))
        except asyncio.CancelledError:
            raise
        except OSError as error:
            self._end(planned, "workspace_error", f"The task's files could not be written: {error}")
        except Exception as error:  # noqa: BLE001 - the border of a task: one broken task must not end the others
            self._report_bug(planned, error)

    def _stop_for(self, error: str) -> None:
        if not self._error:
            self._error = self._context.store.redact(error)
            self._scheduler.cancel()
            self._end_first()

    def _end_first(self) -> None:
        if self._doing_first is not None:
            self._doing_first.cancel()

    def _report_bug(self, planned: PlannedTask, error: Exception) -> None:
        store = self._context.store
        text = store.redact("".join(traceback.format_exception(error)))
        store.emit(e.Notice(task_id=planned.id, text=f"Internal error in task {planned.id}:\n{text}"))
        self._end(planned, "internal_error", f"Internal error: {type(error).__name__}: {error}")

    def _end(self, planned: PlannedTask, reason: e.Reason, error: str) -> None:
        store = self._context.store
        if not store.state.tasks[planned.id].finished:
            store.emit(
                e.TaskFinished(task_id=planned.id, status="error", reason=reason, error=store.redact(error))
            )

    async def _watch_store(self) -> None:
        """A run whose events cannot be stored must not go on spending money."""
        self._stop_for(await self._context.store.failed())
