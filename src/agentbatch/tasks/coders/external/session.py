"""One task's agent and its session of its own, as the coder sees it, however it is spoken to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from agentbatch.errors import UserError
from agentbatch.mcp.server import McpServer
from agentbatch.mcp.task_servers import TaskServers
from agentbatch.runs import events as e
from agentbatch.tasks.coders.coder import CoderFailed
from agentbatch.tasks.coders.external.access import Access
from agentbatch.tasks.coders.external.limits import TurnEnded, TurnLimits
from agentbatch.tasks.coders.external.parts import ExternalParts
from agentbatch.tasks.coders.external.servers import configured
from agentbatch.tasks.coders.external.updates.update import AgentUpdate
from agentbatch.workspace.workspace import Workspace


class Agent(Protocol):
    """Who is prompted."""

    async def prompt(self, text: str, enough: Callable[[], TurnEnded | None]) -> str:
        """A whole turn: why it stopped, as it says, in the words of the Agent Client Protocol (`end_turn`). `enough` is
        asked again and again whether the turn is to end. Raises AgentProblem; cancelled, the turn is left as it is
        (`cancel` follows)."""
        ...

    async def cancel(self) -> None:
        """Ask it to end the turn under way, and give it a moment."""
        ...


@dataclass(frozen=True)
class SessionParts:
    """What a session is made of."""

    parts: ExternalParts
    task_id: str
    workspace: Workspace
    access: Access
    take: Callable[[AgentUpdate], None]
    """Is given what the agent tells in a turn."""
    limits: TurnLimits
    servers: Mapping[str, McpServer] = field(default_factory=dict)
    """Of tools, by name, that the agent is to have besides its own."""
    known: str = ""
    """The agent's id of the session of before; empty: there is none."""
    spoken: bool = False
    """There was a turn before, in an earlier session of the run."""


class ExternalSession:
    """What all kinds have in common. Each has `ready` and `stop`."""

    def __init__(self, of: SessionParts) -> None:
        self.known = of.known
        self.remembered = True
        """The agent knows what was said before; False: it was said in a session that it could not take up."""
        self.lost = False
        """The turn that is over was to go on with a session that the agent does not have any more."""
        self.left = False
        """The session of before is not to be taken up."""
        self.parts = of.parts
        self.task_id = of.task_id
        self.workspace = of.workspace
        self.access = of.access
        self.take = of.take
        self.limits = of.limits
        self.servers = of.servers
        self._tried = False

    async def try_servers(self) -> None:
        """Before the first turn: an agent says nothing of a server that it cannot start, or waits for it. Raises
        CoderFailed where one is required."""
        commands = {name: server for name, server in self.servers.items() if server.command}
        entry, tried, self._tried = self.parts.entry, self._tried, True
        if tried or not commands or (entry.protocol == "command" and not entry.configures_servers):
            return
        try:
            found = await TaskServers(commands, self.workspace, self.parts.redact, self.tell).tried()
        except UserError as error:
            raise CoderFailed(str(error)) from None
        self.servers = {
            name: server for name, server in self.servers.items() if name in found or not server.command
        }

    @property
    def values(self) -> Mapping[str, str]:
        """Of places in the entry that this task has."""
        return {"mcp_servers": configured(self.servers)}

    async def ready(self) -> Agent:
        """The agent in its session: that of before, or a new one. Raises CoderFailed where it cannot be started, and
        UserError where it cannot even be opened."""
        raise NotImplementedError

    async def stop(self) -> None:
        """End the program, and with it all that it has started; `ready` starts it again, in the same session."""
        raise NotImplementedError

    async def rest(self) -> None:
        """The turn is over: nothing that the agent has started changes anything until `ready`."""

    async def forget(self) -> None:
        """What comes next is a new session."""
        self.known = ""
        await self.stop()

    async def leave(self) -> None:
        """Its history is of no more use: what comes next is a new session, which is told of the work."""
        self.left = True
        await self.stop()

    def renew(self) -> None:
        """The program is to be told of its model anew, before the next turn."""

    def tell(self, text: str) -> None:
        """A warning for whoever watches the run."""
        redacted = self.parts.redact(f"{self.parts.entry.name}: {text}")
        self.parts.emit(e.Notice(task_id=self.task_id, text=redacted))

    def begun(self, session: str, agent: str, *, taken_up: bool, late: bool = False) -> None:
        """The agent works in this session from now on; `late`: for some time already."""
        self.known = session
        self.parts.emit(
            e.AgentSession(
                task_id=self.task_id,
                coder=self.parts.entry.name,
                session=session,
                agent=self.parts.redact(agent),
                taken_up=taken_up,
                late=late,
            )
        )
