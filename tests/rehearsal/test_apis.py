"""Responses and Messages: the same scripts, in each API's own words."""

import json
from typing import Any

import aiohttp
import pytest

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.rehearsal.server import RehearsalServer

SCHEMA = {"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]}
RUN = Say(
    content="I run it.", calls=[ScriptedCall(name="bash", arguments={"command": "ls"})], reasoning="hm " * 4
)


async def ask(server: RehearsalServer, path: str, body: Any) -> tuple[int, str]:
    url = server.base_url + path
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
        return answer.status, await answer.text()


def events(text: str) -> list[dict[str, Any]]:
    """The data of a stream's events, which name their type twice."""
    found = []
    for part in text.strip().split("\n\n"):
        head, data = part.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert head == f"event: {found[-1]['type']}"
    return found


def responses(**more: Any) -> dict[str, Any]:
    tool = {"type": "function", "name": "exec_command", "parameters": SCHEMA}
    return {"model": "rehearsal-coder", "input": "do it", "tools": [tool]} | more


def messages(**more: Any) -> dict[str, Any]:
    tool = {"name": "Bash", "input_schema": SCHEMA}
    asked = [{"role": "user", "content": "do it"}]
    return {"model": "rehearsal-coder", "max_tokens": 99, "messages": asked, "tools": [tool]} | more


async def test_responses_whole_and_streamed() -> None:
    async with RehearsalServer([Script(prompt="do it", coder=[RUN])]) as server:
        _, whole = await ask(server, "/responses", responses())
        _, streamed = await ask(server, "/responses", responses(stream=True))
    document, said = json.loads(whole), events(streamed)
    assert [item["type"] for item in document["output"]] == ["reasoning", "message", "function_call"]
    assert document["output"][2]["name"] == "exec_command"
    assert json.loads(document["output"][2]["arguments"]) == {"cmd": "ls"}
    assert [event["sequence_number"] for event in said] == list(range(len(said)))
    assert said[-1]["type"] == "response.completed"
    numbered = ("id", "call_id")  # anew in each answer
    assert [
        {name: value for name, value in item.items() if name not in numbered}
        for item in said[-1]["response"]["output"]
    ] == [
        {name: value for name, value in item.items() if name not in numbered} for item in document["output"]
    ]
    arguments = "".join(e["delta"] for e in said if e["type"] == "response.function_call_arguments.delta")
    assert arguments == document["output"][2]["arguments"]
    assert document["usage"]["output_tokens_details"] == {"reasoning_tokens": 3}
    again = said[-1]["response"]["usage"]
    assert again["input_tokens_details"]["cached_tokens"] >= again["input_tokens"] - 1 > 0


async def test_a_tool_of_a_namespace_is_called_in_it_and_its_call_counted() -> None:
    add = {"type": "function", "name": "add", "parameters": SCHEMA}
    tools = [{"type": "namespace", "name": "mcp__notes", "tools": [add]}]
    steps = [Say(calls=[ScriptedCall(name="mcp__notes__add", arguments={"cmd": "1"})]), Say(content="Next.")]
    async with RehearsalServer([Script(prompt="do it", coder=steps)]) as server:
        _, first = await ask(server, "/responses", responses(tools=tools))
        (call,) = json.loads(first)["output"]
        assert (call["namespace"], call["name"], call["arguments"]) == ("mcp__notes", "add", '{"cmd": "1"}')
        answer = {"type": "function_call_output", "call_id": call["call_id"], "output": "1"}
        said = [{"role": "user", "content": "do it"}, call, answer]
        _, second = await ask(server, "/responses", responses(tools=tools, input=said))
    assert json.loads(second)["output"][0]["content"][0]["text"] == "Next."


async def test_messages_whole_and_streamed() -> None:
    cached = {"system": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]}
    async with RehearsalServer([Script(prompt="do it", coder=[RUN])]) as server:
        _, whole = await ask(server, "/messages", messages(**cached))
        _, streamed = await ask(server, "/messages", messages(stream=True, **cached))
        _, plain = await ask(server, "/messages", messages())
    document, said = json.loads(whole), events(streamed)
    assert [block["type"] for block in document["content"]] == ["thinking", "text", "tool_use"]
    assert document["content"][2] == {
        "type": "tool_use",
        "id": "call_step0_100",
        "name": "Bash",
        "input": {"cmd": "ls"},
    }
    assert document["stop_reason"] == "tool_use"
    first, second = document["usage"], said[-2]["usage"]
    assert first["cache_read_input_tokens"] == 0
    sizes = ("cache_creation_input_tokens", "cache_read_input_tokens")
    assert sum(second[size] for size in sizes) == first["cache_creation_input_tokens"]
    assert second["cache_read_input_tokens"] >= first["cache_creation_input_tokens"] - 1
    assert json.loads(plain)["usage"]["input_tokens"] > 0
    written = "".join(e["delta"].get("partial_json", "") for e in said if e["type"] == "content_block_delta")
    assert json.loads(written) == {"cmd": "ls"}
    assert said[-1]["type"] == "message_stop"


@pytest.mark.parametrize("path", ["/responses", "/messages"])
async def test_a_model_that_is_none_in_each_shape(path: str) -> None:
    async with RehearsalServer([]) as server:
        body = responses(model="x") if path == "/responses" else messages(model="x")
        status, text = await ask(server, path, body)
    error = json.loads(text)
    assert status == 404
    if path == "/messages":
        assert (error["type"], error["error"]["type"]) == ("error", "not_found_error")
    else:
        assert error["error"]["code"] == "model_not_found"
