"""What tasks are given beside their prompts, looked for before the run."""

from collections.abc import Callable, Mapping
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.tasks.agents.project import MAX_FILES, MAX_TEXT, RULES, Project, ProjectFile
from agentbatch.tasks.spec.plan import Plan, PlannedTask
from agentbatch.text import clip
from agentbatch.workspace.files.env_files import is_env_file
from agentbatch.workspace.files.globs import matcher
from agentbatch.workspace.preparation import ParentFiles, matches, meant_by, texts


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


def not_included(plan: Plan) -> list[str]:
    """Sentences on what tasks `include` and is not there, where another task need not make it first. Raises
    UserError where too much is."""
    asked = {
        (task.root, task.task.include): task.id
        for task in reversed(plan.tasks)
        if task.isolation != "none" and not task.depends_on and task.task.include
    }
    return [
        f"Task {task_id}: {text}"
        for (root, include), task_id in reversed(asked.items())
        for text in meant_by(root, include).notices
    ]


def expected_project(
    plan: Plan, above: Mapping[Path, Mapping[str, ProjectFile]]
) -> Callable[[PlannedTask], Project]:
    """What a task would be given if it began now, for estimates. `above`: see `rules_above`."""
    known: dict[tuple[Path, tuple[str, ...]], Mapping[str, str]] = {}

    def project(planned: PlannedTask) -> Project:
        patterns = tuple(planned.task.context)
        place = (planned.root, patterns)
        if place not in known:
            known[place] = texts(planned.root, (*RULES, *patterns), MAX_FILES, MAX_TEXT)
        found = known[place]
        rules = [ProjectFile(name, found[name]) for name in RULES if name in found]
        rules = rules or list(above.get(planned.root, {}).values())
        means = matcher(patterns) if patterns else None
        context = [ProjectFile(*one) for one in found.items() if means is not None and means(one[0])]
        shown = [one for one in context if not is_env_file(one.path.rpartition("/")[2])]
        return Project(rules[0] if rules else None, tuple(shown))

    return project


def rules_above(plan: Plan) -> Mapping[Path, Mapping[str, ProjectFile]]:
    """By a task's directory, the nearest file of each of RULES above it, up to the root of its repository, as it is;
    only directories that have one."""
    above = ParentFiles(RULES, MAX_TEXT)
    found = {root: above.of(root) for root in {task.root for task in plan.tasks}}
    return {
        root: {name: ProjectFile(path, text) for name, (path, text) in files.items()}
        for root, files in found.items()
        if files
    }
