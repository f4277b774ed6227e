"""Servers of tools that are reached by HTTP: what they answer is bounded, and keys go nowhere but to them."""

import asyncio
import gzip
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agentbatch.mcp.server import McpServer
from agentbatch.mcp.task_servers import TaskServers
from tests.support.clocks import MovedClock
from tests.support.paths import CHECKOUT
from tests.support.workspaces import local_workspace

pytestmark = pytest.mark.slow  # what the package imports for HTTP takes as long as all of it

SDK = CHECKOUT / "tests" / "support" / "sdk_mcp_server.py"
JSON = "Content-Type: application/json\r\n"


class Answer:
    """Of the wire, to one message."""

    def __init__(self, status: str, head: str = "", body: bytes = b"", pause: float = 0.0) -> None:
        self.head = (
            f"HTTP/1.1 {status}\r\n{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        )
        self.body = body
        self.pause = pause


def said(asked: dict[str, Any], result: Any, head: str = JSON) -> Answer:
    body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result})
    return Answer("200 OK", head, body.encode())


def politely(asked: dict[str, Any]) -> Answer:
    match asked["method"]:
        case "initialize":
            version = asked["params"]["protocolVersion"]
            info = {"name": "fake", "version": "1"}
            result = {"protocolVersion": version, "capabilities": {}, "serverInfo": info}
            return said(asked, result, f"{JSON}Mcp-Session-Id: one\r\n")
        case "tools/list":
            return said(asked, {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]})
        case "server/discover":
            return Answer("404 Not Found")
    return Answer("202 Accepted")


@asynccontextmanager
async def served(call: Callable[[dict[str, Any]], Answer], heard: list[str]) -> AsyncIterator[TaskServers]:
    """`call`: what it answers to a call of its tool; `heard`: gets the heads of all requests."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        heard.append(head)
        lengths = [line[15:] for line in head.lower().split("\r\n") if line.startswith("content-length:")]
        answer = Answer("200 OK")
        if lengths:
            asked = json.loads(await reader.readexactly(int(lengths[0])))
            answer = call(asked) if asked["method"] == "tools/call" else politely(asked)
        writer.write(answer.head)
        await asyncio.sleep(answer.pause)
        writer.write(answer.body)
        try:
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
    given = McpServer(url=url, headers={"Authorization": "Bearer docs-0123456789"}, timeout=300.0)
    found = TaskServers({"s": given}, local_workspace(CHECKOUT, CHECKOUT), str, heard.append)
    try:
        await found.learn()
        yield found
    finally:
        await found.close()
        server.close()


def packed(asked: dict[str, Any]) -> Answer:
    return Answer("200 OK", f"{JSON}Content-Encoding: gzip\r\n", gzip.compress(b" " * 1000))


CALLS: list[tuple[Callable[[dict[str, Any]], Answer], bool, str]] = [
    (lambda asked: said(asked, {"content": [{"type": "text", "text": "found"}]}), True, "found"),
    (lambda asked: Answer("500 Oh", body=b"docs"), False, "gave no answer. It answered with HTTP 500."),
    (lambda asked: Answer("401 No"), False, "gave no answer. It answered with HTTP 401."),
    (
        lambda asked: Answer("307 Go", "Location: http://127.0.0.2:9/elsewhere\r\n"),
        False,
        "gave no answer. It answered with HTTP 307.",
    ),
    (packed, False, "gave no answer. It sent an answer that is packed (gzip), which it was not asked for."),
    (
        lambda asked: Answer("200 OK", JSON, b" " * (5 << 20)),
        False,
        "gave no answer. It sent an answer of more than 4 MB.",
    ),
    (
        lambda asked: Answer("200 OK", JSON, b"[" + b"[]," * (1 << 20) + b"1]"),
        False,
        "gave no answer. It sent an answer that would take too much memory.",
    ),
    (
        lambda asked: said(asked, {"content": "x"}),
        False,
        "gave no answer. It answered with what is no answer in its protocol.",
    ),
]


async def test_each_call_has_an_answer() -> None:
    answers = []
    for call, *_ in CALLS:
        heard: list[str] = []
        async with served(call, heard) as servers:
            result = await servers.call("mcp__s__t", "{}")
            answers.append((result.ok, result.text.removeprefix("The MCP server s ")))
        methods = {head.partition(" ")[0] for head in heard}
        assert methods <= {"POST", "DELETE"}, "what it would tell unasked is heard"
        assert all("authorization: bearer docs-0123456789" in head.lower() for head in heard)
    assert answers == [(ok, text) for _, ok, text in CALLS]


async def test_one_that_is_not_there_is_told() -> None:
    told: list[str] = []
    server = McpServer(url="http://127.0.0.1:9/mcp")
    servers = TaskServers({"s": server}, local_workspace(CHECKOUT, CHECKOUT), str, told.append)
    assert await servers.learn() == ()
    assert told == [
        "The MCP server s cannot be used: It cannot be reached: All connection attempts failed. The task goes on "
        "without its tools."
    ]


@pytest.mark.parametrize("kind", ["http", "json", "sse"])
async def test_the_packages_own_server(kind: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SDK), kind, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        url = f"http://127.0.0.1:{port}/{'sse' if kind == 'sse' else 'mcp'}"
        headers = {"Authorization": "Bearer docs-0123456789"}
        told: list[str] = []
        clock = MovedClock()
        given = {
            "right": McpServer(url=url, headers=headers, sse=kind == "sse", timeout=300.0),
            "wrong": McpServer(url=url, sse=kind == "sse"),
        }
        servers = TaskServers(given, local_workspace(CHECKOUT, CHECKOUT), str, told.append)
        names = [tool.name for tool in await servers.learn()]
        assert names == ["add", "fail", "wait", "write_note"]
        assert told == [
            "The MCP server wrong cannot be used: It answered with HTTP 401. The task goes on without its tools."
        ]
        for tool, arguments, text in (
            ("add", '{"a": 1}', "the sum is 3"),
            ("add", '{"a": "x"}', "validation error"),
            ("fail", "{}", "Error executing tool fail"),
            ("wait", '{"seconds": 60}', "did not answer within 300 seconds"),
            ("add", '{"a": 2}', "the sum is 4"),
        ):
            asked = asyncio.ensure_future(servers.call(f"mcp__right__{tool}", arguments))
            if tool == "wait":
                asyncio.get_running_loop().call_later(0.5, clock.move_on, 300)
            assert text in (await asked).text
        await servers.close()
    finally:
        process.kill()
        await process.wait()
