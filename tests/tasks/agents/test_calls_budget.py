"""A role's calls under a budget: real HTTP to the rehearsal server, the run's real budget."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from agentbatch.model.client import ModelClient
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.limits.limits import EndpointLimits
from agentbatch.model.limits.quota import QuotaGate
from agentbatch.model.reply import Message, ModelError
from agentbatch.model.tokens import estimate_messages
from agentbatch.rehearsal.script import Fault, Say, Script, Step
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.runs import events as e
from agentbatch.spending.billing import EXPECTED_OUTPUT, Billing
from agentbatch.spending.budget import BudgetExhausted, RunBudget, TaskBudget
from agentbatch.spending.pricing import Prices
from agentbatch.tasks.agents.role_model import RoleModel
from agentbatch.toolcalls.forms import TextForms
from agentbatch.usage import Usage
from tests.support.waiting import PATIENCE, until

FaultKind = Literal["cut", "short", "error", "disconnect", "status"]

PROMPT = "Write hello.py"
MESSAGES: list[Message] = [{"role": "system", "content": "You code."}, {"role": "user", "content": PROMPT}]
INPUT = estimate_messages(MESSAGES)

PRICES = """
[models."rehearsal-coder"]
input = 1.0
output = 10.0
"""


@dataclass
class Desk:
    """A server, an endpoint on it, and what was told."""

    server: RehearsalServer
    endpoint: Endpoint
    prices: Prices
    told: list[Any] = field(default_factory=list)

    def coder(
        self, budget: TaskBudget | None, *, max_output_tokens: int | None = None, **given: Any
    ) -> RoleModel:
        client = ModelClient(self.endpoint, "rehearsal-coder", max_output_tokens=max_output_tokens)
        quota = self.endpoint.quota
        billing = Billing(
            "coder", "t", self.told.append, quota, self.prices, "http://x/v1", budget=budget, **given
        )
        return RoleModel(client, billing)

    def of_type(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]


@asynccontextmanager
async def a_desk(tmp_path: Path, *steps: Step) -> AsyncIterator[Desk]:
    (tmp_path / "prices.toml").write_text(PRICES, encoding="utf-8")
    script = Script(prompt=PROMPT, coder=list(steps))
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(RehearsalServer([script]))
        endpoint = Endpoint(
            server.base_url,
            "none",
            forms=TextForms(),
            limits=EndpointLimits(),
            retry=RetryPolicy(delay=0.005, cap=0.02),
            redact=str,
        )
        await stack.enter_async_context(endpoint)
        yield Desk(server, endpoint, Prices.load(tmp_path / "prices.toml"))


def of_run(budget: RunBudget) -> TaskBudget:
    task = budget.task("t")
    assert task is not None
    return task


async def test_what_a_call_took_is_billed_and_nothing_stays_held(tmp_path: Path) -> None:
    async with a_desk(tmp_path, Say(content="done " * 40)) as desk:
        task = of_run(RunBudget(max_cost=1.0, max_tokens=10**6))
        reply = await desk.coder(task).complete(MESSAGES, purpose="code")
        finished = desk.of_type(e.ModelCallFinished)[0]
    allowance = task.allowance
    assert (allowance.spent_tokens, allowance.held_tokens) == (reply.usage.total, 0)
    assert allowance.spent_cost == finished.cost == (reply.usage.input + 10 * reply.usage.output) / 10**6
    assert task.expected_output("coder") == reply.usage.output


@pytest.mark.parametrize(
    ("max_output_tokens", "expected"), [(None, EXPECTED_OUTPUT), (300, 300), (5000, EXPECTED_OUTPUT)]
)
async def test_what_is_held_before_the_first_answer(
    tmp_path: Path, max_output_tokens: int | None, expected: int
) -> None:
    """One token less than that is refused, and no request is sent."""
    async with a_desk(tmp_path, Say(content="Hi.")) as desk:
        short = desk.coder(
            of_run(RunBudget(max_tokens=INPUT + expected - 1)), max_output_tokens=max_output_tokens
        )
        with pytest.raises(BudgetExhausted, match=f"takes about {INPUT + expected:,}"):
            await short.complete(MESSAGES, purpose="code")
        assert desk.told == []
        assert desk.server.requests == []
        enough = desk.coder(
            of_run(RunBudget(max_tokens=INPUT + expected)), max_output_tokens=max_output_tokens
        )
        await enough.complete(MESSAGES, purpose="code")


async def test_money_is_held_at_the_models_price(tmp_path: Path) -> None:
    price = (INPUT + 10 * EXPECTED_OUTPUT) / 10**6
    async with a_desk(tmp_path, Say(content="Hi.")) as desk:
        with pytest.raises(BudgetExhausted):
            await desk.coder(of_run(RunBudget(max_cost=price * 0.999))).complete(MESSAGES, purpose="code")
        await desk.coder(of_run(RunBudget(max_cost=price * 1.001))).complete(MESSAGES, purpose="code")


async def test_later_calls_hold_what_the_role_usually_answers(tmp_path: Path) -> None:
    async with a_desk(tmp_path, Say(content="Hi.")) as desk:
        budget = RunBudget(max_tokens=INPUT + EXPECTED_OUTPUT)
        model = desk.coder(of_run(budget))
        for _ in range(3):  # Held as the first one, the second would not fit any more.
            await model.complete(MESSAGES, purpose="code")
        assert len(desk.server.requests) == 3


async def test_nothing_is_told_of_a_call_before_the_budget_lets_it_in(tmp_path: Path) -> None:
    async with a_desk(tmp_path, Say(content="Hi.")) as desk:
        task = of_run(RunBudget(max_tokens=INPUT + EXPECTED_OUTPUT))
        other = await task.reserve("m", 10, None)
        call = asyncio.ensure_future(desk.coder(task).complete(MESSAGES, purpose="code"))
        await until(lambda: bool(desk.told))  # after SHOWN_WAIT
        (waiting,) = desk.told
        assert (waiting.type, waiting.cause, waiting.role) == ("rate_limited", "budget", "coder")
        assert desk.server.requests == []
        other.settle("coder", Usage(), None)
        await asyncio.wait_for(call, PATIENCE)
        assert [event.type for event in desk.told[1:]] == ["model_call_started", "model_call_finished"]


async def test_a_call_that_is_let_in_at_once_tells_of_no_waiting(tmp_path: Path) -> None:
    async with a_desk(tmp_path, Say(content="Hi.", delay=0.7)) as desk:
        await desk.coder(of_run(RunBudget(max_tokens=10**6))).complete(MESSAGES, purpose="code")
        assert desk.of_type(e.RateLimited) == []


async def test_a_failed_call_gives_back_what_it_held(tmp_path: Path) -> None:
    fault = Fault(status=400, code="invalid_request_error", times=100)
    async with a_desk(tmp_path, fault, Say(content="Hi.")) as desk:
        task = of_run(RunBudget(max_cost=1.0, max_tokens=10**6))
        with pytest.raises(ModelError):
            await desk.coder(task).complete(MESSAGES, purpose="code")
    assert (task.allowance.spent_tokens, task.allowance.spent_cost) == (0, 0.0)
    assert (task.allowance.held_tokens, task.allowance.under_way) == (0, 0)


async def test_an_interrupted_call_is_billed_as_the_event_says(tmp_path: Path) -> None:
    async with a_desk(tmp_path, Say(content="Hi.", delay=60)) as desk:
        task = of_run(RunBudget(max_tokens=10**6))
        call = asyncio.ensure_future(desk.coder(task).complete(MESSAGES, purpose="code"))
        await until(lambda: desk.server.in_flight == 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        (finished,) = desk.of_type(e.ModelCallFinished)
    assert finished.usage.total >= INPUT
    assert (task.allowance.spent_tokens, task.allowance.held_tokens) == (finished.usage.total, 0)


@pytest.mark.parametrize(
    ("kind", "paid"), [("cut", 2), ("short", 2), ("error", 2), ("disconnect", 0), ("status", 0)]
)
async def test_attempts_whose_answers_broke_off_are_billed(
    tmp_path: Path, kind: FaultKind, paid: int
) -> None:
    """The provider has read the prompt and written a part of the answer each time."""
    async with a_desk(tmp_path, Fault(kind=kind, times=2), Say(content="Hi.")) as desk:
        task = of_run(RunBudget(max_tokens=10**6))
        reply = await desk.coder(task).complete(MESSAGES, purpose="code")
        (finished,) = desk.of_type(e.ModelCallFinished)
    assert (reply.usage.calls, finished.usage.calls, finished.attempts) == (1, 1, 3)
    assert finished.usage.input == reply.usage.input + paid * INPUT
    assert (finished.usage.output > reply.usage.output, finished.usage.estimated) == (paid > 0, paid > 0)
    assert (task.allowance.spent_tokens, task.allowance.held_tokens) == (finished.usage.total, 0)


async def test_a_call_that_fails_for_good_is_billed_for_what_broke_off(tmp_path: Path) -> None:
    async with a_desk(tmp_path, Fault(kind="cut", times=9)) as desk:
        task = of_run(RunBudget(max_cost=1.0, max_tokens=10**6))
        with pytest.raises(ModelError, match="after 4 attempts"):
            await desk.coder(task).complete(MESSAGES, purpose="code")
        (finished,) = desk.of_type(e.ModelCallFinished)
    assert (finished.usage.calls, finished.usage.input) == (0, 4 * INPUT)
    assert (task.allowance.spent_tokens, task.allowance.held_tokens) == (finished.usage.total, 0)
    assert task.allowance.spent_cost == finished.cost != 0.0


async def test_the_gate_is_passed_before_anything_is_held(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def passing(quota: QuotaGate) -> None:
        await gate.wait()

    async with a_desk(tmp_path, Say(content="Hi.")) as desk:
        task = of_run(RunBudget(max_tokens=10**6))
        call = asyncio.ensure_future(desk.coder(task, gate=passing).complete(MESSAGES, purpose="code"))
        await asyncio.sleep(0.05)
        assert (task.allowance.under_way, desk.told, desk.server.requests) == (0, [], [])
        gate.set()
        assert (await asyncio.wait_for(call, PATIENCE)).content == "Hi."


NO_MODEL = Fault(status=404, code="model_not_found", message="The model does not exist.")


@pytest.mark.parametrize(("own_choice", "kind"), [(False, "endpoint"), (True, "request")])
async def test_a_model_that_does_not_exist_is_the_fault_of_who_named_it(
    tmp_path: Path, own_choice: bool, kind: str
) -> None:
    async with a_desk(tmp_path, NO_MODEL) as desk:
        with pytest.raises(ModelError) as raised:
            await desk.coder(None, own_choice=own_choice).complete(MESSAGES, purpose="code")
        assert (raised.value.kind, raised.value.attempts) == (kind, 1)


async def test_without_a_budget_a_call_is_just_made(tmp_path: Path) -> None:
    async with a_desk(tmp_path, Say(content="Hi.")) as desk:
        assert (await desk.coder(None).complete(MESSAGES, purpose="code")).content == "Hi."
