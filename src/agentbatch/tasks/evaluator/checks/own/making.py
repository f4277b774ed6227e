"""Which checks of its own an evaluator has for a task."""

from collections.abc import Sequence

from agentbatch.tasks.agents.role_model import RoleModel
from agentbatch.tasks.agents.role_models import RunParts
from agentbatch.tasks.evaluator.checks.own.asserts.agreed import AgreedChecks
from agentbatch.tasks.evaluator.checks.own.asserts.asking import ASSERT_TOKENS, PROGRAM_TOKENS, Asking
from agentbatch.tasks.evaluator.checks.own.own_checks import OwnChecks
from agentbatch.tasks.evaluator.checks.own.written import WrittenChecks
from agentbatch.tasks.spec.plan import PlannedTask


def own_checks(parts: RunParts, task: PlannedTask, model: RoleModel, *, weak_model: bool) -> OwnChecks | None:
    """Those that the evaluator's `model` writes; None: it is to write none. A task with `verify` says itself what binds
    it, and has none."""
    definition = parts.evaluator
    most, timeout, redact = definition.limits.checks, definition.checks.timeout, parts.store.redact
    if task.task.verify or not most:
        return None
    if not weak_model:
        return WrittenChecks(model, parts.prompts, redact, most, timeout)
    asserts, program = (_brief(parts, task, tokens) for tokens in (ASSERT_TOKENS, PROGRAM_TOKENS))

    def asking(text: str, functions: Sequence[str]) -> Asking:
        return Asking(asserts, program, parts.prompts, redact, text, functions, timeout)

    return AgreedChecks(asking, redact, most, timeout)


def _brief(parts: RunParts, task: PlannedTask, tokens: int) -> RoleModel:
    """The evaluator's model with answers of so many tokens at most."""
    parameters = parts.evaluator.model
    most = min(tokens, parameters.max_output_tokens or tokens)
    brief = parameters.model_copy(update={"max_output_tokens": most})
    return parts.models.make(parts.evaluator_model, brief, task, task.task.evaluator_model)
