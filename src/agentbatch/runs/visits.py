"""A user's shells in the places of tasks: a lock while one is open, and a note of what was done there, which the engine
takes when the task goes on."""

import fcntl
import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agentbatch.errors import UserError
from agentbatch.files import PRIVATE, open_own, write_atomic
from agentbatch.patterns import regex
from agentbatch.runs.folder import RunFolder
from agentbatch.text import clip, list_names

LOCK, NOTE = "visit.lock", "visits.json"
"""In the task's folder."""
MAX_READ = 1024 * 1024
MAX_PATHS = 1000
"""Changed files that a note names."""
MAX_VISITS = 100
MAX_TOLD = 20
"""Files that a coder is told of."""
PLAIN = regex(r"[\w.+@/-]{1,120}")
"""Names that can be told in the user's name: others may have been made to be read as words of the user's."""


@dataclass(frozen=True)
class Visit:
    """One shell, from its start to its end."""

    seconds: float = 0.0
    changed: tuple[str, ...] | None = None
    """Files, relative to the task's directory, that were added, modified or deleted meanwhile. None: it is not known,
    since whoever had it was killed."""


def said_of(changed: Sequence[str] | None) -> str:
    """What the coder is told, in the user's name."""
    if changed is None:
        return (
            "While you stood still, I had a shell in your directory, and which files I changed there is not known. "
            "Look at them again before you go on."
        )
    plain = [path for path in changed if PLAIN.fullmatch(path)]
    others = len(changed) - len(plain)
    names = list_names(plain, MAX_TOLD) if plain else ""
    more = f"{others} with {'an odd name' if others == 1 else 'odd names'}" if others else ""
    return (
        "While you stood still, I had a shell in your directory, and files were changed there that you may know "
        f"otherwise: {', and '.join(filter(None, (names, more)))}. Look at them again before you go on."
    )


@contextmanager
def visiting(folder: RunFolder, task_id: str) -> Iterator[None]:
    """Its place is one user's meanwhile, also where that one is killed: the kernel gives the lock back. Raises
    UserError where somebody has it."""
    place = folder.task(task_id)
    place.mkdir(parents=True, exist_ok=True)
    try:
        handle = open_own(place / LOCK, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        if stat.S_ISREG(os.lstat(place / LOCK).st_mode):
            raise
        raise UserError(
            f"{place / LOCK} is a link, or no file: a task may have put it there. Remove it to go on."
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(open_in(task_id)) from None
        yield
    finally:
        os.close(handle)


def open_in(task_id: str) -> str:
    return f"A shell is open in the place of task {clip(task_id, 60)}: leave that first (exit)."


def is_visited(folder: RunFolder, task_id: str) -> bool:
    try:
        handle = open_own(folder.task(task_id) / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def refuse_visited(folder: RunFolder, tasks: Sequence[str]) -> None:
    """Raises UserError naming the first in whose place a shell is open."""
    for task_id in tasks:
        if is_visited(folder, task_id):
            raise UserError(open_in(task_id))


def note_visit(folder: RunFolder, task_id: str, visit: Visit) -> None:
    """To be told when the task goes on: at its start, of which nothing is known then, and at its end. Raises
    OSError."""
    place = folder.task(task_id) / NOTE
    kept = Visit(visit.seconds, visit.changed and visit.changed[:MAX_PATHS])
    visits = [*(one for one in _read(place) if one.changed is not None), kept][-MAX_VISITS:]
    write_atomic(place, json.dumps([asdict(one) for one in visits]), mode=PRIVATE, follow=False)


def take_visits(folder: RunFolder, task_id: str) -> list[Visit]:
    """What was noted since it was taken last; the note is gone."""
    place = folder.task(task_id) / NOTE
    visits = _read(place)
    with suppress(OSError):
        place.unlink(missing_ok=True)
    return visits


def _read(place: Path) -> list[Visit]:
    """Whatever lies there: a task without a sandbox can write it, too."""
    try:
        with open(place, "rb", opener=open_own) as file:
            found = json.loads(file.read(MAX_READ))
        return [_visit(one) for one in found][-MAX_VISITS:]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []


def _visit(one: Any) -> Visit:
    if one["changed"] is None:
        return Visit()
    paths = [clip(path, 1000) for path in one["changed"] if isinstance(path, str)]
    return Visit(max(0.0, float(one["seconds"])), tuple(paths[:MAX_PATHS]))
