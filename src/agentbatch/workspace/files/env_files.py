"""Env files: where projects keep passwords and keys. Found by name, wherever they lie."""

from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.workspace.files.ignored import is_ignored
from agentbatch.workspace.files.paths import walk

EXAMPLES = frozenset({"example", "sample", "template", "dist", "defaults", "tpl"})
"""What `.env.example` and its like end in: they are there to be read."""

MAX_HIDDEN = 500
"""Each is laid over for every command of every task."""

MAX_LOOKED_AT = 100_000
"""Files and folders; what is more than that is no project, and no snapshot holds it."""


def is_env_file(name: str) -> bool:
    """`.env`, `.env.local`, `.env.production.local`, `.envrc`; not `.env.example`."""
    small = name.lower()
    if small in (".env", ".envrc"):
        return True
    return small.startswith(".env.") and small.rsplit(".", 1)[1] not in EXAMPLES


def env_files_in(root: Path) -> list[Path]:
    """Those at and below `root`, without folders of packages and version control; no link is followed on the way to
    them. Slow on large directories. Raises UserError where there are too many to hide."""
    found: list[Path] = []
    seen = 0
    for folder in walk(root):
        place = root / folder.path
        seen += len(folder.folders) + len(folder.others)
        folder.folders[:] = [name for name in folder.folders if not is_ignored(place / name)]
        found += [place / name for name in folder.others if is_env_file(name)]
        if seen > MAX_LOOKED_AT:
            break
        if len(found) > MAX_HIDDEN:
            raise UserError(
                f"There are more than {MAX_HIDDEN} env files below {root}, too many to hide from its tasks: run in a "
                "folder of its own."
            )
    return sorted(found)
