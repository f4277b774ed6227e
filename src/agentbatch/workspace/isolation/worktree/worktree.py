"""A task's git worktree on a branch of its own: made, found again, removed; the user's checkout is never touched."""

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from secrets import token_hex

from agentbatch.errors import cannot_be
from agentbatch.patterns import regex
from agentbatch.workspace.files.removal import remove_tree
from agentbatch.workspace.isolation.worktree.git import BRANCHES, Git, GitError, Pinned
from agentbatch.workspace.isolation.worktree.repository import Repository

MAX_BRANCH_PART = 200
"""Bytes of one part of a branch's name: a file is named after it, with `.lock` at its end while git writes it."""

MADE_INDEX = "index-made"
"""In our folder of a worktree: its index as git made it, which the coder cannot write to."""

NOTHING = ""
"""For `git update-ref`: the branch must not exist yet."""

STALE = 60.0
"""Seconds after which a folder that does not say which worktree it is for was left behind by a killed process."""

MAX_LOCKED = 5.0
"""Seconds that a git may hold the lock of a branch of ours: it needs hundredths, and only this run writes it."""

SHOWN = ("HEAD", "objects", "refs", "packed-refs", "shallow", "info", "config")
"""What git reads of a repository for `status`, `diff` and `log`; its hooks and other worktrees are no part of it."""

_SECRET = regex(
    r"https?://[^/\s]*@|://[^/\s@]*:[^/\s]*@|(?im:^[^\S\n]*(?:extraheader|\w*(?:token|password|secret)\w*[^\S\n]*=))"
)


@dataclass(frozen=True)
class Worktree:
    top: Path
    """Of its files."""
    branch: str
    base: str
    """The commit that it began at."""
    admin: Path
    """git's own folder for it, `.git/worktrees/<name>` of the repository."""
    common: Path
    """The repository's folder of objects and branches."""

    @property
    def ref(self) -> str:
        return f"refs/heads/{self.branch}"

    def pinned(self, index: Path | None = None) -> Pinned:
        """For every command of ours: the worktree's own `.git` file is the coder's."""
        return Pinned(self.admin, self.top, index)

    def stands(self) -> bool:
        """Whether git still has it as it was made."""
        return self.top.is_dir() and _top_of(self.admin) == self.top and (self.admin / "HEAD").is_file()


def branch_name(run_id: str, task_id: str) -> str:
    """Different ids have different branches: one that had to be changed carries a hash of what it was."""
    return f"{BRANCHES}/{_branch_part(run_id)}/{_branch_part(task_id)}"


def free_name(name: str, taken: Callable[[str], bool]) -> str:
    """`name`, or `name-2`, `name-3` … where an earlier attempt has left its work."""
    return next(
        candidate
        for number in count(1)
        if not taken(candidate := name if number == 1 else f"{name}-{number}")
    )


def _branch_part(text: str) -> str:
    """git takes no `..`, no dot at either end, no `.lock` at the end, and few signs."""
    safe = re.sub(r"[^\w.\-@]+|\.{2,}", "-", text)
    safe = re.sub(r"\.lock$", "-lock", safe.strip(".").lstrip("-"))
    encoded = safe.encode("utf-8", "replace")
    if safe == text and len(encoded) <= MAX_BRANCH_PART:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{encoded[: MAX_BRANCH_PART - 9].decode('utf-8', 'ignore')}-{digest}".lstrip("-")


def add_worktree(git: Git, repository: Repository, top: Path, start: str) -> Path:
    """Register one at the commit `start`, without files and on no branch; returns git's folder for it.

    Raises GitError, OSError. Nobody has been in there yet, so its `.git` is git's own word.

    git's folder is named after the worktree's. It gets a name that nobody else ever has: a git that a killed run has
    left behind may fail later, and then removes the folder of that name, whoever has it by then.
    """
    top.parent.mkdir(parents=True, exist_ok=True)
    made = top.parent / token_hex(8)
    git.run(
        "worktree", "add", "--quiet", "--detach", "--no-checkout", "--", str(made), start, cwd=repository.top
    )
    pointer = (made / ".git").read_bytes().decode("utf-8", "surrogateescape")
    admin = Path(pointer.removeprefix("gitdir: ").removesuffix("\n"))
    made.rename(top)
    pointer_back = admin / "gitdir.new"
    pointer_back.write_bytes(os.fsencode(top / ".git") + b"\n")
    pointer_back.replace(admin / "gitdir")
    return admin


def fill_worktree(git: Git, worktree: Worktree, *, new_branch: bool) -> None:
    """Check its files out, and put it on its branch, which is made where that is said to be new."""
    pinned = worktree.pinned()
    git.run("reset", "--hard", "--quiet", "--no-recurse-submodules", cwd=worktree.top, pinned=pinned)
    if new_branch:
        try:
            move_branch(git, worktree, worktree.base, NOTHING)
        except GitError:
            if (
                tip(git, worktree) != worktree.base
            ):  # else a git that a killed run has left behind made it just now
                raise
    git.run("symbolic-ref", "HEAD", worktree.ref, cwd=worktree.top, pinned=pinned)


def move_branch(git: Git, worktree: Worktree, commit: str, old: str) -> None:
    """To `commit`, if it is at `old` now. Raises GitError."""
    _update_ref(git, worktree, "-m", "agentbatch", worktree.ref, commit, old)


def _update_ref(git: Git, worktree: Worktree, *arguments: str) -> None:
    """Waits for a lock of the branch that another git holds, and removes one that a killed git has left."""
    lock = worktree.common / f"{worktree.ref}.lock"
    for last in (False, True):
        with suppress(FileNotFoundError):
            if time.time() - lock.stat().st_mtime > MAX_LOCKED:
                lock.unlink()
        try:
            git.run(f"--git-dir={worktree.common}", "update-ref", *arguments, cwd=worktree.common)
            return
        except GitError:
            if last or not lock.exists():
                raise


def tip(git: Git, worktree: Worktree) -> str | None:
    """The commit that its branch is at; None: there is no such branch."""
    return branch_tip(git, worktree.common, worktree.branch)


def branch_tip(git: Git, common: Path, branch: str) -> str | None:
    return git.ask(
        f"--git-dir={common}", "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", cwd=common
    )


def checked_out_elsewhere(worktree: Worktree) -> bool:
    """Whether the user, or another task, is on its branch: then moving it would change what they see as changed."""
    heads = [worktree.common / "HEAD", *(admin / "HEAD" for admin in _admins(worktree.common))]
    for head in heads:
        with suppress(OSError):
            named = head.read_bytes().decode("utf-8", "surrogateescape").strip()
            if head.parent != worktree.admin and named == f"ref: {worktree.ref}":
                return True
    return False


def unregister(git: Git, worktree: Worktree, folder: Path) -> None:
    """Remove what git knows of it and of earlier attempts in `folder`, and its branch when that holds nothing new. Safe
    to repeat; its files stay.

    Not by `git worktree remove`, which reads files that are the coder's, nor by `prune`, which would take the
    user's own worktrees on a disk that is not mounted. Raises OSError, GitError.
    """
    forget_worktrees(worktree.common, folder)
    if tip(git, worktree) == worktree.base and not checked_out_elsewhere(worktree):
        _update_ref(git, worktree, "-d", worktree.ref, worktree.base)


def forget_worktrees(common: Path, folder: Path) -> None:
    """Remove git's folders for the worktrees in `folder`, and those whose making or removal was killed half-way: they
    do not say what they are for, and git itself would keep some of them for ever."""
    for admin in _admins(common):
        top = _top_of(admin)
        if _is_stale(admin) if top is None else top.is_relative_to(folder):
            remove_tree(admin)
    with suppress(OSError):
        (common / "worktrees").rmdir()  # as git does, when it is empty


def shown_of_repository(worktree: Worktree) -> tuple[Path, ...]:
    """What its commands may read outside of it. A config with a password in it stays hidden: git does without."""
    config = worktree.common / "config"
    try:
        hide = bool(_SECRET.search(config.read_text("utf-8", "replace")))
    except OSError as error:
        raise cannot_be("read", config, error) from None
    names = [name for name in SHOWN if not (hide and name == "config")]
    places = [*(worktree.common / name for name in names), worktree.admin]
    return tuple(place for place in places if place.exists())


def _admins(common: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        yield from sorted(place for place in (common / "worktrees").iterdir() if not place.is_symlink())


def _is_stale(admin: Path) -> bool:
    with suppress(FileNotFoundError):
        return time.time() - admin.stat().st_mtime > STALE
    return False


def _top_of(admin: Path) -> Path | None:
    """The worktree that git's folder is for, by its back pointer. None: it has no such pointer (yet, or any more)."""
    try:
        pointer = (admin / "gitdir").read_bytes()
    except FileNotFoundError:
        return None
    return Path(pointer.decode("utf-8", "surrogateescape").removesuffix("\n")).parent if pointer else None
