"""What a background engine owes its starter (background.py): a message when its run can be looked at, and its own end
when the starter is gone."""

import asyncio
import contextlib
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

READY_FD = "AGENTBATCH_READY_FD"
"""Names the end of the pipe on which the engine names its run's folder. Tasks' commands do not get it."""

LIFELINE_FD = "AGENTBATCH_LIFELINE_FD"
"""Names the end of a pipe that closes when the starter is gone. Tasks' commands do not get it either."""

STAY = b"d"
"""What the starter writes before it goes, when the engine is to keep running."""

OUTPUT = "AGENTBATCH_DAEMON_OUTPUT"
"""Names the file that takes the engine's output until there is a run's folder."""

ENGINE_LOG = "engine.log"
"""What a background engine says besides run.log: warnings of Python, the trace of a crash."""

STOP_GRACE = 10.0
"""Seconds from the end of the lifeline, which stops the engine like a Ctrl-C, to the second Ctrl-C."""


def tell_ready(run_folder: Path) -> None:
    """Report to the process that started this one that the run can be looked at; does nothing when there is none."""
    number, output = os.environ.pop(READY_FD, ""), os.environ.pop(OUTPUT, "")
    if not _is_pipe(number):
        return
    # Where it cannot be moved (a full disk), output stays where it is.
    with contextlib.suppress(OSError):
        _move_output(Path(output), run_folder / ENGINE_LOG)
    # The starter may be gone: then no report is needed.
    with contextlib.suppress(OSError), open(int(number), "wb") as pipe:
        pipe.write(os.fsencode(run_folder))


def watch_lifeline(stop: Callable[[], None]) -> None:
    """Call `stop` when the starter is gone, and once more STOP_GRACE later. Nothing without a lifeline.

    Needs the running event loop, which it does not keep alive.
    """
    number = os.environ.pop(LIFELINE_FD, "")
    if not _is_pipe(number):
        return
    pipe = int(number)
    loop = asyncio.get_running_loop()

    def on_input() -> None:
        received = os.read(pipe, 64)
        if received and STAY not in received:
            return
        loop.remove_reader(pipe)
        os.close(pipe)
        if not received:
            stop()
            loop.call_later(STOP_GRACE, stop)

    loop.add_reader(pipe, on_input)


def _is_pipe(number: str) -> bool:
    if not number.isdecimal():
        return False
    try:
        return stat.S_ISFIFO(os.fstat(int(number)).st_mode)
    except (OSError, OverflowError):
        return False


def _move_output(source: Path, target: Path) -> None:
    """Make stdout and stderr go to `target`, behind what earlier sessions of the run have left there."""
    sys.stdout.flush()
    sys.stderr.flush()
    number = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        os.write(number, source.read_bytes())
        os.dup2(number, 1)
        os.dup2(number, 2)
    finally:
        os.close(number)
    source.unlink()
