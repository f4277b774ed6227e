"""The scripted model: which role and which step answers a request."""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from agentbatch.config import REHEARSAL_CODERS, REHEARSAL_EVALUATOR
from agentbatch.rehearsal.apis.agent_tools import is_foreign, translated
from agentbatch.rehearsal.apis.listings import listed, listings_given, takes_listings
from agentbatch.rehearsal.apis.side_calls import TITLE, side_question
from agentbatch.rehearsal.faults.refusals import Problem
from agentbatch.rehearsal.play import (
    Index,
    Match,
    Role,
    RoleStep,
    RoleSteps,
    answers_given,
    apart,
    asks_for_checks,
    begun_with,
    coder_step,
    compile_checks,
    compile_coder,
    compile_evaluator,
    evaluator_step,
    is_evaluation,
    next_look,
    summary,
    undone_calls,
)
from agentbatch.rehearsal.script import Say, Script, ScriptedCall, Step

UNKNOWN_TASK = (
    "The rehearsal model only plays the sample tasks of task.json. To run your own tasks set CODER_API_KEY "
    "and EVALUATION_API_KEY (or OPENAI_API_KEY), and CODER_ENDPOINT / EVALUATION_BASE_URL and CODER_MODEL / "
    "EVALUATION_MODEL for another provider, in the environment or in .env."
)

NO_VERDICT = "The rehearsal script of this task has no evaluator steps."


NO_IDEA = "I do not know how."
MAX_CALLS = 100
"""Of one answer."""
GIVEN_UP = ScriptedCall(name="write_file", arguments={"path": "notes.txt", "content": "I gave up.\n"})


def solves(model: str, task: str, seed: object) -> bool:
    """Whether this coder does the task's right work: by chance, and always the same. One without a rate always does."""
    rated = REHEARSAL_CODERS.fullmatch(model)
    if rated is None or rated[1] is None:
        return True
    digest = hashlib.sha256(f"{model}\n{task}\n{seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < int(rated[1]) / 100 * 2**64


class Turn(NamedTuple):
    """The step that answers a request."""

    answer: Step
    step: int
    conversation: tuple[str, Role]
    """Key in the prefix cache."""
    first_call: int = 0
    """The number in the id of its first tool call."""


class _Compiled(NamedTuple):
    native: RoleSteps
    flat: RoleSteps
    apart: RoleSteps
    """For agents."""
    evaluator: RoleSteps | None
    checks: RoleSteps


_GIVING_UP = compile_coder([Say(content=NO_IDEA, calls=[GIVEN_UP])], flat=True)


class RehearsalModel:
    """Plays scripts. Its only state: how often each limited step (Fault, Say with `times`) was played, and a number for
    the calls of agents."""

    def __init__(self, scripts: Sequence[Script] = (), *, any_model: bool = False) -> None:
        self._any_model = any_model
        self._index = Index()
        self._compiled: dict[int, _Compiled] = {}
        self._numbers = itertools.count(1)
        self._played: dict[tuple[str, Role, bool, int, int], int] = {}
        for script in scripts:
            self.add(script)

    def add(self, script: Script) -> None:
        self._index.add(script)
        # By identity: the index keeps every script alive, and hashing one is expensive.
        self._compiled[id(script)] = _Compiled(
            native=compile_coder(script.coder, flat=False),
            flat=compile_coder(script.coder, flat=True),
            apart=compile_coder(list(apart(script.coder)), flat=False),
            evaluator=compile_evaluator(script.evaluator),
            checks=compile_checks(script.checks),
        )

    def role(self, model: str, body: Mapping[str, Any]) -> Role | None:
        """The role for this model name; None for an unknown one."""
        if REHEARSAL_CODERS.fullmatch(model):
            return "coder"
        if model != REHEARSAL_EVALUATOR:
            if not self._any_model:
                return None
            if "coder" in model or (body.get("tools") and not is_evaluation(body["messages"])):
                return "coder"
        return "checks" if asks_for_checks(body) else "evaluator"

    def turn(
        self,
        role: Role,
        messages: Sequence[Mapping[str, Any]],
        *,
        native: bool,
        tools: object = None,
        model: str = "",
        seed: object = None,
    ) -> Turn | Problem:
        """`model` and `seed`, as the request has them, say whether a rated coder does it right; `tools`, as a chat
        request offers them, in whose words a coder acts."""
        side = side_question(messages)
        if side == "title":
            return Turn(Say(content=TITLE), 0, ("", role))
        match = self._index.find(messages)
        if match is None:
            return Problem(400, UNKNOWN_TASK, param="messages", code="rehearsal_unknown_task")
        compiled = self._compiled[id(match.script)]
        foreign = role == "coder" and native and is_foreign(tools)
        if role == "coder":
            form = compiled.apart if foreign else compiled.native if native else compiled.flat
            steps: RoleSteps | None = form
            solved = solves(model, match.task, seed)
            if not solved:
                steps = _GIVING_UP
            step = coder_step(messages, match.start)
            if solved and not native and takes_listings(messages):
                turn = listings_given(messages[match.start :])
                return Turn(listed(match.script.coder, turn), step, (match.task, role))
            if side == "summary":
                return Turn(Say(content=summary(match.script.prompt, step)), step, ("", role))
            if undone := undone_calls(messages):
                # In their original step, with new ids.
                again = Say(content="Once more.", calls=list(undone))
                return Turn(again, step - 1, (match.task, role), first_call=len(messages))
            if solved and begun_with(messages, match.start, NO_IDEA):
                step = 0  # it takes over from one that did not
        elif role == "checks":
            steps, step = compiled.checks, answers_given(messages)
        else:
            steps, step = compiled.evaluator, evaluator_step(messages)
        if steps is None:
            return Problem(400, NO_VERDICT, param="messages", code="rehearsal_no_verdict")
        index, role_step = steps.at(step)
        answer = self._answer(match, role, native, index, role_step)
        if role == "evaluator" and isinstance(answer, Say):
            answer = next_look(answer, messages, native=native)
        if foreign and isinstance(answer, Say):
            answer = translated(answer, tools, messages)
        # Agents find what a call gave by its id, also in a history that lacks some of its answers.
        first = next(self._numbers) * MAX_CALLS if foreign else answers_given(messages)
        return Turn(answer, step, (match.task, role), first_call=first)

    def _answer(self, match: Match, role: Role, native: bool, index: int, step: RoleStep) -> Step:
        for number, limited in enumerate(step.limited):
            key = (match.task, role, native and role == "coder", index, number)
            played = self._played.get(key, 0)
            if played < (limited.times or 0):
                self._played[key] = played + 1
                return limited
        return step.answer
