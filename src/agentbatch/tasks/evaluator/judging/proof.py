"""What has to speak for a verdict beside its quotes: something ran, nothing failed at the end, all was seen. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from agentbatch.tasks.evaluator.checks.check import CheckResult
from agentbatch.tasks.evaluator.checks.facts.forms import form_of, stays_python2
from agentbatch.tasks.evaluator.checks.tampering import is_test
from agentbatch.tasks.evaluator.judging.evidence.changed_files import runnable
from agentbatch.tasks.evaluator.judging.evidence.evidence import Evidence
from agentbatch.tasks.evaluator.judging.execution.commands import failed_last, ran_well
from agentbatch.tasks.evaluator.judging.execution.reached import not_reached
from agentbatch.tasks.evaluator.judging.judge import Judgement
from agentbatch.tasks.evaluator.judging.verdict import Facts
from agentbatch.text import counted, list_names
from agentbatch.workspace.files.file_diff import quoted
from agentbatch.workspace.workspace import CommandRecord, Snapshot

MAX_NAMED = 5
MAX_NAME = 100
"""Files named in a sentence, and characters of each name or command."""


def too_many(before: Snapshot, after: Snapshot) -> CheckResult | None:
    """A failed check where the work has so many files now that not all of them can be seen."""
    if before.truncated or not after.truncated:
        return None
    folders = Counter(f"{path.rpartition('/')[0] or '.'}/" for path in after.files)
    most = list_names([quoted(path) for path, _ in folders.most_common(3)], 3, MAX_NAME)
    text = (
        f"There are too many files: only {counted(len(after.files), 'file')} can be looked at. Remove what is no part "
        f"of the work; most are in {most}."
    )
    return CheckResult("all files can be seen", 1, text, 0.0, "sound", ran=False, told=text)


def to_be_run(before: Snapshot, after: Snapshot, checks: Sequence[CheckResult]) -> tuple[str, ...]:
    """The files of the change that can be run here, and that no check has run, as far as texts say so."""
    return _unreached(runnable(before, after), checks, [], after)


def to_be_loaded(
    before: Snapshot,
    after: Snapshot,
    checks: Sequence[CheckResult],
    commands: Sequence[CommandRecord],
    task: str,
) -> tuple[str, ...]:
    """The programs of the change that neither a check nor one of the commands, those since the last change, has run or
    imported, as far as texts say so. A `verify` that passed stands for all of them."""
    programs = [path for path in loadable(before, after, task) if not is_test(path)]
    return _unreached(programs, checks, [record.command for record in commands if ran_well(record)], after)


def _unreached(
    programs: Sequence[str], checks: Sequence[CheckResult], commands: Sequence[str], after: Snapshot
) -> tuple[str, ...]:
    """Those that neither commands nor checks reach. Examples and calls are of what the change defines."""
    passed = [check for check in checks if check.passed and check.ran]
    tied = any(check.kind == "example" or (check.kind == "own" and check.details) for check in passed)
    one = len([path for path in programs if not is_test(path)]) == 1
    if any(check.kind == "verify" for check in passed) or (tied and one):
        return ()
    return not_reached(programs, [*commands, *(check.command for check in passed)], after)


def loadable(before: Snapshot, after: Snapshot, task: str) -> list[str]:
    """The programs of the change, without those that may be broken on purpose."""
    return [
        path
        for path in runnable(before, after)
        if form_of(path, after.files[path], task) and not stays_python2(before.files.get(path), task)
    ]


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
        yield "Nothing has run after the last change that could show that it works: run it."


def _unquoted(judgement: Judgement, question: Evidence, loaded: bool) -> Iterator[str]:
    """What ran and could show something, and the judge does not quote: that is its fault and not the work's."""
    if question.must_run and not (judgement.quotes_run or loaded) and question.has_run:
        yield "The evaluator quotes nothing of what ran well after the last change."
