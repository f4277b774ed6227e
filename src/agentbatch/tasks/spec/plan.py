"""The plan: which tasks run, under which ids, where, after which others, and which never run at the same time."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from agentbatch.config import Isolation
from agentbatch.errors import UserError
from agentbatch.tasks.spec.dependencies import settle_dependencies
from agentbatch.tasks.spec.selection import Selection, select
from agentbatch.tasks.spec.shared_directories import shared_directories
from agentbatch.tasks.spec.task import Task
from agentbatch.tasks.spec.task_name import task_name
from agentbatch.text import counted
from agentbatch.workspace.files.paths import Resolver

MAX_NAMED = 5
"""Tasks that a warning names."""


@dataclass(frozen=True)
class PlannedTask:
    """A task with everything settled that can be settled before the run."""

    id: str
    index: int
    """Place among all tasks of the file, generated ones included, from 0."""
    task: Task
    root: Path
    """The working directory, resolved."""
    max_iterations: int
    timeout: float | None
    """Seconds of wall clock; None: no limit."""
    depends_on: tuple[str, ...] = ()
    """Ids of tasks of this plan that have to be completed first."""
    isolation: Isolation = "none"
    max_cost: float | None = None
    """US dollars; None: no limit of its own."""
    max_tokens: int | None = None
    """Input and output; None: no limit of its own."""

    @property
    def shown_dir(self) -> str:
        return self.task.dir or "."

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.task.inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.task.outputs

    @property
    def definition(self) -> str:
        """sha256 of what makes the task's result: a task with another one is another task, to be run afresh."""
        task = self.task
        parts = {
            "root": str(self.root),
            "first_prompt": task.first_prompt,
            "verify": task.verify,
            "env": task.env,
            "protected_paths": task.protected_paths,
            "coder_model": task.coder_model,
            "evaluator_model": task.evaluator_model,
            "isolation": self.isolation,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Plan:
    tasks: tuple[PlannedTask, ...]
    shared: tuple[tuple[str, ...], ...]
    """Groups of task ids whose directories are equal or nested: they run one after another."""
    left_out: frozenset[str] = field(default_factory=frozenset)
    """Ids of the file's tasks that the mode or a flag left out."""
    assumed: tuple[str, ...] = ()
    """Those of them that chosen tasks depend on: they count as done."""

    def warnings(self) -> list[str]:
        """One sentence a group of tasks that share a directory, and one for dependencies that were left out."""
        by_id = {task.id: task for task in self.tasks}
        lines = []
        for group in self.shared:
            root = min((by_id[i] for i in group), key=lambda t: len(t.root.parts)).shown_dir
            lines.append(
                f"{len(group)} tasks share the directory {root} or lie in it; those that overlap run one after "
                f"another: {_named(group)}."
            )
        if self.assumed:
            count = counted(len(self.assumed), "task")
            lines.append(
                f"{count} that others depend on {'is' if len(self.assumed) == 1 else 'are'} left out and "
                f"taken for done: {_named(self.assumed)}."
            )
        return lines


def _named(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - MAX_NAMED} more" if len(ids) > MAX_NAMED else ""
    return ", ".join(ids[:MAX_NAMED]) + more


def make_plan(
    tasks: Sequence[Task],
    task_file: Path,
    *,
    max_iterations: int,
    timeout: float | None = None,
    isolation: Isolation = "none",
    max_cost: float | None = None,
    max_tokens: int | None = None,
    selection: Selection | None = None,
) -> Plan:
    """Settle ids, directories and dependencies, select, and find the tasks that share a directory.

    The limits and `isolation` hold for tasks that say nothing themselves. Raises UserError for what a person has to
    mend, also when nothing is left to run, and NothingToDo when everything is up to date.
    """
    task_file = task_file.resolve()
    ids = task_ids(tasks)
    resolve = Resolver()
    planned = [
        PlannedTask(
            id=task_id,
            index=index,
            task=task,
            root=_resolved(resolve, task_file.parent, task, task_id),
            max_iterations=task.max_iterations or max_iterations,
            timeout=task.timeout or timeout,
            depends_on=depends_on,
            isolation=task.isolation or isolation,
            max_cost=task.max_cost or max_cost,
            max_tokens=task.max_tokens or max_tokens,
        )
        for index, (task, task_id, depends_on) in enumerate(
            zip(tasks, ids, settle_dependencies(tasks, ids), strict=True)
        )
    ]
    chosen = select(planned, selection or Selection(), task_file)
    left_out = frozenset(ids).difference(task.id for task in chosen)
    assumed = dict.fromkeys(d for task in chosen for d in task.depends_on if d in left_out)
    if assumed:
        chosen = [
            replace(task, depends_on=tuple(d for d in task.depends_on if d not in assumed)) for task in chosen
        ]
    groups = shared_directories([task.root for task in chosen], [task.isolation != "none" for task in chosen])
    return Plan(
        tuple(chosen),
        tuple(tuple(chosen[place].id for place in group) for group in groups),
        left_out,
        tuple(assumed),
    )


def _resolved(resolve: Resolver, base: Path, task: Task, task_id: str) -> Path:
    try:
        return resolve(base / task.dir)
    except OSError as error:
        raise UserError(f"Task {task_id}: its dir {task.dir!r} leads nowhere: {error}.") from None


def task_ids(tasks: Sequence[Task]) -> list[str]:
    """The given id, or a name made of the directory and the prompt (`task_name`).

    Equal tasks without an id are numbered in the order of the file.
    """
    taken = {task.id.casefold() for task in tasks if task.id}
    copies: dict[str, int] = {}
    ids = []
    for task in tasks:
        if task.id:
            ids.append(task.id)
            continue
        plain = name = task_name(task.dir, task.first_prompt)
        copy = copies.get(plain, 1)
        while name in taken:
            copy += 1
            name = f"{plain}-{copy}"
        copies[plain] = copy
        taken.add(name)
        ids.append(name)
    return ids
