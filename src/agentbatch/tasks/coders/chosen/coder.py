"""One task's coder, which may be another from some iteration on; see `Coder`."""

from collections.abc import Mapping, Sequence
from typing import Any

from agentbatch.config import BUILTIN
from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.tasks.agents.messages import fence
from agentbatch.tasks.agents.project_prompt import project_prompt
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.coders.coder import (
    Assignment,
    Coder,
    Coders,
    CoderState,
    PromptStyle,
    TurnOutcome,
    WorkLog,
)


class ChosenCoder:
    def __init__(
        self, coders: Mapping[str, Coders], assignment: Assignment, model: str, prompts: Prompts
    ) -> None:
        """`model`: the run's, of whoever names none."""
        self._coders = coders
        self._assignment = assignment
        self._model = model
        self._prompts = prompts
        self._made: dict[str, Coder] = {}
        self._seen: dict[str, int] = {}
        """Commands of each that are in `work`, or that it knows from earlier sessions, as all do."""
        self._iteration = max((event.iteration for event in _starts(assignment.state)), default=0)
        self._name = self._named(max(1, self._iteration))
        self._previous = ""
        """Who worked until now, where another takes over in the next turn."""
        known = self._get(self._name).work
        self.work = WorkLog(list(known.commands), known.active, known.tried_from)
        """Of all that have worked on it."""

    @property
    def style(self) -> PromptStyle:
        """Of who works in the next iteration."""
        return self._get(self._named(self._iteration + 1)).style

    async def turn(self, prompt: str, *, fresh: bool = False) -> TurnOutcome:
        previous, self._previous = self._previous, ""
        try:
            if not previous:
                opens = fresh or self._iteration <= 1
                return await self._get(self._name).turn(self._whole(prompt) if opens else prompt, fresh=fresh)
            await self._get(previous).close()
            return await self._take_over(prompt)
        finally:
            self._note_work()

    async def resume(self, prompt: str) -> TurnOutcome:
        try:
            if self._has_begun():
                opens = self._iteration <= 1
                return await self._get(self._name).resume(self._whole(prompt) if opens else prompt)
            return await self._take_over(prompt)
        finally:
            self._note_work()

    def strengthen(self, iteration: int) -> str:
        name, self._iteration = self._named(iteration), iteration
        stronger = self._get(name).strengthen(iteration)
        if name == self._name:
            return stronger
        self._previous, self._name = self._previous or self._name, name
        return f"{name} ({stronger})" if stronger else name

    def transcript(self) -> Sequence[Mapping[str, Any]]:
        return [message for coder in self._made.values() for message in coder.transcript()]

    async def close(self) -> None:
        problems = []
        for coder in self._made.values():
            try:
                await coder.close()
            except (OSError, UserError) as error:
                problems.append(error)
        if problems:
            raise problems[0]

    def _named(self, iteration: int) -> str:
        return self._assignment.task.stage(self._model, iteration).coder

    def _has_begun(self) -> bool:
        """The turn under way is its own; else it is another's, or was to be its first, and a kill came before it had
        done anything."""
        state, iteration = self._assignment.state, self._iteration
        before = [_coder(event) for event in _starts(state)] or [self._name]
        first = iteration > 1 and self._named(iteration - 1) != self._name
        return before[-1] == self._name and not (first and state is not None and not state.turn)

    def _get(self, name: str) -> Coder:
        if name not in self._made:
            coder = self._made[name] = self._coders[name].make(self._assignment)
            self._seen[name] = len(coder.work.commands)
        return self._made[name]

    async def _take_over(self, prompt: str) -> TurnOutcome:
        """In a conversation of its own, which begins with the task, what was made so far, and the next prompt."""
        first, changes = self._assignment.task.task.first_prompt, await self._assignment.changes()
        task = self._assignment.user_messages.after(first, prompt)
        nonce = fence(task, changes, prompt)
        text = self._prompts.render("takeover.md", nonce=nonce, task=task, changes=changes, prompt=prompt)
        return await self._get(self._name).turn(self._whole(text), fresh=True)

    def _whole(self, prompt: str) -> str:
        """The first prompt of a conversation, with what the project asks: other coders read AGENTS.md themselves."""
        weak = self._get(self._name).style.weak_model
        project = project_prompt(
            self._prompts, self._assignment.project, rules=self._name == BUILTIN, weak_model=weak
        )
        return f"{prompt}\n\n{project}" if project else prompt

    def _note_work(self) -> None:
        """What the turn has added to the work; what others ran before it counts as before its last change."""
        whole, own = self.work, self._get(self._name).work
        offset = len(whole.commands) - self._seen[self._name]
        whole.commands += own.commands[self._seen[self._name] :]
        self._seen[self._name] = len(own.commands)
        if own.active:
            whole.active = True
            whole.tried_from = max(whole.tried_from, offset + own.tried_from)


def _starts(state: CoderState | None) -> list[e.IterationStarted]:
    """Of iterations in earlier sessions."""
    return [event for event in state.events if isinstance(event, e.IterationStarted)] if state else []


def _coder(event: e.IterationStarted) -> str:
    return event.coder or BUILTIN
