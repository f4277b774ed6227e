"""A small judge that says the right thing and quotes it badly, or that has nothing to add: what ran shows it better.
Pure."""

from dataclasses import replace
from pathlib import PurePath

from agentbatch.tasks.agents.named_files import named_files
from agentbatch.tasks.evaluator.judging.evidence.evidence import Evidence
from agentbatch.tasks.evaluator.judging.evidence.pieces import Piece
from agentbatch.tasks.evaluator.judging.execution.commands import failed_last
from agentbatch.tasks.evaluator.judging.judgement import Judgement
from agentbatch.tasks.results.verdict import Quote, Requirement
from agentbatch.workspace.files.diff.diff import changes

MAX_QUOTE = 200
"""Characters of a check's output that stand for a quote."""
SAID = "its own quotes do not hold; "
"""Before where the evidence stands that stands in for them."""


def vouched_for(question: Evidence) -> bool:
    """The one file of the change, the only one that the task names, gives what the task's examples state and what the
    evaluator is sure of: a small judge has never found more (measured: docs/models.md)."""
    passed = {check.kind for check in question.checks if check.passed and check.ran and check.binding}
    change = changes(question.before, question.after)
    touched = (*change.added, *change.modified, *change.deleted)
    return (
        {"example", "own"} <= passed
        and all(check.passed for check in question.checks)
        and len(touched) == 1
        and named_files(question.task) == {PurePath(touched[0]).name}
        and not (question.tampering or question.left)
        and failed_last(question.commands, question.tried_from, question.checks, question.runs) is None
    )


def standing_in(judgement: Judgement, question: Evidence) -> Judgement:
    """With a passed check that ran the work as evidence of what the judge calls met and quotes badly, if it is the
    judge's own fault. A requirement about a file that is not there stays unshown; nothing changes where no check has
    run, or one has failed."""
    piece = question.shown_by_run() if judgement.misquoted else None
    verdict = judgement.verdict
    if piece is None or verdict is None:
        return judgement
    there = {PurePath(path).name for path in question.after.files}
    names = {one.text for one in verdict.requirements if one.text in judgement.unshown and _about(one, there)}
    if not names >= {*judgement.unshown} or len({one.text for one in verdict.requirements}) < len(
        verdict.requirements
    ):
        return judgement
    evidence = [_quote(piece)]
    requirements = [
        one.model_copy(update={"met": True, "evidence": evidence})
        if one.text in names and not one.met
        else one
        for one in verdict.requirements
    ]
    return replace(
        judgement,
        verdict=verdict.model_copy(update={"requirements": requirements}),
        ungrounded=(),
        misquoted=False,
        unshown=(),
        quotes_run=True,
    )


def _about(requirement: Requirement, there: set[str]) -> bool:
    """Every file that it names, or quotes, is there."""
    texts = [requirement.text, *(quote.quote for quote in requirement.evidence)]
    return all(named_files(text) <= there for text in texts)


def _quote(piece: Piece) -> Quote:
    lines = (line.strip() for line in piece.text.splitlines())
    words = next((line for line in lines if any(sign.isalnum() for sign in line)), "passed")
    return Quote(ref=piece.ref, quote=words[:MAX_QUOTE], where=f"{SAID}{piece.where}")
