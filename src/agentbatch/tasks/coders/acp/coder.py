"""A coder that speaks the Agent Client Protocol, behind the door of coder.py.

It keeps to the turn: what a turn had not told to its end when the engine was killed is asked of the agent's own
session, and of the directory.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agentbatch.cancellation import to_the_end
from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.tasks.coders.acp.limits import AgentProblem, AgentRefusal, TurnEnded, TurnLimits
from agentbatch.tasks.coders.coder import Assignment, PromptStyle, TurnEnd, TurnOutcome, WorkLog
from agentbatch.tasks.coders.external.parts import ExternalParts
from agentbatch.tasks.coders.external.program import program
from agentbatch.tasks.coders.external.record import Record
from agentbatch.tasks.coders.external.stored import restore_work, stored
from agentbatch.tasks.coders.external.words import WORDS

if TYPE_CHECKING:
    from agentbatch.tasks.coders.acp.agent import AcpAgent

ENDS: Mapping[str, TurnEnd] = {
    "end_turn": "text",
    "refusal": "text",
    "max_tokens": "token_limit",
    "max_turn_requests": "step_limit",
}
"""By the reason why the agent stopped; any other is none of a turn that ended by itself."""

DEAD_TURNS = 2
"""In a row, in which nothing was heard of the agent: there is no use in a third."""


class AcpCoder:
    """One task's coder; see `Coder`."""

    def __init__(
        self,
        parts: ExternalParts,
        assignment: Assignment,
        limits: TurnLimits = TurnLimits(),  # noqa: B008 - frozen
    ) -> None:
        self._parts = parts
        self._entry = parts.entry
        self._task = assignment.task
        self._workspace = assignment.workspace
        self._limits = limits
        self._agent: AcpAgent | None = None
        self._model = self._task.stage(parts.model, 1).model
        before = stored(assignment, self._entry.name)
        self._session = before.session
        self._dead = 0
        self._refused = False
        self._record = Record(
            self._task.id,
            self._workspace.info.directory,
            parts.emit,
            parts.redact,
            generation=before.generation,
            messages=before.messages,
            calls=before.calls,
        )
        if assignment.state is not None:
            restore_work(self._record.work, assignment.state.events)

    @property
    def work(self) -> WorkLog:
        return self._record.work

    @property
    def style(self) -> PromptStyle:
        return PromptStyle(WORDS)

    async def turn(self, prompt: str, *, fresh: bool = False) -> TurnOutcome:
        if fresh:
            await self._forget()
        return await self._turn(prompt)

    async def resume(self, prompt: str) -> TurnOutcome:
        return await self._turn(prompt)

    def strengthen(self, iteration: int) -> str:
        return ""

    def transcript(self) -> Sequence[Mapping[str, Any]]:
        return self._record.messages

    async def close(self) -> None:
        agent, self._agent = self._agent, None
        if agent is not None:
            await agent.close()

    # a turn ------------------------------------------------------------------------------------------------------

    async def _turn(self, prompt: str) -> TurnOutcome:
        record, calls = self._record, self._record.calls

        def enough() -> TurnEnded | None:
            if record.calls - calls > self._limits.calls:
                return TurnEnded("step_limit", f"It made more than {self._limits.calls:,} calls in one turn.")
            return None

        agent = await self._ready()
        record.prompt(prompt)
        await self._parts.stored()
        end: TurnEnd = "broken_off"
        try:
            reason = await agent.prompt(prompt, enough)
            end = ENDS.get(reason, "broken_off")
        except TurnEnded as limit:
            end = limit.end
            self._tell(str(limit))
            await self._cancel(agent)
        except AgentProblem as problem:
            self._tell(str(problem))
            if not isinstance(problem, AgentRefusal):
                await self.close()
        except asyncio.CancelledError:
            await to_the_end(self._cancel(agent))
            raise
        finally:
            silent = record.silent
            text = record.end_turn()
        self._dead = self._dead + 1 if end == "broken_off" and silent else 0
        if self._dead >= DEAD_TURNS:
            raise UserError(f"{self._entry.name} broke off {self._dead} turns in a row without a word.")
        return TurnOutcome(end, text)

    async def _cancel(self, agent: "AcpAgent") -> None:
        """End the turn under way, and with the program all that it has started: agents leave commands running."""
        try:
            await agent.cancel()
        finally:
            await self.close()

    async def _ready(self) -> "AcpAgent":
        """The agent in a session that goes on, or in a new one. Raises UserError where it cannot be started."""
        if self._agent is not None:
            return self._agent
        from agentbatch.tasks.coders.acp.agent import AcpAgent

        info = self._workspace.info
        process = await self._workspace.open(program(self._entry, info, self._parts.told(self._model)))
        agent = self._agent = AcpAgent(
            process,
            self._record.take,
            allow=info.sandbox != "none",
            limits=self._limits,
            on_refusal=self._tell_refused,
        )
        try:
            await agent.greet()
            taken_up = bool(self._session) and await agent.load(self._session, info.directory)
            if not taken_up:
                await agent.begin(info.directory)
            await self._set_up(agent)
        except AgentProblem as problem:
            await self.close()
            raise UserError(
                f"{self._entry.name} could not be started: {self._parts.redact(str(problem))}"
            ) from None
        except asyncio.CancelledError:
            await to_the_end(self.close())
            raise
        self._session = agent.session
        self._parts.emit(
            e.AgentSession(
                task_id=self._task.id,
                coder=self._entry.name,
                session=agent.session,
                agent=self._parts.redact(agent.name),
                taken_up=taken_up,
            )
        )
        return agent

    async def _set_up(self, agent: "AcpAgent") -> None:
        if self._entry.mode:
            await agent.set_mode(self._entry.mode)
        for name, value in self._entry.options.items():
            await agent.set_option(name, value)

    async def _forget(self) -> None:
        """The next prompt opens a new session."""
        self._session = ""
        await self.close()

    def _tell(self, text: str) -> None:
        self._parts.emit(
            e.Notice(task_id=self._task.id, text=self._parts.redact(f"{self._entry.name}: {text}"))
        )

    def _tell_refused(self, what: str) -> None:
        if not self._refused:
            self._refused = True
            self._tell(f"It asked for leave ({what}) and was refused, since no sandbox keeps it inside.")
