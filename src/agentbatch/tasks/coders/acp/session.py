"""One task's agent and its session: started when a turn needs it, taken up again after its end, left with the task."""

import asyncio
from typing import TYPE_CHECKING

from agentbatch.cancellation import to_the_end
from agentbatch.tasks.coders.coder import CoderFailed
from agentbatch.tasks.coders.external.limits import AgentProblem
from agentbatch.tasks.coders.external.program import filled, program
from agentbatch.tasks.coders.external.session import ExternalSession, SessionParts

if TYPE_CHECKING:
    from agentbatch.tasks.coders.acp.agent import AcpAgent


class AcpSession(ExternalSession):
    def __init__(self, of: SessionParts) -> None:
        super().__init__(of)
        self._agent: AcpAgent | None = None
        self._refused = False
        self._told_of_servers = False
        self._stale = False

    def renew(self) -> None:
        self._stale = True

    async def ready(self) -> "AcpAgent":
        self.remembered = True
        if self._agent is not None and (self._stale or self._agent.gone):
            await self.stop()
        self._stale = False
        if self._agent is not None:
            await self._agent.process.thaw()
        else:
            try:
                await self._start()
            except AgentProblem as problem:
                await self.stop()
                name, text = self.parts.entry.name, self.parts.redact(str(problem))
                raise CoderFailed(f"The coder {name} could not be started: {text}") from None
            except asyncio.CancelledError:
                await to_the_end(self.stop())
                raise
        assert self._agent is not None
        return self._agent

    async def rest(self) -> None:
        if self._agent is not None:
            try:
                await self._agent.process.freeze()
            except OSError:
                await self.stop()

    async def stop(self) -> None:
        agent, self._agent = self._agent, None
        if agent is not None:
            await agent.close()

    async def _start(self) -> None:
        from agentbatch.tasks.coders.acp.agent import AcpAgent
        from agentbatch.tasks.coders.acp.servers import acp_servers

        entry, info = self.parts.entry, self.workspace.info
        process = await self.workspace.open(
            program(entry, info, self.access.model_address(), values=self.values)
        )
        allow = info.sandbox != "none"
        agent = self._agent = AcpAgent(
            process,
            self.take,
            allow=allow,
            limits=self.limits,
            on_refusal=self._tell_refused,
            is_busy=lambda: self.access.busy,
        )
        await agent.greet()
        own = {} if entry.configures_servers else self.servers
        servers, left_out = acp_servers(own, agent.takes)
        for sentence in () if self._told_of_servers else left_out:
            self.tell(sentence)
        self._told_of_servers = True
        known = "" if self.left else self.known
        taken_up = bool(known) and await agent.load(known, info.directory, servers)
        self.left = False
        if not taken_up:
            self.remembered = not self.known
            await agent.begin(info.directory, servers)
        await self._set_up(agent)
        self.begun(agent.session, agent.name, taken_up=taken_up)

    async def _set_up(self, agent: "AcpAgent") -> None:
        """Its mode and options, before the first prompt: some begin with less leave than they need, and say that all
        is done."""
        entry, info, address = self.parts.entry, self.workspace.info, self.access.model_address()
        if entry.mode:
            await agent.set_mode(entry.mode)
        for name, value in entry.options.items():
            await agent.set_option(name, filled(value, entry, info, address))

    def _tell_refused(self, what: str) -> None:
        if not self._refused:
            self._refused = True
            self.tell(f"It asked for leave ({what}) and was refused, since no sandbox keeps it inside.")
