"""What a page says of one task: its prompt, each iteration with its verdict, what it changed, what was said.

Pure but for the records, which are read when a section is written.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from agentbatch.display.reports.html.overview import Row, bill_row, row
from agentbatch.display.reports.html.transcript_view import Entry, entries, size_of
from agentbatch.display.reports.material import Material
from agentbatch.runs.check_words import check_text, counted_checks, decided_by, end_word, said_by
from agentbatch.runs.state.acceptance import accepted_words
from agentbatch.runs.state.task_state import TaskState, VerdictRecord
from agentbatch.runs.verdict_words import RequirementLine, missing, required
from agentbatch.tasks.results.steps import steps
from agentbatch.text import clip
from agentbatch.workspace.files.diff.file_diff import FileChange

MAX_FILES = 200
"""Of a task's changes."""
MAX_DIFF = 200_000
"""Characters of a task's diffs."""
MAX_TRANSCRIPT = 5_000_000
"""Characters of one."""


class Check(NamedTuple):
    end: str
    """`passed`, `failed`, `not counted`; empty: it was only looked at."""
    text: str
    said: str


class Iteration(NamedTuple):
    number: int
    accepted: bool
    outcome: str
    checks: list[Check]
    counted: str
    missing: list[str]
    requirements: list[RequirementLine]
    tampering: list[str]
    follow_up: str


class Piece(NamedTuple):
    """Lines of a diff that are of one kind."""

    kind: str
    """`add`, `del`, `at`, or empty."""
    text: str


class File(NamedTuple):
    path: str
    kind: str
    added: int | None
    removed: int | None
    note: str
    pieces: list[Piece]


class AttemptRow(NamedTuple):
    """One of a task's attempts among the others."""

    taken: bool
    row: Row
    model: str
    checks: str
    """How many of the checks of all attempts it passes; empty: it was not tried in them."""
    alike: str
    """With how many others it agrees."""
    score: str
    hidden: str
    """What its hidden checks say; empty: there are none."""


class Section(NamedTuple):
    anchor: str
    row: Row
    dir: str
    coders: str
    """Who worked on it, where that was not `builtin` alone."""
    branch: str
    place: str
    prompt: str
    answer: str
    evaluation: str
    """What was said of it, where no verdict is kept."""
    iterations: list[Iteration]
    files: list[File]
    more_files: int
    bills: list[tuple[str, ...]]
    """As the run's (`Overview.bills`)."""
    transcript: list[Entry]
    left_out: bool
    """The transcript is too long for where the section stands."""
    choice: str
    """Which of its attempts was taken, and why."""
    standings: list[AttemptRow]
    attempts: list["Section"]
    """Each as if it were a task."""

    @property
    def size(self) -> int:
        """Characters of its transcripts."""
        return size_of(self.transcript) + sum(one.size for one in self.attempts)


def task_section(task: TaskState, anchor: str, material: Material, room: int = MAX_TRANSCRIPT) -> Section:
    """`room`: characters that its transcript may take. Raises UserError for a run that is damaged."""
    attempts: list[Section] = []
    for one in material.state.attempts_of(task.id):
        attempts.append(task_section(one, f"{anchor}@{len(attempts) + 1}", material, room))
        room -= attempts[-1].size
    changes = material.records.changes(task.id)
    transcript = list(entries(steps(material.records.events(task))))
    fits = size_of(transcript) <= room
    return Section(
        anchor=anchor,
        row=row(task, f"#{anchor}", material.now),
        dir=task.dir or ".",
        coders=task.other_coders,
        branch=task.branch,
        place=task.place,
        prompt=task.first_prompt,
        answer=task.last_response,
        evaluation="" if task.verdicts else task.last_evaluation,
        iterations=[_iteration(record) for record in task.verdicts],
        files=list(files(changes)),
        more_files=max(0, len(changes) - MAX_FILES),
        bills=[bill_row(bill) for bill in task.bills],
        transcript=transcript if fits else [],
        left_out=not fits,
        choice=task.choice.why if task.choice is not None else "",
        standings=list(_standings(task, material)),
        attempts=attempts,
    )


def _standings(task: TaskState, material: Material) -> Iterator[AttemptRow]:
    """In the order of the attempts."""
    choice = task.choice
    known = {one.attempt: one for one in choice.standings} if choice is not None else {}
    for one in material.state.attempts_of(task.id):
        standing = known.get(one.id)
        tried = standing if standing is not None and standing.checks else None
        yield AttemptRow(
            taken=choice is not None and choice.attempt == one.id,
            row=row(one, "", material.now),
            model=_worker(one),
            checks=f"{tried.passed}/{tried.checks}" if tried is not None else "",
            alike=f"{tried.alike - 1}" if tried is not None else "",
            score=f"{standing.score:.2f}" if standing is not None and one.verdicts else "",
            hidden="" if one.hidden is None else "pass" if one.hidden else "fail",
        )


def _worker(attempt: TaskState) -> str:
    model = attempt.model or next((bill.model for bill in attempt.bills if bill.role == "coder"), "")
    return clip(" with ".join(filter(None, (attempt.other_coders, model))), 120)


def _iteration(record: VerdictRecord) -> Iteration:
    by = decided_by(record.decided_by, record.checks)
    outcome = accepted_words(record.verdict, record.checks) if record.accepted else f"not accepted ({by})"
    told = [text for text in record.refusals if not said_by(text, record.checks)]
    return Iteration(
        number=record.iteration,
        accepted=record.accepted,
        outcome=outcome,
        checks=[Check(end_word(check), check_text(check), clip(check.said, 400)) for check in record.checks],
        counted=counted_checks(record.checks),
        missing=[] if record.accepted else list(dict.fromkeys([*told, *missing(record.verdict)])),
        requirements=required(record.verdict),
        tampering=record.tampering,
        follow_up=record.follow_up,
    )


def files(changes: Sequence[FileChange]) -> Iterator[File]:
    """The changed files with their diffs, until so much of them is shown that no one reads on."""
    left = MAX_DIFF
    for change in changes[:MAX_FILES]:
        size = sum(len(text) + 1 for text in change.lines)
        fits = size <= left
        left -= size if fits else 0
        note = change.note or ("" if fits else f"its diff of {size:,} characters is not shown here")
        pieces = list(_pieces(change.lines)) if fits else []
        yield File(change.path, change.kind, change.added, change.removed, note, pieces)


_KINDS = {"+": "add", "-": "del", "@": "at"}


def _pieces(lines: Sequence[str]) -> Iterator[Piece]:
    for kind, some in groupby(lines, lambda text: _KINDS.get(text[:1], "")):
        yield Piece(kind, "\n".join(some) + "\n")
