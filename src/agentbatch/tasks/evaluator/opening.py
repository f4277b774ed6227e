"""The first thing that a coder is told: the task word for word, and what its work will be checked by."""

from agentbatch.model.capabilities import ToolMode
from agentbatch.redaction import Redactor
from agentbatch.tasks.agents.action_words import action_words
from agentbatch.tasks.agents.error_lines import find_spot
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.shorten import last_lines, shortened
from agentbatch.tasks.evaluator.evidence import VerifyResult
from agentbatch.tasks.evaluator.verdict import MAX_FOLLOW_UP
from agentbatch.tasks.spec.task import Task

MAX_CHECKS = 2000
"""Characters of all verify commands together, as the coder is told them; longer ones lose their middle."""


LAST_LINES = 3
LAST_WORDS = 300
"""Lines and characters of a failed check's output that open a new conversation."""


def opening_prompt(
    prompts: Prompts, task: Task, redact: Redactor, *, brief: bool = False, mode: ToolMode = "native"
) -> str:
    """The first prompt; after it, where the task has verify commands, prompts/checks.md with these."""
    if not task.verify:
        return task.first_prompt
    share = max(MAX_CHECKS // len(task.verify), 100)
    checks = [shortened(redact(command), share) for command in task.verify]
    return f"{task.first_prompt}\n\n{prompts.render('checks.md', checks=checks, brief=brief, words=action_words(mode))}"


def opening_anew(
    prompts: Prompts, task: Task, redact: Redactor, failed: VerifyResult, said: str, root: str, mode: ToolMode
) -> str:
    """The first prompt of a new conversation, after a check of the earlier one's work has failed. `said`: what the
    judge says to it, if it was asked; `root`: the task's directory."""
    output = last_lines(failed.tail, LAST_LINES, LAST_WORDS)
    spot = find_spot(failed.tail, root)
    if spot.error not in output:  # a test runner's last lines are its counts
        output = "\n".join(part for part in (spot.place, spot.error, output) if part)
    said = said.strip()[:MAX_FOLLOW_UP]
    opening = opening_prompt(prompts, task, redact, brief=True, mode=mode)
    return f"{opening}\n\n{prompts.render('anew.md', output=output, end=failed.end, said=said)}"
