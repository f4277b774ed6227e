"""A git repository on a node, so that git works in a task's worktree there as it does at home: it holds one commit and
all before it, goes once a node, and nothing is written to the user's. What is committed there comes back as changed
files alone. All of it blocks.

At home `write_bundle` into a folder, which travels like any other (`bring`); there `read_bundle` makes of it the
repository in which worktrees are made (`workspace/isolation/`), whose files then travel without their `.git`.
"""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from agentbatch.cluster.travel.manifest import shown
from agentbatch.errors import UserError
from agentbatch.patterns import regex
from agentbatch.workspace.files.removal import remove_tree
from agentbatch.workspace.isolation.worktree.git import Git

BUNDLE = "commit.bundle"
SHALLOW = "shallow"
"""Commits whose parents a shallow clone has not, as git keeps them."""
_REF = "refs/heads/base"
_COMMIT = regex("[0-9a-f]{40}|[0-9a-f]{64}")


def write_bundle(git: Git, common: Path, commit: str, folder: Path) -> None:
    """Into `folder`, which is made. `common`: the repository's folder of objects and branches. A bundle that is there
    already stays. Raises UserError (git's own words), OSError."""
    if (folder / BUNDLE).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    if "\n" in str(common):
        raise UserError(f"{shown(str(common))} cannot go to a node: its path has a line end in it.")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".agentbatch-") as made:
        # A repository of ours that borrows the objects: a bundle needs a branch, and the user's gets none.
        ours = Path(made, "git")
        _init(git, ours, commit, "--bare")
        (ours / "objects/info/alternates").write_bytes(os.fsencode(common / "objects") + b"\n")
        with suppress(FileNotFoundError):
            shutil.copyfile(common / "shallow", ours / "shallow")
            shutil.copyfile(common / "shallow", folder / SHALLOW)
        git.run(f"--git-dir={ours}", "update-ref", _REF, commit, cwd=ours)
        git.run(f"--git-dir={ours}", "bundle", "create", "--quiet", "../bundle", _REF, cwd=ours)
        os.replace(Path(made, "bundle"), folder / BUNDLE)


def read_bundle(git: Git, folder: Path, commit: str, place: Path) -> None:
    """Make the repository at `place`, at that commit, without files; one that is there already stays, and several
    processes may do it at the same time. Raises UserError (git's own words), OSError."""
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=place.parent, prefix=".agentbatch-"))
    try:
        _init(git, made, commit)
        with suppress(FileNotFoundError):
            shutil.copyfile(folder / SHALLOW, made / ".git/shallow")
        own = f"--git-dir={made / '.git'}"
        git.run(own, "bundle", "unbundle", "--", str(folder / BUNDLE), cwd=made)
        git.run(own, "update-ref", "--no-deref", "HEAD", commit, cwd=made)
        try:
            made.rename(place)
        except OSError:
            if not place.is_dir():
                raise
    finally:
        remove_tree(made)


def _init(git: Git, place: Path, commit: str, *options: str) -> None:
    if not _COMMIT.fullmatch(commit):
        raise UserError(f"{shown(commit)} is no commit.")
    kind = "sha1" if len(commit) == 40 else "sha256"
    git.run(
        "init",
        "--quiet",
        "--template=",
        f"--object-format={kind}",
        *options,
        "--",
        str(place),
        cwd=place.parent,
    )
    for name in ("info", "objects/info"):
        (place / name if options else place / ".git" / name).mkdir(exist_ok=True)
