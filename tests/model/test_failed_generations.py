"""An endpoint that could not read the call its own model wrote is asked again, and its tools are called as before."""

from collections.abc import Awaitable, Callable

import pytest

from agentbatch.model.client import ModelClient
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.reply import CallUpdate, Message, ModelError, Reply
from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall, Step
from agentbatch.rehearsal.server import RehearsalServer
from tests.support.keys import KEY

OpenEndpoint = Callable[..., Awaitable[Endpoint]]

MESSAGES: list[Message] = [{"role": "user", "content": "Write x"}]
TOOLS = [
    {
        "type": "function",
        "function": {"name": "bash", "description": "Runs.", "parameters": {"type": "object"}},
    }
]
LS = Say(calls=[ScriptedCall(name="bash", arguments={"command": "ls"})])
WRITTEN = '<function=bash>{\\"command\\": \\"ls\\"}</function>'


def failed(times: int = 1, code: str = "tool_use_failed", generation: str = WRITTEN) -> Fault:
    words = "Failed to call a function. Tools cannot be used like this, see 'failed_generation'."
    return Fault(
        status=400,
        times=times,
        body=f'{{"error": {{"message": "{words}", "code": "{code}", "failed_generation": "{generation}"}}}}',
    )


async def asked(
    open_endpoint: OpenEndpoint, *steps: Step, mode: str = ""
) -> tuple[Reply, Endpoint, list[CallUpdate]]:
    updates: list[CallUpdate] = []
    scripts = [Script(prompt="Write x", coder=list(steps))]
    async with RehearsalServer(scripts, key=KEY) as server:
        endpoint = await open_endpoint(server.base_url, retry=RetryPolicy(delay=3_600))
        if mode == "native":
            endpoint.use_tool_mode("rehearsal-coder", "native", fixed=True)
        client = ModelClient(endpoint, "rehearsal-coder")
        return await client.complete(MESSAGES, tools=TOOLS, observer=updates.append), endpoint, updates


@pytest.mark.parametrize("mode", ["", "native"])
@pytest.mark.parametrize(
    "fault",
    [
        failed(),
        failed(code="json_validate_failed"),
        failed(code="", generation='{\\"name\\": 1}'),
        Fault(kind="error", status=400, code="tool_use_failed"),
    ],
    ids=["call", "json", "no code", "in a stream"],
)
async def test_it_is_asked_again_at_once(open_endpoint: OpenEndpoint, fault: Fault, mode: str) -> None:
    reply, endpoint, updates = await asked(open_endpoint, fault, LS, mode=mode)
    assert [call.name for call in reply.tool_calls] == ["bash"]
    assert reply.attempts == 2
    assert [update.seconds for update in updates if update.kind == "retrying"] == [0.0]
    assert endpoint.capabilities("rehearsal-coder").tool_mode == "native"


async def test_in_the_end_what_was_written_is_the_reply(open_endpoint: OpenEndpoint) -> None:
    reply, endpoint, _ = await asked(open_endpoint, failed(times=9), LS)
    assert reply.content == '<function=bash>{"command": "ls"}</function>'
    assert (reply.tool_calls, reply.attempts, reply.usage.estimated) == ((), 4, True)
    assert endpoint.capabilities("rehearsal-coder").tool_mode == "native"


async def test_without_what_was_written_it_failed(open_endpoint: OpenEndpoint) -> None:
    with pytest.raises(ModelError) as raised:
        await asked(open_endpoint, failed(times=9, generation=""), LS)
    assert (raised.value.kind, raised.value.attempts) == ("malformed", 4)


async def test_a_mode_that_the_user_chose_is_not_left_for_a_refusal(open_endpoint: OpenEndpoint) -> None:
    refusal = Fault(status=400, times=9, message="This model does not support tools.")
    with pytest.raises(ModelError, match="does not support tools") as raised:
        await asked(open_endpoint, refusal, LS, mode="native")
    assert (raised.value.kind, raised.value.attempts) == ("request", 1)
