"""Which tasks have done their work already: their outputs against their inputs, as make does it."""

from collections.abc import Mapping, Sequence

from agentbatch.tasks.spec.task import Task
from agentbatch.workspace.files.globs import FileSearch


def is_missing(task: Task, files: FileSearch) -> bool:
    """One of its `outputs` matches no file. A task without outputs misses none."""
    return any(files.newest_and_oldest(pattern) is None for pattern in task.outputs)


def is_stale(task: Task, files: FileSearch) -> bool:
    """An output is missing, or older than an input; or nothing is known of its outputs."""
    made = [files.newest_and_oldest(pattern) for pattern in task.outputs]
    found = [times for times in made if times is not None]
    if not found or len(found) < len(made):
        return True
    oldest_output = min(oldest for _, oldest in found)
    read = (files.newest_and_oldest(pattern) for pattern in task.inputs)
    return any(times is not None and times[0] > oldest_output for times in read)


def with_dependents(stale: set[str], depends_on: Mapping[str, Sequence[str]]) -> set[str]:
    """What comes after a stale task is stale as well: its input is about to change. By task id. Pure."""
    dependents: dict[str, list[str]] = {}
    for task_id, dependencies in depends_on.items():
        for dependency in dependencies:
            dependents.setdefault(dependency, []).append(task_id)
    found, new = set(stale), list(stale)
    while new:
        for dependent in dependents.get(new.pop(), ()):
            if dependent not in found:
                found.add(dependent)
                new.append(dependent)
    return found
