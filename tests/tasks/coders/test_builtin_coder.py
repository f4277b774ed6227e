"""The builtin coder as it is made: its model in each iteration, its budget, its pauses, what it knows of an earlier
session."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentbatch.model.limits.quota import QuotaGate
from agentbatch.runs import events as e
from agentbatch.spending.budget import BudgetExhausted, RunBudget, TaskBudget
from agentbatch.tasks.agents.definition import ModelParameters
from agentbatch.tasks.coders.builtin.coder import coder_models
from agentbatch.tasks.coders.builtin.definition import CoderDefinition, CoderLimits
from agentbatch.tasks.coders.coder import GENERATIONS, CoderState
from agentbatch.tasks.evaluator.makers import BuiltinEvaluators
from agentbatch.tasks.spec.attempts import with_attempts
from agentbatch.tasks.spec.escalation import Escalation
from agentbatch.tasks.spec.make_plan import make_plan
from agentbatch.tasks.spec.task import AttemptSpec, Task
from agentbatch.usage import Usage
from tests.support.waiting import PATIENCE
from tests.tasks.coders.builtin_coders import PROMPT, STEPS, a_coder, planned, the_parts


def test_every_model_that_may_be_asked(tmp_path: Path) -> None:
    """A task that is the choice of its attempts asks none itself."""
    plan = make_plan(
        [
            Task(first_prompt="a", coder_model="own"),
            Task(first_prompt="b", escalate=()),
            Task(first_prompt="c", coder_model="coder-strong"),
            Task(
                first_prompt="d",
                coder_model="nobody's",
                attempts=(
                    AttemptSpec(coder_model="one", escalate=(Escalation(after=1, coder_model="two"),)),
                    AttemptSpec(coder_model="three", escalate=()),
                ),
            ),
        ],
        tmp_path / "task.json",
        max_iterations=4,
        escalate=STEPS,
    )
    tasks = with_attempts(plan).tasks
    assert coder_models(tasks[:3], "first") == ("first", "own", "coder-strong")
    assert coder_models(tasks[3:], "first") == ("first", "one", "two", "three")
    longer = [replace(task, max_iterations=5) for task in tasks[:3]]
    assert coder_models(longer, "first") == ("first", "own", "coder-strong", "coder-stronger")


async def test_a_living_coder_gets_the_stronger_model(tmp_path: Path) -> None:
    async with the_parts(tmp_path, budget=RunBudget(max_tokens=10**6)) as (parts, server):
        task = planned(tmp_path)
        coder = a_coder(parts, task)
        budget = coder.agent.model.billing.budget
        told = []
        coder.agent.add_user_message(PROMPT)
        for iteration in range(1, 6):
            told.append(coder.strengthen(iteration))
            await coder.agent.complete()
        assert told == ["", "", "coder-strong", "", "coder-stronger"]
        asked = [request.body["model"] for request in server.requests]
        assert asked == ["coder-first"] * 2 + ["coder-strong"] * 2 + ["coder-stronger"]
        assert budget is not None
        assert coder.agent.model.billing.budget is budget, "it still pays from the same budget"
        bills = {bill.model: bill.usage.calls for bill in parts.store.state.tasks["t"].bills}
    assert bills == {"coder-first": 2, "coder-strong": 2, "coder-stronger": 1}


async def test_a_resumed_task_is_where_its_iteration_says(tmp_path: Path) -> None:
    async with the_parts(tmp_path) as (parts, _):
        task = planned(tmp_path, coder_model="coder-own")
        coder = a_coder(parts, task)
        assert coder.agent.model.client.model == coder.coders.stage(task, 1).model == "coder-own"
        assert coder.strengthen(4) == "coder-strong"
        assert coder.strengthen(4) == ""


async def test_a_step_of_temperature_keeps_the_model(tmp_path: Path) -> None:
    steps = (Escalation(after=1, temperature=0.9), Escalation(after=2, coder_model="coder-strong"))
    cool = CoderDefinition(model=ModelParameters(temperature=0.1))
    async with the_parts(tmp_path) as (parts, server):
        coder = a_coder(parts, planned(tmp_path, escalate=steps), cool)
        coder.agent.add_user_message(PROMPT)
        told = []
        for iteration in (1, 2, 3):
            told.append(coder.strengthen(iteration))
            await coder.agent.complete()
        assert told == ["", "", "coder-strong"]
        assert [(request.body["model"], request.body["temperature"]) for request in server.requests] == [
            ("coder-first", 0.1),
            ("coder-first", 0.9),
            ("coder-strong", 0.9),
        ]


async def test_the_window_is_that_of_the_new_model_and_short_replies_stay_short(tmp_path: Path) -> None:
    async with the_parts(tmp_path) as (parts, _):
        task = planned(tmp_path, escalate=(Escalation(after=1, coder_model="gpt-4"),))
        coder = a_coder(parts, task)
        coder.weak_model = True
        before = coder.agent.context_window
        assert coder.strengthen(2) == "gpt-4"
        assert coder.agent.context_window == parts.models.prices.context_window("gpt-4") != before
        assert coder.agent.model.client.max_output_tokens == coder.agent.context_window // 4
        assert coder.weak_model
    limited = CoderDefinition(model=ModelParameters(context_window=9000))
    async with the_parts(tmp_path / "other") as (parts, _):
        coder = a_coder(parts, task, limited)
        coder.strengthen(3)
        assert coder.agent.context_window == 9000


async def test_what_a_draft_would_have_cost_on_the_model_that_may_take_over(tmp_path: Path) -> None:
    """The last model that the task has iterations for, at the prices of this endpoint; nothing once it is there."""
    steps = (Escalation(after=1, coder_model="gpt-5"), Escalation(after=9, coder_model="gpt-5-pro"))
    async with the_parts(tmp_path) as (parts, _):
        priced = replace(parts.coder_model, model="gpt-5-mini", pricing_url="https://api.openai.com/v1")
        task = replace(planned(tmp_path, escalate=steps), max_iterations=9)
        coder = a_coder(replace(parts, coder_model=priced), task)
        coder.agent.add_user_message(PROMPT)
        for iteration in (1, 2):
            coder.strengthen(iteration)
            await coder.agent.complete()
        draft, finish = parts.store.state.tasks["t"].bills
        assert finish.drafted is None
        assert draft.drafted is not None
        assert (draft.drafted.models, draft.drafted.usage) == (("gpt-5",), draft.usage)
        assert draft.cost is not None
        assert draft.drafted.stronger_cost == pytest.approx(draft.cost * 5)


@pytest.mark.parametrize(
    ("only_model", "others", "asked", "named"),
    [
        (False, None, "x", "x"),
        (False, None, None, "own"),
        (True, None, "x", "own"),
        (False, "own-[0-9]+", "x", "own"),
        (False, "own-[0-9]+", "own-7", "own-7"),
        (False, "own-[0-9]+", None, "own"),
    ],
)
async def test_what_is_called_where_a_model_is_asked_for(
    tmp_path: Path, only_model: bool, others: str | None, asked: str | None, named: str
) -> None:
    async with the_parts(tmp_path) as (parts, _):
        pattern = re.compile(others) if others is not None else None
        config = replace(parts.coder_model, model="own", only_model=only_model, others=pattern)
        assert config.named(asked) == named


async def test_an_endpoint_with_one_model_has_nothing_to_escalate_to(tmp_path: Path) -> None:
    async with the_parts(tmp_path, only_model=True) as (parts, _):
        task = planned(tmp_path, coder_model="another")
        coder = a_coder(parts, task)
        assert [coder.strengthen(iteration) for iteration in (1, 3, 5)] == ["", "", ""]
        assert coder.agent.model.client.model == "coder-first"


async def test_both_roles_pay_from_their_tasks_budget_and_earlier_sessions_count(tmp_path: Path) -> None:
    async with the_parts(tmp_path, budget=RunBudget()) as (parts, server):
        parts.store.emit(
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
        coder, judge = a_coder(parts, task), BuiltinEvaluators(parts).make(task).judge
        assert judge is not None
        assert isinstance(coder.agent.model.billing.budget, TaskBudget)
        assert coder.agent.model.billing.budget is judge.model.billing.budget
        coder.agent.add_user_message(PROMPT)
        with pytest.raises(BudgetExhausted, match="20,000 tokens is used up"):
            await coder.agent.complete()
        assert server.requests == []


async def test_a_task_passes_the_gate_under_its_own_name(tmp_path: Path) -> None:
    passed: list[str] = []
    gate = asyncio.Event()

    async def hold(task_id: str, quota: QuotaGate) -> None:
        passed.append(task_id)
        await gate.wait()

    async with the_parts(tmp_path, gate=hold) as (parts, server):
        coder = a_coder(parts, planned(tmp_path))
        coder.agent.add_user_message(PROMPT)
        call = asyncio.ensure_future(coder.agent.complete())
        async with asyncio.timeout(PATIENCE):
            while not passed:
                await asyncio.sleep(0.005)
        assert (passed, server.requests) == (["t"], [])
        gate.set()
        assert (await asyncio.wait_for(call, PATIENCE)).content == "Done."


SYSTEM = {"role": "system", "content": "You code."}
ONE_CALL = CoderDefinition(limits=CoderLimits(steps=1))


@pytest.mark.parametrize("stored", [[], [SYSTEM]])
async def test_a_turn_whose_prompt_was_not_stored_begins_with_it(
    tmp_path: Path, stored: list[dict[str, Any]]
) -> None:
    """A kill came between the iteration's event and its messages."""
    async with the_parts(tmp_path) as (parts, server):
        state = CoderState(events=[], turn=[], generation=0 if stored else -1, messages=stored)
        coder = a_coder(parts, planned(tmp_path), ONE_CALL, state=state)
        assert (await coder.resume(PROMPT)).end == "step_limit"
        (request,) = server.requests
        assert [message["role"] for message in request.body["messages"]] == ["system", "user"]
        assert request.body["messages"][1]["content"] == PROMPT


async def test_a_conversation_of_before_the_task_was_begun_again_is_left_alone(tmp_path: Path) -> None:
    async with the_parts(tmp_path) as (parts, _):
        old = [SYSTEM, {"role": "user", "content": "Do the old thing."}]
        state = CoderState(events=[], turn=[], generation=3, messages=old)
        coder = a_coder(parts, planned(tmp_path), state=state, reruns=1)
        assert list(coder.transcript()) == []
        assert coder.agent.conversation.generation == GENERATIONS
        kept = CoderState(events=[], turn=[], generation=GENERATIONS, messages=old)
        assert list(a_coder(parts, planned(tmp_path), state=kept, reruns=1).transcript()) == old
