"""The tasks of a file made to a plan: ids, directories and dependencies settled, selected, grouped."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from agentbatch.config import BUILTIN, Contestant, Isolation, StopAt
from agentbatch.errors import UserError
from agentbatch.mcp.server import McpServer, merged
from agentbatch.runs.folder import tasks_folder
from agentbatch.tasks.spec.attempts import attempts_of, compared_attempts, isolation_of
from agentbatch.tasks.spec.dependencies import settle_dependencies
from agentbatch.tasks.spec.escalation import Escalation
from agentbatch.tasks.spec.images import image_of
from agentbatch.tasks.spec.plan import Plan, PlannedTask
from agentbatch.tasks.spec.selection import Selection, select
from agentbatch.tasks.spec.shared_directories import shared_directories
from agentbatch.tasks.spec.task import Task
from agentbatch.tasks.spec.task_name import TaskNames
from agentbatch.text import clip
from agentbatch.workspace.files.paths import Resolver


def make_plan(
    tasks: Sequence[Task],
    task_file: Path,
    *,
    max_iterations: int,
    timeout: float | None = None,
    isolation: Isolation = "none",
    max_cost: float | None = None,
    max_tokens: int | None = None,
    attempts: int = 1,
    stop_at: StopAt = "first",
    compared: Sequence[Contestant] = (),
    coder: str = BUILTIN,
    escalate: tuple[Escalation, ...] = (),
    image: str | None = None,
    servers: Mapping[str, McpServer] = MappingProxyType({}),
    usual: Callable[[str], tuple[Escalation, ...]] = lambda coder: (),
    selection: Selection | None = None,
) -> Plan:
    """Settle ids, directories and dependencies, select, and find the tasks that share a directory.

    The limits, `isolation`, `attempts`, `stop_at`, `coder`, `image` and `escalate` hold for tasks that say nothing
    themselves; `usual`: how a coder escalates of its own accord, where nothing else is said. `servers`: of tools, that
    all tasks have besides their own. `compared`: to be tried on
    every task, with so many `attempts` each, whatever attempts, model and escalation it asks for.
    Raises UserError for what a person has to mend, also when nothing is left to run, and NothingToDo when everything is
    up to date.
    """
    ids = task_ids(tasks)
    resolve, folder = Resolver(), tasks_folder(task_file)
    planned = []
    for index, (task, task_id, depends_on) in enumerate(
        zip(tasks, ids, settle_dependencies(tasks, ids), strict=True)
    ):
        specs = compared_attempts(compared, attempts) if compared else attempts_of(task, attempts)
        asked = task.isolation or isolation
        isolated = isolation_of(asked, specs)
        planned.append(
            PlannedTask(
                id=task_id,
                index=index,
                task=task,
                root=_resolved(resolve, str(folder), task, task_id),
                max_iterations=task.max_iterations or max_iterations,
                timeout=task.timeout or timeout,
                depends_on=depends_on,
                isolation=isolated,
                max_cost=task.max_cost or max_cost,
                max_tokens=task.max_tokens or max_tokens,
                coder=task.coder or coder,
                escalate=() if compared else _escalate(task, escalate or usual(task.coder or coder)),
                attempts=specs,
                stop_at="all" if compared else task.stop_at or stop_at,
                compared=bool(compared),
                image=image_of(task, image, folder),
                servers=merged(servers, task.mcp),
                bring_back=isolated != asked and not compared,
            )
        )
    chosen = select(planned, selection or Selection(), folder)
    left_out = frozenset(ids).difference(task.id for task in chosen)
    assumed = dict.fromkeys(d for task in chosen for d in task.depends_on if d in left_out)
    if assumed:
        chosen = [
            replace(task, depends_on=tuple(d for d in task.depends_on if d not in assumed)) for task in chosen
        ]
    groups = shared_directories(
        [task.root for task in chosen], [not task.changes_directory for task in chosen]
    )
    return Plan(
        tuple(chosen),
        tuple(tuple(chosen[place].id for place in group) for group in groups),
        left_out,
        tuple(assumed),
    )


def _escalate(task: Task, default: tuple[Escalation, ...]) -> tuple[Escalation, ...]:
    return default if task.escalate is None else task.escalate


def _resolved(resolve: Resolver, base: str, task: Task, task_id: str) -> Path:
    try:
        return resolve(os.path.join(base, task.dir))
    except UnicodeEncodeError:
        raise UserError(
            f"Task {task_id}: its dir {task.dir!a} cannot be named in this locale ({sys.getfilesystemencoding()}). "
            "Set LC_ALL=C.UTF-8 or PYTHONUTF8=1."
        ) from None
    except OSError as error:
        raise UserError(
            f"Task {task_id}: its dir {clip(task.dir, 200)} leads nowhere: {clip(str(error), 300)}."
        ) from None


def task_ids(tasks: Sequence[Task]) -> list[str]:
    """The given id, or a name made of the directory and the prompt (`task_name`).

    Equal tasks without an id are numbered in the order of the file.
    """
    names = TaskNames(task.id.casefold() for task in tasks if task.id)
    return [task.id or names.name(task.dir, task.first_prompt) for task in tasks]
