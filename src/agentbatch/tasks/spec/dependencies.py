"""What each task waits for: ids that exist, no cycles, and the children of a tree of directories. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from agentbatch.errors import UserError
from agentbatch.tasks.spec.task import GeneratedTask, Task
from agentbatch.text import nearest

MAX_SHOWN = 12
"""Ids of a cycle that the error names."""


def settle_dependencies(tasks: Sequence[Task], ids: Sequence[str]) -> list[tuple[str, ...]]:
    """The ids that each task depends on, each once. Raises UserError for an unknown id and for a cycle."""
    known = set(ids)
    children = _children(tasks, ids)
    settled = []
    for place, (task, task_id) in enumerate(zip(tasks, ids, strict=True)):
        wanted = children[place] if task.depends_on == "children" else dict.fromkeys(task.depends_on)
        for dependency in wanted:
            if dependency not in known:
                raise UserError(_unknown(task_id, dependency, ids))
            if dependency == task_id:
                raise UserError(f"The task {task_id} depends on itself.")
        settled.append(tuple(wanted))
    cycle = find_cycle(ids, settled)
    if cycle:
        raise UserError(f"Tasks depend on each other in a cycle: {_shown(cycle)}. Remove one `depends_on`.")
    return settled


def find_cycle(ids: Sequence[str], depends_on: Sequence[Sequence[str]]) -> list[str]:
    """A cycle of dependencies, its first id repeated at its end; empty: there is no cycle."""
    needs = dict(zip(ids, depends_on, strict=True))
    done: set[str] = set()
    for start in ids:
        if start in done:
            continue
        path: dict[str, Iterator[str]] = {start: iter(needs[start])}
        while path:
            latest = next(reversed(path))
            for dependency in path[latest]:
                if dependency in path:
                    names = list(path)
                    return [*names[names.index(dependency) :], dependency]
                if dependency not in done:
                    path[dependency] = iter(needs[dependency])
                    break
            else:
                done.add(latest)
                del path[latest]
    return []


def _children(tasks: Sequence[Task], ids: Sequence[str]) -> dict[int, list[str]]:
    """By place: the ids of the tasks of the same entry, and of the same number of its `count`, whose directory is the
    nearest of the matched ones below."""
    matched: dict[tuple[int, int], dict[tuple[str, ...], int]] = defaultdict(dict)
    for place, task in enumerate(tasks):
        if isinstance(task, GeneratedTask) and task.depends_on == "children":
            origin = task.origin
            matched[origin.entry, origin.number][tuple(origin.path.split("/"))] = place
    found: dict[int, list[str]] = defaultdict(list)
    for directories in matched.values():
        for parts, place in directories.items():
            above = (parts[:length] for length in range(len(parts) - 1, 0, -1))
            parent = next((directories[shorter] for shorter in above if shorter in directories), None)
            if parent is not None:
                found[parent].append(ids[place])
    return found


def _unknown(task_id: str, dependency: str, ids: Sequence[str]) -> str:
    near = nearest(dependency, (name for name in ids if name != task_id))
    hint = f"; did you mean {near!r}?" if near else ". It takes ids of tasks in the same file."
    return f"The task {task_id} depends on {dependency!r}, which is not a task's id{hint}"


def _shown(cycle: Sequence[str]) -> str:
    if len(cycle) <= MAX_SHOWN:
        return " -> ".join(cycle)
    left_out = len(cycle) - MAX_SHOWN
    return " -> ".join([*cycle[: MAX_SHOWN - 1], f"({left_out} more)", cycle[-1]])
