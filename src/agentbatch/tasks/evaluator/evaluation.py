"""One iteration's evaluation: gates, the task's own checks, the judge where one is needed, and what they found."""

from dataclasses import dataclass, replace
from pathlib import Path

from agentbatch.runs.events import DecidedBy
from agentbatch.tasks.coders.builtin.coder import Coder
from agentbatch.tasks.coders.builtin.loops import Pattern
from agentbatch.tasks.coders.builtin.turn import TurnEnd, TurnOutcome
from agentbatch.tasks.evaluator.controller import Evaluated, TaskController
from agentbatch.tasks.evaluator.evidence import Evidence, VerifyResult
from agentbatch.tasks.evaluator.judge import Evaluator, Judgement
from agentbatch.tasks.evaluator.progress import TaskPosition
from agentbatch.tasks.evaluator.verdict import Facts, refusals, what_is_missing
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.workspace.files.diff import changes
from agentbatch.workspace.files.protect import shadowing, test_files
from agentbatch.workspace.workspace import Protected, Snapshot, Workspace

CIRCLES: dict[Pattern, str] = {
    "failing_command": "ran the same failing command again and again",
    "failing_edit": "tried the same failing edit again and again",
    "same_content": "wrote a file with what it held already, again and again",
    "back_and_forth": "switched a file back and forth between the same contents",
    "repeat": "repeated the same call with the same result",
}
"""What the coder did until its turn was ended, after `The Coder` or `you`."""

TURN_ENDS: dict[TurnEnd, str] = {
    "finished": "The Coder called `finish`.",
    "text": "The Coder ended its turn with plain text: a question or a report.",
    "stuck": "The Coder went in circles until its turn was ended.",
    "format_errors": "The Coder's replies were empty or malformed until its turn was ended.",
    "step_limit": "The Coder used up its steps before it finished.",
    "token_limit": "The Coder used up its tokens before it finished.",
    "cost_limit": "The Coder used up its money before it finished.",
}

FAILED_ENDS: frozenset[TurnEnd] = frozenset(
    ("stuck", "format_errors", "step_limit", "token_limit", "cost_limit")
)


def turn_end(outcome: TurnOutcome) -> str:
    """How the turn ended, as a sentence without a word of the model's."""
    if outcome.circle is not None:
        return f"The Coder {CIRCLES[outcome.circle]} until its turn was ended."
    return TURN_ENDS[outcome.end]


@dataclass(frozen=True)
class Found:
    """All that an evaluation found."""

    judgement: Judgement
    evaluated: Evaluated
    decided_by: DecidedBy
    refusals: list[str]
    missing: list[str]
    tampering: list[str]
    failed_check: VerifyResult | None


@dataclass
class Evaluation:
    """A task's evaluations. `before` and `after` are the directory when the task began and as it was seen last."""

    planned: PlannedTask
    evaluator: Evaluator
    controller: TaskController
    own_files: tuple[Path, ...]
    """What agentbatch itself reads; a change of these is reported."""
    before: Snapshot
    after: Snapshot
    protected: Protected | None = None
    missing: tuple[str, ...] = ()
    """By the latest verdict."""

    async def look(self, workspace: Workspace) -> None:
        """See the directory as it is now."""
        self.after = await workspace.snapshot(self.after)

    async def run(self, workspace: Workspace, coder: Coder, outcome: TurnOutcome) -> Found:
        """Evaluate what the turn has left in the workspace."""
        planned = self.planned
        restored = await workspace.restore(self.protected) if self.protected else []
        await self.look(workspace)
        difference = changes(self.before, self.after)
        touched = (*difference.added, *difference.modified, *difference.deleted)
        ours = [path for path in touched if self._is_ours(planned.root / path)]
        suspicious = [*test_files((*difference.modified, *difference.deleted)), *shadowing(difference.added)]
        tampering = sorted({*restored, *ours, *suspicious})
        verify = await self.evaluator.verify(planned.task.verify, workspace)
        failed = next((result for result in verify if not result.passed), None)
        facts = Facts(
            nothing_happened=not difference and not coder.active,
            coder_failure=turn_end(outcome) if outcome.end in FAILED_ENDS else "",
            verify_failure=f"The check `{failed.command}` failed: {failed.end}." if failed else "",
            checks_decide=self.evaluator.model is None and bool(verify),
        )
        decided_by = self._decided_by(facts, failed, outcome)
        judgement = Judgement(None)
        if decided_by == "judge":
            evidence = Evidence(
                iteration=self.controller.iteration + 1,
                max_iterations=planned.max_iterations,
                task=planned.task.first_prompt,
                before=self.before,
                after=self.after,
                commands=coder.commands,
                verify=verify,
                tampering=tampering,
                missing_before=self.missing,
                turn_end=turn_end(outcome),
                claim=outcome.text,
            )
            judgement = await self.evaluator.judge(evidence)
        return self._found(judgement, facts, decided_by, failed, tampering, outcome)

    def _decided_by(self, facts: Facts, failed: VerifyResult | None, outcome: TurnOutcome) -> DecidedBy:
        if self.evaluator.model is None:
            return "verify"
        in_order = outcome.end == "finished"
        if failed is not None and in_order and not self.controller.judge_is_needed(failed.command):
            return "verify"
        if facts.nothing_happened and not outcome.text:
            return "gates"  # There is nothing to judge and no question to answer.
        return "judge"

    def _found(
        self,
        judgement: Judgement,
        facts: Facts,
        decided_by: DecidedBy,
        failed: VerifyResult | None,
        tampering: list[str],
        outcome: TurnOutcome,
    ) -> Found:
        verdict = judgement.verdict
        refused = refusals(verdict, replace(facts, unjudged=judgement.failure))
        missing = what_is_missing(verdict)
        if verdict is not None:
            self.missing = tuple(missing)
        evaluated = Evaluated(
            # While a check fails, it is what is missing, in whatever words a judge puts it.
            position=TaskPosition.of(self.after.digest, [failed.command] if failed else missing),
            refusals=tuple(refused),
            judged=verdict is not None,
            blocked=verdict is not None and verdict.blocked,
            failure=judgement.failure,
            failed_check=failed.command if failed else "",
            stuck=outcome.end == "stuck",
        )
        return Found(judgement, evaluated, decided_by, refused, missing, tampering, failed)

    def _is_ours(self, path: Path) -> bool:
        return any(path.is_relative_to(own) for own in self.own_files)
