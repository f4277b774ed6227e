"""Engines in processes of their own: a task that holds one up, and none that outlives its test."""

import json
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from agentbatch.runs.listing import list_runs, open_run
from agentbatch.runs.services.background import Background
from tests.support.paths import CHECKOUT
from tests.support.waiting import PATIENCE

HELD = "env > environment; until [ -e go ]; do sleep 0.05; done"
"""A check that ends when the test says so."""


def held_project(base: Path) -> Path:
    """A folder with a task `t`, one that the rehearsal model plays, which waits in its check; and a home beside it."""
    folder = base / "project"
    (folder / "t").mkdir(parents=True)
    (base / "home").mkdir()
    sample = json.loads((CHECKOUT / "task.json").read_text())["tasks"][6]
    task = {"id": "t", "dir": "t", "first_prompt": sample["first_prompt"], "verify": HELD}
    (folder / "task.json").write_text(json.dumps({"tasks": [task]}))
    return folder


def end_engines(folder: Path, started: Sequence[Background] = ()) -> None:
    """Those of the folder's runs that a failed test left behind. `started`: by this process."""
    for run in list_runs(folder):
        process = open_run(run).process
        if process is not None:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
    for background in started:
        background.process.wait(PATIENCE)
