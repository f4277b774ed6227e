"""Whether a run is watched. What streams in is written for viewers only, and only while there is one."""

import contextlib
import os
import time
from pathlib import Path

from agentbatch.files import open_own

MARK_EVERY = 2.0
"""Seconds between two marks of a viewer."""

MARK_HOLDS = 6.0
"""Seconds that a mark counts."""

_MARK = "watched"


def mark_watched(run_folder: Path) -> None:
    """Mark the run as watched. Where nothing can be written, what streams in is not seen; the rest is."""
    with contextlib.suppress(OSError):
        handle = open_own(run_folder / _MARK, os.O_WRONLY | os.O_CREAT)
        os.utime(handle)
        os.close(handle)


def is_watched(run_folder: Path) -> bool:
    try:
        marked = (run_folder / _MARK).stat().st_mtime
    except OSError:
        return False
    return abs(time.time() - marked) < MARK_HOLDS
