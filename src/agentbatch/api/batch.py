"""A batch of tasks with its settings: checked, started, run."""

import asyncio
import os
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from agentbatch.api.result import RunResult
from agentbatch.api.run import Run, RunningBatch
from agentbatch.api.task import entries
from agentbatch.config import Settings, load
from agentbatch.errors import UserError
from agentbatch.problems import hint
from agentbatch.runs.folder import RunFolder
from agentbatch.tasks.run.prepare.prepare import prepare
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.spec.task import Task

BOTH_ROLES: Mapping[str, tuple[str, str]] = {
    "model": ("coder_model", "evaluation_model"),
    "base_url": ("coder_endpoint", "evaluation_base_url"),
    "api_key": ("coder_api_key", "evaluation_api_key"),
}
"""Settings under one name for the coder and the evaluator, as the variables OPENAI_* are."""

OF_COMMANDS: Mapping[str, str] = {
    **dict.fromkeys(("resume", "retry_failed", "force"), "open_run(...).resume() goes on with a run"),
    "dry_run": "Batch.prepare().dry_run() shows the plan",
    "daemon": "the engine works in this process; `agentbatch --daemon` starts one in the background",
    **dict.fromkeys(
        ("display", "verbose", "ascii"), "nothing is printed; Run.events() and Run.states() tell what happens"
    ),
    **dict.fromkeys(("report", "fail_under"), "`agentbatch report RUN` writes reports"),
    **dict.fromkeys(("models", "coders"), "`agentbatch compare` compares"),
    "tasks": "the first argument is the task file",
}
"""Settings that only mean something to commands, and what is meant in Python."""


def given_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """By field, as flags are given. Raises UserError for what is no setting."""
    known = [*BOTH_ROLES, *(name for name in Settings.model_fields if name not in OF_COMMANDS)]
    found: dict[str, Any] = {}
    for name, value in sorted(
        settings.items(), key=lambda item: item[0] not in BOTH_ROLES
    ):  # a role's own wins
        if name in OF_COMMANDS:
            raise UserError(f"{name} is a setting of commands: {OF_COMMANDS[name]}.")
        if name not in known:
            raise UserError(f"There is no setting {name!r}; {hint(name, known, 'there are')}")
        if value is not None:
            found |= dict.fromkeys(BOTH_ROLES.get(name, (name,)), value)
    return found


class Batch:
    """Tasks and settings; starting it makes a run of `folder`. Nothing is spent, written or changed before.

    Settings are those of the command line by their names in docs/settings.md (`parallel=3`, `max_cost=5`), and for both
    roles `model`, `base_url`, `api_key`; what is not given comes from `environ` (None: the process's own) and from
    `env_file` or `.env` in the folder. Raises UserError.
    """

    def __init__(
        self,
        tasks: str | os.PathLike[str] | Sequence[Task | Mapping[str, Any]],
        *,
        folder: str | os.PathLike[str] = ".",
        environ: Mapping[str, str] | None = None,
        env_file: str | os.PathLike[str] | None = None,
        **settings: Any,
    ) -> None:
        """`tasks`: the tasks, or the path of a task file. What they name is relative to `folder`, or to that file."""
        self.folder = Path(folder).resolve()
        self.environ = dict(os.environ if environ is None else environ)
        self._env_file = self.folder / env_file if env_file is not None else None
        self._flags = {"mode": "parallel", **given_settings(settings)}
        self._resume: RunFolder | None = None
        self.tasks: list[dict[str, Any]] = []
        """As entries of a task file; empty: they are in one."""
        if isinstance(tasks, str | os.PathLike):
            self._flags["tasks"] = Path(tasks)
        else:
            self.tasks = entries(tasks)
            if not self.tasks:
                raise UserError("The batch: there are no tasks in it.")
        loaded = load(self._flags, self.environ, self._env_file, self.folder)
        self.settings, self.notes = loaded.settings, loaded.notes
        """`notes`: sentences about variables that have no effect, and about what was taken for one."""

    def prepare(self) -> PreparedRun:
        """Check all that can be checked. Raises UserError."""
        env_file = {"env_file": str(self._env_file)} if self._env_file is not None else {}
        return prepare(
            self.settings,
            folder=self.folder,
            environ=self.environ,
            env_file=self._env_file,
            flags={**self._flags, **env_file},
            tasks=self.tasks,
        )

    def start(self) -> "Starting":
        """`async with batch.start() as run:` or `run = await batch.start()`."""
        return Starting(self)

    async def run(self) -> RunResult:
        """Start it and wait for its end. Cancelled, it ends at once and can be resumed."""
        async with self.start() as run:
            return await run.result()


class Starting:
    """A run that is about to start. With `async with` it ends where the block does: its end is waited for, or, when
    the block is left by an exception, it is stopped at once and can be resumed."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._run: RunningBatch | None = None

    def __await__(self) -> Generator[Any, None, Run]:
        return self._begin().__await__()

    async def _begin(self) -> Run:
        prepared = await asyncio.to_thread(self._batch.prepare)
        self._run = await RunningBatch.start(prepared)
        return self._run

    async def __aenter__(self) -> Run:
        return await self._begin()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._run is not None
        if kind is None:
            await self._run.result()
        else:
            await self._run.cancel()


def run(tasks: str | os.PathLike[str] | Sequence[Task | Mapping[str, Any]], **settings: Any) -> RunResult:
    """Run a batch to its end, in a script: what Batch takes, without an event loop. Raises UserError."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(Batch(tasks, **settings).run())
    raise UserError("An event loop is running here (a notebook?): await agentbatch.Batch([...]).run()")
