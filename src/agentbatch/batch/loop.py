"""One task from start to end: coder turn, evidence, evaluation, decision, until it is done."""

import asyncio
import json
from collections.abc import Mapping

from agentbatch.agent.coder import Coder
from agentbatch.agent.shorten import last_lines, shortened
from agentbatch.agent.turn import TurnOutcome, run_turn
from agentbatch.agent.verdict import LONGEST_FOLLOW_UP
from agentbatch.batch.context import RunContext
from agentbatch.batch.controller import Continue, Done, TaskController
from agentbatch.batch.evaluation import CIRCLES, Evaluation, Found
from agentbatch.batch.opening import opening_anew, opening_prompt
from agentbatch.batch.plan import PlannedTask
from agentbatch.errors import UserError
from agentbatch.model.reply import ModelError
from agentbatch.store import events as e
from agentbatch.store.documents import put_document, write_document
from agentbatch.store.transcript import trajectory
from agentbatch.workspace.diff import changes, patch
from agentbatch.workspace.protect import Protected
from agentbatch.workspace.snapshot import Snapshot

CHECK_LINES = 25
CHECK_CHARACTERS = 1500
"""Of a failed check's output, its end, as the coder is shown it."""
LONGEST_CHECK = 600
"""Characters of a check's command that the coder is shown."""
MOST_MISSING = 8
LONGEST_MISSING = 300
"""Characters of one thing that is missing, as the coder is told it."""

VERIFIED_ALONE = "Verified by its own checks, no evaluator."


def begins_anew(coder: Coder, outcome: TurnOutcome, found: Found) -> bool:
    """Whether the next turn opens a new conversation: a small model whose check failed repeats what it finds in its
    old one (measured: docs/models.md). A question gets its answer where it was asked."""
    return coder.brief and found.failed_check is not None and outcome.end != "text"


class EndpointUnusable(Exception):
    """An endpoint refuses everything (key, quota): going on with other tasks is pointless."""


class TaskLoop:
    """One task. `run` emits everything that happens and leaves the task's files."""

    def __init__(self, context: RunContext, planned: PlannedTask) -> None:
        self.context = context
        self.planned = planned
        self._emit = context.store.emit
        self._controller = TaskController(
            planned.max_iterations, context.evaluator_definition.limits.unjudged_failed_checks
        )
        empty = Snapshot({}, False)
        self._evaluation = Evaluation(
            planned,
            context.make_evaluator(planned),
            self._controller,
            context.own_files,
            before=empty,
            after=empty,
        )
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
        evaluation = self._evaluation
        if not new:
            await evaluation.look()
            evaluation.before = evaluation.after
        patterns = planned.task.protected_paths
        if patterns:
            evaluation.protected = await asyncio.to_thread(Protected.capture, planned.root, patterns)
        coder = self.context.make_coder(planned, workspace)
        self._coder = coder
        context = self.context
        prompt = opening_prompt(
            context.prompts, planned.task, context.store.redact, brief=coder.brief, mode=coder.model.tool_mode
        )
        anew = False
        while True:
            iteration = self._controller.iteration + 1
            self._emit(e.IterationStarted(task_id=planned.id, iteration=iteration, prompt=prompt))
            self._judged = False
            outcome = await run_turn(coder, prompt, anew=anew)
            self._last_text = outcome.text
            found = await evaluation.run(coder, outcome)
            decision = self._controller.after_turn(found.evaluated)
            anew = begins_anew(coder, outcome, found)
            prompt = self._report(coder, iteration, outcome, found, decision)
            self._judged = True
            if isinstance(decision, Done):
                return decision
            if self.context.draining():
                return Done("cancelled", "cancelled", self.context.stop_cause())

    def _report(
        self, coder: Coder, iteration: int, outcome: TurnOutcome, found: Found, decision: Continue | Done
    ) -> str:
        """Emit the verdict; returns the next prompt, empty when done."""
        verdict = found.judgement.verdict
        follow_up = ""
        if isinstance(decision, Continue):
            failed = found.failed_check
            if failed is not None and begins_anew(coder, outcome, found):
                said = found.judgement.verdict.follow_up_prompt if found.judgement.verdict else ""
                follow_up = opening_anew(
                    self.context.prompts,
                    self.planned.task,
                    self.context.store.redact,
                    failed,
                    said,
                    str(self.planned.root),
                    coder.model.tool_mode,
                )
            else:
                follow_up = self._follow_up(outcome, found, decision, coder.words)
        if verdict:
            self._last_evaluation = json.dumps(verdict.model_dump(), ensure_ascii=False)
        else:
            self._last_evaluation = found.judgement.failure or " ".join(found.refusals) or VERIFIED_ALONE
        self._emit(
            e.VerdictReached(
                task_id=self.planned.id,
                iteration=iteration,
                accepted=not found.refusals,
                decided_by=found.decided_by,
                verdict=verdict.model_dump() if verdict else None,
                refusals=found.refusals,
                tampering=found.tampering,
                decision="done" if isinstance(decision, Done) else "continue",
                follow_up=follow_up,
            )
        )
        return follow_up

    def _follow_up(
        self, outcome: TurnOutcome, found: Found, decision: Continue, words: Mapping[str, str]
    ) -> str:
        """The coder's next prompt."""
        verdict, failed = found.judgement.verdict, found.failed_check
        return self.context.prompts.render(
            "follow_up.md",
            kind=decision.kind,
            follow_up=verdict.follow_up_prompt.strip()[:LONGEST_FOLLOW_UP] if verdict else "",
            missing=[shortened(item, LONGEST_MISSING) for item in found.missing[:MOST_MISSING]],
            verify_failed=failed is not None,
            verify_command=shortened(failed.command, LONGEST_CHECK) if failed else "",
            verify_tail=last_lines(failed.tail, CHECK_LINES, CHECK_CHARACTERS) if failed else "",
            verify_end=failed.end if failed else "",
            question=outcome.end == "text" and not self.context.judged,
            words=words,
            circles=CIRCLES[outcome.circle] if outcome.circle else "",
        )

    async def _finish(self, done: Done) -> None:
        """Leave the patch, say that the task has ended, have its transcript written."""
        store = self.context.store
        evaluation = self._evaluation
        if not self._judged:
            await evaluation.look()
        difference = changes(evaluation.before, evaluation.after)
        if difference:
            text = store.redact(patch(evaluation.before, evaluation.after))
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
