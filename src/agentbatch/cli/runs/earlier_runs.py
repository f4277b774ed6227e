"""What earlier runs of this folder said of themselves."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from agentbatch.config import Settings
from agentbatch.errors import UserError
from agentbatch.runs.events import RunStarted
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.listing import list_runs
from agentbatch.runs.store.database import load_info, open_database
from agentbatch.text import clip


def latest_run(settings: Settings) -> RunFolder | None:
    """The newest run of the settings' task file, for `--resume`."""
    return latest_of("tasks", settings.tasks)


def latest_of(kind: Literal["tasks", "requests"], source: Path, *, going_on: bool = True) -> RunFolder | None:
    """The newest run of this kind that was made from `source`. Raises UserError for a newer one that is unreadable,
    where somebody is `going_on`: it may be the one that is meant."""
    task_file = str((Path.cwd() / source).resolve())
    for folder in list_runs(Path.cwd()):
        try:
            info = _info(folder)
        except UserError as error:
            if not going_on:
                continue
            raise UserError(
                f"{error} It is newer than any that could be gone on with: remove it (agentbatch prune "
                f"{folder.run_id} --all), or start a new run without --resume."
            ) from None
        if info is not None and (info.kind, info.task_file) == (kind, task_file):
            return folder
    return None


def recorded(folder: RunFolder) -> RunStarted:
    """What the run said of itself when it began last. Raises UserError."""
    info = _info(folder)
    if info is None:
        raise UserError(
            f"The run {folder.run_id} was interrupted before it began: there is nothing to go on with. "
            "Start a new one with agentbatch."
        )
    return info


def _info(folder: RunFolder) -> RunStarted | None:
    """Raises UserError when the database cannot be read."""
    with closing(open_database(folder.database)) as connection:
        try:
            return load_info(connection)
        except (sqlite3.Error, ValidationError) as error:
            raise UserError(f"{folder.database} is damaged: {clip(str(error), 200)}.") from None
