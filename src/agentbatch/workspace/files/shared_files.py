"""Files of a directory that lie elsewhere, too, under another name: written in place, they change there as well. Tools
that install packages make such hard links to their stores (uv, pnpm), and so does a git that clones a folder."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from agentbatch.workspace.files.paths import walk


def changed_elsewhere(root: Path, since: float) -> list[str]:
    """The paths of those that were changed after `since` (epoch seconds, by ctime), one of each file. Those whose names
    all lie below `root` are none."""
    names: dict[tuple[int, int], int] = {}
    found: dict[tuple[int, int], tuple[str, int]] = {}
    for folder in walk(root):
        for name in folder.others:
            path = f"{folder.path}/{name}" if folder.path else name
            with suppress(OSError):
                status = os.lstat(os.path.join(root, path))
                if stat.S_ISREG(status.st_mode) and status.st_nlink > 1 and status.st_ctime >= since:
                    file = (status.st_dev, status.st_ino)
                    names[file] = names.get(file, 0) + 1
                    found.setdefault(file, (path, status.st_nlink))
    return sorted(path for file, (path, links) in found.items() if links > names[file])
