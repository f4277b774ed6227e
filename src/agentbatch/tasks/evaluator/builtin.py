"""The evaluator behind the door of evaluator.py: gates, the task's own checks, the judge where one is needed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from agentbatch.runs.events import CheckLine, DecidedBy, VerdictReached
from agentbatch.runs.verdict_words import why_not
from agentbatch.tasks.agents.project import Project
from agentbatch.tasks.agents.role_models import RunParts
from agentbatch.tasks.coders.coder import PromptStyle
from agentbatch.tasks.evaluator.checks.check import (
    CheckResult,
    CheckRunner,
    Work,
)
from agentbatch.tasks.evaluator.checks.own.own_checks import OwnChecks, lost_line, speaks_against
from agentbatch.tasks.evaluator.checks.round import Round
from agentbatch.tasks.evaluator.checks.sources import Checks
from agentbatch.tasks.evaluator.coder_prompts import (
    feedback_prompt,
    follow_up_prompt,
    fresh_prompt,
    opening_prompt,
)
from agentbatch.tasks.evaluator.controller import Evaluated, FollowUpKind, TaskController, TaskPosition
from agentbatch.tasks.evaluator.evaluator import (
    CheckOutcome,
    Continue,
    Decision,
    Done,
    EvaluatorRecord,
    Found,
    Prepared,
    Start,
    TurnEvidence,
)
from agentbatch.tasks.evaluator.judging.evidence.evidence import Evidence
from agentbatch.tasks.evaluator.judging.evidence.gathering import gathered
from agentbatch.tasks.evaluator.judging.hands import Hands, look_line
from agentbatch.tasks.evaluator.judging.judge import Judge
from agentbatch.tasks.evaluator.judging.judgement import Judgement
from agentbatch.tasks.evaluator.judging.proof import known, own_failure, proven
from agentbatch.tasks.evaluator.judging.standing_in import vouched_for
from agentbatch.tasks.evaluator.judging.unrun import Unrun
from agentbatch.tasks.evaluator.judging.verdict import (
    Facts,
    judges_fault,
    refusals,
    what_is_missing,
)
from agentbatch.tasks.results.verdict import Verdict
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.workspace.workspace import Snapshot

OWN = "own"
"""Names the evaluator's own checks in what is recorded."""
OUTPUTS = "outputs"
"""Names there the files that checks have made."""


class BuiltinEvaluator:
    """One task's evaluator; see `Evaluator`."""

    def __init__(
        self,
        parts: RunParts,
        planned: PlannedTask,
        judge: Judge | None,
        checks: Checks,
        own: OwnChecks | None,
    ) -> None:
        """`judge` None: no model judges, the task's own checks decide. `own`: those of `checks` that the evaluator
        writes itself, if it does."""
        limits = parts.evaluator.limits
        self.judge = judge
        self._parts = parts
        self._planned = planned
        self._checks = checks
        self._own = own
        self._runner: CheckRunner | None = None
        self._controller = TaskController(planned.max_iterations, limits.unjudged_failed_checks)
        self._project = Project()
        self._missing: tuple[str, ...] = ()
        """By the latest verdict."""
        self._told_of_servers: set[str] = set()
        self._conversations = 0
        """How often the coder began a new one."""

    async def prepare(self, start: Start) -> Prepared:
        store = self._parts.store
        self._planned, self._project = start.task, start.project
        self._runner = CheckRunner(start.task.id, store.emit, store.redact, start.workspace, start.protected)
        record = await self._checks.prepare(start, self._runner)
        return Prepared(self._checks.runs_work, record)

    def opening(self, style: PromptStyle) -> str:
        prompts, task, redact = self._parts.prompts, self._planned.task, self._parts.store.redact
        return opening_prompt(prompts, task, redact, style, checked=self._checks.runs_work)

    def restore(self, verdicts: Sequence[VerdictReached]) -> Decision:
        follows: FollowUpKind | Done = "follow_up"
        for event in verdicts:
            record = dict(event.evaluated)
            self._conversations += event.anew
            if self._own is not None:
                self._own.restore(record.get(OWN) or {})
            self._checks.restore(record.get(OUTPUTS) or {})
            follows = self._controller.after_turn(Evaluated.of(record))
            if event.verdict is not None:
                self._missing = tuple(what_is_missing(Verdict.model_validate(event.verdict)))
        if isinstance(follows, Done) or not verdicts:
            return follows if isinstance(follows, Done) else Continue("")
        latest = verdicts[-1]
        return Continue(latest.follow_up or feedback_prompt(latest), latest.anew)

    async def evaluate(self, evidence: TurnEvidence) -> Found:
        work = Work(evidence.iteration, evidence.before, evidence.after, self._running(), self._conversations)
        checked = await self._checks.run(work)
        own_files, tampered = self._parts.own_files, work.runner.tampered
        question = gathered(
            evidence, checked, self._planned, own_files, tampered, self._missing, self._project.files
        )
        settings = self._parts.evaluator.checks
        unrun = Unrun(work.runner, self.judge is not None, settings.discover, settings.timeout)
        checked, question = await unrun.load(checked, question)
        facts = known(evidence, checked, checks_decide=self._checks_decide(question))
        judge = self._needed_judge(facts, checked.failed, evidence)
        judgement, looks = Judgement(None), list[CheckLine]()
        if isinstance(judge, Judge):
            judgement, question = await self._judged(judge, question)
            looks = [look_line(run) for run in question.runs]
            checked, loaded = await unrun.load_instead(judgement, checked, question)
            facts = known(evidence, checked, checks_decide=facts.checks_decide)
            facts = proven(facts, judgement, question, loaded=loaded)
        verdict, results = judgement.verdict, checked.results
        if verdict is not None and self._own is not None:
            results = await self._own.rule(verdict.checks, results, replace(work, after=checked.after))
        failed, against = checked.failed, speaks_against(results)
        facts = replace(facts, own_failure=own_failure(against) if against and against is not failed else "")
        lines = [result.line for result in results]
        evaluated = self._evaluated(evidence, checked, judgement, facts, lines)
        missing = what_is_missing(verdict, facts)
        if verdict is not None:
            self._missing = tuple(missing)
        follows = self._controller.after_turn(evaluated)
        return Found(
            decision=follows
            if isinstance(follows, Done)
            else self._next(follows, evidence, verdict, failed or against, missing),
            decided_by="judge" if isinstance(judge, Judge) else judge,
            refusals=evaluated.refusals,
            verdict=verdict.model_dump() if verdict else None,
            tampering=tuple(question.tampering),
            checks=(*lines, *unrun.lines, *looks, *lost_line(self._own)),
            after=checked.after,
            record=self._record(evaluated),
        )

    async def compare(
        self, before: Snapshot, after: Snapshot, known: Sequence[EvaluatorRecord]
    ) -> Sequence[CheckOutcome]:
        work = Work(1, before, after, self._running().silent())
        tried = [*await self._checks.tried(work)]
        if self._own is not None:
            own = [{**one.prepared.get(OWN, {}), **one.found.get(OWN, {})} for one in known]
            tried += await self._own.tried(own, work)
        return tried

    def _checks_decide(self, question: Evidence) -> bool:
        if self.judge is None:
            return any(check.kind == "verify" for check in question.checks)
        # Checks that were there before know nothing of what was said since.
        return self.judge.weak_model and not question.said and vouched_for(question)

    def _evaluated(
        self,
        evidence: TurnEvidence,
        checked: Round,
        judgement: Judgement,
        facts: Facts,
        lines: Sequence[CheckLine],
    ) -> Evaluated:
        verdict, failed = judgement.verdict, checked.failed
        fault = judges_fault(verdict, facts)
        missing = [failed.command] if failed else what_is_missing(verdict, facts)
        against = (fault,) if fault else tuple(refusals(verdict, facts))
        return Evaluated(
            # While a check fails, it is what is missing, in whatever words a judge puts it.
            position=TaskPosition.of(self._checks.digest(checked.after), missing),
            refusals=against,
            judged=verdict is not None and not fault,
            blocked=verdict is not None and verdict.blocked,
            failure=judgement.failure or fault,
            failed_check=failed.command if failed else "",
            stuck=evidence.outcome.end == "stuck",
            why=fault or why_not(verdict.model_dump() if verdict else None, lines, against),
        )

    async def _judged(self, judge: Judge, evidence: Evidence) -> tuple[Judgement, Evidence]:
        """A judgement, and the evidence with what the judge has run itself."""
        steps = self._parts.evaluator.limits.steps
        if judge.weak_model or not steps or judge.model.tool_mode != "native":
            return await judge.judge(evidence), evidence
        hands = Hands(self._running(), steps, evidence.runs, self._planned.servers, self._told_of_servers)
        try:
            judgement = await judge.judge(evidence, hands)
        finally:
            await hands.close()
        return judgement, replace(evidence, runs=tuple(hands.runs))

    def _record(self, evaluated: Evaluated) -> Mapping[str, Any]:
        """What `restore` needs of one iteration."""
        own = self._own.state() if self._own is not None else {}
        more = {OWN: dict(own), OUTPUTS: self._checks.record}
        return {**evaluated.record(), **{name: state for name, state in more.items() if state}}

    def _running(self) -> CheckRunner:
        if self._runner is None:
            raise RuntimeError("evaluate() before prepare()")
        return self._runner

    def _needed_judge(
        self, facts: Facts, failed: CheckResult | None, evidence: TurnEvidence
    ) -> "Judge | DecidedBy":
        """The judge, where one is to be asked; else what decides without it."""
        by_check: DecidedBy = "verify" if failed is None or failed.kind == "verify" else "checks"
        if self.judge is None:
            return by_check
        in_order = evidence.outcome.end == "finished"
        if failed and in_order and not self._controller.judge_is_needed(failed.command, evidence.iteration):
            return by_check
        if facts.nothing_happened and not evidence.outcome.text:
            return "gates"  # There is nothing to judge and no question to answer.
        if facts.checks_decide:
            return "checks"
        return self.judge

    def _next(
        self,
        kind: FollowUpKind,
        evidence: TurnEvidence,
        verdict: Verdict | None,
        failed: CheckResult | None,
        missing: Sequence[str],
    ) -> Continue:
        """The next iteration's prompt. After a failed check a weak model gets a new conversation: it repeats what it
        finds in its old one (measured: docs/models.md). So does any model that gives the same program again against
        values of a small evaluator's: what it gives without having seen that one tells which of them is wrong. A
        question is answered where it was asked."""
        parts, style, outcome = self._parts, evidence.style, evidence.outcome
        apart = failed is not None and failed.kind == "own" and failed.binding and kind == "change_approach"
        if failed is not None and (style.weak_model or apart) and outcome.end != "text":
            task, root = self._planned.task, str(self._planned.root)
            text = fresh_prompt(
                parts.prompts,
                task,
                parts.store.redact,
                style,
                failed,
                root,
                verdict,
                checked=self._checks.runs_work,
            )
            self._conversations += 1
            return Continue(text, fresh=True)
        judged = self.judge is not None
        text = follow_up_prompt(parts.prompts, style, outcome, kind, verdict, failed, missing, judged=judged)
        return Continue(text)
