"""The coder's next prompt after an iteration that was not accepted."""

from collections.abc import Mapping

from agentbatch.redaction import Redactor
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.shorten import last_lines, shortened
from agentbatch.tasks.coders.builtin.coder import Coder
from agentbatch.tasks.coders.builtin.turn import TurnOutcome
from agentbatch.tasks.evaluator.controller import Continue
from agentbatch.tasks.evaluator.evaluation import CIRCLES, Found
from agentbatch.tasks.evaluator.opening import opening_anew
from agentbatch.tasks.evaluator.verdict import MAX_FOLLOW_UP
from agentbatch.tasks.spec.plan import PlannedTask

CHECK_LINES = 25
CHECK_CHARACTERS = 1500
"""Of a failed check's output, its end, as the coder is shown it."""
MAX_CHECK = 600
"""Characters of a check's command that the coder is shown."""
MAX_MISSING_ITEMS = 8
MAX_MISSING_LENGTH = 300
"""Characters of one thing that is missing, as the coder is told it."""


def begins_anew(coder: Coder, outcome: TurnOutcome, found: Found) -> bool:
    """Whether the next turn opens a new conversation: a small model whose check failed repeats what it finds in its
    old one (measured: docs/models.md). A question gets its answer where it was asked."""
    return coder.brief and found.failed_check is not None and outcome.end != "text"


def next_prompt(
    prompts: Prompts,
    planned: PlannedTask,
    coder: Coder,
    outcome: TurnOutcome,
    found: Found,
    decision: Continue,
    *,
    judged: bool,
    redact: Redactor,
) -> str:
    """What the coder is told next. `judged`: the run has an evaluator."""
    failed, verdict = found.failed_check, found.judgement.verdict
    if failed is not None and begins_anew(coder, outcome, found):
        said = verdict.follow_up_prompt if verdict else ""
        mode = coder.model.tool_mode
        return opening_anew(prompts, planned.task, redact, failed, said, str(planned.root), mode)
    return _follow_up(prompts, outcome, found, decision, coder.words, judged=judged)


def _follow_up(
    prompts: Prompts,
    outcome: TurnOutcome,
    found: Found,
    decision: Continue,
    words: Mapping[str, str],
    *,
    judged: bool,
) -> str:
    verdict, failed = found.judgement.verdict, found.failed_check
    return prompts.render(
        "follow_up.md",
        kind=decision.kind,
        follow_up=verdict.follow_up_prompt.strip()[:MAX_FOLLOW_UP] if verdict else "",
        missing=[shortened(item, MAX_MISSING_LENGTH) for item in found.missing[:MAX_MISSING_ITEMS]],
        verify_failed=failed is not None,
        verify_command=shortened(failed.command, MAX_CHECK) if failed else "",
        verify_tail=last_lines(failed.tail, CHECK_LINES, CHECK_CHARACTERS) if failed else "",
        verify_end=failed.end if failed else "",
        question=outcome.end == "text" and not judged,
        words=words,
        circles=CIRCLES[outcome.circle] if outcome.circle else "",
    )
