"""What one round of all checks of a task has found. Pure."""

from collections import Counter
from dataclasses import dataclass, replace

from agentbatch.tasks.evaluator.checks.check import CheckResult
from agentbatch.text import counted, list_names
from agentbatch.workspace.files.diff.file_diff import quoted
from agentbatch.workspace.workspace import Snapshot

MAX_NAMED = 3
MAX_NAME = 100
"""Folders that are named where there are too many files, and characters of each."""


@dataclass(frozen=True)
class Round:
    """What one round of checks has found."""

    results: tuple[CheckResult, ...]
    after: Snapshot
    """The directory when they were over: what a judge sees, and what is kept."""
    changed: tuple[str, ...] = ()
    """Files that the checks changed, but for work that has passed as they left it, and for what they make."""
    suspicious: tuple[str, ...] = ()
    """What the coder changed that can make checks say what is not so."""

    @property
    def failed(self) -> CheckResult | None:
        """The check whose failure forbids acceptance."""
        return next((result for result in self.results if result.binding and not result.passed), None)

    def plus(self, result: CheckResult | None) -> "Round":
        """With one that ran after all of them, if there was one, and left the directory as it is."""
        return self if result is None else replace(self, results=(*self.results, result))


def too_many(before: Snapshot, after: Snapshot) -> CheckResult | None:
    """A failed check where the work has so many files now that not all of them can be seen."""
    if before.truncated or not after.truncated:
        return None
    folders = Counter(f"{path.rpartition('/')[0] or '.'}/" for path in after.files)
    most = list_names([quoted(path) for path, _ in folders.most_common(MAX_NAMED)], MAX_NAMED, MAX_NAME)
    text = (
        f"There are too many files: only {counted(len(after.files), 'file')} can be looked at. Remove what is no part "
        f"of the work; most are in {most}."
    )
    return CheckResult("all files can be seen", 1, text, 0.0, "sound", ran=False, told=text)
