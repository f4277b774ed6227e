"""What signals and commands from outside can do with a batch of plain requests."""

from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.requests.processor import BatchProcessor
from agentbatch.requests.run.provider_checks import NO_CONCURRENCY, PAUSED, stopping
from agentbatch.runs import events as e
from agentbatch.runs.store.store import Store

NO_TASKS = "This run is a batch of plain requests: it has no tasks. A command for the whole run works."

INTERRUPTED = "It was interrupted."


class RequestsEngine:
    """The batch as an `Engine` of its session, `Controllable` by commands."""

    def __init__(self, processor: BatchProcessor, store: Store) -> None:
        self._processor = processor
        self._store = store
        self._over = False
        self.interrupted = False
        """Somebody stopped it."""

    @property
    def run_folder(self) -> Path:
        return self._store.folder.path

    def signal(self) -> None:
        """First call: calls under way end. Second call: they are cut off."""
        self.stop(now=self.interrupted)

    def stop(self, now: bool) -> str:
        """As `agentbatch stop`."""
        if now:
            told = "Stopping at once: calls under way are cut off."
        else:
            told = "Stopping: nothing more is sent, calls under way end first."
        more = "" if now else " Another Ctrl-C, or `agentbatch stop --now`, cuts them off."
        if self._processor.provider is not None:
            told, more = stopping(now)
        if now or not self.interrupted:
            self._store.emit(e.Notice(text=told + more, warning=False))
        self.interrupted = True
        self._processor.stop(INTERRUPTED, now=now)
        return told

    def abort(self, cause: str) -> None:
        """Send nothing more for this cause, a sentence; calls under way end."""
        self._processor.stop(cause)

    def over(self) -> None:
        """Nothing runs any more."""
        self._over = True

    def pause(self, task_id: str | None) -> str:
        self._check(task_id)
        self._processor.pause()
        self._store.emit(e.Paused())
        if self._processor.provider is not None:
            return PAUSED
        return "Paused: nothing more is sent until `agentbatch resume-paused`; calls under way end."

    def resume_paused(self, task_id: str | None) -> str:
        self._check(task_id)
        if not self._store.state.paused:
            raise UserError("Nothing is paused.")
        self._processor.go_on()
        self._store.emit(e.Resumed())
        return "The run goes on."

    def cancel_task(self, task_id: str) -> str:
        raise UserError(NO_TASKS)

    def retry_task(self, task_id: str) -> str:
        raise UserError(NO_TASKS)

    def set_concurrency(self, number: int) -> str:
        self._check(None)
        if self._processor.provider is not None:
            raise UserError(NO_CONCURRENCY)
        self._processor.set_concurrency(number)
        self._store.emit(e.ConcurrencyChanged(max_concurrent=number))
        return f"Up to {number} at the same time from now on."

    def _check(self, task_id: str | None) -> None:
        if task_id is not None:
            raise UserError(NO_TASKS)
        if self._over:
            raise UserError("The run is over.")
