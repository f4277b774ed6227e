"""What the user may not expect of a run, as far as it is known before: a sentence each."""

from collections.abc import Iterable

from agentbatch.tasks.agents.resources import AGENTS, misnamed
from agentbatch.tasks.run.prepare.own_files import changed_since_last_run
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.text import counted, list_names
from agentbatch.workspace.preparation import limits_warning


def warnings_of(
    prepared: PreparedRun, uncommitted: Iterable[str], of_coders: Iterable[str], of_cluster: Iterable[str]
) -> tuple[str, ...]:
    """`uncommitted`: what tasks in git worktrees will not find there; `of_coders`, `of_cluster`: what was found out of
    them, a sentence each."""
    plan = prepared.plan
    found = (
        *plan.warnings(),
        *misnamed(prepared.folder, {"agents": AGENTS, "prompts": prepared.prompts.names}),
        _outside(prepared),
        _in_sight(prepared.seeing),
        _exposed(prepared.exposed),
        changed_since_last_run(prepared.folder, prepared.own_digests),
        *uncommitted,
        prepared.sandbox.warning,
        limits_warning(task.limits for task in plan.tasks if task.image is None),
        prepared.local.warning if prepared.local is not None else "",
        _no_checks(prepared),
        *of_coders,
        *of_cluster,
        _other_models(prepared),
    )
    return tuple(filter(None, found))


def _outside(prepared: PreparedRun) -> str:
    """Tasks that work neither below the task file's folder nor below this one."""
    homes = (prepared.folder, prepared.task_file.parent)
    away = [
        f"{task.id} in {task.root}"
        for task in prepared.plan.tasks
        if task.isolation == "none" and not any(task.root.is_relative_to(home) for home in homes)
    ]
    verb = "works" if len(away) == 1 else "work"
    return f"{counted(len(away), 'task')} {verb} outside this folder: {list_names(away)}." if away else ""


def _in_sight(seeing: list[str]) -> str:
    text = "Their hidden_verify is not hidden, since the task file lies in the directory of"
    return f"{text}: {list_names(seeing)}. Keep it elsewhere." if seeing else ""


def _exposed(above: list[str]) -> str:
    if not above:
        return ""
    return (
        f"{list_names(above)} {'works' if len(above) == 1 else 'work'} in a directory that holds this folder: the "
        "coder can change agents/, prompts/, .env and the task file, and with them the next run. Changes are "
        "reported; a dir of its own is safer, and so is --isolation."
    )


def _no_checks(prepared: PreparedRun) -> str:
    """Checks that were asked for, and that nobody writes."""
    asked = not prepared.judged and prepared.settings.checks
    return "--checks has no effect with --evaluator none: no model writes any." if asked else ""


def _other_models(prepared: PreparedRun) -> str:
    """Tasks that ask for a model which the local server does not have."""
    if prepared.local is None:
        return ""
    settings, local = prepared.settings, prepared.local.name
    others = [
        planned.id
        for planned in prepared.plan.tasks
        if (settings.coder_is_local and set(planned.coder_models(local)) != {local})
        or (settings.evaluator_is_local and planned.task.evaluator_model)
    ]
    named = f"{', '.join(others[:5])}{' and others' if len(others) > 5 else ''}"
    return f"Tasks with a model of their own get {local} all the same: {named}." if others else ""
