"""Of a completed task, a branch gets what was judged: no other file, and none with another content. Of any other it
gets all but what was there, as it is, when the work began."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from agentbatch.errors import UserError
from agentbatch.workspace.files.diff.diff import altered_work, changed_since, changes, same
from agentbatch.workspace.files.ignored import is_ignored
from agentbatch.workspace.files.snapshot.snapshot import take_snapshot
from agentbatch.workspace.isolation.worktree.git import Git
from agentbatch.workspace.isolation.worktree.worktree import Worktree
from agentbatch.workspace.workspace import FileEntry, Snapshot


class WorkAltered(UserError):
    """Files of the work are not any more as they were judged."""


class Judged(NamedTuple):
    """A task's work."""

    root: Path
    """The task's directory in the worktree."""
    before: Snapshot
    """How the work began: behind the task's `setup`."""
    after: Snapshot
    """As it was judged, or seen last."""
    accepted: bool = True

    @property
    def whole(self) -> bool:
        """All changes are known: no directory had too many files."""
        return not (self.before.truncated or self.after.truncated)

    def paths(self, top: Path) -> frozenset[str]:
        """What it changed, relative to `top`."""
        made, prefix = changes(self.before, self.after), self._prefix(top)
        return frozenset(f"{prefix}{path}" for path in (*made.added, *made.modified, *made.deleted))

    def made(self, top: Path) -> dict[str, FileEntry]:
        """What it added or modified, by the path relative to `top`."""
        made, prefix = changes(self.before, self.after), self._prefix(top)
        return {f"{prefix}{path}": self.after.files[path] for path in (*made.added, *made.modified)}

    def _prefix(self, top: Path) -> str:
        folder = self.root.relative_to(top).as_posix()
        return "" if folder == "." else f"{folder}/"

    def look(self) -> Snapshot:
        """How the directory is now. Raises OSError."""
        return take_snapshot(self.root, self.after)

    def is_as_begun(self, path: str, now: Snapshot, top: Path) -> bool:
        """A file, or all of a folder (`dist/`), relative to `top`, in which nothing was done: it is what it was when
        the work began."""
        prefix = self._prefix(top)
        inner = path.removeprefix(prefix)
        if not self._known or not path.startswith(prefix):
            return False
        packages = self._left_out(inner)
        if packages:
            return any(name.startswith(f"{packages}/") for name in self.before.left_out)
        if not inner.endswith("/"):
            return same(self.before.files.get(inner), now.files.get(inner))
        inside = [name for name in {**self.before.files, **now.files} if name.startswith(inner)]
        return all(same(self.before.files.get(name), now.files.get(name)) for name in inside)

    def _left_out(self, path: str) -> str:
        """The folder of installed packages, or the cache, that it is or lies in; empty: no snapshot leaves it out."""
        folders = [folder for folder in Path(f"{path}.").parents if folder != Path(".")]
        return next((one.as_posix() for one in reversed(folders) if is_ignored(self.root / one)), "")

    @property
    def _known(self) -> bool:
        """How the work began is."""
        return self.whole and bool(self.before.files or self.before.left_out)

    def check(self, now: Snapshot) -> None:
        """Raises WorkAltered when files of it have another content now."""
        altered = altered_work(self.before, self.after, now)
        # Repositories inside, and pointers to them, were set aside by us.
        altered = [path for path in altered if ".git" not in path.casefold().split("/")]
        if altered:
            raise WorkAltered(changed_since(altered))


def take_back_unjudged(git: Git, worktree: Worktree, index: Path, judged: Judged, now: Snapshot) -> list[str]:
    """Take out of `index` what differs from the commit that the task began at and was not judged; returns its paths,
    but for what is as the work began with it, and installed packages and caches that are new. Of work that was not
    accepted, only what is as it began. Raises GitError."""
    pinned, top = worktree.pinned(index), worktree.top
    wanted = judged.paths(top)
    listed = git.run(
        "diff-index", "--cached", "--raw", "--no-renames", "-z", worktree.base, cwd=top, pinned=pinned
    )
    unjudged = {
        path: fields
        for path, fields in _entries(listed)
        if path not in wanted and (judged.accepted or _is_begun(judged, path, fields[2], now, top))
    }
    if unjudged:
        lines = "".join(f"{mode} {name} 0\t{path}\0" for path, (mode, name, _) in unjudged.items())
        git.run("update-index", "--replace", "-z", "--index-info", cwd=top, pinned=pinned, text=lines)
    return [
        path
        for path, (_, _, status) in unjudged.items()
        if not (status == "A" and (path.endswith(".pyc") or _is_left_out(top, path)))
        and not _is_begun(judged, path, status, now, top)
    ]


def _is_begun(judged: Judged, path: str, status: str, now: Snapshot, top: Path) -> bool:
    """What a commit has of an installed package is a file like others."""
    return judged.is_as_begun(path, now, top) and (status == "A" or not _is_left_out(top, path))


def _entries(listed: str) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Path; mode and object in the commit, and the kind of difference (`A`: it is not in there)."""
    fields = listed.split("\0")
    for fact, path in zip(fields[::2], fields[1::2], strict=False):
        old_mode, _, old_name, _, status = fact.removeprefix(":").split(" ")
        yield path, (old_mode, old_name, status)


def _is_left_out(top: Path, path: str) -> bool:
    return any(is_ignored(top / folder) for folder in Path(path).parents if folder != Path("."))
