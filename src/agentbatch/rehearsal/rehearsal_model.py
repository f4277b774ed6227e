"""The scripted model: who answers a request, and with which step."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from agentbatch.config import REHEARSAL_CODER, REHEARSAL_EVALUATOR
from agentbatch.rehearsal.faults.refusals import Problem
from agentbatch.rehearsal.play import (
    Index,
    Match,
    Place,
    Places,
    Role,
    coder_step,
    compile_coder,
    compile_evaluator,
    evaluator_step,
    undone_calls,
)
from agentbatch.rehearsal.script import Say, Script, Step

UNKNOWN_TASK = (
    "The rehearsal model only plays the sample tasks of task.json. To run your own tasks set CODER_API_KEY "
    "and EVALUATION_API_KEY (or OPENAI_API_KEY), and CODER_ENDPOINT / EVALUATION_BASE_URL and CODER_MODEL / "
    "EVALUATION_MODEL for another provider, in the environment or in .env."
)

NO_VERDICT = "The rehearsal script of this task has no evaluator steps."


class Turn(NamedTuple):
    """The step that answers a request."""

    answer: Step
    step: int
    conversation: tuple[str, Role]
    """What the prefix cache remembers the request under."""
    first_call: int = 0
    """The number in the id of its first tool call."""


class _Compiled(NamedTuple):
    native: Places
    flat: Places
    evaluator: Places | None


class RehearsalModel:
    """Plays scripts. Its only state is how often each limited step (Fault, Say with `times`) was played."""

    def __init__(self, scripts: Sequence[Script] = (), *, any_model: bool = False) -> None:
        self._any_model = any_model
        self._index = Index()
        self._compiled: dict[int, _Compiled] = {}
        self._played: dict[tuple[str, Role, bool, int, int], int] = {}
        for script in scripts:
            self.add(script)

    def add(self, script: Script) -> None:
        self._index.add(script)
        # By identity: the index keeps every script alive, and hashing one would walk it whole.
        self._compiled[id(script)] = _Compiled(
            native=compile_coder(script.coder, flat=False),
            flat=compile_coder(script.coder, flat=True),
            evaluator=compile_evaluator(script.evaluator),
        )

    def role(self, model: str, body: Mapping[str, Any]) -> Role | None:
        """The role that the model name stands for; None for a name that nobody serves."""
        if model == REHEARSAL_CODER:
            return "coder"
        if model == REHEARSAL_EVALUATOR:
            return "evaluator"
        if not self._any_model:
            return None
        return "coder" if body.get("tools") or "coder" in model else "evaluator"

    def turn(self, role: Role, messages: Sequence[Mapping[str, Any]], *, native: bool) -> Turn | Problem:
        match = self._index.find(messages)
        if match is None:
            return Problem(400, UNKNOWN_TASK, param="messages", code="rehearsal_unknown_task")
        compiled = self._compiled[id(match.script)]
        if role == "coder":
            places: Places | None = compiled.native if native else compiled.flat
            step = coder_step(messages, match.start)
            if undone := undone_calls(messages):
                # In the step that they belong to, under ids of their own.
                answer = Say(content="Once more.", calls=list(undone))
                return Turn(answer, step - 1, (match.task, role), first_call=len(messages))
        else:
            places, step = compiled.evaluator, evaluator_step(messages)
        if places is None:
            return Problem(400, NO_VERDICT, param="messages", code="rehearsal_no_verdict")
        index, place = places.at(step)
        return Turn(self._answer(match, role, native, index, place), step, (match.task, role))

    def _answer(self, match: Match, role: Role, native: bool, index: int, place: Place) -> Step:
        for number, limited in enumerate(place.limited):
            key = (match.task, role, native, index, number)
            played = self._played.get(key, 0)
            if played < (limited.times or 0):
                self._played[key] = played + 1
                return limited
        return place.answer
