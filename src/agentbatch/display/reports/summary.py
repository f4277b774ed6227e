"""What a run came to, in figures. Pure."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from agentbatch.runs.kind import reason_command, resume_command, retry_command
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.spending.pricing import ComparisonRow


class Summary(NamedTuple):
    """A run at its end: its state, and what the state does not know. All figures are functions of these."""

    state: RunState
    comparison: Sequence[ComparisonRow]
    results_file: Path
    run_folder: Path | None
    """None: from a results file alone."""
    exit_code: int = 0
    name: str = ""
    """Of a run whose state knows no id: an old results file."""
    now: float = 0.0
    """Epoch second, for a run that has not ended."""
    can_resume: bool = True
    """False: the run is under way, or its folder is not here."""
    nothing_ran: bool = False
    """A resumption of what was over: all has been told at its end."""

    @property
    def run_id(self) -> str:
        info = self.state.info
        return (info.run_id if info else "") or self.name or (self.run_folder.name if self.run_folder else "")

    @property
    def tasks(self) -> list[TaskState]:
        """In the order of task.json."""
        return sorted(self.state.tasks.values(), key=lambda task: task.index)

    @property
    def seconds(self) -> float:
        """Wall clock of all sessions."""
        begun = self.state.info.ts if self.state.info else 0.0
        return self.state.seconds(self.now or begun)

    @property
    def unfinished(self) -> int:
        """Tasks that had not ended when the run did: a resumption continues or begins them."""
        return self.state.total - self.ended.total()

    @property
    def ended(self) -> Counter[str]:
        """Tasks that came to their own end, by status."""
        return Counter(task.status for task in self.state.tasks.values() if task.at_its_end)

    @property
    def success_rate(self) -> float:
        """Completed tasks as a part of all, 0 to 1."""
        total = self.state.total
        return self.state.count("completed") / total if total else 0.0

    @property
    def judged(self) -> bool:
        """False: there was no evaluator, each task's verify decided."""
        return self.state.info is None or self.state.info.judged

    @property
    def error(self) -> str:
        """Not empty: why the whole run was stopped."""
        return self.state.finished.error if self.state.finished else ""

    @property
    def interrupted(self) -> bool:
        return bool(self.state.finished and self.state.finished.interrupted)

    @property
    def resume_command(self) -> str:
        """Empty when there is nothing left to resume."""
        return resume_command(self.state) if self.can_resume else ""

    @property
    def retry_command(self) -> str:
        """Runs what failed again; empty when nothing failed for good."""
        return retry_command(self.state) if self.can_resume else ""

    @property
    def reason_command(self) -> str:
        """Runs again what failed for one reason; empty where there are no others."""
        return reason_command(self.state) if self.can_resume else ""
