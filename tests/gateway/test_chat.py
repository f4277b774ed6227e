"""Chat completions through the gateway: real HTTP on both sides."""

import json
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Fault, Say, Script, Step
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.runs import events as e
from agentbatch.spending.budget import RunBudget
from tests.support.gateways import Desk

PROMPT = "Write hello.py"
CHAT = "/v1/chat/completions"
BODY: dict[str, Any] = {"model": "whatever", "messages": [{"role": "user", "content": PROMPT}]}


def served(*steps: Step, **given: Any) -> RehearsalServer:
    return RehearsalServer([Script(prompt=PROMPT, coder=list(steps))], any_model=True, **given)


async def test_a_whole_answer_is_passed_on_and_billed(tmp_path: Path) -> None:
    async with served(Say(content="Hi there.")) as server, Desk.open(server.base_url, tmp_path) as desk:
        token = desk.gateway.open(desk.account())
        status, answer = await desk.ask(token, CHAT, BODY)
        assert (status, answer["choices"][0]["message"]["content"]) == (200, "Hi there.")
        (sent,) = server.requests
        assert sent.body == {**BODY, "model": "coder"}
    (finished,) = desk.finished
    usage = answer["usage"]
    assert (finished.usage.input, finished.usage.output) == (
        usage["prompt_tokens"],
        usage["completion_tokens"],
    )
    assert (finished.role, finished.model, finished.usage.calls, finished.usage.estimated) == (
        "coder",
        "coder",
        1,
        False,
    )
    assert finished.cost == pytest.approx((finished.usage.input + 10 * finished.usage.output) / 10**6)
    assert [event.type for event in desk.told] == ["model_call_started", "model_call_finished"]


@pytest.mark.parametrize("asked", [False, True])
async def test_a_stream_is_passed_on_and_its_usage_read(tmp_path: Path, asked: bool) -> None:
    """The chunk with the usage is asked for in any case, and shown to who asked for it."""
    body = {**BODY, "stream": True} | ({"stream_options": {"include_usage": True}} if asked else {})
    async with served(Say(content="Hi there.")) as server, Desk.open(server.base_url, tmp_path) as desk:
        token = desk.gateway.open(desk.account())
        async with desk.post(token, CHAT, body) as answer:
            assert (answer.status, answer.content_type) == (200, "text/event-stream")
            lines = (await answer.read()).decode().split("\n\n")
    assert server.requests[0].body["stream_options"] == {"include_usage": True}
    assert lines[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
    assert text == "Hi there."
    assert bool([chunk for chunk in chunks if not chunk["choices"]]) is asked
    (finished,) = desk.finished
    assert (finished.usage.output > 0, finished.usage.estimated, finished.finish_reason) == (
        True,
        False,
        "stop",
    )


@pytest.mark.parametrize("stream", [False, True])
async def test_over_budget_the_agent_is_told_what_ends_it(tmp_path: Path, stream: bool) -> None:
    async with served(Say(content="Hi.")) as server, Desk.open(server.base_url, tmp_path) as desk:
        account = desk.account(RunBudget(max_tokens=1).task("t"))
        token = desk.gateway.open(account)
        for _ in range(2):
            status, answer = await desk.ask(token, CHAT, {**BODY, "stream": stream})
            assert (status, answer["error"]["type"]) == (402, "invalid_request_error")
            assert "budget of 1 tokens is used up" in answer["error"]["message"]
        assert server.requests == []
    assert str(account.ended) == answer["error"]["message"]


async def test_a_refused_request_is_shown_as_it_is(tmp_path: Path) -> None:
    fault = Fault(status=400, code="invalid_value", message="No such voice.", times=9)
    async with served(fault) as server, Desk.open(server.base_url, tmp_path) as desk:
        account = desk.account()
        status, answer = await desk.ask(desk.gateway.open(account), CHAT, BODY)
    assert (status, answer["error"]["message"], answer["error"]["code"]) == (
        400,
        "No such voice.",
        "invalid_value",
    )
    assert account.ended is None
    assert len(server.requests) == 1
    assert (desk.finished[0].kind, desk.finished[0].status) == ("request", 400)


async def test_what_is_retried_the_agent_never_sees(tmp_path: Path) -> None:
    steps = (Fault(status=503), Fault(status=429), Say(content="Hi."))
    async with served(*steps) as server, Desk.open(server.base_url, tmp_path) as desk:
        token = desk.gateway.open(desk.account())
        async with desk.post(token, CHAT, {**BODY, "stream": True}) as answer:
            assert b"Hi." in await answer.read()
    assert len(server.requests) == 3
    assert [event.status for event in desk.of_type(e.ModelCallRetried)] == [503, 429]
    assert desk.finished[0].attempts == 3


async def test_an_endpoint_that_stays_away_ends_the_agent(tmp_path: Path) -> None:
    async with served(Fault(status=503, times=99)) as server, Desk.open(server.base_url, tmp_path) as desk:
        account = desk.account()
        token = desk.gateway.open(account)
        statuses = [(await desk.ask(token, CHAT, BODY))[0] for _ in range(2)]
    assert statuses == [402, 402]
    assert len(server.requests) == 4, "the second is not even tried"
    assert getattr(account.ended, "kind", "") == "transient"
