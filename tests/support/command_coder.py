"""A CommandCoder over runs of the fake agent (fake_command_agent.py), without an engine."""

import json
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agentbatch.runs import events as e
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.coders.catalog.entry import CoderEntry
from agentbatch.tasks.coders.coder import Assignment, CoderState
from agentbatch.tasks.coders.command.coder import CommandCoder
from agentbatch.tasks.coders.external.access import OwnAccess
from agentbatch.tasks.coders.external.limits import TurnLimits
from agentbatch.tasks.coders.external.parts import ExternalParts
from agentbatch.tasks.spec.make_plan import make_plan
from agentbatch.tasks.spec.task import Task
from tests.support.paths import CHECKOUT
from tests.support.workspaces import local_workspace

AGENT = CHECKOUT / "tests" / "support" / "fake_command_agent.py"


@dataclass
class CommandStage:
    """What one such coder works with."""

    coder: CommandCoder
    directory: Path
    home: Path
    events: list[e.Event]

    def of(self, kind: type[e.Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def heard(self) -> list[tuple[list[str], str]]:
        """Arguments and input of each run."""
        file = self.home / "heard.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [(line["arguments"], line["stdin"]) for line in lines]

    @property
    def notices(self) -> list[str]:
        return [event.text for event in self.of(e.Notice)]


@asynccontextmanager
async def command_stage(
    tmp_path: Path,
    *runs: Sequence[dict[str, Any]],
    arguments: Sequence[str] = (),
    resume: Sequence[str] | None = ("--resume", "{session}"),
    limits: dict[str, Any] | None = None,
    state: CoderState | None = None,
    redact: Callable[[str], str] = str,
    changes: str = "",
    **entry: Any,
) -> AsyncIterator[CommandStage]:
    """`arguments`: of the command; `resume`: what is added where it goes on; None: it cannot."""
    directory, file = tmp_path / "work", tmp_path / "script.json"
    directory.mkdir(parents=True, exist_ok=True)
    workspace = local_workspace(directory, tmp_path / "outputs")
    file.write_text(json.dumps(runs))
    events: list[e.Event] = []

    async def stored() -> None:
        pass

    async def changed() -> str:
        return changes

    command = (sys.executable, "-I", "-S", str(AGENT), str(file), *arguments)
    given = {
        "name": "fake",
        "protocol": "command",
        "command": command,
        "resume": () if resume is None else (*command, *resume),
        "prompt": "stdin",
        "reader": "claude",
    }
    parts = ExternalParts(
        entry=CoderEntry.model_validate({**given, **entry}),
        model="m",
        emit=events.append,
        stored=stored,
        redact=redact,
        render=Prompts(tmp_path, (), ()).render,
        access=lambda planned, model: OwnAccess(model),
    )
    task = make_plan([Task(first_prompt="Do it.")], tmp_path / "task.json", max_iterations=9).tasks[0]
    assignment = Assignment(
        task=replace(task, root=directory), workspace=workspace, has_checks=True, state=state, changes=changed
    )
    coder = CommandCoder(parts, assignment, replace(TurnLimits(poll=0.05), **(limits or {})))
    try:
        yield CommandStage(coder, directory, Path(workspace.info.homes) / "fake", events)
    finally:
        await coder.close()
        await workspace.close()
