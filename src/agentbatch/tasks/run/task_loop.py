"""One task from start to end: coder turn, evidence, evaluation, decision, until it is done."""

import asyncio
import errno
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.files import write_atomic
from agentbatch.model.reply import ModelError
from agentbatch.runs import events as e
from agentbatch.runs.store.history import TaskHistory
from agentbatch.spending.budget import BudgetExhausted
from agentbatch.tasks.coders.builtin.coder import Coder
from agentbatch.tasks.coders.builtin.turn import TurnOutcome, resume_turn, run_turn
from agentbatch.tasks.evaluator.controller import Continue, Done, TaskController
from agentbatch.tasks.evaluator.evaluation import Evaluation, Found
from agentbatch.tasks.evaluator.follow_up import begins_anew, next_prompt
from agentbatch.tasks.evaluator.opening import opening_prompt
from agentbatch.tasks.results.changes import write_changes
from agentbatch.tasks.results.transcript import TRANSCRIPT, trajectory
from agentbatch.tasks.run.context import RunContext
from agentbatch.tasks.run.resume.resumed_task import Resumption, feedback_prompt, resumption_of
from agentbatch.tasks.run.set_up import replay, set_up
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.workspace.files.diff import changes, file_changes
from agentbatch.workspace.shell.processes import to_the_end
from agentbatch.workspace.workspace import Ending, Left, Snapshot, TaskWorkspace

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
"""Nothing is wrong with the task: with room on its disk, it goes on."""

VERIFIED_ALONE = "Verified by its own checks, no evaluator."


def _as_last_evaluation(event: e.VerdictReached) -> str:
    """What the results tell as the last evaluation."""
    if event.verdict is not None:
        return json.dumps(event.verdict, ensure_ascii=False)
    return event.evaluated["failure"] or " ".join(event.refusals) or VERIFIED_ALONE


class EndpointUnusable(Exception):
    """An endpoint refuses everything (key, quota): going on with other tasks is pointless."""


class TaskLoop:
    """One task. `run` emits everything that happens and leaves the task's files."""

    def __init__(self, context: RunContext, planned: PlannedTask, history: TaskHistory | None = None) -> None:
        """`history`: what an earlier session of the run left of this task, which goes on."""
        self.context = context
        self.planned = planned
        self._resumption = resumption_of(history) if history else None
        self._wall_clock: asyncio.Timeout | None = None
        self.cancelled = False
        """Somebody asked for this task's end, not for the run's."""
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
        self._workspace: TaskWorkspace | None = None
        self._judged = True
        """The latest snapshot is that of the latest evaluation: nothing was done since."""
        known = context.store.state.tasks[planned.id]
        self._last_text = known.last_response
        self._last_evaluation = known.last_evaluation

    async def run(self) -> bool:
        """Whether it was completed. Raises EndpointUnusable when the run should stop; every other ending is an
        event."""
        planned, state = self.planned, self.context.store.state.tasks[self.planned.id]
        before = state.seconds_before
        if self._resumption is not None:
            self._emit(e.TaskResumed(task_id=planned.id))
        else:
            self._emit(e.TaskStarted(task_id=planned.id))
        stop_run = ""
        resumable = False
        left = None if planned.timeout is None else max(0.0, planned.timeout - before)
        try:
            async with asyncio.timeout(left) as self._wall_clock:
                done = await self._work(before)
                resumable = done.reason == "interrupted"
        except asyncio.CancelledError:
            done, resumable = self._interrupted(), not self.cancelled
        except ModelError as error:
            done = Done("error", "model_error", str(error))
            stop_run = str(error) if error.kind == "endpoint" else ""
            # Nothing is wrong with the task: with its endpoint back, it goes on.
            resumable = error.kind in ("endpoint", "transient", "rate")
        except BudgetExhausted as error:
            resumable = error.scope == "run"
            done = Done("cancelled" if resumable else "timeout", "budget", str(error))
        except (OSError, UserError) as error:
            if self._wall_clock is not None and self._wall_clock.expired():
                done = Done("timeout", "wall_clock", f"The task ran out of its {planned.timeout:g} seconds.")
            else:
                done = Done("error", "workspace_error", str(error) or type(error).__name__)
                resumable = getattr(error, "errno", None) in DISK_FULL
        # To its end also when cancelled now: without it, the task would stay under way in a run that is over.
        with suppress(asyncio.CancelledError):
            await to_the_end(self._finish(done, resumable))
        if stop_run:
            raise EndpointUnusable(stop_run)
        return done.status == "completed"

    def prolong(self, seconds: float) -> None:
        """The task was held for so long: its time limit moves."""
        when = self._wall_clock.when() if self._wall_clock is not None else None
        if self._wall_clock is not None and when is not None:
            self._wall_clock.reschedule(when + seconds)

    def _interrupted(self) -> Done:
        if self.cancelled:
            return Done("cancelled", "cancelled", "Cancelled by command.")
        return Done("cancelled", "interrupted", self.context.stop_cause())

    async def _work(self, seconds: float) -> Done:
        resumption, self._resumption = self._resumption, None
        workspace = await self.context.open_workspace(self.planned, resume=resumption is not None)
        self._workspace = workspace
        self.planned = self._evaluation.planned = replace(self.planned, root=Path(workspace.info.directory))
        coder = self._coder = await set_up(self.context, workspace, self._evaluation, resumption, seconds)
        self._judged = resumption is None  # what an earlier session has left was not looked at yet
        prompt, anew = "", False
        if resumption is None:
            prompt = self._opening(coder)
        elif not resumption.under_way:
            decision = self._catch_up(resumption)
            if isinstance(decision, Done):
                return decision
            prompt, anew = resumption.prompt or feedback_prompt(resumption), resumption.anew
            resumption = None
        else:
            self._catch_up(resumption)
        while True:
            iteration = self._controller.iteration + 1
            self._judged = False
            if stronger := self.context.escalate(coder, self.planned, iteration):
                text = f"{stronger} goes on with it from iteration {iteration}."
                self._emit(e.Notice(task_id=self.planned.id, text=text, warning=False))
            outcome = resumption.outcome if resumption else None
            if outcome is None:
                outcome = await self._turn(coder, iteration, prompt, anew, resumption)
            resumption = None
            self._last_text = outcome.text
            found = await self._evaluation.run(workspace, coder, outcome)
            decision = self._controller.after_turn(found.evaluated)
            anew = begins_anew(coder, outcome, found)
            prompt = self._report(coder, iteration, outcome, found, decision)
            self._judged = True
            if isinstance(decision, Done):
                return decision
            if self.context.draining():
                return self._interrupted()

    async def _turn(
        self, coder: Coder, iteration: int, prompt: str, anew: bool, resumption: Resumption | None
    ) -> TurnOutcome:
        """A whole turn, or the rest of one."""
        if resumption is not None:
            spent = replace(resumption.spent, task_seconds=coder.seconds())
            outcome = await resume_turn(
                coder, spent, begun=resumption.begun, tools_used=resumption.tools_used
            )
        else:
            self._emit(e.IterationStarted(task_id=self.planned.id, iteration=iteration, prompt=prompt))
            outcome = await run_turn(coder, prompt, anew=anew)
        self._emit(
            e.TurnFinished(
                task_id=self.planned.id,
                iteration=iteration,
                end=outcome.end,
                text=outcome.text,
                circle=outcome.circle or "",
            )
        )
        # The evaluation begins: the turn is not to be repeated.
        self.context.store.flush()
        return outcome

    def _opening(self, coder: Coder) -> str:
        context = self.context
        return opening_prompt(
            context.prompts,
            self.planned.task,
            context.store.redact,
            brief=coder.brief,
            mode=coder.model.tool_mode,
        )

    def _catch_up(self, resumption: Resumption) -> Continue | Done:
        """Know what was known of the iterations that are over; returns what was decided after the last of them."""
        if resumption.verdicts:
            self._last_evaluation = _as_last_evaluation(resumption.verdicts[-1])
        self._last_text = resumption.last_text
        return replay(resumption, self._controller, self._evaluation)

    def _report(
        self, coder: Coder, iteration: int, outcome: TurnOutcome, found: Found, decision: Continue | Done
    ) -> str:
        """Emit the verdict; returns the next prompt, empty when done."""
        verdict, context = found.judgement.verdict, self.context
        follow_up = ""
        if isinstance(decision, Continue):
            follow_up = next_prompt(
                context.prompts,
                self.planned,
                coder,
                outcome,
                found,
                decision,
                judged=context.judged,
                redact=context.store.redact,
            )
        event = e.VerdictReached(
            task_id=self.planned.id,
            iteration=iteration,
            accepted=not found.refusals,
            decided_by=found.decided_by,
            verdict=verdict.model_dump() if verdict else None,
            refusals=found.refusals,
            tampering=found.tampering,
            decision="done" if isinstance(decision, Done) else "continue",
            follow_up=follow_up,
            anew=begins_anew(coder, outcome, found),
            evaluated=found.evaluated.record(),
        )
        self._last_evaluation = _as_last_evaluation(event)
        self._emit(event)
        # The judge's answer is paid for: it is not to be asked again.
        self.context.store.flush()
        return follow_up

    async def _finish(self, done: Done, resumable: bool) -> None:
        """Leave the patch, say that the task has ended, have its transcript written."""
        store, workspace = self.context.store, self._workspace
        evaluation, known = self._evaluation, store.state.tasks[self.planned.id]
        if workspace is not None and not self._judged:
            await evaluation.look(workspace)
        difference = changes(evaluation.before, evaluation.after)
        if difference:
            files = file_changes(evaluation.before, evaluation.after)
            await write_changes(self._patch.parent, files, store.redact)
        left = Left() if workspace is None else await workspace.leave(self._ending(done, resumable))
        self._notify(left.notices)
        self._emit(
            e.TaskFinished(
                task_id=self.planned.id,
                status=done.status,
                reason=done.reason,
                error=store.redact(done.error),
                last_response=self._last_text,
                last_evaluation=self._last_evaluation,
                changed_files=difference.total if self._coder is not None else known.changed_files,
                resumable=resumable,
                branch=left.branch,
            )
        )
        store.flush()
        if workspace is not None:
            self._notify(await workspace.close())
        # Not awaited here: the next task need not wait for it, and run.db has the conversation.
        store.in_background(self._leave_transcript)

    @property
    def _patch(self) -> Path:
        return self.context.store.folder.task(self.planned.id) / "changes.patch"

    def _ending(self, done: Done, resumable: bool) -> Ending:
        planned, run_id = self.planned, self.context.store.folder.run_id
        return Ending(
            completed=done.status == "completed",
            resumable=resumable,
            before=self._evaluation.before,
            after=self._evaluation.after,
            message=f"agentbatch: {planned.id}\n\nRun {run_id}.\n\n{planned.task.first_prompt}\n",
            patch=str(self._patch),
        )

    def _notify(self, notices: Iterable[str]) -> None:
        for text in notices:
            self._emit(e.Notice(task_id=self.planned.id, text=self.context.store.redact(text)))

    def _leave_transcript(self) -> None:
        store = self.context.store
        if self._coder is None and store.state.tasks[self.planned.id].iteration:
            return  # interrupted before it went on: what is there is whole
        messages = self._coder.conversation.messages if self._coder else ()
        text = trajectory(store.state.tasks[self.planned.id], messages)
        write_atomic(store.folder.task(self.planned.id) / TRANSCRIPT, store.redact(text))
