"""Why a repository's tasks can have no worktrees: found out before a run, one sentence each."""

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from agentbatch.text import clip
from agentbatch.workspace.isolation.worktree.git import BRANCHES, Git

START = "isolation worktree: "
END = ", or use isolation copy."
_YES = frozenset({"true", "yes", "on", "1", ""})


def refusal(git: Git, top: Path, common: Path, sources: Sequence[Path], path_variable: str) -> str:
    """For the tasks in `sources` of the repository whose checkout is `top`; empty: they can have them. `path_variable`:
    where git finds the programs of filters."""
    shown = clip(str(top), 200)
    included = _included_inside(git, top, common, sources)
    if included:
        return (
            f"{START}the settings of the git repository {shown} include {clip(included, 200)}, which a task could "
            f"change. Include a file outside of the repository{END}"
        )
    if git.ask("rev-parse", "--verify", "--quiet", f"refs/heads/{BRANCHES}", cwd=top) is not None:
        return (
            f"{START}{shown} has a branch called {BRANCHES}, beside which git can have no {BRANCHES}/<run>/<task>. "
            f"Rename it (git branch -m {BRANCHES} NAME){END}"
        )
    ignored = _ignored(git, top, sources)
    if ignored:
        return (
            f"{START}git ignores {clip(ignored, 200)} in {shown}, so nothing done there would be committed. "
            f"Take it out of .gitignore{END}"
        )
    filtered = _missing_filter(git, top, path_variable)
    if filtered:
        return f"{START}files of {shown} need the filter {filtered}, whose program is not installed. Install it{END}"
    if _lacks_objects(git, top):
        return (
            f"{START}{shown} is a partial clone that lacks files of its own commit, and nothing is fetched in a run. "
            f"Fetch them first (git fetch --refetch --no-filter){END}"
        )
    return ""


def _included_inside(git: Git, top: Path, common: Path, sources: Sequence[Path]) -> str:
    """A file in the checkout that the repository's own settings include; empty: there is none."""
    for _, named in _settings(git, top, r"^include(if\..*)?\.path$", "--local"):
        place = Path(os.path.normpath(common / os.path.expanduser(named)))
        if any(place.is_relative_to(folder) for folder in (top, *sources)):
            return named
    return ""


def _ignored(git: Git, top: Path, sources: Sequence[Path]) -> str:
    """What git ignores it would not commit either."""
    names = [os.path.relpath(source, top) for source in sources if source != top]
    out, _ = git.try_run("check-ignore", "-z", "--stdin", cwd=top, text="\0".join(names))
    return next((name for name in out.split("\0") if name), "")


def _missing_filter(git: Git, top: Path, path_variable: str) -> str:
    """The name of a filter of the user's that has to be there, is used, and cannot be run."""
    found: dict[str, dict[str, str]] = {}
    for key, value in _settings(git, top, r"^filter\..*\.(required|smudge|process)$"):
        _, name, kind = (
            key.split(".", 1)[0],
            key.split(".", 1)[1].rpartition(".")[0],
            key.rpartition(".")[2],
        )
        found.setdefault(name, {})[kind] = value
    wanting = {
        name
        for name, one in found.items()
        if one.get("required", "false").lower() in _YES and not _runs(one, path_variable)
    }
    if not wanting:
        return ""
    files = git.run("ls-files", "-z", cwd=top)
    used = git.run("check-attr", "-z", "--stdin", "filter", cwd=top, text=files).split("\0")[2::3]
    return next((name for name in used if name in wanting), "")


def _runs(one: dict[str, str], path_variable: str) -> bool:
    command = one.get("process") or one.get("smudge") or ""
    try:
        words = shlex.split(command)
    except ValueError:
        return True  # a line for the shell: nobody knows
    return not words or "=" in words[0] or shutil.which(words[0], path=path_variable) is not None


def _lacks_objects(git: Git, top: Path) -> bool:
    if not _settings(git, top, r"^(extensions\.partialclone|remote\..*\.promisor)$"):
        return False
    listed, _ = git.try_run("rev-list", "--objects", "--no-walk", "--missing=print", "HEAD", cwd=top)
    return any(line.startswith("?") for line in listed.splitlines())


def _settings(git: Git, top: Path, pattern: str, *options: str) -> list[tuple[str, str]]:
    out, _ = git.try_run("config", "-z", *options, "--get-regexp", pattern, cwd=top)
    return [(key, value) for key, _, value in (line.partition("\n") for line in out.split("\0")) if key]
