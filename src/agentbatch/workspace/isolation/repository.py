"""The git repository that a task's directory lies in, and whether its tasks can have worktrees."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from agentbatch.errors import UserError
from agentbatch.text import clip, counted
from agentbatch.workspace.isolation.git import Git, GitError

REMEDY = "Commit the directory to a git repository, or use isolation copy."


@dataclass(frozen=True)
class Repository:
    top: Path
    """Of the user's checkout."""
    common: Path
    """The folder of objects and branches, which all worktrees of the repository share."""
    head: str
    """The commit that is checked out."""


class Checked(NamedTuple):
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
    head = git.ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}", cwd=at)
    if head is None:
        raise UserError(f"isolation worktree: the git repository of {shown} has no commit yet. {REMEDY}")
    return Repository(top.resolve(), common.resolve(), head)


def check_worktrees(sources: Iterable[Path], environ: Mapping[str, str]) -> Checked:
    """Before a run, for all directories (resolved) of its tasks with isolation `worktree`. Changes nothing."""
    git = Git(environ)
    found: dict[Path, Repository] = {}
    members: dict[Path, list[Path]] = defaultdict(list)
    for source in dict.fromkeys(sources):
        place = next((p for p in (source, *source.parents) if os.path.lexists(p / ".git")), source)
        try:
            if place not in found:
                found[place] = find_repository(git, source)
        except UserError as error:
            return Checked(str(error))
        members[place].append(source)
    warnings = []
    for place, repository in found.items():
        refusal = _refusal(git, repository, members[place])
        if refusal:
            return Checked(refusal)
        warnings.append(_uncommitted(git, repository, members[place]))
    settled = {source: found[place].common for place in found for source in members[place]}
    return Checked("", tuple(warning for warning in warnings if warning), settled)


def _refusal(git: Git, repository: Repository, sources: list[Path]) -> str:
    """What git ignores it would not commit either."""
    included = _included_inside(git, repository, sources)
    if included:
        return (
            f"isolation worktree: the settings of the git repository {clip(str(repository.top), 200)} include "
            f"{clip(included, 200)}, which a task could change. Include a file outside of the repository, or use "
            "isolation copy."
        )
    names = [os.path.relpath(source, repository.top) for source in sources if source != repository.top]
    out, _ = git.try_run("check-ignore", "-z", "--stdin", cwd=repository.top, text="\0".join(names))
    ignored = [name for name in out.split("\0") if name]
    if not ignored:
        return ""
    return (
        f"isolation worktree: git ignores {clip(ignored[0], 200)} in {clip(str(repository.top), 200)}, so nothing "
        f"done there would be committed. Take it out of .gitignore, or use isolation copy."
    )


def _included_inside(git: Git, repository: Repository, sources: list[Path]) -> str:
    """A file in the checkout that the repository's own settings include; empty: there is none."""
    out, _ = git.try_run(
        "config", "-z", "--local", "--get-regexp", r"^include(if\..*)?\.path$", cwd=repository.top
    )
    for line in out.split("\0"):
        named = line.partition("\n")[2]
        place = Path(os.path.normpath(repository.common / os.path.expanduser(named)))
        if named and any(place.is_relative_to(folder) for folder in (repository.top, *sources)):
            return named
    return ""


def _uncommitted(git: Git, repository: Repository, sources: list[Path]) -> str:
    status = git.run(
        "status", "--porcelain", "-z", "--no-renames", "--ignore-submodules=all", cwd=repository.top
    )
    changed = [repository.top / entry[3:] for entry in status.split("\0") if len(entry) > 3]
    wanted = set(sources)
    # git names an untracked folder instead of what is in it, so a source may lie in a changed path too.
    inside = [
        path
        for path in changed
        if not wanted.isdisjoint((path, *path.parents)) or any(s.is_relative_to(path) for s in sources)
    ]
    if not inside:
        return ""
    return (
        f"{counted(len(inside), 'change')} in {clip(str(repository.top), 200)} {'is' if len(inside) == 1 else 'are'} "
        f"not committed ({clip(os.path.relpath(inside[0], repository.top), 80)}"
        f"{' and others' if len(inside) > 1 else ''}): tasks with isolation worktree start from the last commit "
        "and do not see that."
    )
