"""A batch of tasks with its settings: checked, started, run."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agentbatch.api.result import RunResult
from agentbatch.api.run import Starting
from agentbatch.api.settings import given_settings
from agentbatch.api.task import entries
from agentbatch.config import load
from agentbatch.errors import UserError
from agentbatch.tasks.coders.python import MakeCoder
from agentbatch.tasks.run.prepare.prepare import prepare
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.spec.task import Task


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
        coders: Mapping[str, MakeCoder] | None = None,
        **settings: Any,
    ) -> None:
        """`tasks`: the tasks, or the path of a task file. What they name is relative to `folder`, or to that file.
        `coders`: of your own, by the name that tasks (`coder="mine"`) or the batch (`coder_name="mine"`) give."""
        self.folder = Path(folder).resolve()
        self.environ = dict(os.environ if environ is None else environ)
        self._coders = dict(coders or {})
        self._env_file = self.folder / env_file if env_file is not None else None
        self._flags = {"mode": "parallel", **given_settings(settings)}
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
            coders=self._coders,
        )

    def start(self) -> Starting:
        """`async with batch.start() as run:` or `run = await batch.start()`."""
        return Starting(self.prepare)


def run(tasks: str | os.PathLike[str] | Sequence[Task | Mapping[str, Any]], **settings: Any) -> RunResult:
    """Run a batch to its end, in a script: what Batch takes, without an event loop. Raises UserError."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(Batch(tasks, **settings).start().result())
    raise UserError(
        "An event loop is running here (a notebook?): await agentbatch.Batch([...]).start().result()"
    )
