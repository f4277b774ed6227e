"""Checking everything before a run: tasks, directories, agents, prompts, prices, sandbox, results file."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from agentbatch.config import Mode, Settings, secret_variables
from agentbatch.config.loading import no_key, read_env_file
from agentbatch.config.values import MAX_COMPARED
from agentbatch.errors import UserError
from agentbatch.problems import hint
from agentbatch.runs.events import Reason
from agentbatch.runs.folder import RunFolder, tasks_folder
from agentbatch.runs.named_anew import check_trusted
from agentbatch.runs.services.notify import check_notify
from agentbatch.runs.store.database import read_state
from agentbatch.spending.pricing import Prices, require_prices
from agentbatch.tasks.agents.definition import load_evaluator
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.coders.makers import CoderKinds, MakeCoder
from agentbatch.tasks.run.prepare.cluster import check_asked, lacking_there
from agentbatch.tasks.run.prepare.coders import check_logins, check_named, choose_coders
from agentbatch.tasks.run.prepare.context import check_context, rules_above
from agentbatch.tasks.run.prepare.prepared_run import LOOPBACK, RESULTS_FILES, PreparedRun
from agentbatch.tasks.run.prepare.results_file import choose_results_file
from agentbatch.tasks.run.prepare.servers import check_commands, check_planted, unserved, with_servers
from agentbatch.tasks.run.prepare.warnings import warnings_of
from agentbatch.tasks.spec.attempts import with_attempts
from agentbatch.tasks.spec.escalation import steps_of
from agentbatch.tasks.spec.make_plan import make_plan
from agentbatch.tasks.spec.plan import Plan
from agentbatch.tasks.spec.selection import Selection
from agentbatch.tasks.spec.task_file import check_tasks, load_tasks
from agentbatch.text import counted, list_names
from agentbatch.workspace.preparation import (
    WorktreeCheck,
    check_directories,
    check_worktrees,
    choose_place,
    own_environment,
)


def prepare(
    settings: Settings,
    *,
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
    env_file: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    resume: RunFolder | None = None,
    tasks: Sequence[Mapping[str, Any]] = (),
    coders: Mapping[str, MakeCoder] = MappingProxyType({}),
) -> PreparedRun:
    """Check everything. `flags`: the settings that came from the command line; `resume`: the run to resume; `tasks`:
    entries of a task file, as JSON has them, in the place of one; `coders`: more of them, by name.

    Raises UserError for the first thing that a person has to mend.
    """
    folder = (folder or Path.cwd()).resolve()
    environ = dict(os.environ if environ is None else environ)
    check_trusted(folder, settings)
    mode: Mode = settings.mode or "parallel"
    task_file = folder / settings.tasks
    kinds = CoderKinds(folder, settings.coder_login, coders)
    evaluator = load_evaluator(folder).with_checks(settings.checks)
    check_named(kinds, settings.coder_name, "--coder")
    check_logins(kinds, settings.coder_login)
    plan = _plan(settings, kinds, folder, tasks, resume)
    if not settings.trust_changes:
        check_planted(plan, folder, task_file)
    plan = with_servers(plan, {**read_env_file(env_file, folder), **environ}, secret_variables())
    _check_compared(plan, settings)
    check_context(plan)
    check_directories(((task.id, task.root) for task in plan.tasks), folder)
    ours = own_environment(environ, [task.root for task in plan.tasks])
    worktrees = _check_isolation(plan, settings, folder, ours)
    chosen = choose_coders(plan, kinds, settings, ours["PATH"], resume)
    if settings.cluster is None:
        check_commands(plan.tasks, ours["PATH"])
    if settings.judge == "none":
        _check_verified(plan)
    check_asked(plan, settings, [kinds.entries[name] for name in chosen.names])
    _check_workdirs(plan)
    images = [(task.id, task.root, task.image) for task in plan.tasks]
    away = settings.cluster is not None
    sandbox, engine = choose_place(settings.sandbox, images, tasks_folder(task_file), ours, elsewhere=away)
    if settings.no_network and sandbox.name == "none":
        raise UserError(f"--no-network needs the sandbox. {sandbox.warning}".rstrip())
    env_files = (folder / (env_file or ".env"), folder / ".env", tasks_folder(task_file) / ".env")
    prepared = PreparedRun(
        settings=settings,
        folder=folder,
        environ=environ,
        mode=mode,
        plan=plan,
        coder=chosen.kind,
        above=rules_above(plan),
        coders=chosen.names,
        own_models=chosen.own_models,
        evaluator=evaluator,
        prompts=Prompts(folder, chosen.kind.prompts, evaluator.prompts),
        prices=_load_prices(settings, folder),
        sandbox=sandbox,
        engine=engine,
        programs=chosen.programs,
        env_files=tuple(dict.fromkeys(file.absolute() for file in env_files)),
        results_file=choose_results_file(
            (folder / (settings.output or RESULTS_FILES[mode])).absolute(),
            (task.root for task in plan.tasks if task.isolation == "none"),
        ),
        flags=dict(flags or {}),
        resumed=resume,
        repositories=worktrees.settled,
        given=tuple(tasks),
    )
    of_cluster = () if settings.cluster is None else lacking_there(prepared, settings.cluster, kinds.entries)
    if settings.local is not None:
        from agentbatch.tasks.run.prepare.local import plan_local

        prepared = replace(prepared, local=plan_local(prepared, settings.local))
    elif prepared.coder_models and not (settings.rehearsal or settings.has_key("coder")):
        raise UserError(no_key("coder"))
    _check_priced(prepared)
    check_notify(settings.notify)
    missing = unserved(with_attempts(plan).tasks, kinds.entries, no_network=settings.no_network)
    of_coders = (*chosen.warnings, *missing)
    return replace(prepared, warnings=warnings_of(prepared, worktrees.warnings, of_coders, of_cluster))


def _plan(
    settings: Settings,
    kinds: CoderKinds,
    folder: Path,
    tasks: Sequence[Mapping[str, Any]],
    resume: RunFolder | None,
) -> Plan:
    task_file = folder / settings.tasks
    return make_plan(
        check_tasks(tasks, folder) if tasks else load_tasks(task_file),
        task_file,
        max_iterations=settings.max_iterations,
        timeout=settings.timeout,
        isolation=settings.isolation,
        max_cost=settings.task_max_cost,
        max_tokens=settings.task_max_tokens,
        attempts=settings.attempts,
        stop_at=settings.stop_at,
        compared=settings.compared,
        coder=settings.coder_name,
        escalate=steps_of(settings.escalate),
        usual=kinds.usual_steps,
        image=settings.image,
        servers=kinds.servers,
        selection=Selection(
            paths=settings.paths,
            folder=folder,
            pattern=settings.filter,
            stale=settings.stale,
            missing=settings.missing,
            first_only=settings.mode == "test",
            part=settings.slice,
            limit=settings.limit,
            unfinished=_unfinished(settings, resume),
            ended=_ended(settings.reason, resume) if settings.reason else None,
        ),
    )


def _check_workdirs(plan: Plan) -> None:
    lost = [task.id for task in plan.tasks if task.image is None and task.task.workdir]
    if lost:
        raise UserError(
            f"A workdir is a place in a container, and no image is named for {list_names(lost)}. Give each an `image` "
            "or a `dockerfile`, or all of them an image with --image."
        )


def _check_compared(plan: Plan, settings: Settings) -> None:
    """What makes no sense in a comparison, wherever it was set."""
    if not settings.compared:
        return
    if len(settings.compared) > MAX_COMPARED:
        raise UserError(
            f"compare: {len(settings.compared)} coders with models; at most {MAX_COMPARED} can take part."
        )
    if settings.retrying or settings.force:
        raise UserError(
            "A comparison counts what was not solved: trying it again (--retry-failed, --force) would favour a model. "
            "Start a new one with agentbatch compare."
        )
    if settings.coder_is_local:
        raise UserError(
            "--local serves one model, and compare wants several: name an endpoint that has them with --coder-endpoint."
        )
    waiting = [task.id for task in plan.tasks if task.depends_on]
    if waiting:
        raise UserError(
            "A comparison brings nothing back that another task could go on from, and these depend on others: "
            f"{list_names(waiting)}. Leave them out with --filter."
        )


def _unfinished(settings: Settings, resume: RunFolder | None) -> frozenset[str]:
    """The tasks that the resumed run had under way, where the selection goes by files."""
    if resume is None or not (settings.stale or settings.missing):
        return frozenset()
    tasks = read_state(resume.database).tasks.values()
    return frozenset(task.id for task in tasks if task.begun and (task.resumable or not task.finished))


def _ended(reasons: Sequence[str], resume: RunFolder | None) -> frozenset[str]:
    """The tasks that the resumed run ended with one of these reasons. Raises UserError where there are none."""
    for reason in reasons:
        if reason not in get_args(Reason):
            raise UserError(
                f"--reason: there is no reason {reason!r}; {hint(reason, get_args(Reason), 'there are')}"
            )
    if resume is None:
        raise UserError("--reason: there is no run of this task file to resume.")
    failed = [
        task
        for task in read_state(resume.database).tasks.values()
        if task.finished and task.status != "completed"
    ]
    found = frozenset(task.id for task in failed if task.reason in reasons)
    if not found:
        there = ", ".join(
            f"{reason} ({n:,})" for reason, n in Counter(task.reason for task in failed).most_common()
        )
        raise UserError(
            f"--reason: no task of run {resume.run_id} ended with {' or '.join(reasons)}; "
            f"{f'there are {there}' if there else 'none has failed'}."
        )
    return found


def _load_prices(settings: Settings, folder: Path) -> Prices:
    prices = Prices.of(settings.prices, folder)
    ours = Settings.model_fields["compare_models"].default
    for name in settings.compare_models:
        if name not in ours and not prices.known(name):  # reading the price book can wait
            near = prices.nearest(name)
            hint = f"did you mean {near!r}?" if near else "add it to prices.toml."
            raise UserError(f"--compare-models: no price is known for {name!r}; {hint}")
    return prices


def _check_isolation(
    plan: Plan, settings: Settings, folder: Path, environ: Mapping[str, str]
) -> WorktreeCheck:
    """Whether every task with isolation `worktree` can have one; what the user may not expect of them."""
    if settings.apply and all(task.isolation != "copy" for task in plan.tasks):
        raise UserError("--apply brings changes back from copies, and no task has isolation copy.")
    sources = [task.root for task in plan.tasks if task.isolation == "worktree"]
    if not sources:
        return WorktreeCheck("")
    results = {folder / name for name in (*RESULTS_FILES.values(), settings.output) if name}
    checked = check_worktrees(sources, environ, results)
    if checked.refusal:
        raise UserError(checked.refusal)
    return checked


def _check_verified(plan: Plan) -> None:
    """Without an evaluator, every task needs checks of its own."""
    bare = [task.id for task in plan.tasks if not task.task.verify]
    if bare:
        raise UserError(
            f"--evaluator none: verify decides, and it is missing in {counted(len(bare), 'task')}: "
            f"{list_names(bare)}. Give each a `verify`, or leave the flag out."
        )


def _check_priced(prepared: PreparedRun) -> None:
    """A budget in dollars holds only where every model's price is known. Raises UserError."""
    limited = [task.id for task in prepared.plan.tasks if task.max_cost is not None]
    if prepared.settings.max_cost is None and not limited:
        return
    what = "--max-cost" if prepared.settings.max_cost is not None else f"max_cost of {limited[0]}"
    if prepared.rehearsal:
        raise UserError(f"{what}: the rehearsal model costs nothing; --max-tokens can be tried with it.")
    require_prices(prepared.prices, _models_in_use(prepared), what, ", or limit tokens with --max-tokens")


def _models_in_use(prepared: PreparedRun) -> Iterator[tuple[str, str]]:
    """Every model that may be called, with the endpoint whose prices hold."""
    settings = prepared.settings
    for model in prepared.coder_models:
        yield model, LOOPBACK if settings.coder_is_local else settings.coder_endpoint
    for model in prepared.evaluator_models:
        yield model, LOOPBACK if settings.evaluator_is_local else settings.evaluation_base_url
