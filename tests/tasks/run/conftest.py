"""Whole runs in this process: real HTTP to a rehearsal server with a test's own scripts."""

import json
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentbatch.api import RunOutcome, run_batch
from agentbatch.config import load_settings
from agentbatch.rehearsal.play import asks_for_checks
from agentbatch.rehearsal.script import Script
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.rehearsal.streaming import Streaming
from agentbatch.runs.events import Event
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.session import Engine
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.runs.store.store import Store
from agentbatch.tasks.run.prepare.prepare import prepare
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.run.workspaces.local import local_workspaces
from agentbatch.workspace.workspace import Workspaces
from tests.support.keys import KEY


@dataclass
class Ran:
    """What a run left."""

    outcome: RunOutcome
    events: list[Event]
    server: RehearsalServer
    folder: Path

    @property
    def task(self) -> TaskState:
        """The only task."""
        (task,) = self.outcome.state.tasks.values()
        return task

    def task_folder(self, task_id: str) -> Path:
        return self.outcome.run_folder / "tasks" / task_id

    @property
    def results(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.outcome.results_file.read_text(encoding="utf-8"))
        return document

    def coder_requests(self) -> list[dict[str, Any]]:
        return [r.body for r in self.server.requests if r.body.get("model") == "rehearsal-coder"]

    def evaluator_requests(self) -> list[dict[str, Any]]:
        """Those for a verdict."""
        return [body for body in self._asked_of_the_evaluator() if not asks_for_checks(body)]

    def checks_requests(self) -> list[dict[str, Any]]:
        """Those for checks, before the work."""
        return [body for body in self._asked_of_the_evaluator() if asks_for_checks(body)]

    def _asked_of_the_evaluator(self) -> list[dict[str, Any]]:
        return [r.body for r in self.server.requests if r.body.get("model") == "rehearsal-evaluator"]

    def of_type(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def without_own_checks(folder: Path) -> None:
    """Where a test's scripts have no checks and it has no settings of its own, none are asked for: what it counts are
    the calls of the work."""
    definition = folder / "agents/evaluator.toml"
    if not definition.exists():
        definition.parent.mkdir(exist_ok=True)
        definition.write_text("[limits]\nchecks = 0\n", encoding="utf-8")


COARSE = Streaming(tokens_per_chunk=16)
"""Tokens that come one by one are a matter of coder/test_streaming.py; here they would be half of the time."""

RunTasks = Callable[..., Awaitable[Ran]]


@pytest.fixture
def run_tasks(tmp_path: Path) -> RunTasks:
    """`await run_tasks(tasks, scripts, server={...}, on_event=..., parallel=2, ...)`: flags by setting name;
    `resume_run`: the folder of the run that goes on."""

    async def run(
        tasks: Sequence[dict[str, Any]],
        scripts: Sequence[Script],
        *,
        server: dict[str, Any] | None = None,
        on_start: Callable[[Engine], None] | None = None,
        on_event: Callable[[Event, RunState], None] | None = None,
        environ: dict[str, str] | None = None,
        resume_run: Path | None = None,
        open_workspaces: Callable[[PreparedRun, Store], Workspaces] = local_workspaces,
        **flags: Any,
    ) -> Ran:
        (tmp_path / "task.json").write_text(json.dumps({"tasks": list(tasks)}), encoding="utf-8")
        if not any(script.checks for script in scripts):
            without_own_checks(tmp_path)
        events: list[Event] = []
        async with RehearsalServer(scripts, key=KEY, **{"streaming": COARSE, **(server or {})}) as rehearsal:
            given = {
                "coder_endpoint": rehearsal.base_url,
                "evaluation_base_url": rehearsal.base_url,
                "coder_model": "rehearsal-coder",
                "evaluation_model": "rehearsal-evaluator",
                "retry_delay": "0.01",
                "tool_mode": "native",
                "mode": "parallel",
                **flags,
            }
            cache = {"XDG_CACHE_HOME": f"{tmp_path}-cache"}
            environment = {**os.environ, **cache, "OPENAI_API_KEY": KEY, **(environ or {})}
            settings = load_settings(given, environment, folder=tmp_path)
            resumed = RunFolder(resume_run) if resume_run is not None else None
            prepared = prepare(settings, folder=tmp_path, environ=environment, resume=resumed)
            listeners = [lambda event, _: events.append(event)]
            if on_event is not None:
                listeners.append(on_event)
            outcome = await run_batch(
                prepared, listeners=listeners, on_start=on_start, open_workspaces=open_workspaces
            )
        return Ran(outcome, events, rehearsal, tmp_path)

    return run
