"""`--daemon`: the same command again as a process of its own, which outlives the terminal."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from agentbatch.cli.complaints import complain
from agentbatch.runs.services.background import EndedEarly, start_background


def start(words: Sequence[str]) -> int:
    """Run the command of these words in the background; returns when its run can be looked at, or when it has ended.

    Returns 0 when the run is under way, else the exit code of the process, whose output is shown then.
    """

    try:
        background = start_background(words, Path.cwd(), os.environ, lifeline=False)
    except EndedEarly as early:
        return _show(early)
    name = background.run_folder.name  # a run goes on only in the folder that it was started in
    sys.stdout.write(f"Run {name} runs in the background (process {background.process.pid}).\n\n")
    sys.stdout.writelines(f"  agentbatch {command} {name}\n" for command in ("status", "logs -f", "stop"))
    return 0


def _show(early: EndedEarly) -> int:
    code, text = early.code, early.output
    (sys.stdout if code == 0 else sys.stderr).write(text)
    if code > 0 and not text.strip():
        complain(
            f"the background process ended with exit code {code} before its run began, and could not say "
            "why (is the disk full?). Without --daemon it does."
        )
    if code >= 0:
        return code
    complain(f"the background process was ended by signal {-code} before its run began.")
    return 128 - code
