"""Faults and refusals in the shapes of Responses and Messages."""

import json
from typing import Any

import aiohttp
import pytest

from agentbatch.rehearsal.script import Fault, Say, Script
from agentbatch.rehearsal.server import RehearsalServer

ASKED: dict[str, dict[str, Any]] = {
    "/responses": {"model": "rehearsal-coder", "input": "do it"},
    "/messages": {"model": "rehearsal-coder", "messages": [{"role": "user", "content": "do it"}]},
}
CALL = {"type": "function_call", "call_id": "c1", "name": "x", "arguments": "{}"}
USED = {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "x", "input": {}}]}


async def ask(path: str, *coder: Say | Fault, key: str = "", **more: Any) -> tuple[int, str]:
    headers = {"x-api-key": key} if key else {}
    async with (
        RehearsalServer([Script(prompt="do it", coder=list(coder))], key="right" if key else None) as server,
        aiohttp.ClientSession(headers=headers) as session,
        session.post(server.base_url + path, json=ASKED[path] | more) as answer,
    ):
        return answer.status, await answer.text()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (402, "billing_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ],
)
async def test_a_fault_has_the_words_of_its_api(status: int, kind: str) -> None:
    fault = Fault(status=status, message="No.", headers={"Retry-After": "3"})
    got, text = await ask("/messages", fault)
    assert (got, json.loads(text)["error"]) == (status, {"type": kind, "message": "No."})
    got, text = await ask("/responses", fault)
    assert (got, json.loads(text)["error"]["message"]) == (status, "No.")


@pytest.mark.parametrize("path", ["/responses", "/messages"])
async def test_a_stream_that_breaks(path: str) -> None:
    _, short = await ask(path, Fault(kind="short"), stream=True)
    assert '"I lo"' in short
    assert "output_text.done" not in short
    assert "block_stop" not in short
    _, wrong = await ask(path, Fault(kind="error", message="Overloaded.", status=529), stream=True)
    last = json.loads(wrong.strip().rpartition("data: ")[2])
    error = last["response"]["error"] if path == "/responses" else last["error"]
    assert (last["type"], error["message"]) == (
        "response.failed" if path == "/responses" else "error",
        "Overloaded.",
    )
    with pytest.raises(aiohttp.ClientPayloadError):
        await ask(path, Fault(kind="cut"), stream=True)


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/responses", {"input": None}, "'input'"),
        ("/responses", {"input": [{"role": "user", "content": "do it"}, CALL]}, "No tool output found"),
        ("/responses", {"input": [{"type": "function_call_output", "call_id": "c9"}]}, "No tool call found"),
        ("/responses", {"previous_response_id": "resp_1"}, "cannot be found"),
        ("/messages", {"messages": None}, "messages: Field required"),
        ("/messages", {"messages": [*ASKED["/messages"]["messages"], USED]}, "without `tool_result`"),
        (
            "/messages",
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c9"}]}]},
            "unexpected `tool_result`",
        ),
    ],
)
async def test_what_each_api_refuses(path: str, body: dict[str, Any], words: str) -> None:
    status, text = await ask(path, Say(content="Yes."), **body)
    assert status == 400
    assert words in json.loads(text)["error"]["message"]


async def test_anthropics_key_and_token_count() -> None:
    status, text = await ask("/messages", Say(content="Yes."), key="wrong")
    assert (status, json.loads(text)["error"]["type"]) == (401, "authentication_error")
    assert (await ask("/messages", Say(content="Yes."), key="right"))[0] == 200
    async with (
        RehearsalServer([]) as server,
        aiohttp.ClientSession() as session,
        session.post(server.base_url + "/messages/count_tokens", json=ASKED["/messages"]) as answer,
    ):
        assert await answer.json() == {"input_tokens": 3}
