"""What tasks are given beside their prompts, looked for before the run."""

from collections.abc import Mapping
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.tasks.agents.project import MAX_TEXT, RULES, Given
from agentbatch.tasks.spec.plan import Plan
from agentbatch.text import clip
from agentbatch.workspace.preparation import Above, matches


def check_context(plan: Plan) -> None:
    """That every pattern of a task's `context` matches a file, where another task need not make it first. Raises
    UserError."""
    known: dict[tuple[Path, str], bool] = {}
    for task in plan.tasks:
        for pattern in () if task.depends_on else task.task.context:
            place = (task.root, pattern)
            if place not in known:
                known[place] = matches(*place)
            if not known[place]:
                raise UserError(
                    f"Task {task.id}: context: {clip(pattern, 80)} matches no file in {clip(str(task.root), 200)}."
                )


def rules_above(plan: Plan) -> Mapping[Path, Mapping[str, Given]]:
    """By a task's directory, the nearest file of each of RULES above it, up to the root of its repository, as it is;
    only directories that have one."""
    above = Above(RULES, MAX_TEXT)
    found = {root: above.of(root) for root in {task.root for task in plan.tasks}}
    return {
        root: {name: Given(path, text) for name, (path, text) in files.items()}
        for root, files in found.items()
        if files
    }
