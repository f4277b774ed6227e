"""The plan: which tasks run, under which ids, where, and which of them can never run at the same time."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from agentbatch.batch.task import Task
from agentbatch.config import TEST_MODE_TASKS
from agentbatch.errors import UserError
from agentbatch.workspace.paths import resolved


@dataclass(frozen=True)
class PlannedTask:
    """A task with everything settled that can be settled before the run."""

    id: str
    index: int
    """Place in the task file, from 0."""
    task: Task
    root: Path
    """The working directory, resolved."""
    max_iterations: int
    timeout: float | None
    """Seconds of wall clock; None: no limit."""

    @property
    def shown_dir(self) -> str:
        return self.task.dir or "."


@dataclass(frozen=True)
class Plan:
    tasks: tuple[PlannedTask, ...]
    shared: tuple[tuple[str, ...], ...]
    """Groups of task ids whose directories are equal or nested: they run one after another."""
    left_out: int = 0
    """Tasks of the file that the mode or --filter left out."""

    def warnings(self) -> list[str]:
        """One sentence a group of tasks that share a directory."""
        by_id = {task.id: task for task in self.tasks}
        lines = []
        for group in self.shared:
            names = ", ".join(group[:5]) + (f" and {len(group) - 5} more" if len(group) > 5 else "")
            root = min((by_id[i] for i in group), key=lambda t: len(t.root.parts)).shown_dir
            lines.append(
                f"{len(group)} tasks share the directory {root} or lie in it; those that overlap run one after "
                f"another: {names}."
            )
        return lines


def make_plan(
    tasks: Sequence[Task],
    task_file: Path,
    *,
    max_iterations: int,
    timeout: float | None = None,
    first_only: bool = False,
    pattern: str | None = None,
) -> Plan:
    """Settle ids and directories, select, and find the tasks that share a directory.

    `first_only` keeps the first three (test mode); `pattern` keeps tasks whose id, dir or prompt it finds.
    Raises UserError when nothing is left to run.
    """
    base = task_file.resolve().parent
    ids = task_ids(tasks)
    planned = [
        PlannedTask(
            id=ids[index],
            index=index,
            task=task,
            root=_resolved(base, task, ids[index]),
            max_iterations=task.max_iterations or max_iterations,
            timeout=task.timeout or timeout,
        )
        for index, task in enumerate(tasks)
    ]
    chosen = planned
    if pattern is not None:
        wanted = re.compile(pattern)
        chosen = [p for p in chosen if any(wanted.search(s) for s in (p.id, p.task.dir, p.task.first_prompt))]
        if not chosen:
            raise UserError(f"--filter {pattern!r} matches no task's id, dir or prompt in {task_file}.")
    if first_only:
        chosen = chosen[:TEST_MODE_TASKS]
    return Plan(tuple(chosen), shared_directories(chosen), len(planned) - len(chosen))


def _resolved(base: Path, task: Task, task_id: str) -> Path:
    try:
        return resolved(base / task.dir)
    except OSError as error:
        raise UserError(f"Task {task_id}: its dir {task.dir!r} leads nowhere: {error}.") from None


def task_ids(tasks: Sequence[Task]) -> list[str]:
    """The given id, or a slug of the directory (else of the prompt) and a hash of both.

    The same task has the same id in every run, wherever it stands in the file. Equal tasks without an id
    are numbered in the order of the file.
    """
    taken = {task.id.casefold() for task in tasks if task.id}
    ids = []
    for task in tasks:
        if task.id:
            ids.append(task.id)
            continue
        digest = hashlib.sha256(f"{task.dir}\0{task.first_prompt}".encode()).hexdigest()[:8]
        source = PurePath(task.dir).name or task.first_prompt
        slug = re.sub(r"[^\w]+", "-", source.casefold()).strip("-_")[:32].rstrip("-_") or "task"
        name, copy = f"{slug}-{digest}", 2
        while name in taken:
            name, copy = f"{slug}-{digest}-{copy}", copy + 1
        taken.add(name)
        ids.append(name)
    return ids


def overlap(a: Path, b: Path) -> bool:
    """Equal or nested directories: two tasks there would see each other's half-done work."""
    return a == b or a in b.parents or b in a.parents


def shared_directories(tasks: Sequence[PlannedTask]) -> tuple[tuple[str, ...], ...]:
    """Groups of tasks connected by equal or nested directories, in task order."""
    by_root: dict[Path, list[PlannedTask]] = defaultdict(list)
    for task in tasks:
        by_root[task.root].append(task)
    groups: dict[Path, list[PlannedTask]] = defaultdict(list)
    for root, members in by_root.items():
        top = next((parent for parent in reversed(root.parents) if parent in by_root), root)
        groups[top].extend(members)
    found = [sorted(group, key=lambda t: t.index) for group in groups.values() if len(group) > 1]
    return tuple(tuple(t.id for t in group) for group in sorted(found, key=lambda g: g[0].index))
