"""How a run stands: the figures that `agentbatch status` tells, to people and as JSON. Pure."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentbatch.files import STATE_FOLDER
from agentbatch.runs.listing import Run, ShownStatus, runs_folder
from agentbatch.runs.resume_hint import resume_command, retry_command
from agentbatch.runs.state import RunState, TaskState
from agentbatch.text import harmless

UNDER_WAY: tuple[ShownStatus, ...] = ("coding", "evaluating")


@dataclass(frozen=True)
class RunReport:
    """A run at the moment `now` (epoch seconds)."""

    run: Run
    now: float
    seconds: float
    """Wall clock of all its sessions."""
    counts: Mapping[ShownStatus, int]
    total: int
    failed: Sequence[TaskState]
    """At their end, and not completed; the first ones of the task file first."""
    under_way: Sequence[tuple[TaskState, ShownStatus]]
    left: float | None
    """Seconds that it will take, estimated; None when that cannot be said."""
    name: str
    """How a command names the run: its id, or its path when it lies in another folder's runs."""
    resume: str
    """The command that goes on with the run; empty when nothing is left, or an engine works on it."""
    retry: str
    """The command that runs what failed again; empty like `resume`."""
    failed_requests: Sequence[tuple[str, str]] = ()
    """Ids and reasons of plain requests that failed, as far as somebody has looked into their journal."""

    @property
    def paused(self) -> bool:
        return self.run.alive and self.run.state.paused


def report_on(run: Run, now: float, base: Path, failed_requests: Sequence[tuple[str, str]] = ()) -> RunReport:
    """`base`: the folder in which commands are typed; `failed_requests`: ids and reasons, of a run of these."""
    state = run.state
    here = runs_folder(base) == run.folder.path.parent
    shown = [(task, run.shown_status(task)) for task in state.tasks.values()]
    return RunReport(
        run=run,
        now=now,
        seconds=run.seconds(now),
        counts=Counter(status for _, status in shown),
        total=max(len(shown), state.info.total_tasks if state.info else 0),
        failed=[task for task, status in shown if status in ("error", "timeout", "cancelled", "skipped")],
        under_way=[(task, status) for task, status in shown if status in UNDER_WAY],
        left=time_left(state, now) if run.alive and not state.paused else None,
        name=run.folder.run_id if here else shlex.quote(harmless(str(run.folder.path))),
        resume="" if run.alive else _typed(resume_command(state), run, here),
        retry="" if run.alive else _typed(retry_command(state), run, here),
        failed_requests=failed_requests,
    )


def _typed(command: str, run: Run, here: bool) -> str:
    """The command as it works from here: a run goes on in its own folder."""
    if here or not command:
        return command
    runs = run.folder.path.parent
    if (runs.parent.name, runs.name) != (STATE_FOLDER, "runs"):
        return ""  # a copy that lies somewhere
    return f"cd {shlex.quote(harmless(str(runs.parent.parent)))} && {command}"


def time_left(state: RunState, now: float) -> float | None:
    """Seconds until the last task ends, if the rest take as long as those that ended so far."""
    if state.requests is not None:
        return state.requests.seconds_left
    ended = [task.duration(now) for task in state.tasks.values() if task.finished and task.duration(now) > 0]
    if not ended:
        return None
    mean = sum(ended) / len(ended)
    rest = [max(0.0, mean - task.duration(now)) for task in state.tasks.values() if not task.finished]
    return sum(rest) / max(1, min(state.max_concurrent, len(rest)))
