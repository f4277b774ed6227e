"""What was kept of the chosen attempt at a task is kept as the task's own too."""

from contextlib import suppress

from agentbatch.files import PRIVATE, open_own, write_atomic
from agentbatch.runs.folder import RunFolder
from agentbatch.tasks.results.changes import CHANGES, PATCH
from agentbatch.tasks.results.transcript import TRANSCRIPT


def take_over(folder: RunFolder, attempt: str, task_id: str) -> None:
    """Byte by byte; what there is not of the attempt, there is not of the task. Safe to repeat. Raises OSError."""
    for name in (PATCH, CHANGES, TRANSCRIPT):
        source = folder.task(attempt) / name
        with (
            suppress(FileNotFoundError),
            open(source, encoding="utf-8", errors="backslashreplace", newline="", opener=open_own) as file,
        ):
            write_atomic(folder.task(task_id) / name, file, mode=PRIVATE, follow=False)
