"""Which task of a run somebody means: by its id, by how that begins, or by its number."""

import difflib
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.runs.store.database import open_database
from agentbatch.text import clip

SHOWN = 60
"""Cells of a name in a message."""


def choose_task(database: Path, name: str) -> str:
    """The id of the task of this run that `name` means. Raises UserError."""
    try:
        with closing(open_database(database)) as connection:
            places = dict(connection.execute("SELECT id, position FROM tasks ORDER BY position").fetchall())
    except sqlite3.Error as error:
        raise UserError(f"{database} cannot be read: {error}.") from None
    return matching_task(places, name)


def matching_task(places: Mapping[str, int], name: str) -> str:
    """As `choose_task`, of these ids with their places from 0. An id goes before a number, a number before the
    beginning of an id."""
    if name in places:
        return name
    for task_id, place in places.items():
        if name == str(place + 1):
            return task_id
    found = [task_id for task_id in places if name and task_id.startswith(name)]
    if len(found) == 1:
        return found[0]
    shown = clip(name, SHOWN)
    if found:
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        names = ", ".join(clip(task_id, SHOWN) for task_id in found[:5])
        raise UserError(f"{shown!r} could be any of {len(found)} tasks: {names}{more}.")
    near = difflib.get_close_matches(name, places, n=1)
    hint = f"Did you mean {clip(near[0], SHOWN)}?" if near else "`agentbatch status` shows how it stands."
    raise UserError(f"The run has no task {shown!r}. {hint}")
