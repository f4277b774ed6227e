"""Removing a folder that a coder has filled: whatever its modes and however deep it is."""

import os
import shutil
import stat
import subprocess
import time
from contextlib import suppress
from operator import attrgetter
from pathlib import Path

_SYSTEM = "/usr/bin:/bin"
"""Where `rm` and `chmod` are looked for first: PATH may lead to a task's directory."""

WAITS = (0.0, 0.0, 0.2, 1.0, 3.0)
"""Seconds before each try: what a killed run has left behind may be writing there still."""


def remove_tree(path: Path) -> None:
    """A path that does not exist is fine; links are removed, never followed. Raises OSError.

    By `rm`, since shutil.rmtree gives up on a thousand nested folders and on those without permissions.
    """
    if not os.path.lexists(path):
        return
    for wait in WAITS:
        time.sleep(wait)
        said = _do("rm", "-rf", "--", str(path))
        if not os.path.lexists(path):
            return
        _do("chmod", "-R", "u+rwX", "--", str(path))
    raise OSError(f"The folder {path} cannot be removed: {said}.")


def open_up(folder: Path) -> None:
    """Let its owner, who we are, list and change it."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        folder.chmod(mode | stat.S_IRWXU)


def entries_of(folder: str | Path) -> list[os.DirEntry[str]]:
    """What is in a folder of a task, in the order of its names. One that a coder has closed to its owner is opened:
    programs find by its name what nobody who looks would see. Raises OSError."""
    if not os.access(folder, os.R_OK | os.X_OK):
        with suppress(OSError):  # somebody else's, or gone
            open_up(Path(folder))
    with os.scandir(folder) as found:
        return sorted(found, key=attrgetter("name"))


def _do(*command: str) -> str:
    program = shutil.which(command[0], path=_SYSTEM) or command[0]
    done = subprocess.run(
        [program, *command[1:]],
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        start_new_session=True,
        check=False,
    )
    lines = os.fsdecode(done.stderr).splitlines()
    return lines[0] if lines else f"exit code {done.returncode}"
