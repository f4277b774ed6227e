"""Whether what a task changed in its copy can be brought back into its directory. No I/O."""

import os
import unicodedata

from agentbatch.text import clip
from agentbatch.workspace.files.diff import Changes, changes
from agentbatch.workspace.workspace import FileEntry, Snapshot


def obstacles(before: Snapshot, after: Snapshot, here: Snapshot) -> list[str]:
    """What speaks against bringing the changes to where things are as `here` says; pure."""
    if before.truncated or after.truncated or here.truncated:
        return ["the directory has too many files to compare them all"]
    touched = changes(before, after)
    found = []
    for path in sorted((*touched.added, *touched.modified, *touched.deleted)):
        problem = _obstacle(path, before, after, here, touched)
        if problem:
            found.append(f"{clip(path, 200)}: {problem}")
    return found


def _obstacle(path: str, before: Snapshot, after: Snapshot, here: Snapshot, touched: Changes) -> str:
    old, new, now = before.files.get(path), after.files.get(path), here.files.get(path)
    if any(_is_git(part) for part in path.split("/")):
        return "a part of git's own files, which are never brought back"
    if any(entry is not None and entry.kind in ("special", "unreadable") for entry in (old, new, now)):
        return "cannot be read, or is no file"
    if new is not None and new.kind == "symlink" and not same(new, old) and _leads_out(path, new):
        return "a symlink that leads out of the directory"
    if not (same(now, old) or same(now, new)):
        if now is None:
            return "was deleted in the directory meanwhile"
        return (
            "was added to the directory meanwhile"
            if old is None
            else "was changed in the directory meanwhile"
        )
    if new is not None:
        return _blocked(path, here, touched)
    return ""


def _blocked(path: str, here: Snapshot, touched: Changes) -> str:
    """A file or link of the directory's own where the change has a folder, or files where it has a file."""
    parts = path.split("/")
    for depth in range(1, len(parts)):
        parent = "/".join(parts[:depth])
        if parent in here.files and parent not in touched.deleted:
            return f"{clip(parent, 200)} is no folder in the directory"
    if path not in here.files:
        inside = f"{path}/"
        if any(name.startswith(inside) and name not in touched.deleted for name in here.files):
            return "is a folder in the directory"
    return ""


def same(one: FileEntry | None, other: FileEntry | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.kind, one.sha256, one.size, one.executable) == (
        other.kind,
        other.sha256,
        other.size,
        other.executable,
    )


def _is_git(part: str) -> bool:
    """Also as a disk that ignores case, or signs without width, would read it."""
    return "".join(c for c in part if unicodedata.category(c) != "Cf").casefold() == ".git"


def _leads_out(path: str, link: FileEntry) -> bool:
    target = link.text
    if target is None or target.startswith("/"):
        return True
    return os.path.normpath(os.path.join(os.path.dirname(path), target)).split("/")[0] == ".."
