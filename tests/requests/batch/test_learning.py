# ruff: noqa: E501 - a case a line
"""Plain requests and provider batches learn of an endpoint what tasks learn of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agentbatch.model.capabilities import Capabilities
from agentbatch.model.request.given_body import fitted
from agentbatch.model.request.history import BRIDGE
from agentbatch.rehearsal.faults.batch_service import BatchServiceOptions
from agentbatch.rehearsal.faults.refusals import Refusal
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.requests import BatchProcessor, BatchRequest, BatchRun, ProviderOptions, RetryPolicy
from tests.support.endpoints import Serve, serve
from tests.support.keys import KEY

__all__ = ["serve"]

S = {"role": "system", "content": "s"}
U = {"role": "user", "content": "u"}
SCHEMA = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}


@pytest.mark.parametrize(
    ("body", "changes", "expected"),
    [
        ({"messages": [U], "max_tokens": 5, "temperature": 0.2, "stop": ["x"]}, {}, None),
        ({"messages": [U], "max_tokens": 5}, {"output_limits": ("max_completion_tokens",)}, {"messages": [U], "max_completion_tokens": 5}),
        # OpenAI's hosts, before anything is refused; the newer name is its writer's own.
        ({"messages": [U], "max_tokens": 5}, {"output_limits": ("max_completion_tokens", "max_tokens")}, {"messages": [U], "max_completion_tokens": 5}),
        ({"messages": [U], "max_completion_tokens": 5}, {}, None),
        ({"messages": [U], "max_completion_tokens": 5}, {"output_limits": ("max_tokens",)}, {"messages": [U], "max_tokens": 5}),
        ({"messages": [U], "max_tokens": 5}, {"output_limits": ()}, {"messages": [U]}),
        ({"messages": [U], "temperature": 1, "top_p": 1}, {"temperature": False}, {"messages": [U], "top_p": 1}),
        ({"input": "u", "temperature": 1, "max_output_tokens": 5}, {"temperature": False, "output_limits": ()}, {"input": "u", "max_output_tokens": 5}),
        ({"prompt": "u", "max_tokens": 5}, {"output_limits": ("max_completion_tokens",)}, None),
        ({"messages": [S, U]}, {"system": False}, {"messages": [{"role": "user", "content": "s\n\nu"}]}),
        ({"messages": [{**S, "role": "developer"}, U]}, {"history_rules": frozenset({"no_developer"})}, {"messages": [S, U]}),
        ({"messages": [U, {"role": "tool", "tool_call_id": "a", "content": "t"}, U]}, {"history_rules": frozenset({"alternate"})},
         {"messages": [U, {"role": "tool", "tool_call_id": "a", "content": "t"}, {"role": "assistant", "content": BRIDGE}, U]}),
        ({"messages": [U], "response_format": {"type": "json_object"}}, {"output_form": "json_object"}, None),
        ({"messages": [U], "response_format": {"type": "json_object"}}, {"output_form": "prompt"}, {"messages": [U]}),
        # What would change the answer's meaning stays.
        ({"messages": [U], "stop": ["x"], "tools": [{}]}, {"stop": False, "tool_mode": "text"}, None),
        # What is no body of ours.
        ({"messages": 7, "max_tokens": 5}, {"system": False, "output_limits": ()}, None),
        ({"messages": [7, U]}, {"system": False}, None),
        ({"messages": [{"role": "system", "content": [{"type": "text", "text": "s"}]}, U]}, {"system": False}, None),
        ({"messages": [U], "response_format": 7}, {"output_form": "prompt"}, None),
    ],
)  # fmt: skip
def test_a_given_body_in_the_form_that_the_endpoint_takes(
    body: dict[str, Any], changes: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    made = fitted(body, Capabilities(**changes))
    assert made == (body if expected is None else expected)
    assert fitted(made, Capabilities(**changes)) == made


def test_a_schema_that_is_not_enforced_is_asked_for() -> None:
    body = {"messages": [U], "response_format": FORMAT}
    form = fitted(body, Capabilities(output_form="json_object"))
    assert form["response_format"] == {"type": "json_object"}
    assert '"colour"' in form["messages"][0]["content"]
    assert "response_format" not in fitted(body, Capabilities(output_form="prompt"))
    assert fitted(body, Capabilities(output_form="prompt"), in_batch=True) is body


def asked() -> list[BatchRequest]:
    return [
        BatchRequest.ask(f"q{n}", f"Say {n}", system="Briefly.", max_tokens=50, temperature=0.3, json_schema=SCHEMA)
        for n in range(3)
    ]  # fmt: skip


def told(notices: list[str]) -> str:
    return " ".join(notices)


async def run(server: RehearsalServer, notices: list[str], **options: Any) -> BatchRun:
    given = {"model": "m", "retry": RetryPolicy(max_retries=0), "on_notice": notices.append, **options}
    async with BatchProcessor(base_url=server.base_url, api_key=KEY, **given) as processor:
        return await processor.run(asked())


async def test_requests_learn_what_an_endpoint_refuses() -> None:
    notices: list[str] = []
    refuse: tuple[Refusal, ...] = ("max_tokens", "temperature", "system")
    async with RehearsalServer(plain=True, key=KEY, refuse=refuse) as server:
        result = await run(server, notices, concurrency=1)
        bodies = [request.body for request in server.requests]
    assert [one.ok for one in result.results] == [True] * 3
    assert [one.attempts for one in result.results] == [4, 1, 1]  # three lessons, learnt once
    last = bodies[-1]
    assert last["max_completion_tokens"] == 50
    assert not {"max_tokens", "temperature"} & set(last)
    assert [m["role"] for m in last["messages"]] == ["user"]
    assert all(word in told(notices) for word in ("max_tokens", "temperature", "the system role"))


async def test_a_model_that_only_streams_is_read_from_its_stream(serve: Serve) -> None:
    """DashScope has such models; the output line is that of a whole answer."""
    seen: list[dict[str, Any]] = []
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": "R"}}]},
        {"choices": [{"index": 0, "delta": {"content": "ed"}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}},
    ]

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append(await request.json())
        if not seen[-1].get("stream"):
            message = "This model only support stream mode, please enable the stream parameter to access the model. "
            return web.json_response(
                {"error": {"message": message, "code": "invalid_parameter_error"}}, status=400
            )
        if len(seen) == 4:
            return web.Response(text='data: {"error": {"message": "no such luck", "code": 400}}\n\n')
        return web.Response(
            text="".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
        )

    options: dict[str, Any] = {"model": "m", "retry": RetryPolicy(max_retries=0), "concurrency": 1}
    async with BatchProcessor(base_url=await serve(handle), api_key=KEY, **options) as processor:
        result = await processor.run([BatchRequest.ask(f"q{n}", f"Say {n}") for n in range(3)])
    first, second, third = result.results
    assert (first.text, second.text, first.attempts, second.attempts) == ("Red", "Red", 2, 1)
    assert (first.usage.input, first.usage.output, first.usage.estimated) == (9, 2, False)
    assert json.loads(first.line())["response"]["body"]["choices"][0]["message"]["content"] == "Red"
    assert third.error is not None
    assert (third.error.kind, third.status_code) == ("request", 400)
    assert "no such luck" in third.error.message


async def test_what_cannot_be_asked_in_another_form_fails_as_it_was_refused() -> None:
    notices: list[str] = []
    async with RehearsalServer(plain=True, key=KEY, refuse=("stop", "tools")) as server:
        body = {"messages": [U], "stop": ["x"]}
        options: dict[str, Any] = {
            "model": "m",
            "retry": RetryPolicy(max_retries=0),
            "on_notice": notices.append,
        }
        async with BatchProcessor(base_url=server.base_url, api_key=KEY, **options) as processor:
            result = await processor.run([BatchRequest(id="a", body=body)])
        assert len(server.requests) == 1
    assert result.results[0].status_code == 400
    assert notices == []


async def test_provider_batches_learn_it_too(tmp_path: Path) -> None:
    """The lines that were refused go out once more, in the form that the endpoint takes."""
    notices: list[str] = []
    service = BatchServiceOptions(seconds=0.05, refuse=("max_tokens", "temperature"))
    async with RehearsalServer(plain=True, key=KEY, batch_service=service) as server:
        result = await run(
            server,
            notices,
            journal=tmp_path / "journal.db",
            provider_batch=ProviderOptions(first_poll=0.01, longest_poll=0.05),
        )
        assert server.service is not None
        paid = [json.loads(body) for body in server.service.paid]
    assert [one.ok for one in result.results] == [True] * 3
    assert len(paid) == 3
    assert all(body["max_completion_tokens"] == 50 and "temperature" not in body for body in paid)
    assert all(body["response_format"]["type"] == "json_schema" for body in paid)
    assert "max_tokens" in told(notices)


def test_what_is_no_message_is_left_for_the_endpoint_to_refuse() -> None:
    format_ = {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}
    body = {"model": "m", "messages": ["Hi"], "response_format": format_}
    assert fitted(body, Capabilities(output_form="prompt", system=False)) is body
