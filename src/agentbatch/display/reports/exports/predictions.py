"""A run's patches as SWE-bench reads predictions (its docs/guides/evaluation.md): one a line, or one object of all."""

from collections.abc import Iterator

from agentbatch.display.reports.material import Material
from agentbatch.files import as_json, json_line
from agentbatch.runs.state.task_state import TaskState


def predictions_lines(material: Material) -> Iterator[str]:
    """A task a line, in order. The task's id is the instance's; a task that changed nothing has an empty patch."""
    for task in material.tasks:
        yield json_line(_prediction(task, material)) + "\n"


def predictions_object(material: Material) -> str:
    return as_json({task.id: _prediction(task, material) for task in material.tasks}) + "\n"


def _prediction(task: TaskState, material: Material) -> dict[str, str]:
    info, choice = material.state.info, task.choice
    if choice is not None and choice.attempt in material.state.attempts:
        task = material.state.attempts[choice.attempt]
    coder = next(
        (bill.model for bill in task.bills if bill.role == "coder"), info.coder_model if info else ""
    )
    return {
        "instance_id": task.attempt_of or task.id,
        "model_name_or_path": f"agentbatch+{coder}" if coder else "agentbatch",
        "model_patch": material.records.patch(task.id),
    }
