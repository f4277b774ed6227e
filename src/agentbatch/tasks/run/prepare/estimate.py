"""The least a plan will take: one coder call and one evaluation a task, and one question for checks where the evaluator
writes some; their prompts only."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from agentbatch.model.tokens import estimate_messages
from agentbatch.redaction import Redactor
from agentbatch.tasks.agents.definition import EvaluatorDefinition
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.coders.makers import CoderKind
from agentbatch.tasks.evaluator.checks.own.asking import Question
from agentbatch.tasks.evaluator.coder_prompts import opening_prompt
from agentbatch.tasks.evaluator.judging.evidence import Evidence
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.workspace.workspace import Snapshot


@dataclass(frozen=True)
class LeastTokens:
    """Estimated input tokens of a task's first coder call, and of its first evaluation with what is asked before it."""

    coder: int
    evaluator: int
    checks: int = 0
    """The part of `evaluator` that asks for checks before the work; 0: none are asked for."""


def least_tokens(
    tasks: Sequence[PlannedTask],
    prompts: Prompts,
    coder: CoderKind,
    evaluator: EvaluatorDefinition | None,
) -> list[LeastTokens]:
    """One entry a task, in order. Real runs take more: answers, tool results and follow-ups come on top.

    `evaluator` None: there is no evaluation by a model.
    """
    return [_least(planned, prompts, coder, evaluator) for planned in tasks]


def _least(
    planned: PlannedTask, prompts: Prompts, coder: CoderKind, evaluator: EvaluatorDefinition | None
) -> LeastTokens:
    opening = partial(opening_prompt, prompts, planned.task, Redactor([]))
    first = coder.least_tokens(planned, prompts, opening)
    if evaluator is None:
        return LeastTokens(first, 0)
    checks = _least_checks(planned, prompts, evaluator)
    return LeastTokens(first, checks + _least_evaluation(planned, prompts, evaluator), checks)


def _least_checks(planned: PlannedTask, prompts: Prompts, evaluator: EvaluatorDefinition) -> int:
    """What asking for checks of its own takes; a task with `verify` has none."""
    most = evaluator.limits.checks
    if planned.task.verify or not most:
        return 0
    question = Question(planned.task.first_prompt, Snapshot({}), most)
    return estimate_messages(question.messages(prompts, Redactor([])))


def _least_evaluation(planned: PlannedTask, prompts: Prompts, evaluator: EvaluatorDefinition) -> int:
    empty = Snapshot({}, False)
    evidence = Evidence(1, planned.max_iterations, planned.task.first_prompt, empty, empty)
    texts = evidence.fit(evaluator.limits.diff_characters).texts
    question = prompts.render("evidence.md", brief=False, **evidence.variables(texts))
    system = prompts.system(evaluator.prompt)
    return estimate_messages([{"role": "system", "content": system}, {"role": "user", "content": question}])
