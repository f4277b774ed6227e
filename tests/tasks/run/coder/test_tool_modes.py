"""How a run finds out how its models call tools: the user's choice, the memory, a probe; and what ends the search."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agentbatch.config import ToolModeChoice
from agentbatch.model.client import ModelClient
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.limits.limits import EndpointLimits
from agentbatch.rehearsal.faults.refusals import Refusal
from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall, Step
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.runs import events as e
from agentbatch.runs.session import Engine
from agentbatch.spending.billing import Billing
from agentbatch.spending.pricing import Prices
from agentbatch.tasks.agents.role_model import RoleModel
from agentbatch.tasks.agents.tool_modes import ToolModes, is_private
from agentbatch.tasks.coders.builtin.toolbox import TOOLS as TOOLBOX
from agentbatch.toolcalls.blocks.rendering import written
from agentbatch.toolcalls.forms import TextForms
from agentbatch.toolcalls.probe import FILE, LINES
from agentbatch.toolcalls.remembered import ToolModeMemory
from agentbatch.workspace.tools.toolbox import specs
from tests.support.keys import KEY
from tests.support.waiting import PATIENCE
from tests.tasks.run.verdicts import COMPLETE

TOOLS = specs(TOOLBOX)
WHOLE = "\n".join(LINES) + "\n"
PUBLIC = "https://api.example.com/v1"
PROBED = Say(calls=[ScriptedCall(name="write_file", arguments={"path": FILE, "content": WHOLE})])


def probe_script(*steps: Step) -> Script:
    return Script(prompt=f"Write the file {FILE}", coder=list(steps))


@dataclass
class Settling:
    """Tool modes with a memory of their own, and what they said."""

    path: Path
    said: list[str] = field(default_factory=list)

    def modes(self, choice: ToolModeChoice = "auto") -> ToolModes:
        return ToolModes(choice, ToolModeMemory(self.path), self.said.append)

    def remembered(self) -> dict[str, str]:
        return {
            name: entry["mode"] for name, entry in json.loads(self.path.read_text(encoding="utf-8")).items()
        }


@pytest.fixture
def settling(tmp_path: Path) -> Settling:
    return Settling(tmp_path / "cache" / "tool-modes.json")


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def opened(stack: AsyncExitStack, base_url: str, **settings: Any) -> Endpoint:
    endpoint = Endpoint(
        base_url,
        KEY,
        forms=TextForms(),
        limits=EndpointLimits(),
        retry=RetryPolicy(max_retries=0),
        redact=lambda text: text,
        **settings,
    )
    return await stack.enter_async_context(endpoint)


async def served(stack: AsyncExitStack, *steps: Step, refuse: Sequence[Refusal] = ()) -> RehearsalServer:
    server = RehearsalServer([probe_script(*steps)], key=KEY, refuse=refuse, any_model=True)
    return await stack.enter_async_context(server)


def mode(endpoint: Endpoint, model: str = "coder") -> str:
    return endpoint.capabilities(model).tool_mode


async def test_what_the_user_says_is_neither_probed_nor_kept(
    settling: Settling, stack: AsyncExitStack
) -> None:
    settling.path.parent.mkdir()
    ToolModeMemory(settling.path).put(PUBLIC, "coder", "schema", "it was so once")
    endpoint = await opened(stack, PUBLIC)
    await settling.modes("text").settle(endpoint, ["coder", "other"], TOOLS)
    assert (mode(endpoint), mode(endpoint, "other")) == ("text", "text")
    assert settling.remembered() == {f"{PUBLIC} coder": "schema"}
    assert settling.said == []


async def test_what_is_remembered_needs_no_probe_and_is_said(
    settling: Settling, stack: AsyncExitStack
) -> None:
    server = await served(stack, PROBED)
    memory = ToolModeMemory(settling.path)
    memory.put(server.base_url, "coder", "text", "two broken calls in a row")
    memory.put(server.base_url, "other-coder", "native", "a probe")
    endpoint = await opened(stack, server.base_url)
    await settling.modes().settle(endpoint, ["coder", "other-coder", "coder"], TOOLS)
    assert (mode(endpoint), mode(endpoint, "other-coder")) == ("text", "native")
    assert server.requests == []
    (sentence,) = settling.said
    assert "text mode" in sentence
    assert "two broken calls in a row" in sentence
    assert f"{datetime.now(UTC):%Y-%m}" in sentence


async def test_an_unknown_model_on_a_private_address_is_probed_once(
    settling: Settling, stack: AsyncExitStack
) -> None:
    server = await served(stack, PROBED, refuse=["tools"])
    endpoint = await opened(stack, server.base_url, identity="local:model.gguf:123")
    await settling.modes().settle(endpoint, ["coder", "coder"], TOOLS)
    assert mode(endpoint) == "schema"
    assert settling.remembered() == {"local:model.gguf:123 coder": "schema"}
    assert "schema mode" in settling.said[-1]
    asked = len(server.requests)
    assert asked == 2
    again = await opened(stack, server.base_url, identity="local:model.gguf:123")
    await settling.modes().settle(again, ["coder"], TOOLS)
    assert mode(again) == "schema"
    assert len(server.requests) == asked


async def test_nothing_is_sent_to_a_public_address(settling: Settling) -> None:
    endpoint = Endpoint(
        PUBLIC, KEY, forms=TextForms(), limits=EndpointLimits(), retry=RetryPolicy(), redact=lambda text: text
    )  # not open: a request would raise
    await settling.modes().settle(endpoint, ["coder"], TOOLS)
    assert mode(endpoint) == "native"
    assert not settling.path.exists()
    assert settling.said == []


async def test_without_write_file_there_is_nothing_to_probe(
    settling: Settling, stack: AsyncExitStack
) -> None:
    server = await served(stack, PROBED)
    endpoint = await opened(stack, server.base_url)
    await settling.modes().settle(
        endpoint, ["coder"], [t for t in TOOLS if t["function"]["name"] != "write_file"]
    )
    assert mode(endpoint) == "native"
    assert server.requests == []


async def test_an_endpoint_that_cannot_be_asked_is_told_and_not_remembered(
    settling: Settling, stack: AsyncExitStack
) -> None:
    server = await served(stack, Fault(status=500, times=9))
    endpoint = await opened(stack, server.base_url)
    await settling.modes().settle(endpoint, ["coder"], TOOLS)
    assert "could not be found out" in settling.said[-1]
    assert not settling.path.exists()


async def test_a_change_during_the_run_is_kept_and_said(settling: Settling, stack: AsyncExitStack) -> None:
    endpoint = await opened(stack, PUBLIC)
    modes = settling.modes()
    modes.changed(endpoint, "coder", "text", "two broken calls in a row")
    assert settling.remembered() == {f"{PUBLIC} coder": "text"}
    await modes.settle(endpoint, ["coder"], TOOLS)
    assert mode(endpoint) == "text"
    assert all("two broken calls in a row" in sentence for sentence in settling.said)


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("http://127.0.0.1:8080/v1", True),
        ("http://localhost:11434/v1", True),
        ("http://LOCALHOST/v1", True),
        ("http://model.localhost/v1", True),
        ("http://[::1]:8080/v1", True),
        ("http://10.1.2.3/v1", True),
        ("http://172.16.0.9/v1", True),
        ("http://192.168.178.20:1234/v1", True),
        ("http://[fd00::1]/v1", True),
        ("http://box.local:1234/v1", True),
        ("http://box.lan/v1", True),
        ("http://host.docker.internal:8080/v1", True),
        ("https://api.openai.com/v1", False),
        ("https://8.8.8.8/v1", False),
        ("http://172.32.0.1/v1", False),
        ("http://[2001:4860:4860::8888]/v1", False),
        ("https://localhost.example.com/v1", False),
        ("https://user:127.0.0.1@api.example.com/v1", False),
        ("https://127.0.0.1.example.com/v1", False),
        ("http://ollama:11434/v1", True),
        ("http://[::ffff:8.8.8.8]/v1", False),
        ("http://[::ffff:10.0.0.1]/v1", True),
        ("https://notlocal.com/v1", False),
        ("nonsense", False),
        ("", False),
    ],
)
def test_which_addresses_are_private(url: str, private: bool) -> None:
    assert is_private(url) == private


# Whole runs: what is done before the first task.

TASK = {"id": "t", "dir": "work", "first_prompt": "Do it."}
WRITE = ScriptedCall(name="write_file", arguments={"path": "a.txt", "content": "x\n"})
CODE = Script(
    prompt="Do it.",
    coder=[Say(calls=[WRITE, ScriptedCall(name="bash", arguments={"command": "cat a.txt"})])],
    evaluator=[Say(verdict=COMPLETE)],
)


async def test_a_run_finds_out_first_and_works_in_what_it_found(run_tasks: Any) -> None:
    refuse: list[Refusal] = ["tools", "json_schema"]
    ran = await run_tasks([TASK], [probe_script(PROBED), CODE], server={"refuse": refuse}, tool_mode="auto")
    assert ran.task.status == "completed"
    first = ran.coder_requests()[0]
    assert FILE in first["messages"][-1]["content"]
    worked = [body for body in ran.coder_requests() if "Do it." in body["messages"][1]["content"]]
    assert worked
    assert all("tools" not in body and body["stop"] for body in worked)
    shown = next(body["messages"][2]["content"] for body in worked if len(body["messages"]) > 2)
    assert shown.startswith(written("write_file", WRITE.arguments))
    notices = [event.text for event in ran.of_type(e.Notice)]
    assert any("in text mode" in text for text in notices)


async def test_no_probe_without_need(run_tasks: Any) -> None:
    ran = await run_tasks([TASK], [CODE], tool_mode="native")
    assert ran.task.status == "completed"
    assert not any(FILE in body["messages"][-1]["content"] for body in ran.coder_requests())


@pytest.mark.parametrize("end", ["stop", "abort"])
async def test_the_search_ends_at_once_when_the_run_does(run_tasks: Any, end: str) -> None:
    """Ctrl-C, and the end of the local server: neither waits for an answer that does not come."""
    scripts = [probe_script(Fault(kind="hang", times=9)), CODE]
    ends: list[asyncio.Task[None]] = []
    async with asyncio.timeout(PATIENCE), RehearsalServer(scripts, key=KEY) as asked:

        async def end_it(engine: Engine) -> None:
            while not asked.requests:
                await asyncio.sleep(0.01)
            engine.signal() if end == "stop" else engine.abort("The model has ended.")

        ran = await run_tasks(
            [TASK],
            scripts,
            coder_endpoint=asked.base_url,
            tool_mode="auto",
            request_timeout="600",
            on_start=lambda engine: ends.append(asyncio.create_task(end_it(engine))),
        )
    assert (ran.task.status, ran.task.reason) == ("cancelled", "interrupted")
    assert len(asked.requests) == 1
    (finished,) = ran.of_type(e.RunFinished)
    assert finished.interrupted == (end == "stop")
    assert finished.error == ("" if end == "stop" else "The model has ended.")


@pytest.mark.parametrize("end", ["stop", "abort"])
async def test_a_run_that_is_over_before_it_began_asks_nothing(run_tasks: Any, end: str) -> None:
    ran = await run_tasks(
        [TASK],
        [probe_script(PROBED), CODE],
        tool_mode="auto",
        on_start=lambda engine: engine.signal() if end == "stop" else engine.abort("gone"),
    )
    assert ran.task.status == "cancelled"
    assert ran.server.requests == []


async def test_a_run_goes_on_when_nothing_could_be_found_out(run_tasks: Any) -> None:
    ran = await run_tasks(
        [TASK], [probe_script(Fault(status=500, times=99)), CODE], tool_mode="auto", max_retries="0"
    )
    assert ran.task.status == "completed"
    assert any("could not be found out" in event.text for event in ran.of_type(e.Notice))


async def test_a_reply_counts_in_the_mode_that_it_was_asked_for_in(stack: AsyncExitStack) -> None:
    server = await served(stack, Say(content="late", delay=1))
    endpoint = await opened(stack, server.base_url)
    billing = Billing("coder", "t", lambda _: None, endpoint.quota, Prices.load(None), None)
    model = RoleModel(ModelClient(endpoint, "coder"), billing)
    messages = [{"role": "user", "content": f"Write the file {FILE}"}]
    reply = asyncio.ensure_future(model.complete(messages, purpose="code", tools=TOOLS))
    while not server.requests:
        await asyncio.sleep(0.01)
    assert endpoint.step_down("coder", "native", "another task's replies"), "while the reply is on its way"
    assert (await reply).content == "late"
    assert model.step_down("two broken calls")
    assert mode(endpoint) == "schema", "nothing has failed in this mode yet"
