"""Making the directory of an isolated task, finding it again, removing it. All of it blocks: call it in a thread."""

import shutil
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Lock
from typing import Literal

from agentbatch.errors import UserError
from agentbatch.workspace.files.removal import remove_tree
from agentbatch.workspace.isolation.copy.copies import copy_tree
from agentbatch.workspace.isolation.isolated_dir import (
    IsolatedDir,
    Phase,
    read_isolated_dir,
    record_isolated_dir,
)
from agentbatch.workspace.isolation.worktree.git import Git
from agentbatch.workspace.isolation.worktree.repository import find_repository
from agentbatch.workspace.isolation.worktree.worktree import (
    MADE_INDEX,
    Worktree,
    add_worktree,
    branch_tip,
    fill_worktree,
    forget_worktrees,
    free_name,
    shown_of_repository,
    unregister,
)


def make_worktree(
    git: Git, source: Path, folder: Path, name: str, lock: Callable[[Path], Lock], settled: Path | None = None
) -> IsolatedDir:
    """A worktree on the branch `name`, or the one that is there. A repository's `lock` is held to register it.
    `settled`: the repository that `source` had before the run; it must not have another one now."""
    earlier, phase = _earlier(git, "worktree", source, folder)
    old = earlier.worktree if earlier is not None else None
    if earlier is not None and old is not None and phase == "made":
        if old.stands():
            return replace(earlier, readable=readable_of(earlier, old))
        _refuse_lost(old)
    repository = find_repository(git, source)
    if settled is not None and repository.common != settled:
        raise UserError(
            f"The git repository of {source} was {settled} before the run and is {repository.common} now: "
            "something has made one there meanwhile. Look at it before you use git there, and remove it."
        )
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
        if new := not branch:
            branch = free_name(name, lambda n: branch_tip(git, repository.common, n) is not None)
        last = old.top.parent.name if old is not None else ""
        attempt = int(last) + 1 if last.isdecimal() else 1
        top = folder / "trees" / str(attempt) / (repository.top.name or "root")
        root = top / source.relative_to(repository.top)
        isolated = IsolatedDir(
            root, source, "worktree", folder, Worktree(top, branch, base, Path(), repository.common)
        )
        record_isolated_dir(isolated, "making")
        try:
            worktree = Worktree(
                top, branch, base, add_worktree(git, repository, top, start), repository.common
            )
        except (OSError, UserError):
            remove_unmade(git, isolated)
            raise
    isolated = replace(isolated, worktree=worktree, fresh=start == base)
    try:
        fill_worktree(git, worktree, new_branch=new)
        shutil.copy2(worktree.admin / "index", folder / MADE_INDEX)
        root.mkdir(parents=True, exist_ok=True)
        record_isolated_dir(isolated, "made")
    except (OSError, UserError):
        remove_unmade(git, isolated)
        raise
    return replace(isolated, readable=readable_of(isolated, worktree))


def remove_unmade(git: Git, isolated: IsolatedDir) -> None:
    """One that could not be made is of no use to anybody: its files go, and what git knows of it. Its record stays
    (`making`): should that fail, the next attempt tries it again."""
    record_isolated_dir(isolated, "making")
    with suppress(OSError, UserError):
        _clear(git, isolated)


def _earlier(
    git: Git, kind: Literal["copy", "worktree"], source: Path, folder: Path
) -> tuple[IsolatedDir | None, Phase]:
    """What an earlier process has made, or begun to make; one for another purpose is removed."""
    isolated, phase = read_isolated_dir(folder)
    if isolated is not None and (isolated.kind, isolated.source) != (kind, source):
        discard(git, folder)
        return None, "making"
    return isolated, phase


def make_copy(git: Git, source: Path, folder: Path, leave_out: Collection[Path], stop: Event) -> IsolatedDir:
    isolated, phase = _earlier(git, "copy", source, folder)
    if isolated is not None and phase == "made" and isolated.root.is_dir():
        return isolated
    isolated = IsolatedDir(folder / "copy" / (source.name or "root"), source, "copy", folder)
    try:
        remove_tree(folder)
        copy_tree(source, isolated.root, {*leave_out, folder}, stop)
        isolated = replace(isolated, fresh=True)
        record_isolated_dir(isolated, "made")
    except BaseException:
        with suppress(OSError):
            remove_tree(folder)
        raise
    return isolated


def readable_of(isolated: IsolatedDir, worktree: Worktree | None) -> tuple[Path, ...]:
    """What its commands may read outside of it."""
    if worktree is None:
        return ()
    around = () if worktree.top == isolated.root else (worktree.top,)
    return (*shown_of_repository(worktree), *around)


def _refuse_lost(worktree: Worktree) -> None:
    if worktree.top.exists():
        raise UserError(
            f"git does not know the worktree {worktree.top} any more (was it removed, or pruned?). Its files are still "
            "there: take what you need of them, and remove that folder."
        )


def remove(git: Git, isolated: IsolatedDir) -> None:
    record_isolated_dir(isolated, "away")  # from here on nothing in it is taken for the task's work
    _clear(git, isolated)


def discard(git: Git, folder: Path) -> None:
    isolated, _ = read_isolated_dir(folder)
    if isolated is not None:
        remove(git, isolated)
    remove_tree(folder)


def _clear(git: Git, isolated: IsolatedDir) -> None:
    """Remove its files, and what git knows of it."""
    if isolated.worktree is None:
        remove_tree(isolated.root.parent)
        return
    # The user may have removed the whole repository meanwhile.
    if isolated.worktree.common.is_dir():
        unregister(git, isolated.worktree, isolated.folder)
    (isolated.folder / MADE_INDEX).unlink(missing_ok=True)
    remove_tree(isolated.folder / "trees")
