"""A program that does not come past its start."""

import os
from collections.abc import Mapping
from pathlib import Path


def waiting_at_start(folder: Path, environ: Mapping[str, str]) -> tuple[Path, dict[str, str]]:
    """A pipe that each new Python reads before anything else, until somebody has written and closed it; and the
    environment in which that is so. `folder`: where both are put, outside the project."""
    place = folder / "waiting"
    place.mkdir()
    pipe = place / "pipe"
    os.mkfifo(pipe)
    (place / "sitecustomize.py").write_text(f"open({str(pipe)!r}).read()\n")
    return pipe, {**environ, "PYTHONPATH": str(place)}
