"""The least a plan will take: one coder call and one evaluation a task, and one question for checks where the evaluator
writes some; their prompts only."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from agentbatch.config import BUILTIN
from agentbatch.model.tokens import estimate, estimate_messages
from agentbatch.redaction import Redactor
from agentbatch.tasks.agents.definition import EvaluatorDefinition
from agentbatch.tasks.agents.project import Project
from agentbatch.tasks.agents.project_prompt import project_prompt
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.role_models import SMALL_WINDOW
from agentbatch.tasks.coders.coder import PromptStyle
from agentbatch.tasks.coders.kind import CoderKind
from agentbatch.tasks.evaluator.checks.own.asking import Question
from agentbatch.tasks.evaluator.checks.own.asserts.agreed import MAX_TASK_TOKENS
from agentbatch.tasks.evaluator.checks.own.asserts.asking import ASKED
from agentbatch.tasks.evaluator.checks.own.asserts.expected import wanted_functions
from agentbatch.tasks.evaluator.coder_prompts import opening_prompt
from agentbatch.tasks.evaluator.judging.evidence.evidence import Evidence
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.workspace.workspace import Snapshot


class LeastTokens(NamedTuple):
    """Estimated input tokens of a task's first coder call, and of its first evaluation with what is asked before it."""

    coder: int
    evaluator: int
    checks: int = 0
    """The part of `evaluator` that asks for checks before the work; 0: none are asked for."""
    looks: int = 0
    """Calls more that an evaluation may take, in which the evaluator looks for itself."""


def least_tokens(
    tasks: Sequence[PlannedTask],
    prompts: Prompts,
    coder: CoderKind,
    evaluator: EvaluatorDefinition | None,
    window: Callable[[PlannedTask], int],
    project: Callable[[PlannedTask], Project],
) -> list[LeastTokens]:
    """One entry a task, in order. Real runs take more: answers, tool results and follow-ups come on top.

    `evaluator` None: there is no evaluation by a model. `window`: that of a task's evaluator, in tokens. `project`:
    what a task is given beside its prompt.
    """
    found = []
    for planned in tasks:
        given = project(planned)
        opening = partial(_opening, prompts, planned, given)
        first = coder.least_tokens(planned, prompts, opening)
        if evaluator is None:
            found.append(LeastTokens(first, 0))
            continue
        weak = window(planned) <= SMALL_WINDOW
        checks = _least_checks(planned, prompts, evaluator, weak)
        judged = _least_evaluation(planned, prompts, evaluator, weak, given)
        found.append(LeastTokens(first, checks + judged, checks, 0 if weak else evaluator.limits.steps))
    return found


def _opening(prompts: Prompts, planned: PlannedTask, given: Project, style: PromptStyle) -> str:
    """A coder's first prompt, with what it is given beside it."""
    text = opening_prompt(prompts, planned.task, Redactor([]), style)
    more = project_prompt(prompts, given, rules=planned.coder == BUILTIN, weak_model=style.weak_model)
    return f"{text}\n\n{more}" if more else text


def _least_checks(planned: PlannedTask, prompts: Prompts, evaluator: EvaluatorDefinition, weak: bool) -> int:
    """What asking for checks of its own takes; a task with `verify` has none, nor, of a weak evaluator, one that names
    no function."""
    task, most = planned.task.first_prompt, evaluator.limits.checks
    if planned.task.verify or not most:
        return 0
    if not weak:
        return estimate_messages(Question(task, Snapshot({}), most).messages(prompts, Redactor([])))
    functions = wanted_functions(task)
    if not functions or estimate(task) > MAX_TASK_TOKENS:
        return 0
    question = prompts.render("own_asserts.md", kind="asserts", most=ASKED, functions=functions, task=task)
    return estimate_messages([{"role": "user", "content": question}])


def _least_evaluation(
    planned: PlannedTask, prompts: Prompts, evaluator: EvaluatorDefinition, weak: bool, given: Project
) -> int:
    empty = Snapshot({}, False)
    evidence = Evidence(
        1, planned.max_iterations, planned.task.first_prompt, empty, empty, project=given.files
    )
    texts = evidence.fit(evaluator.limits.diff_characters, weak_model=weak).texts
    question = prompts.render("evidence.md", brief=weak, **evidence.variables(texts))
    system = prompts.system(evaluator.brief_prompt if weak else evaluator.prompt)
    return estimate_messages([{"role": "system", "content": system}, {"role": "user", "content": question}])
