"""Of a completed task, a branch gets what was judged: no other file, and none with another content."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.workspace.files.diff.diff import altered_work, changed_since, changes
from agentbatch.workspace.files.ignored import is_ignored
from agentbatch.workspace.files.snapshot.snapshot import take_snapshot
from agentbatch.workspace.isolation.worktree.git import Git
from agentbatch.workspace.isolation.worktree.worktree import Worktree
from agentbatch.workspace.workspace import FileEntry, Snapshot


class WorkAltered(UserError):
    """Files of the work are not any more as they were judged."""


@dataclass(frozen=True)
class Judged:
    """The work that was accepted."""

    root: Path
    """The task's directory in the worktree."""
    before: Snapshot
    after: Snapshot

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

    def check(self) -> None:
        """Raises WorkAltered when files of it have another content now, OSError."""
        altered = altered_work(self.before, self.after, take_snapshot(self.root, self.after))
        # Repositories inside, and pointers to them, were set aside by us.
        altered = [path for path in altered if ".git" not in path.casefold().split("/")]
        if altered:
            raise WorkAltered(changed_since(altered))


def take_back_unjudged(git: Git, worktree: Worktree, index: Path, judged: Judged) -> list[str]:
    """Take out of `index` what differs from the commit that the task began at and was not judged; returns its paths,
    but for installed packages and caches that are new. Raises GitError."""
    wanted = judged.paths(worktree.top)
    pinned, top = worktree.pinned(index), worktree.top
    listed = git.run(
        "diff-index", "--cached", "--raw", "--no-renames", "-z", worktree.base, cwd=top, pinned=pinned
    )
    unjudged = {path: fields for path, fields in _entries(listed) if path not in wanted}
    if unjudged:
        lines = "".join(f"{mode} {name} 0\t{path}\0" for path, (mode, name, _) in unjudged.items())
        git.run("update-index", "--replace", "-z", "--index-info", cwd=top, pinned=pinned, text=lines)
    return [
        path
        for path, (_, _, status) in unjudged.items()
        if not (status == "A" and (path.endswith(".pyc") or _is_left_out(top, path)))
    ]


def _entries(listed: str) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Path; mode and object in the commit, and the kind of difference (`A`: it is not in there)."""
    fields = listed.split("\0")
    for fact, path in zip(fields[::2], fields[1::2], strict=False):
        old_mode, _, old_name, _, status = fact.removeprefix(":").split(" ")
        yield path, (old_mode, old_name, status)


def _is_left_out(top: Path, path: str) -> bool:
    return any(is_ignored(top / folder) for folder in Path(path).parents if folder != Path("."))
