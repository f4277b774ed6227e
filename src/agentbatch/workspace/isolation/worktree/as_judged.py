"""The judged files get into the index as they were judged, whatever rules of git the coder has written beside them."""

import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from agentbatch.workspace.files.removal import remove_tree
from agentbatch.workspace.isolation.worktree.git import Git
from agentbatch.workspace.isolation.worktree.judged import Judged
from agentbatch.workspace.isolation.worktree.worktree import Worktree
from agentbatch.workspace.workspace import FileEntry

MAX_RULES = 1000
"""Files with rules of the commit that are read."""
AT_ONCE = 200
"""Paths in one command line."""
_ATTRIBUTES = ("filter", "text", "crlf", "eol", "working-tree-encoding", "ident")
"""What makes git keep other bytes than those of the file."""


def keep_as_judged(git: Git, worktree: Worktree, index: Path, judged: Judged, folder: Path) -> None:
    """Add what only a `.gitignore` of the work keeps out, and take the bytes as they are of what only its
    `.gitattributes` would change. `folder` is for files of ours. Raises GitError, OSError."""
    made = judged.made(worktree.top)
    names = {path.rsplit("/", 1)[-1] for path in judged.paths(worktree.top)}
    if ".gitignore" in names:
        _add_ignored(git, worktree, index, made, folder / "rules")
    if ".gitattributes" in names:
        _take_bytes(git, worktree, index, made, folder / "base-index")


def _add_ignored(
    git: Git, worktree: Worktree, index: Path, made: Mapping[str, FileEntry], folder: Path
) -> None:
    top, pinned = worktree.top, worktree.pinned(index)
    known = set(_split(git.run("ls-files", "-z", cwd=top, pinned=pinned)))
    # A repository in capitals was set aside.
    missing = [path for path in made if path not in known and ".git" not in path.casefold().split("/")]
    if not missing:
        return
    _write_rules(git, worktree, folder)
    try:
        # git looks for rules in the work tree, which here holds those that the task began with.
        there = worktree.pinned()
        ignored, _ = git.try_run(
            f"--work-tree={folder}", "check-ignore", "-z", "--stdin", "--no-index",
            cwd=folder, pinned=there, text="".join(f"{path}\0" for path in missing),
        )  # fmt: skip
    finally:
        remove_tree(folder)
    before = {*_split(ignored)}
    lines = "".join(f"{path}\0" for path in missing if path not in before)
    if lines:
        # What git will not take stands among what it ignores, and is told there.
        git.try_run("update-index", "--add", "-z", "--stdin", cwd=top, pinned=pinned, text=lines)


def _write_rules(git: Git, worktree: Worktree, folder: Path) -> None:
    """The `.gitignore` files of the commit that the task began at."""
    top, pinned = worktree.top, worktree.pinned()
    folder.mkdir(parents=True, exist_ok=True)
    listed = _split(
        git.run("ls-tree", "-r", "-z", "--name-only", "--full-tree", worktree.base, cwd=top, pinned=pinned)
    )
    rules = [path for path in listed if path.rsplit("/", 1)[-1] == ".gitignore"][:MAX_RULES]
    for path in rules:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        text = git.run("cat-file", "blob", f"{worktree.base}:{path}", cwd=top, pinned=pinned)
        (folder / path).write_text(text, "utf-8", "surrogateescape", newline="")


def _take_bytes(git: Git, worktree: Worktree, index: Path, made: Mapping[str, FileEntry], base: Path) -> None:
    top, pinned = worktree.top, worktree.pinned(index)
    git.run("read-tree", worktree.base, cwd=top, pinned=worktree.pinned(base))
    text = "".join(f"{path}\0" for path, entry in made.items() if entry.kind == "file")
    asked = ("check-attr", "-z", "--stdin")
    now = git.run(*asked, *_ATTRIBUTES, cwd=top, pinned=pinned, text=text)
    then = git.run(*asked, "--cached", *_ATTRIBUTES, cwd=top, pinned=worktree.pinned(base), text=text)
    base.unlink(missing_ok=True)
    differ = {path for path, *_ in _triples(now) ^ _triples(then)}
    modes = {}
    for line in _split(git.run("ls-files", "-z", "--stage", cwd=top, pinned=pinned)):
        mode, path = line.partition(" ")[0], line.partition("\t")[2]
        if path in differ and mode.startswith("100") and _is_file(top / path):
            modes[path] = mode
    paths = [*modes]
    for start in range(0, len(paths), AT_ONCE):
        some = paths[start : start + AT_ONCE]
        named = git.run("hash-object", "-w", "--no-filters", "--", *some, cwd=top, pinned=pinned).split()
        lines = "".join(f"{modes[path]} {name} 0\t{path}\0" for path, name in zip(some, named, strict=True))
        git.run("update-index", "-z", "--index-info", cwd=top, pinned=pinned, text=lines)


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _triples(listed: str) -> set[tuple[str, ...]]:
    """Path, attribute and value."""
    fields = _split(listed)
    return set(zip(fields[::3], fields[1::3], fields[2::3], strict=True))


def _split(listed: str) -> Sequence[str]:
    return listed.split("\0")[:-1]
