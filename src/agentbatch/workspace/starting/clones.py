"""Checkouts of old commits from clones on this machine, each a repository of its own without the history: what came
later, the solution among it, is not in it. Nothing is fetched, no hook or filter of a clone runs, no clone changes."""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from agentbatch.config.own_environment import own_environment
from agentbatch.errors import UserError
from agentbatch.workspace.isolation.worktree.git import Git, GitError, Pinned

AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "agentbatch"), ("EMAIL", "agentbatch@localhost"), ("DATE", "@946684800 +0000"))
}  # fmt: skip
"""Of the one commit: the same checkout is the same commit everywhere."""
OFFLINE = {"GIT_LFS_SKIP_SMUDGE": "1"}
"""A filter of the user's own, which runs, must not load files from a server."""
MESSAGE = "The repository as the task finds it"


MAX_PATCHED = 500
"""Files that one patch may change."""
MAX_SIZE = 32 * 1024 * 1024
"""Bytes of such a file."""


class PatchedFile(NamedTuple):
    content: bytes | None
    """None: the patch removes it."""
    executable: bool = False


@dataclass(frozen=True)
class Clones:
    """The clones in a folder: `django/django` as django/django, django__django or django, bare or not, with or without
    `.git` behind it."""

    folder: Path
    git: Git = field(compare=False)

    @classmethod
    def of(cls, folder: Path, environ: Mapping[str, str], into: Path) -> "Clones":
        """`into`: where checkouts are made; no program is taken from there."""
        return cls(folder.resolve(), Git(own_environment(environ, [into.resolve()])))

    def find(self, repository: str) -> Path:
        """Its git directory. Raises UserError."""
        if not re.fullmatch(r"[\w][\w.-]*/[\w][\w.-]*", repository):
            raise UserError(f"{repository[:100]!r} is not a repository's name, like django/django.")
        owner, name = repository.split("/")
        for base in (f"{owner}/{name}", f"{owner}__{name}", name):
            for place in (self.folder / base, self.folder / f"{base}.git"):
                for git_dir in (place / ".git", place):
                    if (git_dir / "HEAD").is_file() and (git_dir / "objects").is_dir():
                        return git_dir
        place = self.folder / f"{owner}__{name}.git"
        raise UserError(f"no clone of {repository} in {self.folder}: git clone --mirror its address {place}")

    def check_out(self, git_dir: Path, commit: str, target: Path) -> None:
        """Make `target`, which is not there, the commit's files. Raises UserError (GitError), OSError."""
        with self._index(git_dir, commit) as (pinned, _):
            target.mkdir(parents=True)
            work = Pinned(git_dir, target, pinned.index)
            self.git.run("checkout-index", "--all", "--quiet", cwd=target, pinned=work, env=OFFLINE)
        self.git.run("init", "--quiet", "--template=", "--initial-branch=main", cwd=target)
        own = Pinned(target / ".git", target)
        self.git.run("add", "--all", "--force", ".", cwd=target, pinned=own, env=OFFLINE)
        words = ("commit", "--quiet", "--no-verify", "--allow-empty", f"--message={MESSAGE}")
        self.git.run(*words, cwd=target, pinned=own, env={**AUTHOR, **OFFLINE})

    def patched(self, git_dir: Path, commit: str, patch: str) -> dict[str, PatchedFile]:
        """The files of the commit that a patch changes, as they are after it, by path. Raises UserError: the patch
        does not fit, leads out of the repository, or makes links."""
        with self._index(git_dir, commit) as (pinned, objects):
            cwd = pinned.work_tree
            words = ("apply", "--cached", "--whitespace=nowarn", "-")
            try:
                self.git.run(*words, cwd=cwd, pinned=pinned, env=objects, text=patch)
            except GitError as error:
                raise UserError(f"its patch cannot be applied: {_reason(error)}") from None
            listed = self.git.run(
                "diff-index", "--cached", "-z", "--no-renames", commit, cwd=cwd, pinned=pinned, env=objects
            )
            fields = listed.split("\0")
            if len(fields) > 2 * MAX_PATCHED:
                raise UserError(f"its patch changes more than {MAX_PATCHED} files.")
            found = {}
            for about, path in zip(fields[::2], fields[1::2], strict=False):
                _, mode, _, name, status = about.split()
                if status != "D" and mode not in ("100644", "100755"):
                    raise UserError(f"its patch makes {path[:200]!r} a link or a repository.")
                if not path.isprintable():
                    raise UserError(f"its patch names {path!a:.200}, which is no text.")
                found[path] = PatchedFile(None)
                if status != "D":
                    size = self.git.run("cat-file", "-s", name, cwd=cwd, pinned=pinned, env=objects)
                    if int(size) > MAX_SIZE:
                        raise UserError(f"{path[:200]!r}, which its patch changes, has {int(size):,} bytes.")
                    content = self.git.run("cat-file", "blob", name, cwd=cwd, pinned=pinned, env=objects)
                    found[path] = PatchedFile(os.fsencode(content), mode == "100755")
            return found

    @contextmanager
    def _index(self, git_dir: Path, commit: str) -> Iterator[tuple[Pinned, dict[str, str]]]:
        """An index of the commit in a folder of its own, and variables by which new objects come there."""
        if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit):
            raise UserError(f"{commit[:80]!r} is not the full name of a commit.")
        with tempfile.TemporaryDirectory(prefix="agentbatch-") as name:
            folder = Path(name)
            (folder / "objects").mkdir()
            pinned = Pinned(git_dir, folder, folder / "index")
            try:
                self.git.run("read-tree", commit, cwd=folder, pinned=pinned)
            except GitError as error:
                raise UserError(f"{commit[:12]} is not in {git_dir}: {_reason(error)}") from None
            yield (
                pinned,
                {
                    "GIT_OBJECT_DIRECTORY": str(folder / "objects"),
                    "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(git_dir / "objects"),
                },
            )


def _reason(error: GitError) -> str:
    """Without the command and its folder."""
    return str(error).partition(": ")[2] or str(error)
