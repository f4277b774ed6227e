"""Makes what the builtin evaluator of each task is made of: its checks, its judge."""

from collections.abc import Callable

from agentbatch.tasks.agents.role_models import ANSWER_ROOM, RunParts, is_weak
from agentbatch.tasks.evaluator.builtin import OWN, BuiltinEvaluator
from agentbatch.tasks.evaluator.checks.check import CheckSource, VerifyCommands
from agentbatch.tasks.evaluator.checks.facts.examples import StatedExamples
from agentbatch.tasks.evaluator.checks.facts.project_tests import ProjectTests
from agentbatch.tasks.evaluator.checks.facts.sound import SoundFiles
from agentbatch.tasks.evaluator.checks.own.making import own_checks
from agentbatch.tasks.evaluator.checks.own.own_checks import OwnChecks
from agentbatch.tasks.evaluator.checks.sources import Checks
from agentbatch.tasks.evaluator.evaluator import Evaluators
from agentbatch.tasks.evaluator.judging.hands import TOOLS
from agentbatch.tasks.evaluator.judging.judge import MARGIN, Judge
from agentbatch.tasks.spec.plan import PlannedTask


class BuiltinEvaluators:
    """Makes the evaluator of each task; see `Evaluators`."""

    tools = TOOLS

    def __init__(self, parts: RunParts) -> None:
        self.parts = parts

    def make(self, task: PlannedTask) -> BuiltinEvaluator:
        judge = self._judge(task) if self.parts.judged else None
        own = own_checks(self.parts, task, judge.model, weak_model=judge.weak_model) if judge else None
        return BuiltinEvaluator(self.parts, task, judge, self._checks(task, own), own)

    def _checks(self, task: PlannedTask, own: OwnChecks | None) -> Checks:
        definition, given = self.parts.evaluator, task.task
        sources: dict[str, CheckSource] = {}
        if definition.checks.discover:
            timeout = definition.checks.timeout
            sources["sound"] = SoundFiles(given.first_prompt, timeout)
            sources["example"] = StatedExamples(given.first_prompt, timeout)
        sources["verify"] = VerifyCommands(given.verify, definition.limits.verify_timeout)
        if definition.checks.discover and not given.verify:
            sources["tests"] = ProjectTests(definition.checks.timeout)
        if own is not None:
            sources[OWN] = own
        return Checks(sources)

    def _judge(self, task: PlannedTask) -> Judge:
        parts, definition = self.parts, self.parts.evaluator
        model = parts.models.make(parts.evaluator_model, definition.model, task, task.task.evaluator_model)
        window = parts.models.window(parts.evaluator_model, definition.model, model)
        weak = is_weak(model, window)
        if weak and model.client.max_output_tokens is None:
            model.client.max_output_tokens = max(ANSWER_ROOM, window // MARGIN)
        return Judge(
            model=model,
            prompts=parts.prompts,
            system_prompt=parts.prompts.system(definition.brief_prompt if weak else definition.prompt),
            weak_model=weak,
            limits=definition.limits,
            context_window=window,
            max_output_tokens=model.client.max_output_tokens,
            redact=parts.store.redact,
        )


MakeEvaluators = Callable[[RunParts], Evaluators]
"""Makes the evaluators of one run from what the run has."""
