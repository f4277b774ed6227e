"""One task's coder, which may be another from some iteration on; see `Coder`."""

from collections.abc import Mapping, Sequence
from typing import Any

from agentbatch.runs import events as e
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.coders.coder import Assignment, Coder, Coders, PromptStyle, TurnOutcome, WorkLog


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
        self._iteration = _begun(assignment)
        self._name = self._named(max(1, self._iteration))
        self._takes_over = False

    @property
    def work(self) -> WorkLog:
        """Of all that have worked on it."""
        whole = WorkLog()
        for coder in self._made.values():
            work = coder.work
            if work.active:
                whole.tried_from = len(whole.commands) + work.tried_from
            whole.active = whole.active or work.active
            whole.commands.extend(work.commands)
        return whole

    @property
    def style(self) -> PromptStyle:
        """Of who works in the next iteration."""
        return self._get(self._named(self._iteration + 1)).style

    async def turn(self, prompt: str, *, fresh: bool = False) -> TurnOutcome:
        coder = self._get(self._name)
        if not self._takes_over:
            return await coder.turn(prompt, fresh=fresh)
        self._takes_over = False
        return await coder.turn(self._handed_over(prompt), fresh=True)

    async def resume(self, prompt: str) -> TurnOutcome:
        return await self._get(self._name).resume(prompt)

    def strengthen(self, iteration: int) -> str:
        name, self._iteration = self._named(iteration), iteration
        stronger = self._get(name).strengthen(iteration)
        if name == self._name:
            return stronger
        self._name, self._takes_over = name, True
        return f"{name} ({stronger})" if stronger else name

    def transcript(self) -> Sequence[Mapping[str, Any]]:
        return [message for coder in self._made.values() for message in coder.transcript()]

    async def close(self) -> None:
        for coder in self._made.values():
            await coder.close()

    def _named(self, iteration: int) -> str:
        return self._assignment.task.stage(self._model, iteration).coder

    def _get(self, name: str) -> Coder:
        if name not in self._made:
            self._made[name] = self._coders[name].make(self._assignment)
        return self._made[name]

    def _handed_over(self, prompt: str) -> str:
        task = self._assignment.task.task.first_prompt
        return self._prompts.render("takeover.md", task=task, prompt=prompt)


def _begun(assignment: Assignment) -> int:
    """The latest iteration that an earlier session has begun; 0: none."""
    events = assignment.state.events if assignment.state else ()
    return max((event.iteration for event in events if isinstance(event, e.IterationStarted)), default=0)
