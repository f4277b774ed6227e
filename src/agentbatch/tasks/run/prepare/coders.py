"""The coders that a run's tasks name, checked before anything is spent."""

from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import NamedTuple

from agentbatch.config import BUILTIN, Settings
from agentbatch.errors import UserError
from agentbatch.redaction import shown_url
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.store.database import load_coders_at_work, reading
from agentbatch.tasks.coders.catalog.apis import PATHS, elsewhere, lacks
from agentbatch.tasks.coders.catalog.entry import CoderEntry
from agentbatch.tasks.coders.chosen.kind import ChosenKind
from agentbatch.tasks.coders.makers import CoderKinds
from agentbatch.tasks.run.prepare.own_files import planted_coders
from agentbatch.tasks.spec.attempts import with_attempts
from agentbatch.tasks.spec.escalation import steps_of
from agentbatch.tasks.spec.plan import Plan, PlannedTask
from agentbatch.text import clip, counted, list_names, nearest
from agentbatch.workspace.preparation import command_line, find_program


class RunCoders(NamedTuple):
    """The coders of a run."""

    kind: ChosenKind
    warnings: tuple[str, ...]
    names: tuple[str, ...]
    """All of them, the run's own first."""
    own_models: tuple[str, ...]
    """Those that call their models themselves, by name."""
    programs: Mapping[str, str]
    """By the name of the coder, what is started for it."""


def choose_coders(
    plan: Plan, kinds: CoderKinds, settings: Settings, path: str, resume: RunFolder | None
) -> RunCoders:
    """`path`: the PATH that programs are found by; `resume`: the run that is resumed, whose tasks go on with who began
    them. Raises UserError."""
    tasks = with_attempts(plan).tasks
    at_work = {} if settings.force else _at_work(resume)
    asked = _by_flags(settings)
    asked = {name: flag for name, flag in asked.items() if any(name in task.coders for task in tasks)}
    for task in tasks:
        for name in (*task.coders, *at_work.get(task.id, ())):
            if name not in asked:
                asked[name] = f"Task {task.id}"
    for name, who in asked.items():
        check_named(kinds, name, who)
        entry = kinds.entries[name]
        if problem := refusal(entry, settings):
            raise UserError(f"{who}: {problem}")
        if (
            entry.program
            and not settings.cluster
            and any(task.image is None and name in task.coders for task in tasks)
        ):
            _check_installed(entry, who, path, plan.tasks)
    used = [kinds.entries[name] for name in asked]
    own = next((entry.name for entry in used if entry.own), None)
    if own is not None and not settings.trust_changes and (planted := planted_coders(kinds.folder)):
        raise UserError(f"{asked[own]}: {planted}")
    warnings = (kept(tasks, at_work), uncounted(used, settings, plan.tasks))
    return RunCoders(
        ChosenKind({name: kinds.get(name) for name in asked}),
        tuple(filter(None, warnings)),
        tuple(asked),
        tuple(entry.name for entry in used if not entry.gateway),
        {entry.name: entry.program for entry in used if entry.program},
    )


def _by_flags(settings: Settings) -> dict[str, str]:
    """The flag that names a coder, by its name: what a task says itself is the task's."""
    steps = {step.coder: "--escalate" for step in steps_of(settings.escalate) if step.coder}
    compared = {one.coder: "--coders" for one in settings.compared if settings.coders and one.coder}
    return {settings.coder_name: "--coder"} | steps | compared


def check_named(kinds: CoderKinds, name: str, who: str) -> None:
    """That there is such a coder. `who` asks for it. Raises UserError."""
    if name in kinds.entries:
        return
    near = nearest(name, kinds.entries)
    told = f"did you mean {near!r}?" if near else f"there are {list_names(list(kinds.entries), 20)}."
    raise UserError(f"{who}: there is no coder {clip(name, 60)!r}; {told}")


def check_logins(kinds: CoderKinds, names: Iterable[str]) -> None:
    """Raises UserError."""
    for name in names:
        check_named(kinds, name, "--coder-login")
        if not kinds.entries[name].credentials:
            raise UserError(
                f"--coder-login: {name} has no login that is known; `credentials` of it names the files."
            )


def missing_package(entry: CoderEntry) -> str:
    """What has to be installed beside agentbatch, as the end of a sentence; empty: nothing."""
    if entry.protocol == "acp" and find_spec("acp") is None:
        return "needs a package more: pip install 'agentbatch[agents]'"
    return ""


def refusal(entry: CoderEntry, settings: Settings) -> str:
    """Why a run cannot have this coder, as a sentence; empty: it can. Pure, but for the packages that are there."""
    if missing := missing_package(entry):
        return f"the coder {entry.name} {missing}."
    if entry.protocol == "builtin":
        return ""
    if not entry.gateway and not entry.credentials and not entry.own:
        return (
            f"{entry.name} does not call its model through agentbatch, but by a login of yours: --coder-login "
            f"{entry.name} shows it that."
        )
    if not entry.gateway and settings.no_network:
        return f"{entry.name} calls its model itself, and --no-network keeps it from that; leave one of them out."
    known = entry.gateway and not settings.rehearsal and not settings.coder_is_local
    if known and lacks(settings.coder_endpoint, entry.api):
        own = f", or --coder-login {entry.name} its own login" if entry.api == "messages" else ""
        there = elsewhere(settings.coder_endpoint, entry.api)
        has = f"such as {shown_url(there)}" if there else "names one that has"
        return (
            f"{entry.name} asks its model by /{PATHS[entry.api]}, which {shown_url(settings.coder_endpoint)} does not "
            f"have: --coder-endpoint {has}{own}."
        )
    return ""


def _check_installed(entry: CoderEntry, who: str, path: str, tasks: Iterable[PlannedTask]) -> None:
    roots = {task.root for task in tasks}
    try:
        find_program(entry.program, path, roots)
    except UserError as error:
        how = f"Install it: {entry.install}" if entry.install else "Install it, or name its absolute path."
        raise UserError(f"{who}: {entry.name} cannot be started. {error} {how}") from None
    try:
        command_line([entry.program], path, roots)
    except UserError as error:
        raise UserError(f"{who}: {entry.name} cannot be started: what runs it is missing. {error}") from None


def uncounted(entries: Iterable[CoderEntry], settings: Settings, tasks: Sequence[PlannedTask]) -> str:
    """That a budget does not hold for those whose calls are not ours; empty: there is none. Pure."""
    limits = {
        "--max-cost": settings.max_cost,
        "--max-tokens": settings.max_tokens,
        "max_cost": any(task.max_cost for task in tasks),
        "max_tokens": any(task.max_tokens for task in tasks),
    }
    limited = [name for name, value in limits.items() if value]
    names = [entry.name for entry in entries if not entry.gateway]
    if not names or not limited:
        return ""
    return (
        f"{limited[0]} holds for calls that go through agentbatch, and {list_names(names)} makes its own: what that "
        "costs is as it tells, afterwards."
    )


def kept(tasks: Iterable[PlannedTask], at_work: Mapping[str, tuple[str, ...]]) -> str:
    """That tasks go on with another coder than they would begin with now; empty: none does. Pure. `at_work`: who has
    worked on those that may go on, by id."""
    others = [
        (task.coder, before[0])
        for task in tasks
        if (before := at_work.get(task.id)) and task.coder not in before and not task.task.coder
    ]
    if not others:
        return ""
    names = list_names(list(dict.fromkeys(before for _, before in others)))
    verb = "goes" if len(others) == 1 else "go"
    return (
        f"{counted(len(others), 'task')} under way {verb} on with {names}, as begun; {others[0][0]} works on those "
        "that begin now."
    )


def _at_work(resume: RunFolder | None) -> Mapping[str, tuple[str, ...]]:
    if resume is None:
        return {}
    with reading(resume.database, "is damaged") as connection:
        return {name: found or (BUILTIN,) for name, found in load_coders_at_work(connection).items()}
