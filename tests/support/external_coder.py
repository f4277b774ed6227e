"""An external coder over a process of a fake agent, without an engine."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from agentbatch.mcp.server import McpServer
from agentbatch.runs import events as e
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.coders.catalog.entry import CoderEntry
from agentbatch.tasks.coders.coder import Assignment, CoderState
from agentbatch.tasks.coders.external.access import Access, OwnAccess
from agentbatch.tasks.coders.external.coder import ExternalCoder, MakeSession
from agentbatch.tasks.coders.external.limits import TurnLimits
from agentbatch.tasks.coders.external.parts import ExternalParts
from agentbatch.tasks.spec.make_plan import make_plan
from agentbatch.tasks.spec.task import Task
from agentbatch.workspace.workspace import Workspace
from tests.support.workspaces import local_workspace


@dataclass
class Stage:
    """What one such coder works with."""

    coder: ExternalCoder
    directory: Path
    home: Path
    events: list[e.Event]

    def of(self, kind: type[e.Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def heard(self) -> list[dict[str, Any]]:
        """What the agent was asked, in order, as it wrote it down."""
        file = self.home / "heard.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def notices(self) -> list[str]:
        return [event.text for event in self.of(e.Notice)]


@asynccontextmanager
async def stage(
    tmp_path: Path,
    session: MakeSession,
    entry: CoderEntry,
    limits: TurnLimits,
    *,
    state: CoderState | None = None,
    redact: Callable[[str], str] = str,
    changes: str = "",
    access: Access | None = None,
    servers: Mapping[str, McpServer] = MappingProxyType({}),
    claimed: Callable[[Workspace], Workspace] = lambda workspace: workspace,
) -> AsyncIterator[Stage]:
    """`claimed`: the workspace as the coder sees it."""
    directory = tmp_path / "work"
    directory.mkdir(parents=True, exist_ok=True)
    workspace = claimed(local_workspace(directory, tmp_path / "outputs"))
    events: list[e.Event] = []

    async def stored() -> None:
        pass

    async def changed() -> str:
        return changes

    parts = ExternalParts(
        entry=entry,
        model="m",
        emit=events.append,
        stored=stored,
        redact=redact,
        render=Prompts(tmp_path, (), ()).render,
        access=lambda planned, model: access or OwnAccess(model),
    )
    task = make_plan([Task(first_prompt="Do it.")], tmp_path / "task.json", max_iterations=9).tasks[0]
    assignment = Assignment(
        task=replace(task, root=directory, servers=servers),
        workspace=workspace,
        has_checks=True,
        state=state,
        changes=changed,
    )
    coder = ExternalCoder(parts, assignment, session, limits)
    try:
        yield Stage(coder, directory, Path(workspace.info.homes) / entry.name, events)
    finally:
        await coder.close()
        await workspace.close()
