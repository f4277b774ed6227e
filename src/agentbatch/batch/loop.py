"""One task from start to end: coder turn, evidence, evaluation, decision, until it is done."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

from agentbatch.agent.coder import Coder
from agentbatch.agent.evaluator import Evaluator, Judgement
from agentbatch.agent.evidence import Evidence, VerifyResult
from agentbatch.agent.progress import TaskPosition
from agentbatch.agent.turn import TurnEnd, TurnOutcome, run_turn
from agentbatch.agent.verdict import LONGEST_FOLLOW_UP, Facts, refusals, what_is_missing
from agentbatch.batch.context import RunContext
from agentbatch.batch.controller import Continue, Done, Evaluated, TaskController
from agentbatch.batch.plan import PlannedTask
from agentbatch.errors import UserError
from agentbatch.model.reply import ModelError
from agentbatch.store import events as e
from agentbatch.store.documents import put_document, write_document
from agentbatch.store.transcript import trajectory
from agentbatch.workspace.diff import changes, patch
from agentbatch.workspace.protect import Protected, shadowing, test_files
from agentbatch.workspace.snapshot import Snapshot, snapshot

TURN_ENDS: dict[TurnEnd, str] = {
    "finished": "The Coder called `finish`.",
    "text": "The Coder ended its turn with plain text: a question or a report.",
    "stuck": "The Coder repeated the same call with the same result until its turn was ended.",
    "format_errors": "The Coder's replies were empty or malformed until its turn was ended.",
    "step_limit": "The Coder used up its steps before it finished.",
    "token_limit": "The Coder used up its tokens before it finished.",
    "cost_limit": "The Coder used up its money before it finished.",
}

FAILED_ENDS: frozenset[TurnEnd] = frozenset(
    ("stuck", "format_errors", "step_limit", "token_limit", "cost_limit")
)


class EndpointUnusable(Exception):
    """An endpoint refuses everything (key, quota): going on with other tasks is pointless."""


class TaskLoop:
    """One task. `run` emits everything that happens and leaves the task's files."""

    def __init__(self, context: RunContext, planned: PlannedTask) -> None:
        self.context = context
        self.planned = planned
        self._emit = context.store.emit
        self._controller = TaskController(planned.max_iterations)
        self._before = Snapshot({}, False)
        self._after = self._before
        self._missing: list[str] = []
        self._coder: Coder | None = None
        self._judged = True
        """The latest snapshot is that of the latest evaluation: nothing was done since."""
        self._last_text = ""
        self._last_evaluation = ""

    async def run(self) -> None:
        """Raises EndpointUnusable when the run should stop; every other ending is an event."""
        self._emit(e.TaskStarted(task_id=self.planned.id))
        stop_run = ""
        try:
            async with asyncio.timeout(self.planned.timeout) as wall_clock:
                done = await self._work()
        except asyncio.CancelledError:
            done = Done("cancelled", "cancelled", self.context.stop_cause())
        except ModelError as error:
            done = Done("error", "model_error", str(error))
            stop_run = str(error) if error.kind == "endpoint" else ""
        except (OSError, UserError) as error:
            if wall_clock.expired():
                seconds = f"{self.planned.timeout:g}"
                done = Done("timeout", "wall_clock", f"The task ran out of its {seconds} seconds.")
            else:
                done = Done("error", "workspace_error", str(error) or type(error).__name__)
        await self._finish(done)
        if stop_run:
            raise EndpointUnusable(stop_run)

    async def _work(self) -> Done:
        planned = self.planned
        new = not planned.root.exists()
        planned.root.mkdir(parents=True, exist_ok=True)
        workspace = self.context.workspace(planned)
        if not new:
            self._before = self._after = await snapshot(planned.root)
        patterns = planned.task.protected_paths
        protected = await asyncio.to_thread(Protected.capture, planned.root, patterns) if patterns else None
        coder = self.context.make_coder(planned, workspace)
        evaluator = self.context.make_evaluator(planned)
        self._coder = coder
        prompt = planned.task.first_prompt
        while True:
            iteration = self._controller.iteration + 1
            self._emit(e.IterationStarted(task_id=planned.id, iteration=iteration, prompt=prompt))
            self._judged = False
            outcome = await run_turn(coder, prompt)
            self._last_text = outcome.text
            found = await self._evaluate(coder, evaluator, outcome, protected)
            decision = self._controller.after_turn(found.evaluated)
            prompt = self._report(iteration, found, decision)
            self._judged = True
            if isinstance(decision, Done):
                return decision
            if self.context.draining():
                return Done("cancelled", "cancelled", self.context.stop_cause())

    async def _evaluate(
        self, coder: Coder, evaluator: Evaluator, outcome: TurnOutcome, protected: Protected | None
    ) -> "_Found":
        planned = self.planned
        restored = await asyncio.to_thread(protected.restore, planned.root) if protected else []
        self._after = await snapshot(planned.root, self._after)
        difference = changes(self._before, self._after)
        touched = (*difference.added, *difference.modified, *difference.deleted)
        ours = [path for path in touched if self._is_ours(planned.root / path)]
        suspicious = [*test_files((*difference.modified, *difference.deleted)), *shadowing(difference.added)]
        tampering = sorted({*restored, *ours, *suspicious})
        verify = await evaluator.verify(planned.task.verify, coder.workspace.shell)
        failed = next((result for result in verify if not result.passed), None)
        facts = Facts(
            nothing_happened=not difference and not coder.active,
            coder_failure=TURN_ENDS[outcome.end] if outcome.end in FAILED_ENDS else "",
            verify_failure=f"The check `{failed.command}` failed: {failed.end}." if failed else "",
        )
        if facts.nothing_happened and not outcome.text:
            judgement = Judgement(None)  # There is nothing to judge and no question to answer.
        else:
            judgement = await evaluator.judge(
                Evidence(
                    iteration=self._controller.iteration + 1,
                    max_iterations=planned.max_iterations,
                    task=planned.task.first_prompt,
                    before=self._before,
                    after=self._after,
                    commands=coder.commands,
                    verify=verify,
                    tampering=tampering,
                    missing_before=self._missing,
                    turn_end=TURN_ENDS[outcome.end],
                    claim=outcome.text,
                )
            )
        return _Found.of(judgement, facts, failed, tampering, self._after.digest)

    def _is_ours(self, path: Path) -> bool:
        return any(path.is_relative_to(own) for own in self.context.own_files)

    def _report(self, iteration: int, found: "_Found", decision: Continue | Done) -> str:
        """Emit the verdict; returns the next prompt, empty when done."""
        verdict = found.judgement.verdict
        follow_up = ""
        if isinstance(decision, Continue):
            follow_up = self.context.prompts.render(
                "follow_up.md",
                kind=decision.kind,
                follow_up=verdict.follow_up_prompt.strip()[:LONGEST_FOLLOW_UP] if verdict else "",
                missing=found.missing,
                verify_failed=found.failed_verify is not None,
                verify_command=found.failed_verify.command if found.failed_verify else "",
                verify_tail=found.failed_verify.tail if found.failed_verify else "",
                verify_end=found.failed_verify.end if found.failed_verify else "",
            )
        self._missing = found.missing
        self._last_evaluation = (
            json.dumps(verdict.model_dump(), ensure_ascii=False)
            if verdict
            else found.judgement.failure or " ".join(found.refusals)
        )
        self._emit(
            e.VerdictReached(
                task_id=self.planned.id,
                iteration=iteration,
                accepted=not found.refusals,
                verdict=verdict.model_dump() if verdict else None,
                refusals=found.refusals,
                tampering=found.tampering,
                decision="done" if isinstance(decision, Done) else "continue",
                follow_up=follow_up,
            )
        )
        return follow_up

    async def _finish(self, done: Done) -> None:
        """Leave the patch, say that the task has ended, have its transcript written."""
        store = self.context.store
        if not self._judged:
            self._after = await snapshot(self.planned.root, self._after)
        difference = changes(self._before, self._after)
        if difference:
            text = store.redact(patch(self._before, self._after))
            await write_document(store.folder.task(self.planned.id) / "changes.patch", text)
        self._emit(
            e.TaskFinished(
                task_id=self.planned.id,
                status=done.status,
                reason=done.reason,
                error=store.redact(done.error),
                last_response=self._last_text,
                last_evaluation=self._last_evaluation,
                changed_files=difference.total,
            )
        )
        # Not awaited here: the next task need not wait for it, and run.db has the conversation.
        store.in_background(self._leave_transcript)

    def _leave_transcript(self) -> None:
        store = self.context.store
        messages = self._coder.conversation.messages if self._coder else ()
        text = trajectory(store.state.tasks[self.planned.id], messages)
        put_document(store.folder.task(self.planned.id) / "coder.traj.json", store.redact(text))


@dataclass(frozen=True)
class _Found:
    """All that an evaluation found."""

    judgement: Judgement
    evaluated: Evaluated
    refusals: list[str]
    missing: list[str]
    tampering: list[str]
    failed_verify: VerifyResult | None

    @classmethod
    def of(
        cls,
        judgement: Judgement,
        facts: Facts,
        failed_verify: VerifyResult | None,
        tampering: list[str],
        digest: str,
    ) -> "_Found":
        verdict = judgement.verdict
        facts = Facts(
            facts.nothing_happened, facts.coder_failure, facts.verify_failure, unjudged=judgement.failure
        )
        refused = refusals(verdict, facts)
        missing = what_is_missing(verdict)
        unmet = [*missing, *((failed_verify.command,) if failed_verify else ())]
        evaluated = Evaluated(
            position=TaskPosition.of(digest, unmet),
            refusals=tuple(refused),
            judged=verdict is not None,
            blocked=verdict is not None and verdict.blocked,
            failure=judgement.failure,
        )
        return cls(judgement, evaluated, refused, missing, tampering, failed_verify)
