"""What is known without a judge, and what has to speak for a verdict beside its quotes: something ran, nothing failed
at the end, all was seen. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from agentbatch.tasks.evaluator.checks.check import CheckResult
from agentbatch.tasks.evaluator.checks.round import Round
from agentbatch.tasks.evaluator.evaluator import TurnEvidence
from agentbatch.tasks.evaluator.judging.evidence.evidence import Evidence
from agentbatch.tasks.evaluator.judging.execution.commands import failed_last
from agentbatch.tasks.evaluator.judging.judgement import Judgement
from agentbatch.tasks.evaluator.judging.verdict import Facts
from agentbatch.text import list_names
from agentbatch.workspace.files.diff.diff import changes
from agentbatch.workspace.files.diff.file_diff import quoted

MAX_NAMED = 5
MAX_NAME = 100
"""Files named in a sentence, and characters of each name or command."""
ONLY_TOLD = (
    "What ran after the last change, only the Coder tells of, and nobody else could run it: leave a test that shows "
    "that it works, and run that in one plain command."
)


def known(turn: TurnEvidence, checked: Round, *, checks_decide: bool) -> Facts:
    """What is known before a judge is asked."""
    outcome, failed = turn.outcome, checked.failed
    return Facts(
        nothing_happened=not changes(turn.before, checked.after) and not turn.work.active,
        coder_failure=outcome.sentence if outcome.failed else "",
        verify_failure=_failure(failed) if failed else "",
        checks_decide=checks_decide,
    )


def _failure(failed: CheckResult) -> str:
    """A failed check as a sentence: what was told on lines, one after the other."""
    head, *lines = failed.told.splitlines() or [""]
    return " ".join((head, "; ".join(lines))).strip() or f"The check `{failed.command}` failed: {failed.end}."


def own_failure(failed: CheckResult) -> str:
    return f"A check of the evaluator's own failed: {failed.requirement.rstrip('.')}."


def proven(facts: Facts, judgement: Judgement, question: Evidence, *, loaded: bool) -> Facts:
    """The facts with what the judge's answer adds to them. `loaded`: the change has been run by us, and loads."""
    unquoted = tuple(_unquoted(judgement, question, loaded))
    return replace(
        facts,
        unjudged=judgement.failure,
        ungrounded=(*judgement.ungrounded, *unquoted),
        misquoted=judgement.misquoted or (bool(unquoted) and not judgement.ungrounded),
        unshown=judgement.unshown,
        unproven=tuple(_unproven(judgement, question, loaded)),
    )


def _unproven(judgement: Judgement, question: Evidence, loaded: bool) -> Iterator[str]:
    """What speaks against a verdict that is complete, a sentence each; told to the coder as well."""
    last = failed_last(question.commands, question.tried_from, question.checks, question.runs)
    if last is not None and f"C{last + 1}" not in judgement.expected:
        record = question.commands[last]
        end = "was killed" if record.exit_code is None else f"failed with exit code {record.exit_code}"
        command = " ".join(record.command.split())
        yield f"The last command after the last change {end}: {list_names([command], 1, MAX_NAME)}."
    if judgement.unseen:
        names = list_names([quoted(path) for path in judgement.unseen], MAX_NAMED, MAX_NAME)
        yield f"The evaluator could not see what is in these changed files: {names}."
    if question.left:
        names = list_names([quoted(path) for path in question.left], MAX_NAMED, MAX_NAME)
        yield f"Nothing has run these changed programs after the last change: {names}. Run them."
    if question.must_run and not (judgement.quotes_run or loaded or question.has_run):
        told = any(record.told for record in question.commands[question.tried_from :])
        yield (
            ONLY_TOLD
            if told
            else "Nothing has run after the last change that could show that it works: run it."
        )


def _unquoted(judgement: Judgement, question: Evidence, loaded: bool) -> Iterator[str]:
    """What ran and could show something, and the judge does not quote: that is its fault and not the work's."""
    if question.must_run and not (judgement.quotes_run or loaded) and question.has_run:
        yield "The evaluator quotes nothing of what ran well after the last change."
