"""Removing run folders: which ones may go, how much room they take, and the removal itself."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.files import STATE_FOLDER
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.kind import kind_of
from agentbatch.runs.listing import RunCondition, list_runs, open_run, runs_folder
from agentbatch.text import clip
from agentbatch.workspace.files.paths import walk
from agentbatch.workspace.files.removal import remove_tree

KEPT = 10
"""The newest runs that stay when nothing else is said."""

GOING = ".pruned-"
"""A folder on its way out is named so: killed halfway, it is no run any more, and the next prune removes the rest."""


@dataclass(frozen=True)
class Candidate:
    """A run that could be removed."""

    folder: RunFolder
    condition: RunCondition | None
    """None: its database cannot be read."""
    last: float
    """Epoch second of the last thing that happened in it."""
    resumable: bool = False


def candidate(folder: RunFolder) -> Candidate:
    try:
        run = open_run(folder)
    except UserError:
        return Candidate(folder, None, folder.database.stat().st_mtime)
    return Candidate(folder, run.condition, run.last, kind_of(run.state.info).resumable(run.state))


def candidates(base: Path) -> list[Candidate]:
    """Every run of a folder, the newest first."""
    return [candidate(folder) for folder in list_runs(base)]


def choose(
    runs: Sequence[Candidate], now: float, *, keep: int, older_than: float = 0.0, unfinished: bool = False
) -> list[Candidate]:
    """Of `runs`, the newest first, those that go: never a running one, none of the newest `keep`, none that ended less
    than `older_than` seconds ago, and only finished ones that cannot be resumed unless `unfinished`. Pure."""
    return [
        run
        for run in runs[keep:]
        if (
            (run.condition == "finished" and not run.resumable) or (unfinished and run.condition != "running")
        )
        and now - run.last >= older_than
    ]


def size(folder: Path) -> int:
    """Bytes on the disk. Links are counted as links."""
    total = 0
    for inner in walk(folder):
        for name in inner.others:
            try:
                total += os.lstat(os.path.join(folder, inner.path, name)).st_blocks * 512
            except OSError:
                continue  # gone meanwhile, or deeper than a path can say
    return total


def check_place(folder: RunFolder) -> None:
    """Raises UserError when the folder does not lie where runs do: it may hold anything."""
    place = folder.path.parent
    if (place.parent.name, place.name) != (STATE_FOLDER, "runs"):
        raise UserError(
            f"{clip(str(folder.path), 300)} does not lie in a folder of runs; remove it yourself."
        )


@contextmanager
def claimed(folder: RunFolder) -> Iterator[None]:
    """No engine takes the run up meanwhile. Raises UserError when one has it."""
    check_place(folder)
    folder.lock()
    try:
        yield
    finally:
        folder.unlock()


def remove(folder: RunFolder) -> None:
    """Remove the folder of a claimed run, at once for viewers. Follows no links. Raises OSError."""
    going = folder.path.with_name(GOING + folder.path.name)
    folder.path.rename(going)
    remove_tree(going)


def sweep(base: Path) -> None:
    """Remove what an earlier prune was killed over. What another prune is removing just now may go under our hands."""
    for place in runs_folder(base).glob(f"{GOING}*"):
        if not place.is_symlink():
            with suppress(OSError):
                remove_tree(place)
