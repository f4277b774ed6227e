"""One task's agent and its session: started when a turn needs it, taken up again after its end, left with the task."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from agentbatch.cancellation import to_the_end
from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.tasks.coders.acp.limits import AgentProblem, TurnLimits
from agentbatch.tasks.coders.external.access import Access
from agentbatch.tasks.coders.external.happenings import Happening
from agentbatch.tasks.coders.external.parts import ExternalParts
from agentbatch.tasks.coders.external.program import filled, program
from agentbatch.workspace.workspace import Workspace

if TYPE_CHECKING:
    from agentbatch.tasks.coders.acp.agent import AcpAgent


class AcpSession:
    def __init__(
        self,
        parts: ExternalParts,
        task_id: str,
        workspace: Workspace,
        access: Access,
        take: Callable[[Happening], None],
        limits: TurnLimits,
        known: str = "",
    ) -> None:
        """`known`: the agent's id of the session of before; empty: there is none."""
        self.known = known
        self.remembered = True
        """The agent knows what was said before; False: it was said in a session that it could not take up."""
        self._parts = parts
        self._task_id = task_id
        self._workspace = workspace
        self._access = access
        self._take = take
        self._limits = limits
        self._agent: AcpAgent | None = None
        self._refused = False
        self._stale = False

    def renew(self) -> None:
        """The program is to be told of its model anew: it starts again before the next turn."""
        self._stale = True

    async def ready(self) -> "AcpAgent":
        """The agent in its session: that of before, or a new one. Raises UserError where it cannot be started."""
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
                name, text = self._parts.entry.name, self._parts.redact(str(problem))
                raise UserError(f"The coder {name} could not be started: {text}") from None
            except asyncio.CancelledError:
                await to_the_end(self.stop())
                raise
        assert self._agent is not None
        return self._agent

    async def rest(self) -> None:
        """Between two turns nothing of it moves: the work is looked at as it is."""
        if self._agent is not None:
            try:
                await self._agent.process.freeze()
            except OSError:
                await self.stop()

    async def stop(self) -> None:
        """End the program, and with it all that it has started; `ready` starts it again, in the same session."""
        agent, self._agent = self._agent, None
        if agent is not None:
            await agent.close()

    async def forget(self) -> None:
        """What comes next is a new session."""
        self.known = ""
        await self.stop()

    def tell(self, text: str) -> None:
        """A warning for whoever watches the run."""
        redacted = self._parts.redact(f"{self._parts.entry.name}: {text}")
        self._parts.emit(e.Notice(task_id=self._task_id, text=redacted))

    async def _start(self) -> None:
        from agentbatch.tasks.coders.acp.agent import AcpAgent

        entry, info = self._parts.entry, self._workspace.info
        process = await self._workspace.open(program(entry, info, self._access.told()))
        allow = info.sandbox != "none"
        agent = self._agent = AcpAgent(
            process,
            self._take,
            allow=allow,
            limits=self._limits,
            on_refusal=self._tell_refused,
            is_busy=lambda: self._access.busy,
        )
        await agent.greet()
        taken_up = bool(self.known) and await agent.load(self.known, info.directory)
        if not taken_up:
            self.remembered = not self.known
            await agent.begin(info.directory)
        await self._set_up(agent)
        self.known = agent.session
        self._parts.emit(
            e.AgentSession(
                task_id=self._task_id,
                coder=entry.name,
                session=agent.session,
                agent=self._parts.redact(agent.name),
                taken_up=taken_up,
            )
        )

    async def _set_up(self, agent: "AcpAgent") -> None:
        """Its mode and options, before the first prompt: some begin with less leave than they need, and say that all
        is done."""
        entry, info, told = self._parts.entry, self._workspace.info, self._access.told()
        if entry.mode:
            await agent.set_mode(entry.mode)
        for name, value in entry.options.items():
            await agent.set_option(name, filled(value, entry, info, told))

    def _tell_refused(self, what: str) -> None:
        if not self._refused:
            self._refused = True
            self.tell(f"It asked for leave ({what}) and was refused, since no sandbox keeps it inside.")
