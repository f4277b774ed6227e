"""Builtin coders with what they are made of."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.limits.limits import EndpointLimits
from agentbatch.redaction import Redactor
from agentbatch.rehearsal.script import Say, Script
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.runs import events as e
from agentbatch.runs.folder import create_run_folder
from agentbatch.runs.store.store import Store
from agentbatch.spending.pricing import Prices
from agentbatch.tasks.agents.definition import EvaluatorDefinition
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.role_models import RoleModelConfig, RoleModels, RunParts
from agentbatch.tasks.agents.tool_modes import ToolModes
from agentbatch.tasks.coders.builtin.coder import BuiltinCoder, BuiltinCoders
from agentbatch.tasks.coders.builtin.definition import CoderDefinition
from agentbatch.tasks.coders.coder import Assignment
from agentbatch.tasks.spec.escalation import Escalation
from agentbatch.tasks.spec.make_plan import make_plan
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.tasks.spec.task import Task
from agentbatch.toolcalls.forms import TextForms
from agentbatch.toolcalls.remembered import ToolModeMemory
from tests.support.workspaces import local_workspace

PROMPT = "Write hello.py"


STEPS = (
    Escalation(after=2, coder_model="coder-strong"),
    Escalation(after=4, coder_model="coder-stronger"),
)


def planned(folder: Path, **fields: Any) -> PlannedTask:
    task = Task(id="t", dir="t", first_prompt=PROMPT, **fields)
    return make_plan([task], folder / "task.json", max_iterations=10, escalate=STEPS).tasks[0]


@asynccontextmanager
async def the_parts(
    tmp_path: Path, *, only_model: bool = False, **given: Any
) -> AsyncIterator[tuple[RunParts, RehearsalServer]]:
    evaluator = EvaluatorDefinition()
    script = Script(prompt=PROMPT, coder=[Say(content="Done.")])
    store = Store(create_run_folder(tmp_path, datetime(2026, 1, 2)), Redactor([]))
    try:
        store.emit(e.TaskQueued(task_id="t", index=0, dir="t", first_prompt=PROMPT, max_iterations=10))
        async with (
            RehearsalServer([script], any_model=True) as server,
            Endpoint(
                server.base_url,
                "none",
                forms=TextForms(),
                limits=EndpointLimits(),
                retry=RetryPolicy(delay=0.005),
                redact=str,
            ) as endpoint,
        ):
            yield (
                RunParts(
                    store=store,
                    models=RoleModels(store, Prices.load(None), **given),
                    modes=ToolModes("auto", ToolModeMemory(tmp_path / "modes.json"), lambda _: None),
                    prompts=Prompts(tmp_path, CoderDefinition().prompts, evaluator.prompts),
                    coder_model=RoleModelConfig(
                        "coder", endpoint, "coder-first", None, only_model=only_model
                    ),
                    evaluator=evaluator,
                    evaluator_model=RoleModelConfig("evaluator", endpoint, "judge", None),
                    judged=True,
                ),
                server,
            )
    finally:
        await store.close()


def a_coder(
    parts: RunParts, task: PlannedTask, definition: CoderDefinition | None = None, **earlier: Any
) -> BuiltinCoder:
    definition = definition or CoderDefinition()
    task.root.mkdir(parents=True, exist_ok=True)
    workspace = local_workspace(task.root, task.root.with_name("outputs"))
    return BuiltinCoders(parts, definition).make(Assignment(task, workspace, has_checks=False, **earlier))


def call(n: int) -> dict[str, Any]:
    calls = [{"id": f"c{n}", "type": "function", "function": {"name": "bash", "arguments": "{}"}}]
    return {"role": "assistant", "content": "", "tool_calls": calls}


def result(n: int, size: int = 1000) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"c{n}", "content": f"{n}" * size}
