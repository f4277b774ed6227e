"""Asking a small model what a task's functions give, more than once, and for a program of its own."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agentbatch.redaction import Redactor
from agentbatch.tasks.agents.messages import without_thoughts
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.role_model import RoleModel
from agentbatch.tasks.evaluator.checks.check import CheckRunner
from agentbatch.tasks.evaluator.checks.facts.stated.example import StatedCall
from agentbatch.tasks.evaluator.checks.facts.stated.stated import stated_examples
from agentbatch.tasks.evaluator.checks.own.asserts.calls import run_calls
from agentbatch.tasks.evaluator.checks.own.asserts.expected import (
    Expected,
    agreed,
    expected_of,
    normal,
    program_of,
)
from agentbatch.tasks.evaluator.checks.own.copies import Copies

ASKED = 8
"""Asserts of one asking; the first ones are the examples of the task in spite of all."""
ENOUGH = 2
"""Values that are agreed on, with which nothing more is asked."""
ASSERT_TOKENS = 240
PROGRAM_TOKENS = 400
"""Tokens that an answer may have at most."""
OTHER_TEMPERATURE = 0.6
"""Of the second asking: alike only where the model is sure. At 0.8 a small one begins to talk and to program."""


@dataclass
class Asking:
    """Of one task. Raises ModelError, UserError, and what a budget raises."""

    asserts_model: RoleModel
    program_model: RoleModel
    """The evaluator's model, for answers of bounded length."""
    prompts: Prompts
    redact: Redactor
    task: str
    functions: Sequence[str]
    timeout: float
    """Seconds for one run of its program."""
    firm: bool = False
    """Its program passes examples of the task."""

    async def agreed(self, most: int, runner: CheckRunner) -> list[Expected]:
        """What counts, `most` at most."""
        first = self._new(await self._ask("asserts", self.asserts_model, 0.0))
        second = [] if first else await self._second()
        if not first and not second:
            return []
        program = program_of(await self._ask("program", self.program_model, 0.0))
        gave = await self._gave(program, first or second, runner)
        kept = agreed([first, second], gave, most)
        if second or len(kept) >= ENOUGH:
            return kept
        second = await self._second()
        more = [one for one in second if one not in first]
        if gave is not None and more:
            gave = {**gave, **(await self._gave(program, more, runner) or {})}
        return agreed([first, second], gave, most)

    async def _second(self) -> list[Expected]:
        return self._new(await self._ask("again", self.asserts_model, OTHER_TEMPERATURE))

    def _new(self, reply: str) -> list[Expected]:
        """What the reply expects beyond the examples of the task, which are run anyway."""
        stated = {normal(call.call) for call in self._stated()}
        return [one for one in expected_of(reply, self.functions) if one.call not in stated]

    def _stated(self) -> list[StatedCall]:
        examples = [one for one in stated_examples(self.task) if isinstance(one, StatedCall)]
        return [one for one in examples if one.function in self.functions]

    async def _ask(self, kind: str, model: RoleModel, temperature: float) -> str:
        question = self.prompts.render(
            "own_asserts.md", kind=kind, most=ASKED, functions=self.functions, task=self.task
        )
        message = {"role": "user", "content": self.redact(question)}
        reply = await model.complete([message], purpose="checks", temperature=temperature)
        return without_thoughts(reply.content)

    async def _gave(
        self, program: str, expected: Sequence[Expected], runner: CheckRunner
    ) -> Mapping[str, str] | None:
        """What the model's own program gives for the calls; None: by an example of the task itself it is wrong."""
        stated = self._stated()
        calls = [*stated, *(one.as_stated() for one in expected)]
        path = f"own_{secrets.token_hex(6)}.py"
        async with Copies(runner.workspace) as copies:
            ran = await run_calls(path, calls, self.timeout, runner, await copies.take(), source=program)
        outcomes = ran.outcomes(stated)
        right = all(one.passed for one in outcomes)
        self.firm = right and bool(outcomes)
        return ran.values if right else None
