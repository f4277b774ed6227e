"""A coder that is a program of somebody else's, behind the door of coder.py, however it is spoken to.

It keeps to the turn: what a turn had not told to its end when the engine was killed is asked of the agent's own
session, and of the directory.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agentbatch.cancellation import to_the_end
from agentbatch.runs import events as e
from agentbatch.tasks.agents.messages import fence
from agentbatch.tasks.coders.coder import Assignment, CoderFailed, PromptStyle, TurnEnd, TurnOutcome, WorkLog
from agentbatch.tasks.coders.external.limits import AgentProblem, AgentRefusal, TurnEnded, TurnLimits
from agentbatch.tasks.coders.external.parts import ExternalParts
from agentbatch.tasks.coders.external.session import Agent, ExternalSession, SessionParts
from agentbatch.tasks.coders.external.updates.record import Record
from agentbatch.tasks.coders.external.updates.stored import StoredSession, stored
from agentbatch.tasks.coders.external.words import WORDS

ENDS: Mapping[str, TurnEnd] = {
    "end_turn": "text",
    "refusal": "text",
    "max_tokens": "token_limit",
    "max_turn_requests": "step_limit",
}
"""By the reason why the agent stopped; any other is none of a turn that ended by itself."""

DEAD_TURNS = 2
"""In a row, in which nothing was heard of the agent: there is no use in a third."""


MakeSession = Callable[[SessionParts], ExternalSession]


class ExternalCoder:
    """One task's coder; see `Coder`."""

    def __init__(
        self,
        parts: ExternalParts,
        assignment: Assignment,
        session: MakeSession,
        limits: TurnLimits,
    ) -> None:
        """`session`: how it is spoken to."""
        self._parts = parts
        self._assignment = assignment
        self._limits = limits
        task, workspace = assignment.task, assignment.workspace
        state, (generation, messages) = assignment.state, assignment.conversation
        before = stored(state, parts.entry.name) if state is not None else StoredSession()
        self._record = Record(
            task.id,
            workspace.info.directory,
            parts.emit,
            parts.redact,
            numbers=assignment.numbers,
            generation=generation,
            messages=messages,
            calls=before.calls,
        )
        for trace in state.tools if state is not None else ():
            self._record.work.note(*trace)
        self._access = parts.access(task, task.stage(parts.model, 1).model)
        self._session = session(
            SessionParts(
                parts,
                task.id,
                workspace,
                self._access,
                self._record.take,
                limits,
                task.servers,
                known=before.session,
                spoken=bool(messages),
            )
        )
        self._dead = 0

    @property
    def work(self) -> WorkLog:
        return self._record.work

    @property
    def style(self) -> PromptStyle:
        return PromptStyle(WORDS)

    async def turn(self, prompt: str, *, fresh: bool = False) -> TurnOutcome:
        if fresh:
            await self._session.forget()
            self._record.begin_conversation()
        return await self._turn(prompt)

    async def resume(self, prompt: str) -> TurnOutcome:
        return await self._turn(prompt, interrupted=bool(self._session.known))

    def strengthen(self, iteration: int) -> str:
        before = self._access.model
        if self._access.use(self._assignment.task.stage(self._parts.model, iteration).model):
            self._session.renew()
        return self._access.model if self._access.model != before else ""

    def transcript(self) -> Sequence[Mapping[str, Any]]:
        return self._record.messages

    async def close(self) -> None:
        self._access.close()
        await self._session.stop()

    async def _turn(self, prompt: str, *, interrupted: bool = False) -> TurnOutcome:
        outcome = await self._asked(prompt, interrupted=interrupted)
        if self._session.lost:  # there is another, which is told all
            outcome = await self._asked(prompt, interrupted=False)
        await self._session.rest()
        return outcome

    async def _asked(self, prompt: str, *, interrupted: bool) -> TurnOutcome:
        await self._session.try_servers()
        agent = await self._session.ready()
        text = await self._worded(prompt, interrupted=interrupted)
        self._record.prompt(text)
        await self._parts.stored()
        begun = time.monotonic()
        try:
            end = await self._prompt(agent, text)
        finally:
            silent = self._record.silent
            said = self._record.end_turn()
            self._bill(time.monotonic() - begun)
        if self._access.ended is not None:
            await self._session.stop()
            raise self._access.ended
        self._dead = self._dead + 1 if end == "broken_off" and silent and not self._session.lost else 0
        if self._dead >= DEAD_TURNS:
            raise CoderFailed(
                f"The coder {self._parts.entry.name} broke off {self._dead} turns without a word."
            )
        return TurnOutcome(end, said)

    async def _worded(self, prompt: str, *, interrupted: bool) -> str:
        """The prompt, with what an agent has to be told that was interrupted, or does not remember the work."""
        remembered = self._session.remembered
        if remembered and not interrupted:
            return prompt
        changes = "" if remembered else await self._assignment.changes()
        task = self._assignment.task.task.first_prompt
        return self._parts.render(
            "again.md",
            prompt=prompt,
            task=self._assignment.user_messages.after("" if task in prompt else task, prompt),
            interrupted=interrupted,
            remembered=remembered,
            changes=changes,
            nonce=fence(changes),
        )

    async def _prompt(self, agent: Agent, text: str) -> TurnEnd:
        try:
            reason = await agent.prompt(text, self._watch())
        except TurnEnded as limit:
            self._session.tell(str(limit))
            await self._cancel(agent)
            return limit.end
        except AgentProblem as problem:
            if self._access.ended is None:
                self._session.tell(str(problem))
            if isinstance(problem, AgentRefusal) and self._access.ended is None:
                await self._session.leave()  # a history that its model refuses is refused again
            else:
                await self._session.stop()
            return "broken_off"
        except asyncio.CancelledError:
            await to_the_end(self._cancel(agent))
            raise
        if reason not in ENDS:
            self._session.tell(f"It ended its turn for a reason that is none: {reason}.")
        return ENDS.get(reason, "broken_off")

    def _bill(self, seconds: float) -> None:
        """What nothing of ours has counted, as the agent tells it."""
        if self._access.counted:
            return
        cost, tokens = self._record.take_bill()
        name, task = self._parts.entry.name, self._assignment.task
        self._parts.emit(
            e.ModelCallFinished(
                task_id=task.id,
                role="coder",
                model=name,
                coder=name,
                next_coder=task.next_coder(name),
                usage=tokens,
                cost=cost,
                latency=seconds,
                attempts=1,
                told=True,
            )
        )

    def _watch(self) -> Callable[[], TurnEnded | None]:
        """Says when the turn under way is to end."""
        calls, refused = self._record.calls, 0.0

        def passed() -> TurnEnded | None:
            nonlocal refused
            if self._record.calls - calls > self._limits.calls:
                return TurnEnded("step_limit", f"It made more than {self._limits.calls:,} calls in one turn.")
            if self._access.ended is not None:
                refused = refused or time.monotonic()
                if time.monotonic() - refused > self._limits.refused:
                    return TurnEnded("cost_limit", "It went on after its model answered no more.")
            return None

        return passed

    async def _cancel(self, agent: Agent) -> None:
        """End the turn under way, and with the program all that it has started: agents leave commands running."""
        try:
            await agent.cancel()
        finally:
            await self._session.stop()
