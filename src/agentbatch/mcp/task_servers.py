"""The servers of one task: started when a tool of theirs is wanted, asked, started again, left with the task."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agentbatch.cancellation import to_the_end
from agentbatch.errors import UserError
from agentbatch.files import json_object
from agentbatch.mcp.problems import ServerProblem, ServerRefusal
from agentbatch.mcp.results import failed, tool_result
from agentbatch.mcp.server import McpServer
from agentbatch.mcp.tools import MAX_ALL, ServerTool, offered, within_limits, without_keys
from agentbatch.text import clip
from agentbatch.workspace.workspace import Process, Program, ToolResult, Workspace

if TYPE_CHECKING:
    from agentbatch.mcp.connection import Connection

CLOSED = "It closed the connection."
STARTS = 3
"""Of one server in one session of a task: one that ends again and again is left alone."""
GRACE = 20.0
"""Seconds that a server gets to end, once it says nothing more: on a busy machine it may take some."""
SAID = 300
"""Characters of a server's last words in a sentence."""


class RunningServer:
    """One server, and how often it was started."""

    def __init__(
        self, name: str, server: McpServer, workspace: Workspace, door: asyncio.Lock | None = None
    ) -> None:
        """`door`: of the workspace, which opens one program at a time."""
        self._door = door or asyncio.Lock()
        self.name = name
        self.server = server
        self._workspace = workspace
        self._connection: Connection | None = None
        self._process: Process | None = None
        self._starts = 0

    async def list(self) -> list[Any]:
        """Its tools as it lists them. Raises ServerProblem."""
        try:
            return await (await self._ready()).tools()
        except ServerRefusal as refusal:
            await self.stop()
            raise ServerProblem(f"It refuses to list its tools: {refusal}.") from None
        except ServerProblem:
            await self.stop()
            raise
        except asyncio.CancelledError:
            await to_the_end(self.stop())
            raise

    async def call(self, tool: ServerTool, arguments: Mapping[str, Any]) -> ToolResult:
        try:
            connection = await self._ready()
            given = await connection.call(tool.name, tool.own_arguments(arguments), self.server.timeout)
        except ServerRefusal as refusal:
            return failed(f"The MCP server {self.name} refused the call: {refusal}.")
        except ServerProblem as problem:
            await self.stop()
            return failed(f"The MCP server {self.name} gave no answer. {problem}")
        except asyncio.CancelledError:
            await to_the_end(self.stop())
            raise
        return tool_result(given, changes=not tool.reads_only)

    async def freeze(self) -> None:
        """It changes nothing until `thaw`."""
        if self._process is not None:
            try:
                await self._process.freeze()
            except OSError:
                await self.stop()

    async def thaw(self) -> None:
        if self._process is not None:
            await self._process.thaw()

    async def stop(self) -> None:
        """End it, and all that it has started; the next call starts it again."""
        connection, self._connection = self._connection, None
        process, self._process = self._process, None
        try:
            if connection is not None:
                await connection.close()
        finally:
            if process is not None:
                await process.stop()

    async def _ready(self) -> "Connection":
        if self._connection is not None:
            return self._connection
        if self._starts >= STARTS:
            raise ServerProblem(f"It has ended {STARTS} times, and is not started again.")
        self._starts += 1
        connection = self._connection = await self._connected()
        try:
            await connection.ready()
        except ServerRefusal as refusal:
            await self.stop()
            raise ServerProblem(f"It refuses to begin: {refusal}.") from None
        return connection

    async def _connected(self) -> "Connection":
        from agentbatch.mcp.connection import Connection
        from agentbatch.mcp.http import HttpStreams
        from agentbatch.mcp.streams import ProcessStreams

        if self.server.url:
            return Connection(HttpStreams(self.server.url, self.server.headers, sse=self.server.sse), _closed)
        program = Program(argv=self.server.command, home=f"mcp-{self.name}", env=self.server.env)
        try:
            async with self._door:
                process = self._process = await self._workspace.open(program)
        except (UserError, OSError) as error:
            raise ServerProblem(f"It cannot be started. {_sentence(str(error))}") from None
        return Connection(ProcessStreams(process), lambda: _why_ended(process))


class TaskServers:
    """All of one task's."""

    def __init__(
        self,
        servers: Mapping[str, McpServer],
        workspace: Workspace,
        redact: Callable[[str], str],
        tell: Callable[[str], None],
    ) -> None:
        """`tell`: is given what a person should know, a sentence."""
        door = asyncio.Lock()
        self._running = {name: RunningServer(name, one, workspace, door) for name, one in servers.items()}
        self._redact = redact
        self._tell = tell
        self.tools: Mapping[str, ServerTool] = {}
        """By the model's name; empty until they are known."""

    async def learn(self, window: int = MAX_ALL) -> Sequence[ServerTool]:
        """Start all servers, and ask each for its tools. `window`: the model's, in tokens. Raises UserError where one
        that is required cannot be had."""
        found: list[ServerTool] = []
        for name, listing in (await self._listings()).items():
            of_one = without_keys(offered(name, self._running[name].server, listing), self._redact)
            self._tell_all(of_one.notes)
            found += of_one.tools
        kept = within_limits(found, window)
        self._tell_all(kept.notes)
        self.know(kept.tools)
        return kept.tools

    async def tried(self) -> Collection[str]:
        """The names of those that can be had: all are started, and ended again. Raises UserError as `learn` does."""
        try:
            return (await self._listings()).keys()
        finally:
            await self.close()

    def know(self, tools: Sequence[ServerTool]) -> None:
        """Those that the task began with: the list does not change in it."""
        self.tools = {tool.called: tool for tool in tools}

    async def call(self, called: str, arguments: str) -> ToolResult:
        """Carry out one call as the model wrote it. What is wrong is an answer, never an error."""
        tool = self.tools[called]
        running = self._running.get(tool.server)
        if running is None:
            return failed(f"The MCP server {tool.server} is not configured any more. Do without it.")
        given = _object(arguments)
        if given is None:
            text = (
                f"The arguments of {called} are no JSON object. Nothing was done. Send the whole call again."
            )
            return ToolResult(text, ok=False, invalid=True, note="invalid arguments")
        result = await running.call(tool, given)
        return replace(result, text=self._redact(result.text), note=self._redact(result.note))

    async def wake(self) -> None:
        for one in self._running.values():
            await one.thaw()

    async def rest(self) -> None:
        """Nothing that they have started changes anything until `wake`."""
        for one in self._running.values():
            await one.freeze()

    async def close(self) -> None:
        for one in self._running.values():
            await one.stop()

    async def _listings(self) -> Mapping[str, list[Any]]:
        """The tools of each that can be had."""
        ways = (self._listed(one) for one in self._running.values())
        found = {}
        for name, listing in zip(
            self._running, await asyncio.gather(*ways, return_exceptions=True), strict=True
        ):
            if isinstance(listing, BaseException):
                raise listing
            if listing is not None:
                found[name] = listing
        return found

    async def _listed(self, one: RunningServer) -> list[Any] | None:
        try:
            return await one.list()
        except ServerProblem as problem:
            text = f"The MCP server {one.name} cannot be used: {problem}"
            if one.server.required:
                raise UserError(self._redact(text)) from None
            self._tell_all((f"{text} The task goes on without its tools.",))
            return None

    def _tell_all(self, texts: Sequence[str]) -> None:
        for text in texts:
            self._tell(self._redact(text))


def _object(arguments: str) -> dict[str, Any] | None:
    """As lenient as our own tools: nothing at all is {}, and an object may be wrapped in a JSON string."""
    if not arguments.strip():
        return {}
    found = json_object(arguments)
    if found is None and arguments.lstrip().startswith('"'):
        inner = json_object(f'{{"inner": {arguments}}}') or {}
        found = json_object(str(inner.get("inner")))
    return found


async def _closed() -> str:
    return CLOSED


async def _why_ended(process: Process) -> str:
    code = None
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE):
            code = await process.wait()
    last = next((line for line in reversed(process.errors.splitlines()) if line.strip()), "")
    end = CLOSED.rstrip(".") if code is None else f"It ended with exit code {code}"
    return _sentence(f"{end}: {clip(last, SAID)}" if last else end)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
