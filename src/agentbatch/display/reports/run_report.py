"""How a run stands: what `agentbatch status` says, to people and as JSON. Pure."""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from agentbatch.files import STATE_FOLDER
from agentbatch.runs.events import QuotaUsedUp
from agentbatch.runs.kind import kind_of, reason_command, resume_command, retry_command
from agentbatch.runs.listing import Run, ShownStatus, runs_folder
from agentbatch.runs.state.task_state import TaskState
from agentbatch.text import harmless


@dataclass(frozen=True)
class RunReport:
    """A run at a moment. Everything that is said of it is a function of these."""

    run: Run
    now: float
    """Epoch seconds."""
    base: Path
    """The folder in which commands are typed."""
    failed_requests: Sequence[tuple[str, str]] = ()
    """Ids and reasons of plain requests that failed, as far as somebody has looked into their journal."""

    @cached_property
    def shown(self) -> list[tuple[TaskState, ShownStatus]]:
        """The tasks, each with the status that people see."""
        return [(task, self.run.shown_status(task)) for task in self.run.state.tasks.values()]

    @cached_property
    def counts(self) -> Counter[ShownStatus]:
        return Counter(status for _, status in self.shown)

    @cached_property
    def attempts(self) -> list[tuple[TaskState, ShownStatus]]:
        """Those at tasks that are tried more than once, each with the status that people see."""
        return [(one, self.run.shown_status(one)) for one in self.run.state.attempts.values()]

    @property
    def failed(self) -> list[TaskState]:
        """At their end, and not completed; the first ones of the task file first."""
        return [task for task, status in self.shown if status in ("error", "timeout", "cancelled", "skipped")]

    @property
    def under_way(self) -> list[tuple[TaskState, ShownStatus]]:
        return [(task, status) for task, status in self.shown if status in ("coding", "evaluating")]

    @property
    def paused(self) -> bool:
        return self.run.alive and self.run.state.paused

    @property
    def asleep(self) -> QuotaUsedUp | None:
        """The quota that its calls wait for; None: they wait for none."""
        return self.run.state.asleep if self.run.alive else None

    @property
    def seconds(self) -> float:
        """Wall clock of all its sessions."""
        return self.run.seconds(self.now)

    @property
    def left(self) -> float | None:
        """Seconds that it will take, estimated; None when that cannot be said."""
        state = self.run.state
        if not self.run.alive or state.paused or state.asleep is not None:
            return None
        return kind_of(state.info).seconds_left(state, self.now)

    @property
    def name(self) -> str:
        """How a command names the run: its id, or its path when it lies in another folder's runs."""
        return self.run.folder.run_id if self._here else shlex.quote(harmless(str(self.run.folder.path)))

    @property
    def resume(self) -> str:
        """The command that resumes the run; empty when nothing is left, or an engine works on it."""
        return "" if self.run.alive else self._typed(resume_command(self.run.state))

    @property
    def retry(self) -> str:
        """The command that runs what failed again; empty like `resume`."""
        return "" if self.run.alive else self._typed(retry_command(self.run.state))

    @property
    def retry_one(self) -> str:
        """The command that runs again what failed for one reason; empty where there are no others, and like `retry`."""
        return "" if self.run.alive else self._typed(reason_command(self.run.state))

    @property
    def _here(self) -> bool:
        return runs_folder(self.base) == self.run.folder.path.parent

    def _typed(self, command: str) -> str:
        """The command as it works from here: a run is resumed in its own folder."""
        if self._here or not command:
            return command
        runs = self.run.folder.path.parent
        if (runs.parent.name, runs.name) != (STATE_FOLDER, "runs"):
            return ""  # a copy that lies somewhere
        return f"cd {shlex.quote(harmless(str(runs.parent.parent)))} && {command}"
