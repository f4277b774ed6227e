"""What signals and commands from outside can do with a batch of plain requests."""

from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.requests.processor import BatchProcessor
from agentbatch.runs import events as e
from agentbatch.runs.control.user_message import UserMessage
from agentbatch.runs.quota_events import QUOTA_TRIED
from agentbatch.runs.store.store import Store

NO_TASKS = "This run is a batch of plain requests: it has no tasks. A command for the whole run works."

NO_CODER = "This run is a batch of plain requests: it has no coder to whom something could be said."

INTERRUPTED = "It was interrupted."

AT_PROVIDER_PAUSED = "Paused: nothing is uploaded, no batch is looked at, until `agentbatch unpause`."

NO_CONCURRENCY = "This batch is at the provider's batch service, which sets its own pace."


class RequestsEngine:
    """The batch as an `Engine` of its session, `Controllable` by commands."""

    def __init__(self, processor: BatchProcessor, store: Store) -> None:
        self._processor = processor
        self._store = store
        self._over = False
        self.interrupted = False
        """It was stopped from outside."""

    @property
    def run_folder(self) -> Path:
        return self._store.folder.path

    def signal(self) -> None:
        """First call: calls under way end. Second call: they are cut off."""
        self.stop(now=self.interrupted)

    def stop(self, now: bool) -> str:
        """As `agentbatch stop`."""
        done, hint = _stopping(now=now, at_provider=self._processor.provider is not None)
        if now or not self.interrupted:
            self._store.emit(e.Notice(text=done + hint, warning=False))
        self.interrupted = True
        self._processor.stop(INTERRUPTED, now=now)
        return done

    def abort(self, cause: str) -> None:
        """Send nothing more for this cause, a sentence; calls under way end."""
        self._processor.stop(cause)

    def over(self) -> None:
        """The batch has ended."""
        self._over = True

    def pause(self, task_id: str | None) -> str:
        self._check(task_id)
        self._processor.pause()
        self._store.emit(e.Paused())
        if self._processor.provider is not None:
            return AT_PROVIDER_PAUSED
        return "Paused: nothing more is sent until `agentbatch unpause`; calls under way end."

    def unpause(self, task_id: str | None) -> str:
        self._check(task_id)
        tried = self._processor.endpoint.quota.try_now()
        if not self._store.state.paused and tried:
            return QUOTA_TRIED
        if not self._store.state.paused:
            raise UserError("Nothing is paused.")
        self._processor.go_on()
        self._store.emit(e.Resumed())
        return "The run continues."

    def cancel_task(self, task_id: str) -> str:
        raise UserError(NO_TASKS)

    def retry_task(self, task_id: str) -> str:
        raise UserError(NO_TASKS)

    def visit(self, task_id: str) -> str:
        raise UserError(NO_TASKS)

    def say(self, task_id: str | None, message: UserMessage) -> str:
        raise UserError(NO_CODER)

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


def _stopping(*, now: bool, at_provider: bool) -> tuple[str, str]:
    """What a stop does, and what else can be done."""
    if at_provider and now:
        return "Stopping at once: the provider's batches are cancelled.", ""
    if at_provider:
        return (
            "Stopping: the provider's batches continue, and a resume fetches their answers.",
            " Another Ctrl-C within 3 s, or `agentbatch stop --now`, cancels them.",
        )
    if now:
        return "Stopping at once: calls under way are cut off.", ""
    return (
        "Stopping: nothing more is sent, calls under way end first.",
        " Another Ctrl-C, or `agentbatch stop --now`, cuts them off.",
    )
