"""Looking at a task's directory of this machine from outside of its run, as screens and `prune` do. The door is for
those who work there."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from agentbatch.config.own_environment import own_environment
from agentbatch.errors import UserError
from agentbatch.workspace.containers.leftovers import remove_containers
from agentbatch.workspace.files.snapshot.signatures import RACY, settled_now, signature_of
from agentbatch.workspace.files.snapshot.snapshot import MAX_FILES, take_snapshot
from agentbatch.workspace.isolation.isolated_dir import read_isolated_dir
from agentbatch.workspace.isolation.isolation import WORK
from agentbatch.workspace.isolation.making import discard
from agentbatch.workspace.isolation.worktree.git import Git, GitError
from agentbatch.workspace.local_workspaces import SCRATCH, mark_of
from agentbatch.workspace.workspace import SIGNATURE, Snapshot

__all__ = [
    "MAX_FILES",
    "has_path",
    "is_kept_by_git",
    "look",
    "remove_isolated_dirs",
    "unchanged_since",
    "working_directory",
]


def working_directory(task_folder: Path, own: Path) -> Path:
    """Where a task works: `own`, or, with isolation, the directory recorded in `task_folder`, the run's folder of
    it. Reads a small file."""
    isolated, phase = read_isolated_dir((task_folder / WORK).resolve())
    return isolated.root if isolated is not None and phase == "made" else own


def is_kept_by_git(path: Path) -> bool:
    """Whether a repository around the file has it, and not only its folder."""
    try:
        found = Git(os.environ).ask("ls-files", "--error-unmatch", "--", path.name, cwd=path.parent)
    except (GitError, OSError):
        return False
    return found is not None


def look(root: Path, last: Snapshot) -> Snapshot | None:
    """What the directory holds now; None: it is not there any more. Slow on large ones. `last`: an earlier look."""
    return take_snapshot(root, last) if root.is_dir() else None


def has_path(root: Path, path: str) -> bool:
    """Whether the directory holds this path now, if as a link that leads nowhere."""
    return os.path.lexists(root / path)


def unchanged_since(root: Path, before: Snapshot, written: int) -> Snapshot:
    """The entries of files that were not touched since `before` was written down (epoch ns): `take_snapshot` need not
    read them to know that they are the same."""
    files, signatures = {}, []
    unstamped = settled_now(root).unstamped
    for path, entry in before.files.items():
        try:
            status = os.lstat(root / path)
        except OSError:
            continue
        untouched = max(status.st_ctime_ns, status.st_mtime_ns) < written - RACY
        if (
            untouched
            and status.st_dev not in unstamped
            and entry.kind == "file"
            and stat.S_ISREG(status.st_mode)
            and status.st_size == entry.size
        ):
            files[path] = entry
            signatures.append(SIGNATURE.pack(*signature_of(status)))
    return Snapshot(files, signatures=b"".join(signatures))


def remove_isolated_dirs(run_folder: Path, environ: Mapping[str, str]) -> list[str]:
    """Remove the containers, isolated directories, forks and checkpoints of a run that is over, for `agentbatch prune`;
    branches with work on them stay.

    Returns what could not be removed, a sentence each. Slow: call it in a thread.
    """
    own = own_environment(environ, [run_folder.resolve().parents[2]])
    git = Git(own)
    tasks = run_folder.resolve() / "tasks"
    # By the name that the run had for it, which need not be the resolved one.
    left = remove_containers(tasks, mark_of(run_folder / "tasks"), own)
    problems = [left] if left else []
    for folder in sorted((*tasks.glob(f"*/{WORK}"), *tasks.glob(f"*/{SCRATCH}"))):
        if any(place.is_symlink() for place in (tasks, folder.parent, folder)):
            continue  # it leads somewhere else
        try:
            discard(git, folder)
        except (OSError, UserError) as error:
            problems.append(str(error))
    return problems
