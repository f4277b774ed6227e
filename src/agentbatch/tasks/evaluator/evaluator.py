"""The door to whatever decides: all that the task loop knows of an evaluator.

After each turn of the coder the loop restores protected files, looks at the directory, and hands over what there is to
see; the evaluator answers with what it found and with what comes next: another iteration and its prompt, or the end.
Everything that decides is behind this file: which checks run, whether a model judges, what counts as accepted, when a
task is given up, what the coder is asked next. `builtin.py` (gates, verify commands, a judge) is the first
implementation.

What it found is stored as a VerdictReached event. An evaluator that needs more than that for its next decision puts it
into `Found.record`; a resumed task gives the stored events back to `restore`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from agentbatch.runs.events import CheckLine, DecidedBy, FinalStatus, Reason, VerdictReached
from agentbatch.tasks.agents.project import Project
from agentbatch.tasks.coders.coder import PromptStyle, TurnOutcome, WorkLog
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.workspace.workspace import Protected, Snapshot, Workspace


@dataclass(frozen=True)
class Start:
    """A task at its beginning, or at the beginning of a later session of its run."""

    task: PlannedTask
    """With the directory that is worked in as its `root`."""
    workspace: Workspace
    """The loop's own: checks run there, whatever the coder did to its own processes."""
    before: Snapshot
    """The directory when the task began."""
    protected: Protected | None = None
    """Files that are put back before each check."""
    project: Project = field(default_factory=Project)
    """What the project asks of the work, and what the task gives with it."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """What `prepare` gave in an earlier session of the run; empty: it was not called, or had nothing to keep."""


@dataclass(frozen=True)
class Prepared:
    """What the work will be checked by, known before it begins."""

    runs_work: bool
    """Checks that bind will run the work after each turn: the coder need not run it to know."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """JSON: what a later session of the run gets in `Start.record`."""


class TurnEvidence(NamedTuple):
    """One iteration, as the loop saw it."""

    iteration: int
    """From 1."""
    outcome: TurnOutcome
    work: WorkLog
    style: PromptStyle
    """For whom the next prompt is."""
    before: Snapshot
    """The directory when the task began."""
    after: Snapshot
    """As the turn left it, protected files restored."""
    restored: tuple[str, ...] = ()
    """Protected paths that had been changed."""
    said: tuple[str, ...] = ()
    """What the user has said since the task was written: it asks for it as well."""


class Continue(NamedTuple):
    """Another iteration."""

    prompt: str
    fresh: bool = False
    """The prompt opens a new conversation."""


class Done(NamedTuple):
    """The task is over."""

    status: FinalStatus
    reason: Reason
    error: str = ""
    """Why, as a sentence; empty when accepted."""


Decision = Continue | Done


class CheckOutcome(NamedTuple):
    """What one check gave on the work of one attempt."""

    check: str
    """What is tried, in words or as it is."""
    passed: bool | None
    """None: nothing can be told."""
    gave: str = ""
    """What came of it, where that says more: a value."""


class EvaluatorRecord(NamedTuple):
    """What an attempt's evaluator has left: `Prepared.record`, and `Found.record` of its latest evaluation."""

    prepared: Mapping[str, Any]
    found: Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """What an evaluation found, and what follows from it. Texts are without keys."""

    decision: Decision
    decided_by: DecidedBy
    refusals: tuple[str, ...] = ()
    """Why the work is not accepted, a sentence each; empty: it is."""
    verdict: Mapping[str, Any] | None = None
    """The judge's answer; None when no judge was asked, or it gave none that is valid."""
    tampering: tuple[str, ...] = ()
    """Changed test files and restored protected paths."""
    checks: tuple[CheckLine, ...] = ()
    """The checks that ran, in order."""
    after: Snapshot | None = None
    """The directory as it was judged, after all checks; None: as the evidence had it. Nothing else is kept."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """JSON: what `restore` needs of it beyond the rest."""

    def event(self, task_id: str, iteration: int) -> VerdictReached:
        """As it is stored."""
        goes_on = isinstance(self.decision, Continue)
        return VerdictReached(
            task_id=task_id,
            iteration=iteration,
            accepted=not self.refusals,
            decided_by=self.decided_by,
            verdict=None if self.verdict is None else dict(self.verdict),
            refusals=list(self.refusals),
            tampering=list(self.tampering),
            checks=list(self.checks),
            decision="continue" if goes_on else "done",
            follow_up=self.decision.prompt if isinstance(self.decision, Continue) else "",
            anew=isinstance(self.decision, Continue) and self.decision.fresh,
            evaluated=dict(self.record),
            judged=self.after.digest if self.after is not None else "",
        )


class Evaluator(Protocol):
    """One task's evaluator. Errors that end the task: ModelError, BudgetExhausted, UserError, OSError."""

    async def prepare(self, start: Start) -> Prepared:
        """Once, before the coder's first turn of this session of the run."""
        ...

    def opening(self, style: PromptStyle) -> str:
        """The coder's first prompt: the task, and what its work is checked by."""
        ...

    def restore(self, verdicts: Sequence[VerdictReached]) -> Decision:
        """Know what was found in earlier sessions of the run, oldest first; returns what follows from the latest,
        by today's limits."""
        ...

    async def compare(
        self, before: Snapshot, after: Snapshot, known: Sequence[EvaluatorRecord]
    ) -> Sequence[CheckOutcome]:
        """Try the work as it is in this task's checks and those that were prepared for the other attempts at it
        (`known`, of all, in the same order for each): the same list of checks for each attempt. No model is asked, and
        nothing of it is kept in the directory. After `prepare`."""
        ...

    async def evaluate(self, evidence: TurnEvidence) -> Found:
        """Decide about one iteration. Nothing of the coder's words becomes a command or a decision by itself."""
        ...


class Evaluators(Protocol):
    """One kind of evaluator in one run."""

    @property
    def tools(self) -> tuple[str, ...]:
        """Those that it uses itself, in copies of the workspace; whoever the coder is."""
        ...

    def make(self, task: PlannedTask) -> Evaluator:
        """The evaluator of one task; nothing is spent yet."""
        ...
