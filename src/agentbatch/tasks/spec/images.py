"""The container image of a task, out of what its entry and the run say."""

from pathlib import Path

from agentbatch.tasks.spec.task import Task
from agentbatch.workspace.workspace import Image


def image_of(task: Task, default: str | None, base: Path) -> Image | None:
    """`default`: the run's image; `base`: the folder of the task file, resolved."""
    if task.dockerfile:
        return Image(dockerfile=str(base / task.dockerfile), workdir=task.workdir or "")
    name = task.image or default or ""
    return Image(name=name, workdir=task.workdir or "") if name else None
