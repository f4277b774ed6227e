"""The least a plan will take: one coder call and one evaluation a task, their prompts only."""

from collections.abc import Sequence
from dataclasses import dataclass

from agentbatch.model.tokens import estimate_messages
from agentbatch.redaction import Redactor
from agentbatch.tasks.agents.definition import CoderDefinition, EvaluatorDefinition
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.toolbox import select_tools
from agentbatch.tasks.coders.coder import PromptStyle
from agentbatch.tasks.evaluator.coder_prompts import opening_prompt
from agentbatch.tasks.evaluator.evidence import Evidence
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.workspace.tools.toolbox import specs
from agentbatch.workspace.workspace import Snapshot

STYLE = PromptStyle({"finish": "call `finish`"})


@dataclass(frozen=True)
class LeastTokens:
    """Estimated input tokens of a task's first coder call and of its first evaluation."""

    coder: int
    evaluator: int


def least_tokens(
    tasks: Sequence[PlannedTask],
    prompts: Prompts,
    coder: CoderDefinition,
    evaluator: EvaluatorDefinition | None,
) -> list[LeastTokens]:
    """One entry a task, in order. Real runs take more: answers, tool results and follow-ups come on top.

    `evaluator` None: there is no evaluation by a model.
    """
    tools = specs(select_tools(coder.tools))
    found = []
    for planned in tasks:
        system = prompts.system(
            coder.prompt,
            workdir=str(planned.root),
            system="",
            sandbox="none",
            network=True,
            tools=list(coder.tools),
            max_steps=coder.limits.steps,
        )
        opening = opening_prompt(prompts, planned.task, Redactor([]), STYLE)
        found.append(
            LeastTokens(
                estimate_messages(_conversation(system, opening), tools),
                _least_evaluation(planned, prompts, evaluator) if evaluator else 0,
            )
        )
    return found


def _least_evaluation(planned: PlannedTask, prompts: Prompts, evaluator: EvaluatorDefinition) -> int:
    empty = Snapshot({}, False)
    evidence = Evidence(
        1, planned.max_iterations, planned.task.first_prompt, empty, empty, (), (), (), (), "", ""
    )
    pieces = evidence.pieces(evaluator.limits.diff_characters)
    question = prompts.render("evidence.md", brief=False, **evidence.variables(pieces))
    return estimate_messages(_conversation(prompts.system(evaluator.prompt), question))


def _conversation(system: str, user: str) -> list[dict[str, object]]:
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]
