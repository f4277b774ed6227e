"""The container image of a task, out of what its entry and the run say."""

from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.tasks.spec.task import Task
from agentbatch.workspace.workspace import Image


def image_of(task: Task, task_id: str, default: str | None, base: Path) -> Image | None:
    """`default`: the run's image; `base`: the folder of the task file, resolved. Raises UserError."""
    workdir = task.workdir or ""
    if task.dockerfile:
        return Image(dockerfile=str(base / task.dockerfile), workdir=workdir)
    if name := task.image or default:
        return Image(name=name, workdir=workdir)
    if workdir:
        raise UserError(
            f"Task {task_id}: its workdir is a place in a container, and it has no image. Give it one, or --image."
        )
    return None
