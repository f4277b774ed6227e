"""Which model a coder has in which iteration, what both roles of a task may spend, and what holds them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agentbatch.model.endpoint import Endpoint
from agentbatch.model.limits.limits import EndpointLimits
from agentbatch.model.retry import RetryPolicy
from agentbatch.redaction import Redactor
from agentbatch.rehearsal.script import Say, Script
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.runs import events as e
from agentbatch.runs.folder import create_run_folder
from agentbatch.runs.store.store import Store
from agentbatch.spending.budget import BudgetExhausted, RunBudget, TaskBudget
from agentbatch.spending.pricing import Prices
from agentbatch.tasks.agents.definition import (
    CoderDefinition,
    Escalation,
    EvaluatorDefinition,
    ModelParameters,
)
from agentbatch.tasks.agents.escalation import coder_models, escalated
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.toolbox import select_tools
from agentbatch.tasks.coders.builtin.coder import Coder
from agentbatch.tasks.run.context import RoleModelConfig, RunContext
from agentbatch.tasks.spec.plan import PlannedTask, make_plan
from agentbatch.tasks.spec.task import Task
from agentbatch.toolcalls.forms import TextForms
from agentbatch.usage import Usage
from agentbatch.workspace.tools.toolbox import specs
from tests.support.workspaces import local_workspaces

PROMPT = "Write hello.py"
STEPS = (Escalation(after=2, model="coder-strong"), Escalation(after=4, model="coder-stronger"))


def planned(folder: Path, **fields: Any) -> PlannedTask:
    task = Task(id="t", dir="t", first_prompt=PROMPT, **fields)
    return make_plan([task], folder / "task.json", max_iterations=10).tasks[0]


@pytest.mark.parametrize(
    ("steps", "models"),
    [
        ((), ["own"] * 6),
        (STEPS, ["own", "own", "coder-strong", "coder-strong", "coder-stronger", "coder-stronger"]),
        (STEPS[:1], ["own", "own", *["coder-strong"] * 4]),
        ((Escalation(after=1, model="x"),), ["own", *["x"] * 5]),
    ],
)
def test_the_model_of_each_iteration(steps: Sequence[Escalation], models: list[str]) -> None:
    assert [escalated(steps, "own", iteration) for iteration in range(1, 7)] == models


def test_every_model_that_may_be_asked(tmp_path: Path) -> None:
    tasks = make_plan(
        [
            Task(first_prompt="a", coder_model="own"),
            Task(first_prompt="b"),
            Task(first_prompt="c", coder_model="coder-strong"),
        ],
        tmp_path / "task.json",
        max_iterations=4,
    ).tasks
    assert coder_models(tasks, "first", ()) == ("first", "own", "coder-strong")
    # No task has a fifth iteration.
    assert coder_models(tasks, "first", STEPS) == ("first", "own", "coder-strong")
    longer = [replace(task, max_iterations=5) for task in tasks]
    assert coder_models(longer, "first", STEPS) == ("first", "own", "coder-strong", "coder-stronger")


@asynccontextmanager
async def a_context(
    tmp_path: Path, *, definition: CoderDefinition | None = None, only_model: bool = False, **given: Any
) -> AsyncIterator[tuple[RunContext, RehearsalServer]]:
    coder = definition or CoderDefinition(escalate=STEPS)
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
            toolbox = select_tools(coder.tools)
            yield (
                RunContext(
                    store=store,
                    coder=RoleModelConfig("coder", endpoint, "coder-first", None, only_model=only_model),
                    evaluator=RoleModelConfig("evaluator", endpoint, "judge", None),
                    coder_definition=coder,
                    evaluator_definition=evaluator,
                    toolbox=toolbox,
                    specs=specs(toolbox),
                    prompts=Prompts(tmp_path, coder.prompts, evaluator.prompts),
                    judged=True,
                    prices=Prices.load(None),
                    workspaces=local_workspaces(tmp_path / "tasks", {}),
                    own_files=(),
                    draining=lambda: False,
                    stop_cause=lambda: "",
                    **given,
                ),
                server,
            )
    finally:
        await store.close()


async def a_coder(context: RunContext, task: PlannedTask) -> Coder:
    return context.make_coder(task, await context.open_workspace(task, resume=False))


async def test_a_living_coder_goes_on_with_the_stronger_model(tmp_path: Path) -> None:
    async with a_context(tmp_path, budget=RunBudget(max_tokens=10**6)) as (context, server):
        task = planned(tmp_path)
        coder = await a_coder(context, task)
        budget = coder.model.budget
        told = []
        coder.add_user_message(PROMPT)
        for iteration in range(1, 6):
            told.append(context.escalate(coder, task, iteration))
            await coder.complete()
        assert told == ["", "", "coder-strong", "", "coder-stronger"]
        asked = [request.body["model"] for request in server.requests]
        assert asked == ["coder-first"] * 2 + ["coder-strong"] * 2 + ["coder-stronger"]
        assert budget is not None
        assert coder.model.budget is budget, "it goes on paying from the same purse"
        bills = {bill.model: bill.usage.calls for bill in context.store.state.tasks["t"].bills}
    assert bills == {"coder-first": 2, "coder-strong": 2, "coder-stronger": 1}


async def test_a_resumed_task_is_where_its_iteration_says(tmp_path: Path) -> None:
    async with a_context(tmp_path) as (context, _):
        task = planned(tmp_path, coder_model="coder-own")
        coder = await a_coder(context, task)
        assert coder.model.client.model == context.coder_model_for(task, 1) == "coder-own"
        assert context.escalate(coder, task, 4) == "coder-strong"
        assert context.escalate(coder, task, 4) == ""


async def test_the_window_is_that_of_the_new_model_and_short_replies_stay_short(tmp_path: Path) -> None:
    definition = CoderDefinition(escalate=(Escalation(after=1, model="gpt-4"),))
    async with a_context(tmp_path, definition=definition) as (context, _):
        task = planned(tmp_path)
        coder = await a_coder(context, task)
        coder.brief = True
        before = coder.context_window
        assert context.escalate(coder, task, 2) == "gpt-4"
        assert coder.context_window == context.prices.context_window("gpt-4") != before
        assert coder.model.client.max_output_tokens == coder.context_window // 4
        assert coder.brief
    limited = CoderDefinition(escalate=STEPS, model=ModelParameters(context_window=9000))
    async with a_context(tmp_path / "other", definition=limited) as (context, _):
        coder = await a_coder(context, task)
        context.escalate(coder, task, 3)
        assert coder.context_window == 9000


async def test_an_endpoint_with_one_model_has_nothing_to_escalate_to(tmp_path: Path) -> None:
    async with a_context(tmp_path, only_model=True) as (context, _):
        task = planned(tmp_path, coder_model="another")
        coder = await a_coder(context, task)
        assert [context.escalate(coder, task, iteration) for iteration in (1, 3, 5)] == ["", "", ""]
        assert coder.model.client.model == "coder-first"


async def test_both_roles_pay_from_their_tasks_budget_and_earlier_sessions_count(tmp_path: Path) -> None:
    async with a_context(tmp_path, budget=RunBudget()) as (context, server):
        context.store.emit(
            e.ModelCallFinished(
                task_id="t",
                role="coder",
                model="m",
                usage=Usage(input=19_000, output=900, calls=1),
                cost=None,
                latency=1.0,
                attempts=1,
            )
        )
        task = planned(tmp_path, max_tokens=20_000)
        coder, evaluator = await a_coder(context, task), context.make_evaluator(task)
        assert evaluator.model is not None
        assert isinstance(coder.model.budget, TaskBudget)
        assert coder.model.budget is evaluator.model.budget
        coder.add_user_message(PROMPT)
        with pytest.raises(BudgetExhausted, match="20,000 tokens is used up"):
            await coder.complete()
        assert server.requests == []


async def test_a_task_passes_the_gate_under_its_own_name(tmp_path: Path) -> None:
    passed: list[str] = []
    gate = asyncio.Event()

    async def hold(task_id: str) -> None:
        passed.append(task_id)
        await gate.wait()

    async with a_context(tmp_path, gate=hold) as (context, server):
        coder = await a_coder(context, planned(tmp_path))
        coder.add_user_message(PROMPT)
        call = asyncio.ensure_future(coder.complete())
        async with asyncio.timeout(30):
            while not passed:
                await asyncio.sleep(0.005)
        assert (passed, server.requests) == (["t"], [])
        gate.set()
        assert (await asyncio.wait_for(call, 30)).content == "Done."
