"""Finding out how a model calls tools, against servers that answer as models do."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from agentbatch.model.client import ModelClient
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.reply import ModelError
from agentbatch.rehearsal.faults.refusals import Dialect, Refusal
from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.tasks.coders.builtin.toolbox import TOOLS as TOOLBOX
from agentbatch.toolcalls.blocks.rendering import written
from agentbatch.toolcalls.probe import FILE, LINES, probe_tools
from agentbatch.workspace.tools.toolbox import specs
from tests.support.keys import KEY

"""The fixture's."""

OpenEndpoint = Callable[..., Awaitable[Endpoint]]
Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]

TOOLS = specs(TOOLBOX)
WHOLE = "\n".join(LINES) + "\n"
CHANGED = WHOLE.replace("\\\\", "\\")
"""What a model makes of it that writes one backslash for two."""

Message = dict[str, Any]


def arguments(content: Any, path: Any = FILE) -> dict[str, Any]:
    return {"path": path, "content": content}


def native(given: Any, name: str = "write_file") -> Message:
    text = given if isinstance(given, str) else json.dumps(given)
    return {"content": "", "tool_calls": [{"id": "1", "function": {"name": name, "arguments": text}}]}


def as_json(given: Any) -> Message:
    return {"content": json.dumps({"tool": "write_file", "arguments": given})}


def as_block(content: str) -> Message:
    return {"content": written("write_file", arguments(content))}


class Model:
    """Answers each mode with its message; None: refuses it."""

    def __init__(self, native: Message | None, schema: Message | None, text: Message | None) -> None:
        self.messages = {"native": native, "schema": schema, "text": text}
        self.asked: list[str] = []
        self.finish_reason = "stop"

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        mode = "native" if "tools" in body else "schema" if "response_format" in body else "text"
        self.asked.append(mode)
        message = self.messages[mode]
        if message is None:
            what = {"native": "tools", "schema": "response_format", "text": "this model"}[mode]
            return web.json_response({"error": {"message": f"{what}: not supported"}}, status=400)
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        choice = {"message": {"role": "assistant", **message}, "finish_reason": self.finish_reason}
        return web.json_response({"choices": [choice], "usage": usage})


@pytest.mark.parametrize(
    ("model", "mode", "asked", "found"),
    [
        (Model(native(arguments(WHOLE)), None, None), "native", "native", "native: intact"),
        (
            Model(native(arguments(WHOLE.strip(), f"./{FILE}")), None, None),
            "native",
            "native",
            "native: intact",
        ),
        (
            Model(native(arguments(CHANGED)), as_json(arguments(WHOLE)), None),
            "schema",
            "native schema",
            "native: content changed; schema: intact",
        ),
        (
            Model(native(arguments(CHANGED)), as_json(arguments(CHANGED)), as_block(WHOLE)),
            "text",
            "native schema text",
            "native: content changed; schema: content changed; text: intact",
        ),
        (
            Model(None, as_json(arguments(WHOLE)), None),
            "schema",
            "native schema",
            "native: refused; schema: intact",
        ),
        (
            Model(None, as_json(arguments(CHANGED)), as_block(WHOLE)),
            "text",
            "native schema text",
            "native: refused; schema: content changed; text: intact",
        ),
        (Model(None, None, as_block(WHOLE)), "text", "native schema text", "native: refused; text: intact"),
        (
            Model(native("{"), None, {"content": f"```python\n{WHOLE}```"}),
            "text",
            "native schema text",
            "native: broken JSON; schema: refused; text: intact",
        ),
        (
            Model({"content": "I cannot."}, as_json(arguments(WHOLE, "x.py")), as_block(WHOLE)),
            "text",
            "native schema text",
            "native: no call; schema: wrong arguments; text: intact",
        ),
        (
            Model(native(arguments(WHOLE), "bash"), as_json(arguments([WHOLE])), as_block(WHOLE)),
            "text",
            "native schema text",
            "native: another call; schema: wrong arguments; text: intact",
        ),
        (
            Model(native(arguments(WHOLE, [FILE])), as_json(["x"]), as_block(WHOLE)),
            "text",
            "native schema text",
            "native: wrong arguments; schema: no call; text: intact",
        ),
    ],
)
async def test_the_best_mode_in_which_the_file_comes_whole(
    open_endpoint: OpenEndpoint, serve: Serve, model: Model, mode: str, asked: str, found: str
) -> None:
    endpoint = await open_endpoint(await serve(model.answer), stream=False)
    probe = await probe_tools(ModelClient(endpoint, "m"), TOOLS)
    assert (probe.mode, probe.works) == (mode, True)
    assert f"({found})" in probe.summary
    assert endpoint.capabilities("m").tool_mode == mode
    assert " ".join(model.asked) == asked
    answered = sum(model.messages[name] is not None for name in model.asked)
    assert probe.usage.total == 110 * answered


@pytest.mark.parametrize(
    ("model", "mode", "works"),
    [
        # It writes the file its own way in all of them: a native call that is well formed is native.
        (Model(native(arguments(CHANGED)), as_json(arguments(CHANGED)), as_block(CHANGED)), "native", True),
        (
            Model(native({"command": "cat > probe.py"}, "bash"), as_json(arguments(CHANGED)), None),
            "native",
            True,
        ),
        (Model(native({"path": "x"}), as_json(arguments(CHANGED)), as_block(CHANGED)), "schema", True),
        (Model(native("{"), as_json(arguments(CHANGED)), as_block(CHANGED)), "schema", True),
        (Model({"content": "I cannot."}, None, as_block(CHANGED)), "text", True),
        (Model(native("{"), None, {"content": "I cannot."}), "text", False),
        (Model(native("{}", "no_such_tool"), None, {"content": "I cannot."}), "text", False),
    ],
)
async def test_a_file_that_comes_whole_in_no_way(
    open_endpoint: OpenEndpoint, serve: Serve, model: Model, mode: str, works: bool
) -> None:
    endpoint = await open_endpoint(await serve(model.answer), stream=False)
    probe = await probe_tools(ModelClient(endpoint, "m"), TOOLS)
    assert (probe.mode, probe.works) == (mode, works)
    assert endpoint.capabilities("m").tool_mode == mode


async def test_refusals_that_teach_nothing_are_refusals_of_the_mode(
    open_endpoint: OpenEndpoint, serve: Serve
) -> None:
    model = Model(None, None, as_block(CHANGED))

    async def handle(request: web.Request) -> web.Response:
        answer = await model.answer(request)
        return (
            answer if answer.status == 200 else web.json_response({"error": {"message": "boom"}}, status=400)
        )

    endpoint = await open_endpoint(await serve(handle), stream=False)
    probe = await probe_tools(ModelClient(endpoint, "m"), TOOLS)
    assert "(native: refused; schema: refused; text: content changed)" in probe.summary
    assert (probe.mode, probe.works) == ("text", True)


async def test_a_reply_without_room_is_told_as_such(open_endpoint: OpenEndpoint, serve: Serve) -> None:
    cut = '{"path": "probe.py", "content": "print('
    model = Model(
        native(cut), {"content": "Well, to think"}, {"content": f"FILE: {FILE}\n```python\n{LINES[0]}"}
    )
    model.finish_reason = "length"
    endpoint = await open_endpoint(await serve(model.answer), stream=False)
    probe = await probe_tools(ModelClient(endpoint, "m"), TOOLS)
    assert not probe.works
    assert probe.summary.count("cut off at the output limit") == 3


async def test_the_search_begins_with_what_the_endpoint_is_believed_to_take(
    open_endpoint: OpenEndpoint, serve: Serve
) -> None:
    model = Model(native(arguments(WHOLE)), as_json(arguments(CHANGED)), as_block(WHOLE))
    endpoint = await open_endpoint(await serve(model.answer), stream=False)
    endpoint.use_tool_mode("m", "schema")
    assert (await probe_tools(ModelClient(endpoint, "m"), TOOLS)).mode == "text"
    assert model.asked == ["schema", "text"]


@pytest.mark.parametrize(
    ("status", "requests"), [(401, 1), (500, 3), (404, 1)], ids=["key", "down", "no such model"]
)
async def test_an_endpoint_that_cannot_be_asked_raises(
    open_endpoint: OpenEndpoint, serve: Serve, status: int, requests: int
) -> None:
    seen: list[int] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(status)
        return web.json_response({"error": {"message": "The model `m` does not exist."}}, status=status)

    endpoint = await open_endpoint(await serve(handle), stream=False)
    with pytest.raises(ModelError) as raised:
        await probe_tools(ModelClient(endpoint, "m"), TOOLS)
    assert raised.value.status == status
    assert len(seen) >= requests


async def test_refused_in_every_mode_it_is_not_about_tools(open_endpoint: OpenEndpoint, serve: Serve) -> None:
    async def handle(request: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "Not today."}}, status=400)

    endpoint = await open_endpoint(await serve(handle), stream=False)
    with pytest.raises(ModelError):
        await probe_tools(ModelClient(endpoint, "m"), TOOLS)
    assert endpoint.capabilities("m").tool_mode == "native"


async def test_nothing_listens(open_endpoint: OpenEndpoint) -> None:
    endpoint = await open_endpoint("http://127.0.0.1:9/v1")
    with pytest.raises(ModelError) as raised:
        await probe_tools(ModelClient(endpoint, "m"), TOOLS)
    assert raised.value.kind == "transient"


REFUSED: list[tuple[list[Refusal], Dialect, str]] = [
    ([], "openai", "native"),
    (["tools"], "openai", "schema"),
    (["tools"], "llama.cpp", "schema"),
    (["tools", "json_schema"], "deepseek", "text"),
    (["tools", "json_schema", "stop", "stream"], "openai", "text"),
]


@pytest.mark.parametrize(("refuse", "dialect", "mode"), REFUSED)
async def test_what_servers_refuse(
    open_endpoint: OpenEndpoint, refuse: list[Refusal], dialect: Dialect, mode: str
) -> None:
    call = ScriptedCall(name="write_file", arguments=arguments(WHOLE))
    script = Script(prompt=f"Write the file {FILE}", coder=[Say(calls=[call])])
    changes: list[tuple[str, str]] = []
    async with RehearsalServer([script], key=KEY, refuse=refuse, dialect=dialect) as server:
        endpoint = await open_endpoint(
            server.base_url, on_tool_mode=lambda model, mode, why: changes.append((mode, why))
        )
        probe = await probe_tools(ModelClient(endpoint, "rehearsal-coder"), TOOLS)
    assert (probe.mode, probe.works) == (mode, True)
    assert [mode for mode, _ in changes] == ["schema", "text"][: ["native", "schema", "text"].index(mode)]


@pytest.mark.parametrize(
    "content",
    [
        CHANGED,
        WHOLE.replace('\\"', '"'),
        WHOLE.replace('\\"', '\\\\"'),
        LINES[0],
        WHOLE + "print()\n",
        "# probe\n" + WHOLE,
        "",
    ],
)
async def test_the_content_is_looked_at(open_endpoint: OpenEndpoint, serve: Serve, content: str) -> None:
    model = Model(native(arguments(content)), as_json(arguments(WHOLE)), None)
    endpoint = await open_endpoint(await serve(model.answer), stream=False)
    assert (await probe_tools(ModelClient(endpoint, "m"), TOOLS)).mode == "schema"
