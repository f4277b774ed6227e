"""The container image of a task, out of what its entry and the run say."""

from agentbatch.tasks.spec.task import Task
from agentbatch.workspace.workspace import Image


def image_of(task: Task, default: str | None) -> Image | None:
    """`default`: the run's image."""
    name = task.image or default or ""
    return Image(name=name, workdir=task.workdir or "") if name else None
