"""Where the results go: through the user's links, and none that a task may have made."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from agentbatch.errors import UserError
from agentbatch.files import check_writable
from agentbatch.patterns import regex
from agentbatch.runs.events import RunStarted
from agentbatch.text import clip

HEAD = 1_000
"""Bytes by which a file is known for results."""
_OURS = regex(rb'\s*\{\s*"summary"\s*:')


def choose_results_file(named: Path, roots: Iterable[Path]) -> Path:
    """As `own_place`. Raises UserError, also for a file that is there and somebody else's."""
    place = own_place(named, roots)
    _refuse_to_lose(place)
    return place


def own_place(named: Path, roots: Iterable[Path], what: str = "results", flag: str = "--output") -> Path:
    """`named` (absolute) with every link followed. `roots`: the directories in which tasks work; a link that lies in
    one was made by the user or by a task, and nobody can tell. Raises UserError."""
    place = check_writable(named, what, flag)
    inside = tuple(roots)
    for step in (named, *named.parents):
        if step.is_symlink() and any(step.parent.resolve().is_relative_to(root) for root in inside):
            raise UserError(
                f"The {what} file would be written through {step}, a link to {clip(str(place), 300)} in a directory "
                f"that tasks work in: a task may have made it. Remove it, or name another file with {flag}."
            )
    return place


def _refuse_to_lose(place: Path) -> None:
    """What is there and is no results file is somebody's: a slip, or an AGENTBATCH_OUTPUT that a task wrote into an
    env file."""
    try:
        with open(place, "rb") as file:
            start = file.read(HEAD)
    except OSError:
        return  # nothing is there, or it is said elsewhere
    if start.strip() and not _OURS.match(start):
        raise UserError(
            f"{place} is there and holds no results of agentbatch, so it is not overwritten: remove it, or name "
            "another file with --output."
        )


def refuse_moved(before: RunStarted, settings: Mapping[str, Any], task_file: Path) -> None:
    """Raises UserError where the run's folder stands elsewhere than when it began: where a task works is a part of it,
    so all of them would be others, to be run and paid again."""
    same = before.settings.get("tasks") == settings.get("tasks")
    if same and before.task_file and str(task_file) != before.task_file:
        raise UserError(
            f"The run was begun with {clip(before.task_file, 300)}, which is {clip(str(task_file), 300)} now: "
            "its folder was moved or copied, and all its tasks would run again. Move it back, or start a new run."
        )


def refuse_turned_link(before: RunStarted, settings: Mapping[str, Any], results: Path) -> None:
    """A session that was killed may have left a link: where the same name led when the run began counts. Raises
    UserError."""
    same = all(before.settings.get(name) == settings.get(name) for name in ("output", "mode"))
    if same and before.results and str(results) != before.results:
        raise UserError(
            f"The results file was {clip(before.results, 300)} when the run began, and its name leads to "
            f"{clip(str(results), 300)} now: a task may have made a link. Remove it, or name another file by --output."
        )
