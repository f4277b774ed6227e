"""The tools of servers in a task's conversation: the same from its first turn to its last, in every session."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from agentbatch.errors import UserError
from agentbatch.mcp.server import McpServer
from agentbatch.mcp.task_servers import TaskServers
from agentbatch.mcp.tools import ServerTool
from agentbatch.runs import events as e
from agentbatch.tasks.coders.builtin.agent import Agent
from agentbatch.tasks.coders.coder import CoderFailed, CoderState


class ServedTools:
    def __init__(self, agent: Agent, servers: Mapping[str, McpServer], state: CoderState | None) -> None:
        """`state`: of an earlier session, which knew the tools."""
        self._agent = agent
        self._servers = TaskServers(servers, agent.workspace, agent.redact, agent.tell)
        self._learnt = False
        events = state.events if state is not None else ()
        known = next((one for one in reversed(events) if isinstance(one, e.ToolsOffered)), None)
        if known is not None:
            self._servers.know([ServerTool.model_validate(tool) for tool in known.tools])
            self._add()

    @asynccontextmanager
    async def at_hand(self) -> AsyncIterator[None]:
        """For a turn; after it they change nothing. Raises CoderFailed where a required server cannot be had."""
        if not self._learnt:
            try:
                tools = await self._servers.learn(self._agent.context_window)
            except UserError as error:
                raise CoderFailed(str(error)) from None
            self._agent.emit(
                e.ToolsOffered(task_id=self._agent.task_id, tools=[tool.model_dump() for tool in tools])
            )
            self._add()
        await self._servers.wake()
        try:
            yield
        finally:
            await self._servers.rest()

    async def close(self) -> None:
        await self._servers.close()

    def _add(self) -> None:
        self._learnt = True
        tools = self._servers.tools
        self._agent.add_tools(
            [tool.spec for tool in tools.values()], dict.fromkeys(tools, self._servers.call)
        )
