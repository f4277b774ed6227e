"""Making the place of an isolated task, finding it again, and removing it. All of it blocks: call it in a thread."""

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Lock
from typing import Literal

from agentbatch.errors import UserError
from agentbatch.workspace.isolation.branch_names import free_name
from agentbatch.workspace.isolation.copies import copy_tree
from agentbatch.workspace.isolation.git import Git
from agentbatch.workspace.isolation.place_record import IsolatedDir, Phase, read_place, write_place
from agentbatch.workspace.isolation.removal import remove_tree
from agentbatch.workspace.isolation.repository import find_repository
from agentbatch.workspace.isolation.worktree import (
    Worktree,
    add_worktree,
    branch_tip,
    fill_worktree,
    forget_worktrees,
    shown_of_repository,
    unregister,
)


def make_worktree(
    git: Git, source: Path, folder: Path, name: str, lock: Callable[[Path], Lock]
) -> IsolatedDir:
    """A worktree on the branch `name`, or the one that is there. A repository's `lock` is held to register it."""
    earlier, phase = _earlier(git, "worktree", source, folder)
    old = earlier.worktree if earlier is not None else None
    if earlier is not None and old is not None and phase == "made":
        if old.stands():
            return replace(earlier, readable=_readable(earlier, old))
        _refuse_lost(old)
    repository = find_repository(git, source)
    with lock(repository.common):
        if earlier is not None:
            # A git that was left behind by a killed run may still write there: this attempt has a folder of its own.
            with suppress(OSError):
                _clear(git, earlier)
        else:
            remove_tree(folder)  # what a killed process has left without a record
            forget_worktrees(repository.common, folder)
        branch, start, base = "", repository.head, repository.head
        if old is not None and phase != "making":
            tip = branch_tip(git, repository.common, old.branch)
            branch, start, base = (old.branch, tip, old.base) if tip is not None else (branch, start, base)
        if not branch:
            branch = free_name(name, lambda n: branch_tip(git, repository.common, n) is not None)
        last = old.top.parent.name if old is not None else ""
        attempt = int(last) + 1 if last.isdecimal() else 1
        top = folder / "trees" / str(attempt) / (repository.top.name or "root")
        root = top / source.relative_to(repository.top)
        place = IsolatedDir(
            root, source, "worktree", folder, Worktree(top, branch, base, Path(), repository.common)
        )
        write_place(place, "making")
        worktree = Worktree(top, branch, base, add_worktree(git, repository, top, start), repository.common)
    fill_worktree(git, worktree)
    root.mkdir(parents=True, exist_ok=True)
    place = replace(place, worktree=worktree, fresh=start == base)
    write_place(place, "made")
    return replace(place, readable=_readable(place, worktree))


def _earlier(
    git: Git, kind: Literal["copy", "worktree"], source: Path, folder: Path
) -> tuple[IsolatedDir | None, Phase]:
    """The place that an earlier process has made, or begun; one for another purpose goes."""
    place, phase = read_place(folder)
    if place is not None and (place.kind, place.source) != (kind, source):
        discard(git, folder)
        return None, "making"
    return place, phase


def make_copy(git: Git, source: Path, folder: Path, leave_out: Collection[Path], stop: Event) -> IsolatedDir:
    place, phase = _earlier(git, "copy", source, folder)
    if place is not None and phase == "made" and place.root.is_dir():
        return place
    place = IsolatedDir(folder / "copy" / (source.name or "root"), source, "copy", folder)
    try:
        remove_tree(folder)
        copy_tree(source, place.root, {*leave_out, folder}, stop)
        place = replace(place, fresh=True)
        write_place(place, "made")
    except BaseException:
        with suppress(OSError):
            remove_tree(folder)
        raise
    return place


def _readable(place: IsolatedDir, worktree: Worktree) -> tuple[Path, ...]:
    around = () if worktree.top == place.root else (worktree.top,)
    return (*shown_of_repository(worktree), *around)


def _refuse_lost(worktree: Worktree) -> None:
    if worktree.top.exists():
        raise UserError(
            f"git does not know the worktree {worktree.top} any more (was it removed, or pruned?). Its files are still "
            "there: take what you need of them, and remove that folder."
        )


def remove(git: Git, place: IsolatedDir) -> None:
    write_place(place, "away")  # from here on nothing in it is taken for the task's work
    _clear(git, place)


def discard(git: Git, folder: Path) -> None:
    place, _ = read_place(folder)
    if place is not None:
        remove(git, place)
    remove_tree(folder)


def _clear(git: Git, place: IsolatedDir) -> None:
    """Remove the place's files, and what git knows of it."""
    if place.worktree is None:
        remove_tree(place.root.parent)
        return
    # The user may have removed the whole repository meanwhile.
    if place.worktree.common.is_dir():
        unregister(git, place.worktree, place.folder)
    remove_tree(place.folder / "trees")
