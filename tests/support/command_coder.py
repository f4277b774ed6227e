"""A coder over runs of the fake agent (fake_command_agent.py), without an engine."""

import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

from agentbatch.tasks.coders.catalog.entry import CoderEntry
from agentbatch.tasks.coders.command.session import CommandSession
from agentbatch.tasks.coders.external.limits import TurnLimits
from tests.support.external_coder import Stage, stage
from tests.support.paths import CHECKOUT

AGENT = CHECKOUT / "tests" / "support" / "fake_command_agent.py"


def runs(made: Stage) -> list[tuple[list[str], str]]:
    """Arguments and input of each run."""
    return [(line["arguments"], line["stdin"]) for line in made.heard]


@asynccontextmanager
async def command_stage(
    tmp_path: Path,
    *several: Sequence[dict[str, Any]],
    arguments: Sequence[str] = (),
    resume: Sequence[str] | None = ("--resume", "{session}"),
    limits: dict[str, Any] | None = None,
    **more: Any,
) -> AsyncIterator[Stage]:
    """`arguments`: of the command; `resume`: what is added where it goes on; None: it cannot. `more`: as `stage` takes
    it, and fields of the entry."""
    tmp_path.mkdir(parents=True, exist_ok=True)
    file = tmp_path / "script.json"
    file.write_text(json.dumps(several))
    command = (sys.executable, "-I", "-S", str(AGENT), str(file), *arguments)
    given = {
        "name": "fake",
        "protocol": "command",
        "command": command,
        "resume": () if resume is None else (*command, *resume),
        "prompt": "stdin",
        "reader": "claude",
    }
    taken = {name: more.pop(name) for name in list(more) if name in signature(stage).parameters}
    entry = CoderEntry.model_validate({**given, **more})
    most = replace(TurnLimits(poll=0.05), **(limits or {}))
    async with stage(tmp_path, CommandSession, entry, most, **taken) as made:
        yield made


def entry(prompt: str = "argument", command: str = "a -p", resume: str = "") -> CoderEntry:
    given = {"name": "a", "protocol": "command", "command": command.split(), "resume": resume.split()}
    return CoderEntry.model_validate({**given, "prompt": prompt})
