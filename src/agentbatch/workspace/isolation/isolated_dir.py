"""The directory of an isolated task, and the record by which a later process finds it again."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from agentbatch.files import PRIVATE, json_object, open_own, write_atomic
from agentbatch.patterns import regex
from agentbatch.workspace.isolation.worktree.git import BRANCHES
from agentbatch.workspace.isolation.worktree.worktree import Worktree
from agentbatch.workspace.workspace import Snapshot

RECORD = "place.json"

_COMMIT = regex("[0-9a-f]{40}|[0-9a-f]{64}")

Phase = Literal["making", "made", "away"]
"""`made` is written last, `away` before anything is removed: what lies there in between is no work of the task's."""


@dataclass(frozen=True)
class IsolatedDir:
    """Where an isolated task works."""

    root: Path
    """The directory that the coder gets."""
    source: Path
    """The task's own directory, as in the plan."""
    kind: Literal["copy", "worktree"]
    folder: Path
    """Ours: it contains `root` and the record."""
    worktree: Worktree | None = None
    readable: tuple[Path, ...] = ()
    """What the task's commands may read outside of `root`: parts of the repository, the worktree around it."""
    fresh: bool = False
    """Just made: no work was done in it yet."""
    begun: Snapshot | None = field(default=None, compare=False, repr=False)
    """How it was made, where it is fresh."""
    seen: Snapshot | None = field(default=None, compare=False, repr=False)
    """Of a fresh copy: the directory that it was made of; the next copy of it is cheaper while this is kept."""

    @property
    def branch(self) -> str:
        """Empty for a copy."""
        return self.worktree.branch if self.worktree is not None else ""

    @property
    def env(self) -> dict[str, str]:
        """For its commands: a git that finds no repository there must not take the user's, in which it may lie."""
        top = self.worktree.top if self.worktree is not None else self.root
        return {"GIT_CEILING_DIRECTORIES": str(top.parent)}


def record_isolated_dir(isolated: IsolatedDir, phase: Phase) -> None:
    """In one step. Raises OSError."""
    tree = isolated.worktree
    record = {
        "phase": phase,
        "kind": isolated.kind,
        "root": str(isolated.root),
        "source": str(isolated.source),
        "worktree": tree
        and {
            "top": str(tree.top),
            "branch": tree.branch,
            "base": tree.base,
            "admin": str(tree.admin),
            "common": str(tree.common),
        },
    }
    # ASCII, since a path may hold bytes that are no UTF-8.
    write_atomic(isolated.folder / RECORD, json.dumps(record, indent=2) + "\n", mode=PRIVATE, follow=False)


def read_isolated_dir(folder: Path) -> tuple[IsolatedDir | None, Phase]:
    """What is recorded in `folder`; None: nothing. Raises OSError, also for a link or fifo in the record's place."""
    try:
        with open(folder / RECORD, "rb", opener=open_own) as file:
            record = json_object(file.read()) or {}
        tree = record["worktree"]
        worktree = tree and Worktree(
            Path(tree["top"]), tree["branch"], tree["base"], Path(tree["admin"]), Path(tree["common"])
        )
        isolated = IsolatedDir(Path(record["root"]), Path(record["source"]), record["kind"], folder, worktree)
        # Of a run folder that was moved, or tampered with: nothing elsewhere is ever changed or removed for it.
        ours = _is_ours(isolated) and record["phase"] in ("making", "made", "away")
    except FileNotFoundError:
        return None, "making"
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, "making"  # not ours, or of another version
    return (isolated, record["phase"]) if ours else (None, "making")


def _is_ours(isolated: IsolatedDir) -> bool:
    """Whether a record says what we would have written: a task without a sandbox can write there, too."""
    tree, folder = isolated.worktree, isolated.folder
    if (tree is not None) != (isolated.kind == "worktree"):
        return False
    if tree is None:
        return isolated.kind == "copy" and _lies_in(folder, isolated.root)
    return (
        _lies_in(folder / "trees", tree.top)
        and (isolated.root == tree.top or _lies_in(tree.top, isolated.root))
        and tree.branch.startswith(f"{BRANCHES}/")
        and tree.branch.isprintable()
        and _COMMIT.fullmatch(tree.base) is not None
        and tree.common.is_absolute()
        and (is_git_dir(tree.common) or not os.path.lexists(tree.common))
        and (tree.admin == Path() or tree.admin.parent == tree.common / "worktrees")
        and ".." not in (*tree.admin.parts, *tree.common.parts)
        and not tree.admin.is_symlink()
    )


def _lies_in(folder: Path, place: Path) -> bool:
    """Below it, and not by a link."""
    if folder == place or not place.is_relative_to(folder) or ".." in place.parts:
        return False
    way = (place, *place.parents)
    return not any(step.is_symlink() for step in way[: way.index(folder) + 1])


def is_git_dir(folder: Path) -> bool:
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()


def find_isolated_dir(folder: Path) -> IsolatedDir | None:
    """The one in `folder` that a task may have worked in: made whole, and still there for git."""
    isolated, phase = read_isolated_dir(folder)
    if isolated is None or phase != "made" or not isolated.root.is_dir():
        return None
    return isolated if isolated.worktree is None or isolated.worktree.stands() else None
