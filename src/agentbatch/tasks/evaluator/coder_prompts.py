"""What the coder is asked: the task and what its work is checked by, and after an iteration that was not accepted, what
is wrong. Pure."""

from collections.abc import Sequence

from agentbatch.redaction import Redactor
from agentbatch.runs.events import VerdictReached
from agentbatch.tasks.agents.error_lines import find_error
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.shorten import last_lines, shortened
from agentbatch.tasks.coders.coder import LOOPS, PromptStyle, TurnOutcome
from agentbatch.tasks.evaluator.checks.check import CheckResult
from agentbatch.tasks.evaluator.controller import FollowUpKind
from agentbatch.tasks.evaluator.judging.verdict import MAX_FOLLOW_UP
from agentbatch.tasks.results.verdict import Verdict
from agentbatch.tasks.spec.task import Task

MAX_CHECKS = 2000
"""Characters of all verify commands together, as the coder sees them; longer ones lose their middle."""
LAST_LINES = 3
MAX_LAST_LINES = 300
"""Lines and characters of a failed check's output that open a new conversation."""
CHECK_LINES = 25
MAX_CHECK_OUTPUT = 1500
"""Lines and characters of a failed check's output, from its end, in a follow-up."""
MAX_CHECK = 600
"""Characters of a failed check's command in a follow-up."""
MAX_MISSING_ITEMS = 8
MAX_MISSING_LENGTH = 300
"""Characters of one thing that is missing."""


def opening_prompt(
    prompts: Prompts, task: Task, redact: Redactor, style: PromptStyle, *, checked: bool = False
) -> str:
    """The first prompt; after it, where the task has verify commands, prompts/checks.md with these. `checked`: other
    checks will run the work; a weak model need not then."""
    if not task.verify and not (checked and style.weak_model):
        return task.first_prompt
    share = max(MAX_CHECKS // max(len(task.verify), 1), 100)
    checks = [shortened(redact(command), share) for command in task.verify]
    checked_by = prompts.render("checks.md", checks=checks, brief=style.weak_model, words=style.words)
    return f"{task.first_prompt}\n\n{checked_by}"


def fresh_prompt(
    prompts: Prompts,
    task: Task,
    redact: Redactor,
    style: PromptStyle,
    failed: CheckResult,
    root: str,
    verdict: Verdict | None = None,
    *,
    checked: bool = False,
) -> str:
    """The first prompt of a new conversation, after a check of the earlier one's work has failed. `root`: the task's
    directory; `verdict`: the judge's, if it was asked."""
    output = shortened(failed.told, MAX_CHECK) or _last_error(failed.tail, root)
    end = "" if failed.told else failed.end
    opening = opening_prompt(
        prompts, task, redact, PromptStyle(style.words, weak_model=True), checked=checked
    )
    told = prompts.render("anew.md", output=output, end=end, said=_advice(verdict), words=style.words)
    return f"{opening}\n\n{told}"


def _last_error(tail: str, root: str) -> str:
    output = last_lines(tail, LAST_LINES, MAX_LAST_LINES)
    spot = find_error(tail, root)
    if spot.error not in output:  # a test runner's last lines are its counts
        output = "\n".join(part for part in (spot.place, spot.error, output) if part)
    return output


def follow_up_prompt(
    prompts: Prompts,
    style: PromptStyle,
    outcome: TurnOutcome,
    kind: FollowUpKind,
    verdict: Verdict | None,
    failed: CheckResult | None,
    missing: Sequence[str],
    *,
    judged: bool,
) -> str:
    """The next prompt of the conversation. `missing`: what the coder still owes; `judged`: the run has a judge, who
    answers questions."""
    return prompts.render(
        "follow_up.md",
        kind=kind,
        follow_up=_advice(verdict),
        missing=[shortened(item, MAX_MISSING_LENGTH) for item in missing[:MAX_MISSING_ITEMS]],
        verify_failed=failed is not None,
        verify_told=shortened(failed.told, MAX_CHECK_OUTPUT) if failed else "",
        verify_command=shortened(failed.command, MAX_CHECK) if failed else "",
        verify_tail=last_lines(failed.tail, CHECK_LINES, MAX_CHECK_OUTPUT) if failed else "",
        verify_end=failed.end if failed else "",
        question=outcome.end == "text" and not judged,
        words=style.words,
        circles=LOOPS[outcome.loop] if outcome.loop else "",
    )


def feedback_prompt(event: VerdictReached) -> str:
    """A prompt after an iteration that was to be the last, and is not: its verdict came without one."""
    verdict = event.verdict or {}
    parts = (
        str(verdict.get("follow_up_prompt") or ""),
        *map(str, verdict.get("missing") or ()),
        *event.refusals,
    )
    return "\n".join(part.strip() for part in dict.fromkeys(parts) if part.strip())[:MAX_FOLLOW_UP]


def _advice(verdict: Verdict | None) -> str:
    return verdict.follow_up_prompt.strip()[:MAX_FOLLOW_UP] if verdict else ""
