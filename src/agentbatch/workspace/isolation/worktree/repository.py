"""The git repository that a task's directory lies in, and whether its tasks can have worktrees."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from agentbatch.errors import UserError
from agentbatch.text import clip, counted, list_names
from agentbatch.workspace.files.env_files import is_env_file
from agentbatch.workspace.isolation.worktree.git import Git, GitError
from agentbatch.workspace.isolation.worktree.refusals import refusal

REMEDY = "Commit the directory to a git repository, or use isolation copy."


class Repository(NamedTuple):
    top: Path
    """Of the user's checkout."""
    common: Path
    """The folder of objects and branches, which all worktrees of the repository share."""
    head: str
    """The commit that is checked out."""


class WorktreeCheck(NamedTuple):
    refusal: str
    """Why there can be no worktree, as a sentence; empty: there can."""
    warnings: tuple[str, ...] = ()
    """What the user may not expect: one sentence a repository with changes that are not committed."""
    settled: Mapping[Path, Path] = MappingProxyType({})
    """The repository of each directory, by its folder of objects and branches: it has to be the same later."""


def find_repository(git: Git, source: Path) -> Repository:
    """The repository around `source` (resolved; it need not exist). Raises UserError where there is none, or no
    commit."""
    at = next(place for place in (source, *source.parents) if place.is_dir())
    shown = clip(str(source), 200)
    asked = git.ask("rev-parse", "--show-toplevel", "--git-common-dir", "HEAD^{commit}", cwd=at) or ""
    match asked.split("\n"):
        case [files, shared, head] if source.is_relative_to(Path(files).resolve()):
            return Repository(Path(files).resolve(), (at / shared).resolve(), head)
    # One by one: which of them cannot be told, or is a path with a line end in it?
    try:
        top = Path(git.run("rev-parse", "--show-toplevel", cwd=at).removesuffix("\n"))
        common = at / git.run("rev-parse", "--git-common-dir", cwd=at).removesuffix("\n")
    except GitError as error:
        if "not a git repository" in str(error):
            error = GitError(f"{shown} lies in no git repository")
        raise UserError(f"isolation worktree: {str(error).rstrip('.')}. {REMEDY}") from None
    if not source.is_relative_to(top.resolve()):
        raise UserError(
            f"isolation worktree: the git repository of {shown} says by core.worktree that its files are "
            f"in {top}. {REMEDY}"
        )
    commit = git.ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}", cwd=at)
    if commit is None:
        raise UserError(f"isolation worktree: the git repository of {shown} has no commit yet. {REMEDY}")
    return Repository(top.resolve(), common.resolve(), commit)


def check_worktrees(
    sources: Iterable[Path], environ: Mapping[str, str], ours: Collection[Path] = ()
) -> WorktreeCheck:
    """Before a run, for all directories (resolved) of its tasks with isolation `worktree`. Changes nothing. `ours`:
    files (resolved) that runs write, which nobody commits."""
    git = Git(environ)
    found: dict[Path, Repository] = {}
    members: dict[Path, list[Path]] = defaultdict(list)
    for source in dict.fromkeys(sources):
        place = next((p for p in (source, *source.parents) if os.path.lexists(p / ".git")), source)
        try:
            if place not in found:
                found[place] = find_repository(git, source)
        except UserError as error:
            return WorktreeCheck(str(error))
        members[place].append(source)
    warnings = []
    for place, repository in found.items():
        why = refusal(git, repository.top, repository.common, members[place], environ.get("PATH", os.defpath))
        if why:
            return WorktreeCheck(why)
        warnings.append(_uncommitted(git, repository, members[place], ours))
    settled = {source: found[place].common for place in found for source in members[place]}
    return WorktreeCheck("", tuple(warning for warning in warnings if warning), settled)


def _uncommitted(git: Git, repository: Repository, sources: list[Path], ours: Collection[Path]) -> str:
    """Without env files, which tasks never see, and which belong in no commit."""
    status = git.run(
        "status", "--porcelain", "-z", "--no-renames", "--ignore-submodules=all", cwd=repository.top
    )
    changed = [repository.top / entry[3:] for entry in status.split("\0") if len(entry) > 3]
    wanted = set(sources)
    # git names an untracked folder instead of what is in it, so a source may lie in a changed path too.
    inside = [
        path
        for path in changed
        if not (is_env_file(path.name) or path in ours)
        and (not wanted.isdisjoint((path, *path.parents)) or any(s.is_relative_to(path) for s in sources))
    ]
    if not inside:
        return ""
    names = list_names([os.path.relpath(path, repository.top) for path in inside], 3, 80)
    return (
        f"{counted(len(inside), 'change')} in {clip(str(repository.top), 200)} {'is' if len(inside) == 1 else 'are'} "
        f"not committed ({names}): tasks with isolation worktree start from the last commit and do not see that."
    )
