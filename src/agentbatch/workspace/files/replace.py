"""Writing whole files in a task's directory at once, so that half of one is never seen; and removing what a kill in
the middle has left."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from agentbatch.patterns import regex
from agentbatch.workspace.files.ignored import is_ignored
from agentbatch.workspace.files.paths import open_parent, walk

_UNFINISHED = regex(r"\.agentbatch-[0-9a-f]{16}")


def unfinished_name() -> str:
    """The name of a file until it is whole; `remove_unfinished` knows it."""
    return f".agentbatch-{secrets.token_hex(8)}"


def is_unfinished(name: str) -> bool:
    return _UNFINISHED.fullmatch(name) is not None


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` in the place of `path` (resolved; its folder exists), keeping mode and owner.

    Raises OSError; then `path` is as it was. A file that is marked read-only is refused like any shell does.
    """
    before = path.stat(follow_symlinks=False) if path.exists() else None
    if before is not None and not os.access(path, os.W_OK):
        raise PermissionError(13, "The file is read-only", str(path))
    fresh = path.parent / unfinished_name()
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            if before is not None:
                if (before.st_uid, before.st_gid) != (os.getuid(), os.getgid()):
                    with suppress(PermissionError):  # only root may give files away
                        os.fchown(handle, before.st_uid, before.st_gid)
                os.fchmod(handle, stat.S_IMODE(before.st_mode))
        os.replace(fresh, path)
    except OSError:
        with suppress(FileNotFoundError):
            fresh.unlink()
        raise


def remove_unfinished(root: Path) -> list[str]:
    """Remove them below `root`, without following a link; returns their paths, relative. Slow on large directories."""
    removed = []
    for folder in walk(root):
        folder.folders[:] = [name for name in folder.folders if not is_ignored(root / folder.path / name)]
        for name in folder.others:
            if is_unfinished(name):
                path = folder.place(name)
                with suppress(FileNotFoundError), open_parent(root, path) as (at, base):
                    os.unlink(base, dir_fd=at)
                    removed.append(path)
    return sorted(removed)
