"""A fresh isolated directory as a snapshot, most of it without reading: what git has just checked out, or what was just
copied, is known already. Nobody has worked in it yet. All of it blocks: call it in a thread."""

import hashlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock
from weakref import WeakValueDictionary

from agentbatch.workspace.files.snapshot.contents import Contents
from agentbatch.workspace.files.snapshot.signatures import RACY_HERE, by_path, is_kept
from agentbatch.workspace.files.snapshot.snapshot import take_snapshot
from agentbatch.workspace.isolation.isolated_dir import IsolatedDir
from agentbatch.workspace.isolation.worktree.git import Git
from agentbatch.workspace.isolation.worktree.worktree import Worktree
from agentbatch.workspace.workspace import FileEntry, Snapshot

MAX_LEARNT = 16 * 1024 * 1024
"""Bytes of the largest file that is compared with git's; larger ones are read in each worktree."""

Sources = WeakValueDictionary[Path, Snapshot]
"""Directories that copies are made of, as they were seen last, while there is a copy of them."""

MAX_COMMITS = 8
"""Commits (and directories in them) whose files are remembered, the latest ones."""


class Commits:
    """What git checks out of the commits that worktrees begin at. Used by many threads: what is remembered is replaced
    as a whole."""

    def __init__(self, git: Git, contents: Contents) -> None:
        self._git = git
        self._contents = contents
        self._first = Lock()
        """Held to read a worktree whose commit is not known: another one at the same commit can wait for that."""
        self._known: dict[tuple[Path, str, Path], Mapping[str, FileEntry]] = {}
        """Files that are exactly what git keeps of them, by repository, commit and directory in it."""

    def look(self, isolated: IsolatedDir, worktree: Worktree) -> Snapshot:
        """Raises GitError, OSError."""
        inside = isolated.root.relative_to(worktree.top)
        commit = (worktree.common, worktree.base, inside)
        _let_it_settle()
        if commit not in self._known:
            with self._first:
                if commit not in self._known:
                    return self._read(commit, isolated.root, worktree)
        given = self._known.get(commit, {})
        return take_snapshot(isolated.root, left_out=True, contents=self._contents, given=given)

    def _read(self, commit: tuple[Path, str, Path], root: Path, worktree: Worktree) -> Snapshot:
        found = take_snapshot(root, left_out=True, contents=self._contents)
        latest = list(self._known.items())[1 - MAX_COMMITS :]
        self._known = dict([*latest, (commit, self._unconverted(found, worktree, root))])
        return found

    def _unconverted(self, found: Snapshot, worktree: Worktree, root: Path) -> dict[str, FileEntry]:
        """The others, whatever converts them, are read in each worktree."""
        blobs = _checked_out(self._git, worktree, root)
        return {
            name: entry
            for name, mode, blob in blobs
            if (entry := found.files.get(name)) is not None
            and entry.kind == "file"
            and mode.startswith("100")
            and _is_blob(root / name, entry, blob)
        }


def look_at_copy(isolated: IsolatedDir, before: Snapshot, after: Snapshot, contents: Contents) -> Snapshot:
    """`before`, `after`: the directory that was copied, at some time before and at some time after."""
    _let_it_settle()
    given = untouched(before, after)
    return take_snapshot(isolated.root, left_out=True, contents=contents, given=given)


def untouched(before: Snapshot, after: Snapshot) -> Mapping[str, FileEntry]:
    """By signatures: a file that changed and changed back was copied as it was in between."""
    old, new = by_path(before), by_path(after)
    return {
        name: after.files[name]
        for name, signature in new.items()
        if is_kept(signature) and old.get(name) == signature
    }


def _let_it_settle() -> None:
    """A file that is written in the tick in which it is looked at would have to be read again by the next snapshot."""
    time.sleep(1.5 * RACY_HERE / 1e9)


def _checked_out(git: Git, worktree: Worktree, root: Path) -> Iterator[tuple[str, str, str]]:
    """Path relative to `root`, mode, blob."""
    inside = root.relative_to(worktree.top).as_posix()
    paths = [] if inside == "." else [f":(top,literal){inside}"]
    listed = git.run("ls-files", "-z", "--stage", "--", *paths, cwd=worktree.top, pinned=worktree.pinned())
    for line in listed.split("\0")[:-1]:
        facts, _, path = line.partition("\t")
        mode, blob, _ = facts.split(" ")
        yield path if not paths else path.removeprefix(f"{inside}/"), mode, blob


def _is_blob(path: Path, entry: FileEntry, blob: str) -> bool:
    """Whether git keeps exactly the bytes of the file: it converts line ends and more where it is told to."""
    if entry.size > MAX_LEARNT:
        return False
    if entry.text is not None:
        content = entry.text.encode()
    else:
        try:
            content = path.read_bytes()
        except OSError:
            return False
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            return False
    named = hashlib.sha1(usedforsecurity=False) if len(blob) == 40 else hashlib.sha256()
    named.update(b"blob %d\0" % len(content))
    named.update(content)
    return named.hexdigest() == blob
