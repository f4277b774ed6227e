"""Files that a killed process was writing: `replace.py` and `protect.py` give them names of their own until they are
whole."""

import os
import re
from contextlib import suppress
from pathlib import Path

from agentbatch.workspace.files.ignored import is_ignored

UNFINISHED = re.compile(r"\.agentbatch-[0-9a-f]{16}")


def remove_unfinished(root: Path) -> list[str]:
    """Remove them below `root`, without following a link; returns their paths, relative. Slow on large directories."""
    removed = []
    for folder, folders, names in os.walk(root):
        place = Path(folder)
        folders[:] = [name for name in folders if not is_ignored(place / name)]
        for name in names:
            if UNFINISHED.fullmatch(name):
                with suppress(FileNotFoundError):
                    (place / name).unlink()
                    removed.append((place / name).relative_to(root).as_posix())
    return sorted(removed)
