"""Committing what a task has left in its worktree, whatever it has left there."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from agentbatch.text import counted, list_names
from agentbatch.workspace.files.ignored import IGNORED_FOLDERS
from agentbatch.workspace.files.removal import open_up
from agentbatch.workspace.isolation.worktree.as_judged import keep_as_judged
from agentbatch.workspace.isolation.worktree.git import Git
from agentbatch.workspace.isolation.worktree.judged import Judged, take_back_unjudged
from agentbatch.workspace.isolation.worktree.worktree import (
    MADE_INDEX,
    NOTHING,
    Worktree,
    checked_out_elsewhere,
    free_name,
    move_branch,
    tip,
)
from agentbatch.workspace.workspace import Snapshot

NOBODY = ("agentbatch", "agentbatch@localhost")
"""Author where the user's git has no name and address."""
MAX_NAMED = 5
MAX_MESSAGE = 20_000
"""Characters."""


class KeptWork(NamedTuple):
    """What has become of a task's work."""

    branch: str = ""
    """Branch with the work; empty: nothing was changed, or the directory is a copy."""
    commit: str = ""
    notes: tuple[str, ...] = ()
    """What a person should know, a sentence each."""
    whole: bool = True
    """False: something is only in the place itself, which must stay."""


def commit_work(git: Git, worktree: Worktree, message: str, folder: Path, judged: Judged | None) -> KeptWork:
    """Commit everything on the worktree's branch, or of accepted work what was `judged` and nothing else; nothing is
    committed where nothing changed. What is as it was when the work began is no part of it. Safe to repeat.

    `folder` is for the files of the work. Nothing of the worktree is run, and its `.git` is not read. Raises
    WorkAltered where what was judged is not there any more, GitError, OSError.
    """
    notes = []
    aside = set_repositories_aside(worktree.top, folder / "nested")
    if aside:
        notes.append(
            f"{counted(aside, 'git repository', 'git repositories')} inside the worktree "
            f"{'was' if aside == 1 else 'were'} committed as plain files, without the history."
        )
    index = _own_index(git, worktree, folder)
    pinned, top = worktree.pinned(index), worktree.top
    _, problem = git.try_run("add", "-A", "--ignore-errors", "--", ".", cwd=top, pinned=pinned)
    if problem:
        notes.append(f"Not everything could be committed ({problem}): it is still in {top}.")
    if judged is not None and judged.accepted and judged.whole:
        keep_as_judged(git, worktree, index, judged, folder)
    lost = _changed_submodules(git, worktree, index)
    if lost:
        notes.append(
            f"What was changed in git submodules is not committed ({list_names(lost, MAX_NAMED, 80)}): it is still in "
            f"{top}."
        )
    now = judged.look() if judged is not None and judged.whole else Snapshot({})  # when git has read it
    ignored = _ignored(git, worktree, index)
    if judged is not None:
        ignored = [path for path in ignored if not judged.is_as_begun(path, now, top)]
    if ignored:
        notes.append(f"Not on the branch, because git ignores it: {list_names(ignored, MAX_NAMED, 80)}.")
    unjudged = []
    if judged is not None and judged.whole:
        unjudged = take_back_unjudged(git, worktree, index, judged, now)
        if judged.accepted:
            judged.check(now)
    if unjudged:
        notes.append(
            f"Not committed, because it is no part of what was judged: {list_names(unjudged, MAX_NAMED, 80)}; it is "
            f"still in {top}."
        )
    tree = git.run("write-tree", cwd=top, pinned=pinned).strip()
    worktree = _on_free_branch(git, worktree, tree)
    at = tip(git, worktree)
    commit = parent = at or worktree.base
    if tree != git.ask("rev-parse", f"{parent}^{{tree}}", cwd=top, pinned=pinned):
        commit = _commit(git, worktree, tree, parent, message)
        move_branch(git, worktree, commit, at or NOTHING)
    index.unlink(missing_ok=True)
    branch = worktree.branch if commit != worktree.base else ""
    return KeptWork(branch, commit if branch else "", tuple(notes), whole=not (problem or lost or unjudged))


def set_repositories_aside(top: Path, aside: Path) -> int:
    """Move every `.git` below the top out of the worktree, in whatever case it is written; returns how many.

    git would keep only a commit's number of a repository inside another one, and for those that it knows as
    submodules it would run git in them, by a config that the coder can write.
    """
    found = list(_repositories(top))
    if found:
        aside.mkdir(parents=True, exist_ok=True)
        moved = len(os.listdir(aside))
        for number, place in enumerate(found, moved):
            place.rename(aside / str(number))
    return len(found)


def _repositories(top: Path) -> Iterator[Path]:
    folders = [str(top)]
    while folders:
        folder = folders.pop()
        try:
            open_up(Path(folder))  # git does not record a folder's mode
            with os.scandir(folder) as found:
                entries = list(found)
        except OSError:
            continue  # git cannot read it either, and says so
        for entry in entries:
            if entry.name.casefold() == ".git":
                if Path(entry.path) != top / ".git":
                    yield Path(entry.path)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)


def _own_index(git: Git, worktree: Worktree, folder: Path) -> Path:
    """The index as it was made, with what was added to the worktree's own since, by a `git add` of the coder's.

    The worktree's own may say anything by now: that a file is to be taken as unchanged, or has the times that it has.
    With its time: only by that does git know that a file changed in the second of its checkout needs a second look. A
    lock file that a killed git has left beside the worktree's own is no obstacle to a copy.
    """
    index, made, own = folder / "index", folder / MADE_INDEX, worktree.admin / "index"
    for left in (index, folder / "index.lock"):
        left.unlink(missing_ok=True)
    if not made.is_file():  # of a run of an earlier version
        with suppress(FileNotFoundError):
            shutil.copy2(own, index)
        return index
    shutil.copy2(made, index)
    with suppress(FileNotFoundError):
        if own.read_bytes() != made.read_bytes():
            _add_what_was_added(git, worktree, index)
    return index


def _add_what_was_added(git: Git, worktree: Worktree, index: Path) -> None:
    top, listing = worktree.top, ("ls-files", "-z", "--stage")
    listed, problem = git.try_run(*listing, cwd=top, pinned=worktree.pinned())
    if problem:
        return  # it is no index any more
    known = {
        line.partition("\t")[2]
        for line in git.run(*listing, cwd=top, pinned=worktree.pinned(index)).split("\0")
    }
    added = [line for line in listed.split("\0")[:-1] if line.partition("\t")[2] not in known]
    if added:
        lines = "".join(f"{line}\0" for line in added)
        git.try_run("update-index", "-z", "--index-info", cwd=top, pinned=worktree.pinned(index), text=lines)


def _changed_submodules(git: Git, worktree: Worktree, index: Path) -> list[str]:
    """Submodules' folders that were filled. A worktree has them empty, and git looks away from them."""
    listed = git.run("ls-files", "-z", "--stage", cwd=worktree.top, pinned=worktree.pinned(index))
    names = [line.split("\t", 1)[1] for line in listed.split("\0") if line.startswith("160000 ")]
    return [name for name in names if _holds_something(worktree.top / name)]


def _holds_something(folder: Path) -> bool:
    try:
        return stat.S_ISDIR(folder.lstat().st_mode) and bool(os.listdir(folder))
    except OSError:
        return False


def _ignored(git: Git, worktree: Worktree, index: Path) -> list[str]:
    """Files and folders that git ignores, but for caches, installed packages."""
    listed = git.run(
        "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory",
        cwd=worktree.top, pinned=worktree.pinned(index),
    )  # fmt: skip
    names = [name for name in listed.split("\0") if name]
    return [
        name for name in names if IGNORED_FOLDERS.isdisjoint(name.split("/")) and not name.endswith(".pyc")
    ]


def _on_free_branch(git: Git, worktree: Worktree, tree: str) -> Worktree:
    """Another branch where its own is checked out elsewhere: one that is new, or already has this work."""
    if not checked_out_elsewhere(worktree):
        return worktree

    def taken(name: str) -> bool:
        found = git.ask(
            f"--git-dir={worktree.common}", "rev-parse", "--verify", "--quiet", f"refs/heads/{name}^{{tree}}",
            cwd=worktree.common,
        )  # fmt: skip
        return name == worktree.branch or found not in (None, tree)

    return replace(worktree, branch=free_name(worktree.branch, taken))


def _commit(git: Git, worktree: Worktree, tree: str, parent: str, message: str) -> str:
    """By git's plumbing: it runs no hook and reads no file of the worktree."""
    pinned = worktree.pinned()
    text = "".join(c for c in message[:MAX_MESSAGE] if c in "\n\t" or c.isprintable())
    return git.run(
        "commit-tree", tree, "-p", parent, "-F", "-",
        cwd=worktree.top, pinned=pinned, text=text, env=_author(git, worktree),
    ).strip()  # fmt: skip


def _author(git: Git, worktree: Worktree) -> dict[str, str]:
    wanted = r"^user\.(name|email)$"
    said = git.ask("config", "-z", "--get-regexp", wanted, cwd=worktree.top, pinned=worktree.pinned())
    # The last one of a name counts.
    own = dict(field.partition("\n")[::2] for field in (said or "").split("\0"))
    if own.get("user.name") and own.get("user.email"):
        return {}
    name, email = NOBODY
    return {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
    }
