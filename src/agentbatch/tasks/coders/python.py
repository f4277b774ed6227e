"""Coders of a Python program that uses us: objects with a `turn`, one made for each task."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from agentbatch.runs import events as e
from agentbatch.runs.store.store import Store
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.role_models import RunParts
from agentbatch.tasks.coders.coder import Assignment, PromptStyle, TurnOutcome, WorkLog
from agentbatch.tasks.coders.external.words import WORDS
from agentbatch.tasks.spec.escalation import Escalation
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.usage import Usage
from agentbatch.workspace.tools.toolbox import HANDS
from agentbatch.workspace.workspace import Workspace

UNTOLD = Usage(calls=1, untold=1)
TOOLS = tuple(HANDS)
"""Of the workspace, for `call`."""
COMMAND_TIMEOUT = 120.0
"""Seconds."""


class Turn(NamedTuple):
    """What an own coder says of a turn."""

    text: str
    """What it did, in its own words."""
    usage: Usage = UNTOLD
    """Tokens that it took."""
    cost: float | None = None
    """US dollars; None: unknown."""


class OwnCoder(Protocol):
    """One task's coder. What `turn` raises ends the task."""

    async def turn(self, prompt: str, workspace: Workspace) -> str | Turn:
        """All that it does in answer to one prompt, in the task's directory and nowhere else. It may be cancelled at
        any await; a resumed task gets the prompt of the turn under way again."""
        ...


MakeCoder = Callable[[Any], OwnCoder]
"""Makes the coder of a task, also when that is resumed; it is given the Task."""


class PythonKind:
    """See `CoderKind`, and `Coders`: nothing is found out before a run."""

    prompts: tuple[str, ...] = ()
    escalate: tuple[Escalation, ...] = ()
    tools = TOOLS
    command_timeout = COMMAND_TIMEOUT

    def __init__(self, name: str, make: MakeCoder, store: Store | None = None) -> None:
        self._name = name
        self._make = make
        self._store = store

    def models(self, tasks: Sequence[PlannedTask], default: str) -> tuple[str, ...]:
        return ()

    def least_tokens(
        self, planned: PlannedTask, prompts: Prompts, opening: Callable[[PromptStyle], str]
    ) -> int:
        return 0

    def coders(self, parts: RunParts) -> "PythonKind":
        return PythonKind(self._name, self._make, parts.store)

    async def start(self, tasks: Sequence[PlannedTask]) -> None: ...

    def make(self, assignment: Assignment) -> "PythonCoder":
        assert self._store is not None
        return PythonCoder(self._name, self._make(assignment.task.task), assignment, self._store)


class PythonCoder:
    """See `Coder`."""

    style = PromptStyle(WORDS)

    def __init__(self, name: str, own: OwnCoder, assignment: Assignment, store: Store) -> None:
        self._name, self._own, self._assignment, self._store = name, own, assignment, store
        self.work = WorkLog(active=assignment.state is not None)
        self._messages: list[dict[str, Any]] = []

    async def turn(self, prompt: str, *, fresh: bool = False) -> TurnOutcome:
        begun = time.monotonic()
        self.work.active = True
        said = await self._own.turn(prompt, self._assignment.workspace)
        turn = said if isinstance(said, Turn) else Turn(str(said))
        text = self._store.redact(turn.text)
        self._messages += [{"role": "user", "content": prompt}, {"role": "assistant", "content": text}]
        self._store.emit(
            e.ModelCallFinished(
                task_id=self._assignment.task.id,
                role="coder",
                model=self._name,
                coder=self._name,
                usage=turn.usage,
                cost=turn.cost,
                latency=time.monotonic() - begun,
                attempts=1,
                told=True,
            )
        )
        return TurnOutcome("finished", text)

    async def resume(self, prompt: str) -> TurnOutcome:
        return await self.turn(prompt)

    def strengthen(self, iteration: int) -> str:
        return ""

    def transcript(self) -> Sequence[Mapping[str, Any]]:
        return self._messages

    async def close(self) -> None: ...
