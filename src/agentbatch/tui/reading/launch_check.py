"""Finding out what the launch screen says: everything that reads files. Runs in threads."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from agentbatch.config import Settings, load
from agentbatch.config.loading import unread_variables
from agentbatch.errors import UserError
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.kind import kind_of, resume_command
from agentbatch.runs.listing import list_runs, open_run
from agentbatch.runs.store.database import load_info, reading
from agentbatch.tasks.run.prepare.prepare import prepare
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.spec.selection import NothingToDo
from agentbatch.tasks.spec.task_file import in_another_form
from agentbatch.tui.lines.launch import Earlier, Least, wrong_field
from agentbatch.tui.lines.launch_words import value_of

AT_ONCE = 200
"""Tasks whose least is estimated before a look whether somebody still wants to know: some 0.1 s."""


@dataclass(frozen=True)
class Place:
    """Where the screen was opened, and with what."""

    settings: Settings
    """As the command line, the environment and .env had it."""
    folder: Path
    environ: Mapping[str, str]
    env_file: Path | None = None

    @classmethod
    def of(
        cls, settings: Settings, words: Sequence[str], folder: Path, environ: Mapping[str, str] | None
    ) -> "Place":
        """`words`: the command line; `environ`: None is this process's."""
        env_file = value_of(words, "--env-file")
        return cls(
            settings,
            folder.resolve(),
            dict(os.environ if environ is None else environ),
            Path(env_file) if env_file is not None else None,
        )

    @property
    def task_file(self) -> Path:
        return self.folder / self.settings.tasks

    def signature(self) -> tuple[object, ...]:
        """Changes when a file does that decides what would run. Reads no contents."""
        names = (self.task_file, self.folder / (self.env_file or ".env"), self.folder / "prices.toml")
        return tuple(map(_stamp, names))


@dataclass(frozen=True)
class Findings:
    """What a check has found."""

    prepared: PreparedRun | None = None
    """None: it cannot start."""
    missing: frozenset[str] = field(default_factory=frozenset)
    """Ids of tasks whose directory will be made."""
    problem: str = ""
    wrong: str = ""
    """The field that the problem is about; empty: none of the screen's."""
    no_task_file: bool = False
    """Nor one in another form."""
    notes: tuple[str, ...] = ()
    """About settings that have no effect, or stand in for one that is missing."""
    done: str = ""
    """Why there is nothing to do: everything is up to date."""


def check(place: Place, chosen: Mapping[str, str]) -> Findings:
    """Check everything as the command would. `chosen`: flags by setting."""
    # What came from flags and variables is taken for flags: only .env is read again, where a key may be new.
    given = {name: getattr(place.settings, name) for name in place.settings.model_fields_set}
    try:
        loaded = load({**given, **chosen}, {}, place.env_file, place.folder)
        prepared = prepare(
            loaded.settings, folder=place.folder, environ=place.environ, env_file=place.env_file
        )
    except NothingToDo as nothing:
        return Findings(done=str(nothing))
    except (UserError, OSError) as error:
        wrong, problem = wrong_field(str(error))
        missing_file = not place.task_file.exists() and not in_another_form(place.task_file)
        return Findings(problem=problem, wrong=wrong, no_task_file=missing_file)
    missing = frozenset(task.id for task in prepared.plan.tasks if not task.root.exists())
    return Findings(prepared, missing, notes=(*loaded.notes, *unread_variables(place.environ)))


def estimate(prepared: PreparedRun, unwanted: Callable[[], bool]) -> Least | None:
    """The least that it takes; None when `unwanted` became true meanwhile."""
    total, cost = 0, 0.0 if not prepared.rehearsal else None
    tasks = prepared.plan.tasks
    for begin in range(0, len(tasks), AT_ONCE):
        if unwanted():
            return None
        part = replace(prepared, plan=replace(prepared.plan, tasks=tasks[begin : begin + AT_ONCE])).dry_run()
        total += sum(least.coder + least.evaluator for least in part.least)
        cost = None if cost is None or part.least_cost is None else cost + part.least_cost
    return Least(total, cost)


def earlier_run(place: Place) -> Earlier | None:
    """The newest run of the task file; None when there is none that can be read."""
    task_file = str(place.task_file.resolve())
    for folder in list_runs(place.folder):
        try:
            if _task_file(folder) != task_file:
                continue  # also a batch of plain requests
            run = open_run(folder)
        except UserError:  # damaged: it cannot be resumed; `agentbatch runs` says so
            return None
        tasks = run.state.tasks.values()
        left = sum(not task.finished or task.resumable for task in tasks)
        can_resume = not run.alive and bool(resume_command(run.state))
        return Earlier(folder.run_id, run.condition, left, len(tasks), can_resume)
    return None


def _task_file(folder: RunFolder) -> str:
    """Empty where there is none."""
    with reading(folder.database) as connection:
        info = load_info(connection)
    return info.task_file if info is not None and kind_of(info).has_tasks else ""


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size
