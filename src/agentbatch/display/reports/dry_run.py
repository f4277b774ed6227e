"""`agentbatch --dry-run`: the plan and the least it takes, as text."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from agentbatch.config import BUILTIN
from agentbatch.redaction import shown_url
from agentbatch.runs.kind import NO_EVALUATOR, REHEARSAL
from agentbatch.tasks.run.prepare.estimate import LeastTokens
from agentbatch.tasks.run.prepare.prepared_run import DryRun, PreparedRun
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.text import (
    UNKNOWN,
    clip,
    clip_words,
    counted,
    first_line,
    fold,
    list_names,
    money,
    pad,
    width,
)

WIDTH = 79
ID_CELLS = 46
MAX_MODELS = 8
"""Named beside the first."""
MAX_TASKS = 50
"""Rows; a longer plan is cut with a line that says so."""


def render_dry_run(dry: DryRun) -> list[str]:
    """Lines of at most 79 columns where names allow it."""
    prepared = dry.prepared
    tasks, left_out = prepared.plan.tasks, prepared.plan.left_out
    lines = [f"{counted(len(tasks), 'task')}, {prepared.mode} mode, {prepared.max_concurrent} at a time"]
    if left_out:
        verb = "is" if len(left_out) == 1 else "are"
        lines.append(f"{counted(len(left_out), 'task')} of the file {verb} left out")
    return [
        *lines,
        *(_rehearsed(prepared) if prepared.rehearsal else _roles(prepared)),
        *_work(prepared),
        *_places(prepared),
        *(f"! {warning}" for warning in (*prepared.warnings, *dry.not_included)),
        "",
        *_table(dry),
        "",
        *_least(dry),
        *(part for line in _calls(dry) for part in fold(f"           {line}", WIDTH, 11)),
        "Nothing was run.",
    ]


def _rehearsed(prepared: PreparedRun) -> list[str]:
    lines = [f"{REHEARSAL}: set a key to run your own tasks"]
    if prepared.settings.compared:
        lines.append(f"coder      {', '.join(one.name for one in prepared.settings.compared)}")
    elif prepared.coders != (BUILTIN,):
        lines += _named("coder", ", ".join(clip(name, 40) for name in prepared.coders))
    return lines


def _roles(prepared: PreparedRun) -> list[str]:
    """Who codes and who judges, and where they are asked."""
    settings, lines = prepared.settings, list[str]()
    coders = ", ".join(one.name for one in settings.compared) or prepared.worker
    worker = f"{coders}  {shown_url(settings.coder_endpoint)}" if prepared.coder_models else coders
    judge = f"{settings.evaluation_model}  {shown_url(settings.evaluation_base_url)}"
    if prepared.local is not None:
        lines += _named("local", prepared.local.describe())
        local = f"{prepared.local.name}  llama.cpp on this machine"
        worker = local if settings.coder_is_local else worker
        judge = local if settings.evaluator_is_local else judge
    lines += _named("coder", worker)
    lines += _others(prepared.coder_models, settings.coder_model)
    lines.append(f"evaluator  {judge if prepared.judged else NO_EVALUATOR}")
    return [*lines, *_others(prepared.evaluator_models, settings.evaluation_model)]


def _work(prepared: PreparedRun) -> list[str]:
    """What is done besides the tasks' own work."""
    settings, tasks, lines = prepared.settings, prepared.plan.tasks, list[str]()
    tried = [task for task in tasks if task.attempts]
    if tried:
        most = sum(len(task.attempts) for task in tried)
        what = "the best of each is taken"
        if settings.compared:
            what = f"{'coders' if settings.coders else 'models'} are compared"
        lines.append(f"attempts   up to {most:,} at {counted(len(tried), 'task')}; {what}")
    set_up = [task.task.setup[0] for task in tasks if task.task.setup]
    if set_up:
        lines += _named(
            "setup", f"{counted(len(set_up), 'task')}: {list_names(list(dict.fromkeys(set_up)), 3, 40)}"
        )
    return lines


def _places(prepared: PreparedRun) -> list[str]:
    """Where the work is done, by what, and where its results go."""
    tasks, lines = prepared.plan.tasks, [f"sandbox    {prepared.sandbox_name}"]
    if prepared.cluster:
        lines.append(f"cluster    {clip(prepared.cluster, 60)}")
    images = [task.image.name or f"of {task.image.dockerfile}" for task in tasks if task.image is not None]
    if images:
        lines += _named("image", list_names(list(dict.fromkeys(images)), MAX_MODELS))
    servers = [name for task in tasks for name in task.servers]
    if servers:
        lines += _named("MCP", list_names(list(dict.fromkeys(servers)), MAX_MODELS))
    return [*lines, f"results    {prepared.results_file}"]


def _table(dry: DryRun) -> list[str]:
    tasks = dry.prepared.plan.tasks
    lines = [f"  #  {pad('task, and its directory and prompt', ID_CELLS)}       checks  least tokens"]
    for planned, least in list(zip(tasks, dry.least, strict=True))[:MAX_TASKS]:
        whole = least.coder + least.evaluator
        needs = f"{_checks(planned, least):>11}  {f'≈{whole:,}' if whole else UNKNOWN:>12}"
        lines.append(f"{planned.index + 1:>3}  {pad(planned.id, ID_CELLS)}  {needs}")
        place = f"     {clip(_directory(planned, dry.prepared.folder), WIDTH // 2)}: "
        lines.append(place + clip_words(first_line(planned.task.first_prompt), WIDTH - width(place)))
    return [*lines, f"     … and {len(tasks) - MAX_TASKS} more"] if len(tasks) > MAX_TASKS else lines


def _least(dry: DryRun) -> list[str]:
    """In all, in tokens and in dollars."""
    coder = sum(least.coder for least in dry.least)
    evaluator = sum(least.evaluator for least in dry.least)
    counts = [f"≈{coder:,} tokens in for the coder"] if coder else []
    if dry.prepared.judged:
        counts.append(f"≈{evaluator:,}{'' if coder else ' tokens in'} for the evaluator")
    cost = money(dry.least_cost) if dry.least_cost is not None else "– (no price is known)"
    return [f"At least   {', '.join(counts) or UNKNOWN}", f"Least cost {cost if counts else UNKNOWN}"]


def _named(name: str, text: str) -> list[str]:
    return textwrap.wrap(f"{pad(name, 10)} {text}", WIDTH, subsequent_indent=" " * 11, break_on_hyphens=False)


def _others(models: Sequence[str], shown: str) -> list[str]:
    """Those that may be called too, models or coders: in later iterations, by tasks and attempts with some of their
    own. A local server has one."""
    others = [clip(model, 60) for model in models if model != shown] if len(models) > 1 else []
    indent = " " * 11
    return (
        textwrap.wrap(
            f"or {list_names(others, MAX_MODELS)}", WIDTH, initial_indent=indent, subsequent_indent=indent
        )
        if others
        else []
    )


def _directory(planned: PlannedTask, folder: Path) -> str:
    """Below the folder as it is written, elsewhere whole."""
    root = planned.root
    return f"{root.relative_to(folder)}/" if root.is_relative_to(folder) else f"{root}/"


def _checks(planned: PlannedTask, least: LeastTokens) -> str:
    """Which there are beside those that need nobody: `verify`, `evaluator's`, or none."""
    commands = len(planned.task.verify)
    if commands:
        return "verify" if commands == 1 else f"{commands} verify"
    return "evaluator's" if least.checks else UNKNOWN


def _calls(dry: DryRun) -> list[str]:
    """Of what calls the figures are, and what comes on top."""
    return [*_counted(dry), *_uncounted(dry.prepared.own_models)]


def _uncounted(coders: Sequence[str]) -> list[str]:
    verb = "calls its model itself" if len(coders) == 1 else "call their models themselves"
    return [f"{list_names(coders, MAX_MODELS)} {verb}: what that takes comes on top"] if coders else []


def _counted(dry: DryRun) -> list[str]:
    if not dry.prepared.judged:
        return (
            ["one coder call a task, prompts only; real runs take more"] if dry.prepared.coder_models else []
        )
    looks = max((least.looks for least in dry.least), default=0)
    asked = sum(1 for least in dry.least if least.checks)
    checks = f", one to write checks in {asked:,}" if asked else ""
    more = [f"an evaluation: usually 1 call, up to {1 + looks} where the judge looks itself"] if looks else []
    tried = any(task.attempts for task in dry.prepared.plan.tasks)
    both = "one coder call and one evaluation" if dry.prepared.coder_models else "one evaluation"
    return [
        f"{both} a task{checks}{', of one attempt' if tried else ''}",
        "prompts only: real runs take more, and ask again without a verdict",
        *more,
    ]
