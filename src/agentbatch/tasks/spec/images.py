"""The container image of a task, out of what its entry and the run say."""

from pathlib import Path

from agentbatch.tasks.spec.task import Task
from agentbatch.workspace.workspace import Image


def image_of(task: Task, default: str | None, base: Path) -> Image | None:
    """`default`: the run's image; `base`: the folder of the task file, resolved."""
    workdir = task.workdir or ""
    if task.dockerfile:
        return Image(dockerfile=str(base / task.dockerfile), workdir=workdir)
    name = task.image or default
    return Image(name=name, workdir=workdir) if name else None
