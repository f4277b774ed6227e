"""What a run screen looks at: a run of this machine (`RunTail`), under way or over, or a results file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.listing import RunCondition, condition, require_tasks
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.runs.store.tail import RunTail


class RunView(Protocol):
    """A run to look at. Everything a screen shows of it is in `state`, or read from its folder."""

    @property
    def state(self) -> RunState: ...

    @property
    def title(self) -> str:
        """Names it: the run's id, or the file's name. Not harmless."""
        ...

    @property
    def folder(self) -> RunFolder | None:
        """None: a results file, which has no transcript, log or patches."""
        ...

    @property
    def condition(self) -> RunCondition: ...

    @property
    def begun(self) -> float:
        """Epoch second of its beginning; 0 when nobody knows."""
        ...

    @property
    def last(self) -> float:
        """Epoch second of the latest event."""
        ...

    def poll(self) -> Sequence[e.Event]:
        """The events since the last call, already folded into `state`. Raises UserError."""
        ...

    def task(self, task_id: str) -> TaskState | None:
        """One task with all that was said in it (prompt, answers, verdicts). Raises UserError."""
        ...

    def close(self) -> None: ...


def open_view(folder: RunFolder) -> RunTail:
    """A run's folder, to look at. Raises UserError when it holds no run that can be read, and for a batch of plain
    requests."""
    tail = RunTail(folder)
    try:
        require_tasks(tail.state.info, folder.run_id)
    except UserError:
        tail.close()
        raise
    return tail


class FileView:
    """A results file: a run that is over, without its transcripts."""

    def __init__(self, path: Path, state: RunState) -> None:
        self.path = path
        self.state = state

    @property
    def title(self) -> str:
        return self.path.name

    @property
    def folder(self) -> RunFolder | None:
        return None

    @property
    def condition(self) -> RunCondition:
        return condition(self.state, held=False)

    @property
    def begun(self) -> float:
        return self.state.info.ts if self.state.info is not None else 0.0

    @property
    def last(self) -> float:
        return self.state.finished.ts if self.state.finished is not None else self.begun

    def poll(self) -> Sequence[e.Event]:
        return ()

    def task(self, task_id: str) -> TaskState | None:
        return self.state.by_id.get(task_id)

    def close(self) -> None:
        pass
